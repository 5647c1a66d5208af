//! A reader of history: pages from either end, held against the log.

use std::cell::RefCell;
use std::rc::Rc;

use serde::Deserialize;
use serde_json::value::RawValue;
use sockeye_simnet::{Peer, Random};

use crate::simulation::said::{self, Data, Said};
use crate::simulation::totals::Totals;
use crate::simulation::truth::{Entry, Position, Truth};
use crate::simulation::wire::{Response, Way, Wire};
use crate::simulation::world;

/// A part of a channel's history: all up to `before`, or from behind `after` on.
#[derive(Clone, Copy, Debug)]
enum Part {
    Before(u64),
    After(u64),
}

#[derive(Debug)]
struct Asked {
    channel: String,
    part: Part,
    limit: usize,
    /// It goes on from a page, by that page's cursor.
    is_next: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Page<'j> {
    channel: String,
    cursor: String,
    floor: u64,
    #[serde(borrow)]
    messages: Vec<&'j RawValue>,
    ended: bool,
    more: bool,
    next: Option<String>,
}

/// One client, on one connection at a time.
pub(crate) struct Historian {
    truth: Rc<RefCell<Truth>>,
    wire: Option<Wire>,
    response: Response,
    asked: Option<Asked>,
    left: Vec<Peer>,
}

impl Historian {
    pub(crate) fn new(truth: &Rc<RefCell<Truth>>) -> Self {
        let (truth, response) = (Rc::clone(truth), Response::default());
        Self { truth, wire: None, response, asked: None, left: Vec::new() }
    }

    pub(crate) fn step(&mut self, way: &Way, random: &mut Random, totals: &mut Totals) {
        if self.wire.is_none() {
            self.wire = Wire::connect(way, random);
        }
        self.receive(random, totals);
        if self.wire.is_some() && self.asked.is_none() {
            let from = random.below(usize::try_from(self.truth.borrow().settled).expect("few") + 3);
            let from = from as u64;
            let part = if random.one_in(2) { Part::Before(from) } else { Part::After(from) };
            let channels = world::channels();
            let channel = channels[random.below(channels.len())].clone();
            let asked = Asked { channel, part, limit: 1 + random.below(4), is_next: false };
            self.ask(asked, &from.to_string());
        }
        if random.one_in(60) {
            self.go(random);
        }
    }

    fn ask(&mut self, asked: Asked, from: &str) {
        let Some(wire) = &mut self.wire else { return };
        let side = match asked.part {
            Part::Before(_) => "before",
            Part::After(_) => "after",
        };
        let Asked { channel, limit, .. } = &asked;
        let target = format!("/v1/channels/{channel}/history?limit={limit}&{side}={from}");
        let accept = if limit % 2 == 1 { "Accept-Encoding: gzip\r\n" } else { "" };
        let request = format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n{accept}\r\n");
        wire.write(request.as_bytes());
        self.asked = Some(asked);
    }

    fn receive(&mut self, random: &mut Random, totals: &mut Totals) {
        let Some(wire) = &mut self.wire else { return };
        wire.read();
        let answered = self.response.take(wire);
        if wire.over && answered.is_none() {
            return self.go(random);
        }
        let Some((head, body)) = answered else { return };
        let Some(asked) = self.asked.take() else {
            assert_eq!(head.status, 408, "{body}");
            return self.go(random);
        };
        match head.status {
            200 => {
                totals.histories += 1;
                if let Some((part, from)) = self.check(&asked, &body) {
                    let asked = Asked { part, is_next: true, ..asked };
                    self.ask(asked, &from);
                }
            }
            // The page's epoch has ended, or the archive has no answer, or the server goes away.
            404 => assert!(asked.is_next, "{asked:?}"),
            503 => {}
            // Its head took too long.
            408 => self.go(random),
            status => panic!("{status} {body}: {asked:?}"),
        }
    }

    /// Holds a page against the log. Returns where the next one begins, if there is one.
    fn check(&self, asked: &Asked, body: &str) -> Option<(Part, String)> {
        let page: Page<'_> = serde_json::from_str(body).unwrap_or_else(|it| panic!("{it}: {body}"));
        let truth = self.truth.borrow();
        let (at, next) = (Position::parse(&page.cursor), page.next.as_deref().map(Position::parse));
        assert_eq!((&page.channel, page.more), (&asked.channel, next.is_some()), "{body}");
        if at.epoch != truth.epoch {
            assert!(page.messages.is_empty(), "an epoch without messages: {body}");
            return None;
        }
        assert!(at.seq <= truth.settled, "{body}, and the log has {}", truth.settled);
        let part = match (asked.part, next) {
            (Part::After(after), None) => after + 1..at.seq + 1,
            (Part::After(after), Some(next)) => after + 1..next.seq + 1,
            (Part::Before(before), None) => 1..before.min(at.seq + 1),
            (Part::Before(before), Some(next)) => next.seq..before.min(at.seq + 1),
        };
        let mut seqs = Vec::new();
        for message in &page.messages {
            let seq = check_message(&truth, &asked.channel, message.get());
            assert!(part.contains(&seq), "{seq} is not in {part:?}: {body}");
            seqs.push(seq);
        }
        assert!(seqs.is_sorted_by(|one, other| one < other), "{body}");
        assert!(seqs.len() <= asked.limit, "{body}");
        // An archive has all that retention has not dropped.
        let floor = truth.floor(&asked.channel);
        let floor = if truth.has_archive { floor } else { floor.max(page.floor) };
        let is_owed = |(seq, entry): &(u64, &Entry)| {
            entry.channel == asked.channel && part.contains(seq) && *seq > floor
        };
        for (seq, entry) in truth.kept().filter(is_owed) {
            let has_it = if entry.is_end { page.ended } else { seqs.contains(&seq) };
            assert!(has_it || entry.ttl_ms.is_some(), "{seq} is missing: {asked:?}, {body}");
        }
        assert!(!page.ended || truth.end_of(&asked.channel).is_some(), "{body}");
        let next = next?;
        let part = match asked.part {
            Part::Before(before) => {
                assert!(next.seq < before, "it gets nowhere: {asked:?}, {body}");
                Part::Before(next.seq)
            }
            Part::After(after) => {
                assert!(next.seq > after, "it gets nowhere: {asked:?}, {body}");
                Part::After(next.seq)
            }
        };
        page.next.map(|text| (part, text))
    }

    /// The process is killed.
    pub(crate) fn cut_off(&mut self) {
        (self.wire, self.asked, self.response) = (None, None, Response::default());
        self.left.clear();
    }

    /// Leaves its connection.
    pub(crate) fn go(&mut self, random: &mut Random) {
        self.left.extend(self.wire.take().and_then(|wire| wire.leave(random)));
        (self.asked, self.response) = (None, Response::default());
    }

    /// Reads what its former connections say, to no end.
    pub(crate) fn read_left(&mut self) {
        self.left.retain_mut(|peer| peer.read(usize::MAX).is_some());
    }
}

/// A message is as it was published, where it says. Returns its position.
fn check_message(truth: &Truth, channel: &str, json: &str) -> u64 {
    let Said::Message(message) = said::envelope(json) else { panic!("no message: {json}") };
    let (seq, envelope) = (message.at.seq, message.envelope.expect("an envelope"));
    let entry = truth.entry(seq).filter(|it| !it.is_void && !it.is_end);
    let entry = entry.unwrap_or_else(|| panic!("the log has no message at {seq}: {json}"));
    assert_eq!((message.at.epoch, &*envelope.channel), (truth.epoch, channel), "{json}");
    assert_eq!((&entry.channel, &entry.event), (&envelope.channel, &message.event), "{json}");
    assert_eq!(entry.time_ms, envelope.time_ms, "{json}");
    let data = match message.data {
        Data::Text(text) => (text, false),
        Data::Json(json) => (json, true),
        Data::Bare(_) => panic!("an envelope has data: {json}"),
    };
    assert_eq!((&entry.data, entry.is_json), (&data.0, data.1), "{json}");
    seq
}
