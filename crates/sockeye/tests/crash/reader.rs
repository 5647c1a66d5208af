//! A subscriber that keeps its cursor over the kills, and comes back over any transport.

use serde_json::{Value, json};

use crate::crash::clients::{Event, Events, Gone, Http, Socket};
use crate::crash::line::Site;
use crate::crash::random::Random;
use crate::crash::round::Round;
use crate::crash::truth::{CHANNELS, Cursor, Life};

/// What it was told of one life, without a hole: messages above `from`, up to its cursor.
#[derive(Debug)]
struct Stretch {
    epoch: u64,
    from: u64,
    through: u64,
    seen: Vec<u64>,
}

#[derive(Debug)]
pub(crate) struct Reader {
    at: usize,
    targets: Vec<&'static str>,
    channels: Vec<&'static str>,
    /// As it was given, for the next request.
    cursor: Option<String>,
    stretches: Vec<Stretch>,
    /// A gap was declared, and no cursor came since.
    gap: bool,
    transport: Option<Transport>,
    pub(crate) counts: Counts,
    random: Random,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Transport {
    Events,
    EventsRaw,
    Socket,
    Poll,
}

#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    pub(crate) messages: usize,
    pub(crate) gaps: usize,
    pub(crate) resumes: usize,
    pub(crate) changes: usize,
}

impl Reader {
    pub(crate) fn new(at: usize, random: Random) -> Self {
        let targets = [&["c:*"][..], &CHANNELS, &["c:0"], &["c:1", "c:2"]][at % 4].to_vec();
        let channels = if at.is_multiple_of(4) { CHANNELS.to_vec() } else { targets.clone() };
        let (counts, stretches) = (Counts::default(), Vec::new());
        let (cursor, gap, transport) = (None, false, None);
        Self { at, targets, channels, cursor, stretches, gap, transport, counts, random }
    }

    /// Reads until the server is gone.
    pub(crate) fn run(&mut self, site: Site, round: &Round) {
        use Transport::{Events, EventsRaw, Poll, Socket};
        let transport = [Events, EventsRaw, Socket, Poll][self.random.below(4)];
        self.counts.changes += usize::from(self.transport.is_some_and(|it| it != transport));
        self.counts.resumes += usize::from(self.cursor.is_some());
        self.transport = Some(transport);
        let site = site.with_any_version(&mut self.random);
        let Err(Gone) = match transport {
            Events => self.read_events(site, "&envelope=json", round),
            EventsRaw => self.read_events(site, "", round),
            Socket => self.read_socket(site, round),
            Poll => self.poll(site, round),
        };
    }

    fn query(&self) -> String {
        self.targets.iter().map(|target| format!("&channel={target}")).collect()
    }

    fn read_events(
        &mut self,
        site: Site,
        form: &str,
        round: &Round,
    ) -> Result<core::convert::Infallible, Gone> {
        let target = format!("/v1/sse?{}{form}", &self.query()[1..]);
        let mut events = Events::open(site, &target, self.cursor.as_deref())?;
        loop {
            let Event { name, data, id } = events.next()?;
            let parsed = || serde_json::from_str::<Value>(&data).expect("it is JSON");
            match name.as_str() {
                "" | "$sync" => self.on_cursor(&id, round),
                "$gap" => self.on_gap(&parsed(), round),
                "message" if form.is_empty() => self.on_message(&id, &said(&data), None, round),
                "message" => self.on_message_json(&parsed(), round),
                _ => panic!("{name}: {data}"),
            }
        }
    }

    fn read_socket(
        &mut self,
        site: Site,
        round: &Round,
    ) -> Result<core::convert::Infallible, Gone> {
        let mut socket = Socket::open(site)?;
        let mut command = json!({"type": "subscribe", "channels": self.targets});
        if let Some(cursor) = &self.cursor {
            command["cursor"] = cursor.as_str().into();
        }
        socket.send(&command)?;
        loop {
            let message = socket.next()?;
            match message["type"].as_str().expect("a type") {
                "message" => self.on_message_json(&message, round),
                "gap" => self.on_gap(&message, round),
                "subscribed" | "sync" => self.on_cursor(text(&message["cursor"]), round),
                _ => panic!("{message}"),
            }
        }
    }

    fn poll(&mut self, site: Site, round: &Round) -> Result<core::convert::Infallible, Gone> {
        let mut http = Http::connect(site)?;
        loop {
            let cursor = self.cursor.as_ref().map_or(String::new(), |it| format!("&cursor={it}"));
            // Without a cursor it would wait for a message that is sure to be missed by none.
            let wait = if cursor.is_empty() { 0 } else { 20 };
            let answer = http.get(&format!("/v1/poll?wait={wait}{}{cursor}", self.query()))?;
            for gap in answer["gaps"].as_array().into_iter().flatten() {
                self.on_gap(gap, round);
            }
            for message in answer["messages"].as_array().into_iter().flatten() {
                self.on_message_json(message, round);
            }
            if let Some(cursor) = answer["cursor"].as_str() {
                self.on_cursor(cursor, round);
            }
        }
    }

    fn on_message_json(&mut self, message: &Value, round: &Round) {
        let (cursor, time) = (text(&message["cursor"]), message["time"].as_u64());
        assert!(time.is_some(), "{message}");
        let said = said_in(message);
        assert!(said.starts_with(text(&message["channel"])), "{message}");
        self.on_message(cursor, &said, time, round);
    }

    fn on_message(&mut self, cursor: &str, said: &str, time: Option<u64>, round: &Round) {
        let at = Cursor::parse(cursor);
        let channel = said.split(' ').next().expect("one at least");
        assert!(self.channels.contains(&channel), "{said:?} was not asked for");
        let after = Cursor { seq: at.seq - 1, ..at };
        if self.stretches.last().is_none_or(|stretch| stretch.epoch != at.epoch) {
            self.move_to(after);
        }
        let stretch = self.stretches.last_mut().expect("there is one now");
        assert!(
            at.seq > stretch.through,
            "reader {} by {:?}: {said:?} at {} came after {}",
            self.at,
            self.transport,
            at.seq,
            stretch.through
        );
        stretch.seen.push(at.seq);
        stretch.through = at.seq;
        self.cursor = Some(cursor.to_owned());
        self.counts.messages += 1;
        round.received(self.at, at, channel, said, time);
    }

    fn on_cursor(&mut self, text: &str, round: &Round) {
        let cursor = Cursor::parse(text);
        self.cursor = Some(text.to_owned());
        if cursor.epoch == 0 {
            // Of no life: a gap follows, or comes once more for whoever is cut off before it.
            return;
        }
        self.move_to(cursor);
        round.has_come_to(self.at, cursor);
    }

    /// A gap is declared when the life is another one, and only then.
    fn on_gap(&mut self, gap: &Value, round: &Round) {
        let mine = self.stretches.last().expect("who has no cursor has no gap").epoch;
        let why = text(&gap["reason"]);
        assert!(why == "epoch" && round.epoch() != mine, "nothing was lost of {mine}: {gap}");
        self.gap = true;
        self.counts.gaps += 1;
    }

    fn move_to(&mut self, to: Cursor) {
        if let Some(stretch) = self.stretches.last_mut()
            && stretch.epoch == to.epoch
        {
            assert!(to.seq >= stretch.through, "a cursor went back to {}", to.seq);
            stretch.through = to.seq;
            return;
        }
        let told = self.stretches.is_empty() || self.gap;
        assert!(told, "reader {} by {:?}: a silent loss", self.at, self.transport);
        self.gap = false;
        let (from, through) = (to.seq, to.seq);
        self.stretches.push(Stretch { epoch: to.epoch, from, through, seen: Vec::new() });
    }

    /// Where it is.
    pub(crate) fn cursor(&self) -> Option<Cursor> {
        let here = self.stretches.last();
        here.map(|stretch| Cursor { epoch: stretch.epoch, seq: stretch.through })
    }

    /// How many messages wait for it; of a new life it knows nothing.
    pub(crate) fn lag(&self, life: &Life) -> usize {
        let here = self.stretches.last().filter(|stretch| stretch.epoch == life.epoch);
        let through = here.map_or(0, |stretch| stretch.through);
        life.within(&self.channels, through, u64::MAX - 1).len()
    }

    pub(crate) fn channels(&self) -> &[&'static str] {
        &self.channels
    }

    /// It has seen exactly what was there, once and in order.
    pub(crate) fn check(&self, lives: &[Life]) {
        for stretch in &self.stretches {
            let life = lives.iter().find(|life| life.epoch == stretch.epoch);
            let life = life.expect("cursors are of lives that were");
            let owed = life.within(&self.channels, stretch.from, stretch.through);
            assert_eq!(stretch.seen, owed, "reader {}: {:?}", self.at, self.channels);
        }
    }
}

/// What a message in JSON says.
pub(crate) fn said_in(message: &Value) -> String {
    match &message["data"] {
        Value::String(text) => said(text),
        other => text(&other["said"]).to_owned(),
    }
}

/// What the data of a message says, be it a text or an object.
fn said(data: &str) -> String {
    match serde_json::from_str::<Value>(data) {
        Ok(object) => text(&object["said"]).to_owned(),
        Err(_) => data.to_owned(),
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}"))
}
