//! A publisher: each of its publications is in the log once at the most, and where the receipt says.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

use serde_json::{Value, json};
use sockeye_simnet::{Peer, Random};

use crate::simulation::oracle::SHORT_MS;
use crate::simulation::said::Said;
use crate::simulation::socket::Socket;
use crate::simulation::totals::Totals;
use crate::simulation::truth::{Place, Position, Truth};
use crate::simulation::wire::{Response, Way, Wire, encode};

pub(crate) struct Publisher {
    truth: Rc<RefCell<Truth>>,
    id: usize,
    /// Publications that it has thought of.
    made: usize,
    queue: VecDeque<Publication>,
    done: Vec<Publication>,
    link: Link,
    flight: Option<Flight>,
    left: Vec<Peer>,
}

enum Link {
    None,
    Http(Box<Wire>, Response),
    Socket(Box<Socket>),
}

/// What is sent and not answered.
struct Flight {
    items: Vec<Publication>,
    /// The lines of a batch that have an answer: an item's place, or `None` for nonsense.
    lines: Option<Vec<(u64, Option<usize>)>>,
}

#[derive(Debug)]
pub(crate) struct Publication {
    channels: Vec<String>,
    data: Value,
    event: Option<String>,
    ttl_ms: Option<u64>,
    key: Option<String>,
    is_end: bool,
    tries: u32,
    /// By channel, where it is, or was in a life that is lost.
    receipts: BTreeMap<String, Vec<Place>>,
    /// Nothing can have come of any try.
    refused: bool,
}

impl Publisher {
    pub(crate) fn new(
        truth: &Rc<RefCell<Truth>>,
        id: usize,
        count_max: usize,
        channels: &[String],
        random: &mut Random,
    ) -> Self {
        let mut it = Self {
            truth: Rc::clone(truth),
            id,
            made: 0,
            queue: VecDeque::new(),
            done: Vec::new(),
            link: Link::None,
            flight: None,
            left: Vec::new(),
        };
        it.go_on(2 + random.below(count_max - 1), channels, random);
        it
    }

    /// There is more to publish.
    pub(crate) fn go_on(&mut self, count: usize, channels: &[String], random: &mut Random) {
        for n in self.made..self.made + count {
            self.queue.push_back(publication(self.id, n, channels, random));
        }
        self.made += count;
    }

    /// The server is killed.
    pub(crate) fn cut_off(&mut self, random: &mut Random, totals: &mut Totals) {
        if random.one_in(2) {
            self.receive(random, totals);
        }
        self.hang_up(random);
        self.left.clear();
    }

    pub(crate) fn is_done(&self) -> bool {
        self.queue.is_empty() && self.flight.is_none()
    }

    pub(crate) fn step(&mut self, way: &Way, random: &mut Random, totals: &mut Totals) {
        if random.one_in(60) {
            self.hang_up(random);
        }
        self.proceed(way, random, totals);
    }

    /// The same without tricks.
    pub(crate) fn proceed(&mut self, way: &Way, random: &mut Random, totals: &mut Totals) {
        match (&self.link, &self.flight) {
            (Link::None, _) if self.queue.is_empty() => {}
            (Link::None, _) => self.connect(way, random),
            (_, None) if !self.queue.is_empty() && self.is_open() && random.one_in(3) => {
                self.send(random);
            }
            _ => self.receive(random, totals),
        }
    }

    fn connect(&mut self, way: &Way, random: &mut Random) {
        let Some(wire) = Wire::connect(way, random) else { return };
        self.link = match random.one_in(3) {
            true => Link::Socket(Box::new(Socket::new(wire))),
            false => Link::Http(Box::new(wire), Response::default()),
        };
    }

    fn is_open(&self) -> bool {
        match &self.link {
            Link::None => false,
            Link::Http(wire, _) => !wire.over,
            Link::Socket(socket) => socket.is_open(),
        }
    }

    /// The connection is gone, and with it the answer.
    pub(crate) fn hang_up(&mut self, random: &mut Random) {
        let wire = match core::mem::replace(&mut self.link, Link::None) {
            Link::None => return,
            Link::Http(wire, _) => *wire,
            Link::Socket(socket) => socket.wire,
        };
        self.left.extend(wire.leave(random));
        let Some(flight) = self.flight.take() else { return };
        for mut item in flight.items {
            item.refused = false;
            self.again(item);
        }
    }

    /// Whoever has a key may ask again.
    fn again(&mut self, item: Publication) {
        if item.key.is_some() && item.tries < 6 {
            self.queue.push_front(item);
        } else {
            self.done.push(item);
        }
    }

    fn send(&mut self, random: &mut Random) {
        let Some(mut item) = self.queue.pop_front() else { return };
        item.tries += 1;
        match &mut self.link {
            Link::None => self.queue.push_front(item),
            Link::Socket(socket) if item.channels.len() == 1 && !item.is_end => {
                let mut command = item.object(random);
                command["type"] = json!("publish");
                command["id"] = json!(item.tries);
                socket.send(&command.to_string());
                self.flight = Some(Flight { items: vec![item], lines: None });
            }
            Link::Socket(_) => {
                item.tries -= 1;
                self.queue.push_front(item);
                self.hang_up(random);
            }
            Link::Http(wire, _) => {
                let mut items = vec![item];
                let (path, body, lines) = match random.below(3) {
                    0 if items[0].is_raw() => (items[0].raw_path(), items[0].raw_body(), None),
                    1 if items[0].is_raw() => {
                        while random.one_in(2)
                            && self.queue.front().is_some_and(Publication::is_raw)
                        {
                            let mut more = self.queue.pop_front().expect("there is one");
                            more.tries += 1;
                            items.push(more);
                        }
                        let (body, lines) = batch(&items, random);
                        ("/v1/batch".to_owned(), body, Some(lines))
                    }
                    _ if items[0].is_end => {
                        let path = format!("/v1/channels/{}/close", encode(&items[0].channels[0]));
                        (path, String::new(), None)
                    }
                    _ => ("/v1/publish".to_owned(), items[0].object(random).to_string(), None),
                };
                let json = path.starts_with("/v1/channels") && !items[0].data.is_string();
                let kind = if json { "application/json" } else { "text/plain" };
                let len = body.len();
                let request = format!(
                    "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {kind}\r\n\
                     Content-Length: {len}\r\n\r\n{body}"
                );
                wire.write(request.as_bytes());
                self.flight = Some(Flight { items, lines });
            }
        }
    }

    fn receive(&mut self, random: &mut Random, totals: &mut Totals) {
        let (answer, over) = match &mut self.link {
            Link::None => return,
            Link::Http(wire, response) => {
                wire.read();
                let answer = response.take(wire);
                (answer.map(|(head, body)| (head.status, body)), wire.over)
            }
            Link::Socket(socket) => {
                let mut said = Vec::new();
                socket.receive(&mut said);
                let answer = said.into_iter().find_map(|it| match it {
                    Said::Answer(answer) => Some((0, answer.to_string())),
                    _ => None,
                });
                (answer, socket.is_over())
            }
        };
        match answer {
            Some((status, body)) => match serde_json::from_str::<Value>(&body) {
                Ok(_) if self.has_been_given_up(status) => self.hang_up(random),
                Ok(answer) => self.hear(status, &answer, totals),
                // The server gave up: whatever became of it.
                Err(_) => {
                    assert!(status == 503 || status == 408, "{status}: {body}");
                    self.hang_up(random);
                }
            },
            None if over => self.hang_up(random),
            None => {}
        }
    }

    /// Whether the server has refused by itself what it never handed to the service, or no longer
    /// waits for. One publication's answer may look the same, and means the same.
    fn has_been_given_up(&self, status: u16) -> bool {
        let single = |flight: &Flight| {
            flight.lines.is_none() && flight.items.len() == 1 && flight.items[0].channels.len() == 1
        };
        status == 408 || (status == 503 && !self.flight.as_ref().is_some_and(single))
    }

    fn hear(&mut self, status: u16, answer: &Value, totals: &mut Totals) {
        let flight = self.flight.take().expect("an answer to something");
        let (mut items, lines) = (flight.items, flight.lines);
        if lines.is_none() && items[0].channels.len() == 1 {
            let code = self.settle(&mut items[0], 0, answer, totals);
            check_status(status, code.as_deref(), answer);
            let item = items.remove(0);
            return self.conclude(item, code.as_deref());
        }
        assert_eq!(status, 200, "{answer}");
        let results = answer["results"].as_array().expect("results");
        let mut results = results.iter();
        let lines = lines.unwrap_or_else(|| vec![(0, Some(0))]);
        let mut codes: Vec<Option<String>> = vec![None; items.len()];
        for (line, item) in lines {
            let Some(at) = item else {
                let result = results.next().expect("one for each line");
                assert_eq!(
                    (result["line"].as_u64(), code_of(result).as_deref()),
                    (Some(line), Some("bad_json"))
                );
                continue;
            };
            for channel in 0..items[at].channels.len() {
                let result = results.next().expect("one for each line and channel");
                assert_eq!(result["line"].as_u64().unwrap_or(0), line, "{answer}");
                if let Some(code) = self.settle(&mut items[at], channel, result, totals) {
                    codes[at] = Some(code);
                }
            }
        }
        assert!(results.next().is_none(), "more results than lines: {answer}");
        for (item, code) in items.into_iter().zip(codes).rev() {
            self.conclude(item, code.as_deref());
        }
    }

    fn conclude(&mut self, item: Publication, code: Option<&str>) {
        match code {
            Some("overloaded" | "expect_undecided") => self.again(item),
            _ => self.done.push(item),
        }
    }

    /// What became of a publication in one of its channels: the code of its refusal, or nothing.
    fn settle(
        &self,
        item: &mut Publication,
        channel: usize,
        answer: &Value,
        totals: &mut Totals,
    ) -> Option<String> {
        let channel = item.channels[channel].clone();
        if let Some(code) = code_of(answer) {
            totals.count_refusal(&code);
            let known = ["overloaded", "unavailable", "channel_ended", "expect_undecided"];
            assert!(known.contains(&&*code), "{item:?}: {answer}");
            // What a log that has failed may have kept, nobody knows.
            item.refused &= code != "unavailable";
            return Some(code);
        }
        let text = |name: &str| answer[name].as_str().unwrap_or_else(|| panic!("{name}: {answer}"));
        let at = Position::parse(text("cursor"));
        let truth = self.truth.borrow();
        let place = truth.find(at).unwrap_or_else(|| panic!("a receipt for nothing: {answer}"));
        let entry = truth.entry(at.seq).filter(|_| at.epoch == truth.epoch);
        let entry = entry.unwrap_or_else(|| panic!("a receipt for nothing: {answer}"));
        assert_eq!((text("channel"), text("level")), (&*channel, "logged"));
        assert!(entry.channel == channel && !entry.is_void, "{answer}");
        assert_eq!(answer["seq"].as_u64(), Some(at.seq));
        assert!(at.seq <= truth.settled, "a receipt before the log has it: {answer}");
        assert!(entry.is_end == item.is_end && (item.is_end || entry.data == item.text()));
        let duplicate = answer["duplicate"] == json!(true);
        assert!(!duplicate || item.tries > 1, "{answer} to a first try");
        totals.published += u64::from(!duplicate);
        totals.duplicates += u64::from(duplicate);
        // What was lost with a life is published again.
        let receipts = item.receipts.entry(channel).or_default();
        let mut before = receipts.iter().filter(|it| truth.is_here(**it));
        assert!(before.all(|before| *before == place && duplicate), "{receipts:?}, then {answer}");
        receipts.push(place);
        None
    }

    pub(crate) fn read_left(&mut self) {
        self.left.retain_mut(|peer| peer.read(usize::MAX).is_some());
    }

    /// Compares with the truth.
    pub(crate) fn judge(&mut self, random: &mut Random) {
        self.hang_up(random);
        let truth = self.truth.borrow();
        truth.check_once();
        for item in self.done.iter().chain(&self.queue).filter(|item| !item.is_end) {
            for channel in &item.channels {
                let is_it = |entry: &&crate::simulation::truth::Entry| {
                    entry.data == item.text() && entry.channel == *channel
                };
                let entries: Vec<_> = truth.entries().filter(is_it).collect();
                let mut receipts = item.receipts.get(channel).into_iter().flatten();
                let least = usize::from(receipts.any(|it| truth.is_here(*it)));
                let none = item.refused && least == 0 || item.tries == 0;
                let most = usize::from(!none);
                assert!(
                    (least..=most).contains(&entries.len()),
                    "{channel}: {item:?}: {entries:?}"
                );
                for entry in entries {
                    assert_eq!((&entry.key, &entry.event), (&item.key, &item.event));
                    assert_eq!(entry.ttl_ms, item.ttl_ms);
                    assert_eq!(entry.is_json, !item.data.is_string());
                }
            }
        }
    }
}

impl Publication {
    /// The data as they stand in the log.
    fn text(&self) -> String {
        self.data.as_str().map_or_else(|| self.data.to_string(), str::to_owned)
    }

    fn object(&self, random: &mut Random) -> Value {
        let mut object = json!({ "data": self.data });
        if self.channels.len() == 1 && !random.one_in(8) {
            object["channel"] = json!(self.channels[0]);
        } else {
            object["channel"] = json!(self.channels[0]);
            if self.channels.len() > 1 {
                object.as_object_mut().expect("one").remove("channel");
                object["channels"] = json!(self.channels);
            }
        }
        let fields = [
            ("event", self.event.clone().map(Value::from)),
            ("key", self.key.clone().map(Value::from)),
            ("ttl_ms", self.ttl_ms.map(Value::from)),
        ];
        for (name, value) in fields {
            if let Some(value) = value {
                object[name] = value;
            }
        }
        object
    }

    fn is_raw(&self) -> bool {
        self.channels.len() == 1 && !self.is_end
    }

    fn raw_path(&self) -> String {
        let mut path = format!("/v1/channels/{}?", encode(&self.channels[0]));
        if let Some(event) = &self.event {
            path.push_str(&format!("&event={}", encode(event)));
        }
        if let Some(key) = &self.key {
            path.push_str(&format!("&key={}", encode(key)));
        }
        if let Some(ttl) = self.ttl_ms {
            path.push_str(&format!("&ttl_ms={ttl}"));
        }
        path
    }

    fn raw_body(&self) -> String {
        self.text()
    }
}

fn publication(id: usize, n: usize, channels: &[String], random: &mut Random) -> Publication {
    let channel = |random: &mut Random| channels[random.below(channels.len())].clone();
    let mut to = vec![channel(random)];
    let is_end = random.one_in(25);
    if !is_end && random.one_in(8) {
        to.push(channel(random));
        to.dedup();
    }
    let token = format!("{id}.{n} {}", "x".repeat(random.skewed(200)));
    let data = match random.below(4) {
        0 => json!({ "token": token, "n": n }),
        1 => json!(format!("{token}\nmore \"of\" it ü")),
        _ => json!(token),
    };
    let ttl_ms = random.one_in(8).then(|| [1, 50, SHORT_MS, 86_400_000][random.below(4)]);
    Publication {
        channels: to,
        data,
        event: random.one_in(3).then(|| format!("event {}", n % 3)),
        ttl_ms,
        key: (!is_end && !random.one_in(3)).then(|| format!("key {id}.{n}")),
        is_end,
        tries: 0,
        receipts: BTreeMap::new(),
        refused: true,
    }
}

/// Lines of a batch, some of them nonsense or blank, and which of them have an answer.
fn batch(items: &[Publication], random: &mut Random) -> (String, Vec<(u64, Option<usize>)>) {
    let (mut body, mut lines, mut line) = (String::new(), Vec::new(), 0);
    for (at, item) in items.iter().enumerate() {
        while random.one_in(6) {
            line += 1;
            body.push_str(if random.one_in(2) { "\r\n" } else { "{nonsense\n" });
            if body.ends_with("nonsense\n") {
                lines.push((line, None));
            }
        }
        line += 1;
        let channels = &item.channels;
        assert!(!channels.is_empty());
        body.push_str(&format!("{}\n", item.object(random)));
        lines.push((line, Some(at)));
    }
    (body, lines)
}

fn code_of(answer: &Value) -> Option<String> {
    let code = answer["error"]["code"].as_str().or_else(|| answer["code"].as_str());
    code.map(str::to_owned)
}

fn check_status(status: u16, code: Option<&str>, answer: &Value) {
    let wanted = match code {
        // A command's answer has no status.
        _ if status == 0 => 0,
        None => 200,
        Some("channel_ended") => 409,
        Some(_) => 503,
    };
    assert_eq!(status, wanted, "{answer}");
}
