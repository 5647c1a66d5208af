//! A publisher that sends again what was not answered, with the same key.

use serde_json::{Value, json};

use crate::crash::clients::{Gone, Http, Socket};
use crate::crash::line::Site;
use crate::crash::random::Random;
use crate::crash::round::Round;
use crate::crash::truth::{CHANNELS, Cursor};

/// New messages of a publisher while a process lives. All of them together stay below what a
/// channel keeps, so that no reader who is one round behind has a gap.
const NEW_MAX: usize = 16;

/// Messages sent at once.
const BURST_MAX: usize = 6;

/// Answered messages that are sent once more in each round.
const AGAIN: usize = 2;

/// A message for one channel.
#[derive(Clone, Debug)]
struct Item {
    channel: &'static str,
    said: String,
    key: String,
    /// Published as an object instead of a text.
    is_json: bool,
    sent: usize,
}

#[derive(Debug)]
pub(crate) struct Publisher {
    name: String,
    made: usize,
    unanswered: Vec<Item>,
    answered: Vec<Item>,
    random: Random,
    pub(crate) counts: Counts,
}

#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    pub(crate) published: usize,
    pub(crate) retried: usize,
    pub(crate) duplicates: usize,
}

/// How it publishes while a process lives.
#[derive(Clone, Copy)]
enum Way {
    Raw,
    Json,
    Batch,
    Socket,
}

/// A connection of its kind.
enum Line {
    Http(Http),
    Socket(Socket),
}

impl Publisher {
    pub(crate) fn new(name: String, random: Random) -> Self {
        let (unanswered, answered) = (Vec::new(), Vec::new());
        Self { name, made: 0, unanswered, answered, random, counts: Counts::default() }
    }

    /// Publishes `new` messages after those that were not answered, until the server is gone.
    pub(crate) fn run(&mut self, site: Site, publish_new: bool, round: &Round) {
        if let Ok(()) = self.publish_all(site, publish_new, round) {
            round.content();
        }
    }

    fn publish_all(&mut self, site: Site, publish_new: bool, round: &Round) -> Result<(), Gone> {
        let way = [Way::Raw, Way::Json, Way::Batch, Way::Socket][self.random.below(4)];
        let site = site.with_any_version(&mut self.random);
        let mut line = match way {
            Way::Raw | Way::Json | Way::Batch => Line::Http(Http::connect(site)?),
            Way::Socket => Line::Socket(Socket::open(site)?),
        };
        for _ in 0..AGAIN.min(self.answered.len()) {
            // From the last ones, which the log still has in this life, or another has not.
            let recent = self.answered.len().min(20);
            let at = self.answered.len() - 1 - self.random.below(recent);
            if round.is_acknowledged(&self.answered[at].said) {
                let item = self.answered.remove(at);
                self.unanswered.push(item);
            }
        }
        let mut new = if publish_new { NEW_MAX } else { 0 };
        loop {
            let burst = 1 + self.random.below(BURST_MAX);
            while self.unanswered.len() < burst && new > 0 {
                let item = self.make();
                self.unanswered.push(item);
                new -= 1;
            }
            if self.unanswered.is_empty() {
                return Ok(());
            }
            self.publish_some(&mut line, way, burst, round)?;
        }
    }

    fn make(&mut self) -> Item {
        self.made += 1;
        let channel = CHANNELS[self.random.below(CHANNELS.len())];
        let filling = "\u{e9}\u{1}".repeat(self.random.below(60));
        let key = format!("{}-{}", self.name, self.made);
        let is_json = self.random.below(2) == 0;
        Item { channel, said: format!("{channel} {key} {filling}"), key, is_json, sent: 0 }
    }

    /// Sends the first few that are not answered, and waits for the answers.
    fn publish_some(
        &mut self,
        line: &mut Line,
        way: Way,
        burst: usize,
        round: &Round,
    ) -> Result<(), Gone> {
        let count = burst.min(self.unanswered.len());
        match (line, way) {
            (Line::Http(http), Way::Raw) => {
                let item = self.send(0);
                let target = format!("/v1/channels/{}?key={}", item.channel, item.key);
                // Without a content type it is a text, also that of an object.
                let text = if item.is_json { item.json().to_string() } else { item.said };
                let (status, answer) = http.ask("POST", &target, &text)?;
                self.answer(0, status, &answer, round);
            }
            (Line::Http(http), Way::Json) => {
                let item = self.send(0);
                let (status, answer) =
                    http.ask("POST", "/v1/publish", &item.command().to_string())?;
                self.answer(0, status, &answer, round);
            }
            (Line::Http(http), Way::Batch) => {
                let lines: Vec<String> =
                    (0..count).map(|at| self.send(at).command().to_string()).collect();
                let (status, answer) = http.ask("POST", "/v1/batch", &lines.join("\n"))?;
                let results = answer["results"].as_array().expect("results").clone();
                assert_eq!(results.len(), count, "{answer}");
                for result in results {
                    self.answer(0, status, &result, round);
                }
            }
            (Line::Socket(socket), _) => self.publish_on(socket, count, round)?,
            (Line::Http(_), Way::Socket) => unreachable!("the line is of the way's kind"),
        }
        Ok(())
    }

    fn publish_on(&mut self, socket: &mut Socket, count: usize, round: &Round) -> Result<(), Gone> {
        for at in 0..count {
            let mut command = self.send(at).command();
            command["type"] = "publish".into();
            command["id"] = at.into();
            socket.send(&command)?;
        }
        // What is known is answered before what waits for the disk.
        let mut ids: Vec<usize> = (0..count).collect();
        for _ in 0..count {
            let answer = socket.next()?;
            assert_eq!(answer["type"], "published", "{answer}");
            let id = answer["id"].as_u64().expect("the ID came back");
            let at = ids.iter().position(|it| *it as u64 == id).expect("answered once");
            ids.remove(at);
            self.answer(at, 200, &answer, round);
        }
        Ok(())
    }

    /// An item that is sent now.
    fn send(&mut self, at: usize) -> Item {
        let item = &mut self.unanswered[at];
        item.sent += 1;
        if item.sent == 1 {
            self.counts.published += 1;
        } else {
            self.counts.retried += 1;
        }
        item.clone()
    }

    fn answer(&mut self, at: usize, status: u16, answer: &Value, round: &Round) {
        let item = self.unanswered.remove(at);
        assert_eq!((status, &answer["level"]), (200, &"logged".into()), "{answer}");
        let cursor = Cursor::parse(answer["cursor"].as_str().expect("a cursor"));
        assert_eq!(answer["seq"], cursor.seq, "{answer}");
        assert_eq!(answer["channel"], item.channel, "{answer}");
        if answer["duplicate"] == true {
            assert!(item.sent > 1, "{item:?} was never there: {answer}");
            self.counts.duplicates += 1;
        } else {
            let known = round.is_acknowledged(&item.said);
            assert!(!known, "{item:?} was answered before: {answer}");
        }
        round.answered(cursor, item.channel, &item.said);
        self.answered.push(item);
    }

    pub(crate) fn has_all_answers(&self) -> bool {
        self.unanswered.is_empty()
    }
}

impl Item {
    fn json(&self) -> Value {
        json!({"said": self.said})
    }

    fn command(&self) -> Value {
        let data = if self.is_json { self.json() } else { self.said.as_str().into() };
        json!({"channel": self.channel, "data": data, "key": self.key})
    }
}
