//! Streams and pages of history that want what memory no longer has.

use sockeye_load::engine::Purpose;

use super::{Attack, BARE, again};
use crate::Failure;
use crate::checks::Checks;
use crate::turns::stage::{Stage, address, get};

const CHANNELS: usize = 4;

/// Memory has 256 of each channel.
const MESSAGES: usize = 40_000;

/// Event streams that begin at the oldest message, and go when they have had their time.
const STREAMS: usize = 60;

/// Connections that ask for old pages.
const READERS: usize = 20;

/// Pages that are read from the disk at the least, by streams and readers.
const PAGES_MIN: u64 = 20;

/// Sixty event streams that replay ten thousand messages each from the disk, and twenty readers of pages. A part of the
/// streams comes anew with each beat.
#[derive(Default)]
pub(super) struct CatchingUp {
    streams: Vec<usize>,
    readers: Vec<usize>,
    beats: usize,
    /// On connections that are no more.
    bytes: u64,
    answers: u64,
}

impl CatchingUp {
    fn request(number: usize) -> String {
        get(&format!("/v1/sse?channel=book:{}&cursor=earliest", number % CHANNELS))
    }
}

impl Attack for CatchingUp {
    fn name(&self) -> &'static str {
        "catching up"
    }

    fn interval_ms(&self) -> u64 {
        500
    }

    fn prepare(&mut self, stage: &mut Stage) -> Result<(), Failure> {
        stage.fill(|number| format!("book:{}", number % CHANNELS), MESSAGES, 200)?;
        for number in 0..STREAMS {
            self.streams.extend(stage.open(&BARE, Self::request(number).as_bytes(), 1));
        }
        self.readers = stage.open(&Purpose::Requests, b"", READERS);
        Ok(())
    }

    fn beat(&mut self, stage: &mut Stage) -> Result<(), Failure> {
        self.beats += 1;
        for number in (self.beats % 4..STREAMS).step_by(4) {
            let id = self.streams[number];
            self.bytes += stage.at(id).bytes as u64;
            let request = Self::request(number);
            let probe = stage.probe(&BARE, request.as_bytes(), address(number), None);
            stage.world.replace(id, probe);
        }
        for (number, id) in self.readers.iter().enumerate() {
            self.answers += again(stage, *id, number);
            let after = (self.beats * 1_000 + number * 100) % (MESSAGES / 2);
            let target =
                format!("/v1/channels/book:{}/history?after={after}&limit=100", number % CHANNELS);
            stage.world.say(*id, get(&target).as_bytes());
        }
        Ok(())
    }

    fn done(&self, stage: &Stage) -> Result<(u64, &'static str), Failure> {
        let now: u64 = self.streams.iter().map(|id| stage.at(*id).bytes as u64).sum();
        Ok((self.bytes + now, "bytes of replays"))
    }

    fn least(&self, seconds: u64) -> u64 {
        seconds * 500_000
    }

    fn judge(&self, stage: &Stage, checks: &mut Checks) {
        let now: u64 = self.readers.iter().map(|id| stage.at(*id).answered()).sum();
        let (answers, name) = (self.answers + now, self.name());
        checks.that(answers > 0, format_args!("{name}: {answers} pages of history"));
        let pages =
            stage.server.metric("sockeye_archive_pages_total{outcome=\"read\"}").unwrap_or(0);
        checks.that(
            pages >= PAGES_MIN,
            format_args!("{name}: {pages} pages came from the disk, at least {PAGES_MIN}"),
        );
    }
}
