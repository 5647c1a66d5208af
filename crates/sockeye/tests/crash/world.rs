//! A directory, those who publish into it and read from it, and one process after the other.

use std::path::PathBuf;
use std::process::Child;
use std::thread;
use std::time::{Duration, Instant};

use crate::common::{PATIENCE, Serving, serve, sockeye, tls};
use crate::crash::clients::Http;
use crate::crash::damage::damage;
use crate::crash::line::Site;
use crate::crash::publisher::Publisher;
use crate::crash::random::Random;
use crate::crash::reader::Reader;
use crate::crash::round::{Alarm, Round};
use crate::crash::truth::{CHANNELS, Cursor, Life};

const PUBLISHERS: usize = 4;
const READERS: usize = 6;

/// Messages that a reader may be behind before a process is left alive until all have caught up:
/// with those of two rounds on top a channel still has them all.
const LAG_MAX: usize = 50;

/// Everything that was counted.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Totals {
    pub(crate) kills: usize,
    /// Kills before the process said where it listens.
    pub(crate) early_kills: usize,
    pub(crate) damages: usize,
    pub(crate) lives: usize,
    pub(crate) acknowledged: usize,
    pub(crate) published: usize,
    pub(crate) retried: usize,
    pub(crate) duplicates: usize,
    pub(crate) received: usize,
    pub(crate) gaps: usize,
    pub(crate) resumes: usize,
    pub(crate) changes: usize,
}

pub(crate) struct World {
    dir: PathBuf,
    /// A loopback address of its own, so that nobody finds another world's server at a port that
    /// was its own server's.
    listen: String,
    is_secure: bool,
    random: Random,
    /// The last one is the present one.
    lives: Vec<Life>,
    publishers: Vec<Publisher>,
    readers: Vec<Reader>,
    /// What was done to the files and is not accounted for yet.
    damaged: Vec<String>,
    totals: Totals,
}

impl World {
    pub(crate) fn new(number: usize, seed: u64) -> Self {
        let mut random = Random::new(seed);
        let name = format!("sockeye-crash-{}-{number}", std::process::id());
        let dir = std::env::temp_dir().join(name);
        std::fs::create_dir(&dir).expect("a directory");
        std::fs::write(dir.join("toml"), "[channels]\npatterns = true\n").expect("a file");
        let is_secure = number % 4 == 3;
        if is_secure {
            tls::write_pem(&dir, tls::GOOD);
        }
        let publisher = |at| Publisher::new(format!("p{at}"), random.fork());
        let publishers = (0..PUBLISHERS).map(publisher).collect();
        let readers = (0..READERS).map(|at| Reader::new(at, random.fork())).collect();
        let listen = format!("127.0.{}.{}:0", 1 + number / 250, 1 + number % 250);
        let (lives, damaged, totals) = (Vec::new(), Vec::new(), Totals::default());
        Self { dir, listen, is_secure, random, lives, publishers, readers, damaged, totals }
    }

    /// Kills so many processes, and then looks at everything once more.
    pub(crate) fn run(mut self, kills: usize) -> Totals {
        while self.totals.kills < kills {
            match self.random.below(8) {
                0 => self.kill_before_it_listens(),
                _ => self.live(Purpose::Die),
            }
            // Not before there is something to damage.
            if self.totals.kills > 4 && self.random.below(9) == 0 {
                let done = damage(&self.data(), &mut self.random);
                self.totals.damages += usize::from(done.is_some());
                self.damaged.extend(done);
            }
        }
        self.live(Purpose::Settle);
        assert!(self.publishers.iter().all(Publisher::has_all_answers));
        std::fs::remove_dir_all(&self.dir).expect("ours");
        self.sum_up()
    }

    fn start(&self) -> Serving {
        serve(self.command())
    }

    /// The server, as its clients reach it over HTTP/1.1.
    fn site(&self, serving: &Serving) -> Site {
        Site { is_secure: self.is_secure, ..serving.addr.into() }
    }

    fn data(&self) -> PathBuf {
        self.dir.join("data")
    }

    fn command(&self) -> std::process::Command {
        let mut command = sockeye(&["serve", "--listen", &self.listen, "--data"]);
        command.arg(self.data()).arg("--config").arg(self.dir.join("toml"));
        if self.is_secure {
            command.arg("--cert").arg(self.dir.join(tls::CERT_PEM));
            command.arg("--key").arg(self.dir.join(tls::KEY_PEM));
        }
        let path = self.dir.join("stderr");
        let stderr = std::fs::OpenOptions::new().create(true).append(true).open(path);
        command.stderr(stderr.expect("a file"));
        command
    }

    /// The process is killed while it reads its files, most of the time.
    fn kill_before_it_listens(&mut self) {
        let mut child = self.command().stdout(std::process::Stdio::piped()).spawn().expect("ours");
        wait_a_moment(&mut self.random, 20_000);
        kill(&mut child);
        self.totals.early_kills += 1;
        self.totals.kills += 1;
    }

    /// Starts a process, checks what it has kept, lets all loose on it, and kills it.
    fn live(&mut self, purpose: Purpose) {
        let mut serving = self.start();
        self.look_at_the_history(&serving);
        let life = self.lives.pop().expect("the history is of one");
        let must_catch_up = purpose == Purpose::Settle
            || !self.damaged.is_empty()
            || self.readers.iter().any(|reader| reader.lag(&life) > LAG_MAX);
        self.damaged.clear();
        let goals: Vec<u64> =
            self.readers.iter().map(|reader| life.last_in(reader.channels())).collect();
        let epoch = life.epoch;
        // In the middle of publishing, or of replaying, or of what follows both.
        let (answers, messages) = match self.random.below(3) {
            0 => (usize::MAX, self.random.below(120)),
            _ => (self.random.below(60), usize::MAX),
        };
        let delay = if self.random.below(2) == 0 { 1 } else { 3_000 };
        // A poll says nothing to a reader that has everything.
        let round = Round::new(life, self.readers.iter().map(Reader::cursor).collect());
        let publish_new = purpose == Purpose::Die;
        let site = self.site(&serving);
        thread::scope(|scope| {
            let round = &round;
            for publisher in &mut self.publishers {
                scope.spawn(move || {
                    let _alarm = Alarm(round);
                    publisher.run(site, publish_new, round);
                });
            }
            for reader in &mut self.readers {
                scope.spawn(move || {
                    let _alarm = Alarm(round);
                    reader.run(site, round);
                });
            }
            let is_late = round.is_late(|state| {
                let caught_up = || {
                    goals.iter().zip(&state.readers).all(|(goal, reader)| {
                        reader.is_some_and(|it| it.epoch == epoch && it.seq >= *goal)
                    })
                };
                let content = state.content == PUBLISHERS;
                let enough = content || state.answered >= answers || state.received >= messages;
                let settled = purpose == Purpose::Die || content;
                enough && settled && (!must_catch_up || caught_up())
            });
            wait_a_moment(&mut self.random, delay);
            // First, so that nobody waits for it any longer.
            kill(&mut serving.child);
            assert!(!is_late, "it does not come to its end: {}", self.dir.display());
        });
        self.totals.kills += 1;
        self.lives.push(round.finish());
        for reader in &self.readers {
            reader.check(&self.lives);
        }
    }

    /// What the process has is what was there, or it says that it is not.
    fn look_at_the_history(&mut self, serving: &Serving) {
        let mut http = Http::connect(self.site(serving)).expect("it listens");
        let position = http.get("/v1/position").expect("it lives");
        let position = Cursor::parse(position["cursor"].as_str().expect("a cursor"));
        let is_new = self.lives.last().is_none_or(|life| life.epoch != position.epoch);
        if is_new {
            let may_be = self.lives.is_empty() || !self.damaged.is_empty();
            assert!(may_be, "an undamaged log has begun a new life: {}", self.dir.display());
            let known = self.lives.iter().any(|life| life.epoch == position.epoch);
            assert!(!known, "an old life is back: {:?}", self.damaged);
            self.lives.push(Life::new(position.epoch));
        }
        let life = self.lives.last_mut().expect("there is one now");
        let last = life.last_in(&CHANNELS);
        assert!(position.seq >= last, "{position:?} is below {last}: {:?}", self.damaged);
        for channel in CHANNELS {
            let (mut places, mut more) = (Vec::new(), true);
            while more {
                let after = places.last().copied().unwrap_or(0);
                let target = format!("/v1/channels/{channel}/history?limit=1000&after={after}");
                let page = http.get(&target).expect("it lives");
                for message in page["messages"].as_array().expect("messages") {
                    let at = Cursor::parse(message["cursor"].as_str().expect("a cursor"));
                    let said = crate::crash::reader::said_in(message);
                    life.learn(at, channel, &said, message["time"].as_u64());
                    places.push(at.seq);
                }
                more = page["more"].as_bool().expect("whether there is more");
            }
            life.has_all(channel, &places);
        }
    }

    fn sum_up(mut self) -> Totals {
        self.totals.lives = self.lives.len();
        self.totals.acknowledged = self.lives.iter().map(Life::acknowledged).sum();
        for Publisher { counts, .. } in &self.publishers {
            self.totals.published += counts.published;
            self.totals.retried += counts.retried;
            self.totals.duplicates += counts.duplicates;
        }
        for Reader { counts, .. } in &self.readers {
            self.totals.received += counts.messages;
            self.totals.gaps += counts.gaps;
            self.totals.resumes += counts.resumes;
            self.totals.changes += counts.changes;
        }
        self.totals
    }
}

/// What a process is started for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Purpose {
    /// To be killed in the middle of something.
    Die,
    /// To answer whoever waits for an answer.
    Settle,
}

/// A moment of any length, since a kill has none; nothing depends on how long it is.
fn wait_a_moment(random: &mut Random, micros_max: usize) {
    let micros = u64::try_from(random.below(micros_max)).expect("64 bits");
    let until = Instant::now() + Duration::from_micros(micros);
    while let Some(left) = until.checked_duration_since(Instant::now()).filter(|it| !it.is_zero()) {
        thread::park_timeout(left);
    }
}

/// SIGKILL, and the end of the process.
fn kill(child: &mut Child) {
    child.kill().expect("our child");
    let start = Instant::now();
    let status = child.wait().expect("our child");
    assert!(start.elapsed() < PATIENCE && status.code().is_none(), "it ended by itself: {status}");
}

impl Totals {
    pub(crate) fn add(&mut self, other: &Self) {
        self.kills += other.kills;
        self.early_kills += other.early_kills;
        self.damages += other.damages;
        self.lives += other.lives;
        self.acknowledged += other.acknowledged;
        self.published += other.published;
        self.retried += other.retried;
        self.duplicates += other.duplicates;
        self.received += other.received;
        self.gaps += other.gaps;
        self.resumes += other.resumes;
        self.changes += other.changes;
    }
}
