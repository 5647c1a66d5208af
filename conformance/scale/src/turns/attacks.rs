//! The attacks: what each of them opens, and does again and again.

mod archive;

use std::time::Instant;

use sockeye_load::engine::Purpose;

use super::stage::{BATCH, CROWD, Stage, address, batch, get};
use crate::Failure;
use crate::checks::Checks;
use crate::line::{masked, upgrade};
use crate::probe::Ended;
use crate::world::{SUBPROTOCOL, web_socket};

/// Bytes without a protocol: the attacker only counts them.
pub(crate) const BARE: Purpose = Purpose::Bare(1 << 20);

/// An attack from many connections.
pub(crate) trait Attack {
    /// Its name.
    fn name(&self) -> &'static str;

    /// Milliseconds between two beats.
    fn interval_ms(&self) -> u64;

    /// Fills channels and opens connections.
    fn prepare(&mut self, stage: &mut Stage) -> Result<(), Failure>;

    /// Does it once more.
    fn beat(&mut self, stage: &mut Stage) -> Result<(), Failure>;

    /// How often the server has answered so far, or what it has done instead.
    fn done(&self, stage: &Stage) -> Result<(u64, &'static str), Failure>;

    /// How often it has to, at the least, in so many seconds.
    fn least(&self, seconds: u64) -> u64;

    /// The same beside all other attacks, whose addresses have their parts of the loop, too.
    fn least_in_company(&self, seconds: u64) -> u64 {
        self.least(seconds)
    }

    /// Checks what else it can tell.
    fn judge(&self, _: &Stage, _: &mut Checks) {}
}

/// All of them. `ping_rate` bounds the pings, in bytes a microsecond.
pub(crate) fn all(ping_rate: u128) -> Vec<Box<dyn Attack>> {
    vec![
        Box::new(Polls::default()),
        Box::new(Patterns { users: 1, ..Patterns::default() }),
        Box::new(Patterns { users: 5, ..Patterns::default() }),
        Box::new(Pages::default()),
        Box::new(Crowd::default()),
        Box::new(Reloads::default()),
        Box::new(Pings::at_rate(ping_rate)),
    ]
}

/// Those for which it matters that messages are on disk.
pub(crate) fn of_a_log() -> Vec<Box<dyn Attack>> {
    vec![catching_up(), Box::new(Polls::default()), Box::new(Crowd::default())]
}

/// Pages that nobody reads.
pub(crate) fn pages() -> Box<dyn Attack> {
    Box::new(Pages::default())
}

/// Streams that catch up from the disk.
pub(crate) fn catching_up() -> Box<dyn Attack> {
    Box::new(archive::CatchingUp::default())
}

/// Those that HTTP/2 takes another way: many streams of a connection, and WebSockets of RFC 8441.
pub(crate) fn of_streams() -> Vec<Box<dyn Attack>> {
    let mut all = all(u128::from(u32::MAX));
    all.retain(|attack| attack.name() != Reloads::NAME);
    all
}

/// Opens a connection for requests again if the server has ended it: one that has nothing to ask for five seconds
/// is ended. Returns how many of its requests were answered.
fn again(stage: &mut Stage, id: usize, number: usize) -> u64 {
    if stage.at(id).ended == Ended::Not {
        return 0;
    }
    let answered = stage.at(id).answered();
    let client = stage.requester(number);
    stage.world.replace(id, client);
    answered
}

/// A hundred polls a second of a pattern over 16,000 channels: each on a connection of its own, or fifty at once on
/// the streams of two.
#[derive(Default)]
struct Polls {
    ids: Vec<usize>,
    /// Polls of each connection so far.
    asked: usize,
    /// Answers on connections that are no more.
    answers: u64,
}

/// Polls in a second.
const POLLS: usize = 100;

impl Polls {
    /// Polls of a connection at once.
    const fn at_once(stage: &Stage) -> usize {
        if stage.over.is_shared() { 50 } else { 1 }
    }
}

/// Channels of a pattern: nearly as many as one search looks at.
const CHANNELS: usize = 16_000;

fn fill_pattern(stage: &Stage) -> Result<(), Failure> {
    stage.fill(|number| format!("room:{number}"), CHANNELS, 1)
}

impl Attack for Polls {
    fn name(&self) -> &'static str {
        "polls"
    }

    fn interval_ms(&self) -> u64 {
        1_000
    }

    fn prepare(&mut self, stage: &mut Stage) -> Result<(), Failure> {
        fill_pattern(stage)?;
        self.ids = stage.open_requesters(POLLS / Self::at_once(stage));
        Ok(())
    }

    fn beat(&mut self, stage: &mut Stage) -> Result<(), Failure> {
        let at_once = Self::at_once(stage);
        let requests = stage.requests("/v1/poll?channel=%3E&cursor=earliest", self.asked, at_once);
        self.asked += at_once;
        for (number, id) in self.ids.iter().enumerate() {
            self.answers += again(stage, *id, number);
            stage.world.say(*id, &requests);
        }
        Ok(())
    }

    fn done(&self, stage: &Stage) -> Result<(u64, &'static str), Failure> {
        let now: u64 = self.ids.iter().map(|id| stage.at(*id).answered()).sum();
        Ok((self.answers + now, "answers"))
    }

    fn least(&self, seconds: u64) -> u64 {
        20 * seconds
    }
}

/// Users that each subscribe and unsubscribe a pattern 245 times in one burst, on one WebSocket. The rate limit lets a
/// user do so once in a while, so others come after them.
#[derive(Default)]
struct Patterns {
    users: usize,
    ids: Vec<usize>,
    /// Users so far.
    came: usize,
    bytes: u64,
}

/// Pairs of commands in a burst: nearly as many as the rate limit lets through.
const PAIRS: usize = 245;

impl Patterns {
    fn burst() -> Vec<u8> {
        let subscribe = masked(r#"{"type":"subscribe","channels":[">"],"cursor":"earliest"}"#);
        let unsubscribe = masked(r#"{"type":"unsubscribe","channels":[">"]}"#);
        [subscribe, unsubscribe].concat().repeat(PAIRS)
    }
}

impl Attack for Patterns {
    fn name(&self) -> &'static str {
        if self.users == 1 { "patterns" } else { "patterns of five users" }
    }

    fn interval_ms(&self) -> u64 {
        500
    }

    fn prepare(&mut self, stage: &mut Stage) -> Result<(), Failure> {
        fill_pattern(stage)?;
        self.ids = stage.open(&BARE, &stage.web_socket(), self.users);
        Ok(())
    }

    fn beat(&mut self, stage: &mut Stage) -> Result<(), Failure> {
        // Half of the beats are bursts, and at the others the next users come.
        let burst = stage.on_web_socket(Self::burst());
        for at in 0..self.users {
            let id = self.ids[at];
            if (self.came / self.users).is_multiple_of(2) {
                stage.world.say(id, &burst);
            } else {
                self.bytes += stage.at(id).bytes as u64;
                let probe = stage.probe(&BARE, &stage.web_socket(), address(self.came), None);
                stage.world.replace(id, probe);
            }
            self.came += 1;
        }
        Ok(())
    }

    fn done(&self, stage: &Stage) -> Result<(u64, &'static str), Failure> {
        let now: u64 = self.ids.iter().map(|id| stage.at(*id).bytes as u64).sum();
        Ok((self.bytes + now, "bytes of answers"))
    }

    fn least(&self, seconds: u64) -> u64 {
        // A pair of answers has about a hundred bytes.
        seconds * self.users as u64 * 5_000
    }

    fn least_in_company(&self, seconds: u64) -> u64 {
        // A 250th of the loop answers a few pairs of each burst before its user goes.
        seconds * self.users as u64 * 400
    }
}

/// A thousand connections with forty requests for pages of history at once, pipelined or on streams, that never read.
#[derive(Default)]
struct Pages {
    ids: Vec<usize>,
    beats: usize,
    asked: u64,
}

/// Connections, and requests on each.
const READERS: usize = 1_000;
const PIPELINED: usize = 40;

impl Attack for Pages {
    fn name(&self) -> &'static str {
        "pages"
    }

    fn interval_ms(&self) -> u64 {
        750
    }

    fn prepare(&mut self, stage: &mut Stage) -> Result<(), Failure> {
        stage.fill(|_| "book:1".to_owned(), 256, 200)?;
        self.ids = stage.open(&BARE, &stage.hello(), READERS);
        Ok(())
    }

    fn beat(&mut self, stage: &mut Stage) -> Result<(), Failure> {
        self.beats += 1;
        if self.beats % 2 == 1 {
            let requests = stage.requests("/v1/channels/book:1/history?limit=1000", 0, PIPELINED);
            for id in &self.ids {
                stage.world.lines.pause(*id, true);
                stage.world.say(*id, &requests);
                self.asked += u64::from(stage.at(*id).ended == Ended::Not);
            }
            return Ok(());
        }
        for number in 0..self.ids.len() {
            let probe = stage.probe(&BARE, &stage.hello(), address(number), Some(4_096));
            stage.world.replace(self.ids[number], probe);
        }
        Ok(())
    }

    fn done(&self, _: &Stage) -> Result<(u64, &'static str), Failure> {
        Ok((self.asked, "pipelines"))
    }

    fn least(&self, seconds: u64) -> u64 {
        READERS as u64 * seconds / 4
    }
}

/// A thousand event streams, and a batch of a thousand publications to each, once a second.
#[derive(Default)]
struct Crowd {
    streams: Vec<usize>,
    back_end: Vec<usize>,
    beats: u64,
}

impl Attack for Crowd {
    fn name(&self) -> &'static str {
        "batches"
    }

    fn interval_ms(&self) -> u64 {
        1_000
    }

    fn prepare(&mut self, stage: &mut Stage) -> Result<(), Failure> {
        let path = "/v1/sse?channel=crowd:1";
        let request = get(path);
        self.streams = stage.open_streams((&Purpose::Events, path), request.as_bytes(), CROWD)?;
        self.back_end = stage.open(&Purpose::Requests, b"", 1);
        Ok(())
    }

    fn beat(&mut self, stage: &mut Stage) -> Result<(), Failure> {
        self.beats += 1;
        let id = self.back_end[0];
        if stage.at(id).ended != Ended::Not {
            let probe = stage.probe(&Purpose::Requests, b"", address(0), None);
            stage.world.replace(id, probe);
        }
        let lines = "{\"channel\":\"crowd:1\",\"data\":\"x\"}\n".repeat(BATCH);
        stage.world.say(id, batch(&lines, "").as_bytes());
        Ok(())
    }

    fn done(&self, stage: &Stage) -> Result<(u64, &'static str), Failure> {
        let bytes = self.streams.iter().map(|id| stage.at(*id).bytes as u64).sum();
        Ok((bytes, "bytes of events"))
    }

    fn least(&self, seconds: u64) -> u64 {
        // An event has at least twenty bytes, and a slow machine half of the time.
        seconds * (BATCH * CROWD) as u64 * 20 / 4
    }
}

/// A reload of the configuration each half second, while there are 100,000 channels.
#[derive(Default)]
struct Reloads(u64);

impl Reloads {
    const NAME: &str = "reloads";
}

impl Attack for Reloads {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn interval_ms(&self) -> u64 {
        500
    }

    fn prepare(&mut self, stage: &mut Stage) -> Result<(), Failure> {
        stage.fill(|number| format!("many:{number}"), 100_000, 1)
    }

    fn beat(&mut self, stage: &mut Stage) -> Result<(), Failure> {
        self.0 += 1;
        stage.reload()
    }

    fn done(&self, _: &Stage) -> Result<(u64, &'static str), Failure> {
        Ok((self.0, "reloads"))
    }

    fn least(&self, seconds: u64) -> u64 {
        seconds
    }
}

/// A thousand WebSockets with as many pings as the machine can send, or fewer.
struct Pings {
    /// Bytes in a microsecond, of all together.
    rate: u128,
    ids: Vec<usize>,
    /// Bytes that the server had received before.
    before: u64,
    begun: Instant,
    sent: u128,
}

impl Pings {
    fn at_rate(rate: u128) -> Self {
        Self { rate, ids: Vec::new(), before: 0, begun: Instant::now(), sent: 0 }
    }
}

/// Pings that are sent at once, with the largest payload.
const PINGS: usize = 500;

impl Attack for Pings {
    fn name(&self) -> &'static str {
        "pings"
    }

    fn interval_ms(&self) -> u64 {
        1
    }

    fn prepare(&mut self, stage: &mut Stage) -> Result<(), Failure> {
        let purpose = web_socket(Some(SUBPROTOCOL));
        self.ids = stage.open_streams((&purpose, "/v1/ws"), upgrade("").as_bytes(), CROWD)?;
        self.begun = Instant::now();
        self.before = stage.server.metric("sockeye_bytes_received_total")?;
        Ok(())
    }

    fn beat(&mut self, stage: &mut Stage) -> Result<(), Failure> {
        let ping = [&[0x89, 0x80 | 125, 1, 2, 3, 4][..], &[7; 125]].concat();
        let pings = ping.repeat(PINGS);
        let due = self.begun.elapsed().as_micros() * self.rate;
        for id in &self.ids {
            if self.sent < due && stage.world.lines.unsent(*id) < pings.len() {
                stage.world.say(*id, &pings);
                self.sent += pings.len() as u128;
            }
        }
        // Others are first in the next beat, and little of what was missed is made up for.
        self.ids.rotate_left(CROWD / 7);
        self.sent = self.sent.max(due.saturating_sub(self.rate * 100_000));
        Ok(())
    }

    fn done(&self, stage: &Stage) -> Result<(u64, &'static str), Failure> {
        let bytes = stage.server.metric("sockeye_bytes_received_total")?;
        Ok((bytes - self.before, "bytes of pings"))
    }

    fn least(&self, seconds: u64) -> u64 {
        seconds * 10_000_000
    }
}
