//! A machine that serves alone, before there is a shared log, and the import of what it has kept.

use std::sync::Arc;

use sockeye_backbone::Engine;
use sockeye_backbone::entry::{
    Body, Data, Entry, Import, Imported, ImportedChannel, ImportedKey, ImportedMessage,
    ImportedPart, ImportedRun, Payload,
};
use sockeye_backbone::memory::{Held, Hold};
use sockeye_backbone::node::Objection;
use sockeye_backbone::node::import::{Importer, Offered, Progress};
use sockeye_hub::{
    ChannelName, Check, Epoch, Flow, Hub, Kind, Publication, Published, Seq, SubscriberKey,
};

use super::{CHANNELS, CLIENTS, KEYS, STATIONS, World};
use crate::simulation::station::{Station, follow_all, hub_config};

/// A message that the machine has kept.
struct Kept {
    seq: u64,
    channel: usize,
    text: String,
    ends: bool,
    time_ms: u64,
}

/// The entries of an import: the first one, and the others.
pub(super) struct Origin {
    import: Import,
    parts: Vec<Arc<[u8]>>,
}

/// The machine, with what its disk has.
struct Alone {
    hub: Hub<usize>,
    run: u32,
    kept: Vec<Kept>,
    keys: Vec<(usize, String, u64, u64)>,
    /// The newest message of each channel, and whether it has ended.
    newest: [(u64, bool); CHANNELS.len()],
    clients: [Option<SubscriberKey>; CLIENTS],
}

impl Alone {
    fn new(epoch: Epoch, run: u32) -> Self {
        let mut hub = Hub::new(epoch, hub_config());
        hub.begin_run(Check::new(run));
        let newest = [(0, false); CHANNELS.len()];
        Self { hub, run, kept: Vec::new(), keys: Vec::new(), newest, clients: [None; CLIENTS] }
    }
}

impl World {
    /// A machine serves alone, is stopped, and what its disk has becomes the log.
    pub(super) fn begin_alone(&mut self) {
        let epoch = Epoch(self.random.bits() >> 1);
        let run = 1 + u32::from(self.random.bits().to_le_bytes()[0]);
        let mut alone = Alone::new(epoch, run);
        for _ in 0..self.random.below(70) {
            self.step += 1;
            self.now_ms += self.random.below(60) as u64;
            let number = self.random.below(CLIENTS);
            match (self.random.below(8), alone.clients[number]) {
                (0, None) => self.come_to(&mut alone, number),
                (1, Some(_)) => self.leave_from(&mut alone, number),
                _ => self.publish_at(&mut alone),
            }
        }
        (0..CLIENTS).for_each(|number| self.leave_from(&mut alone, number));
        let (import, parts) = self.export(&alone);
        let entry = |part| Entry::new(Body::Imported(Imported { nonce: 0, number: 0, part }));
        let parts = parts.into_iter().map(|part| entry(part).encode()).collect();
        self.origin = Some(Origin { import, parts });
        self.import(400);
    }

    /// The log has lost the end of what was imported: the operator imports it again.
    pub(super) fn import_again(&mut self) {
        let waits = |it: &Station| it.node.find_objection() == Some(Objection::Importing);
        if self.stations.iter().flatten().any(waits) {
            self.import(0);
        }
    }

    fn publish_at(&mut self, alone: &mut Alone) {
        let channel = self.random.below(CHANNELS.len());
        let key = self.random.one_in(3).then(|| self.random.below(KEYS));
        let message = self.oracle.publish(channel, key, self.step);
        let kind = if self.random.one_in(60) { Kind::End } else { Kind::Message };
        let key = key.map(|key| format!("k{key}"));
        let name = ChannelName::new(CHANNELS[channel]).expect("a name");
        let publication =
            Publication { kind, key: key.as_deref(), ..Publication::new(name, message, 1) };
        let mut delivered = Vec::new();
        let published = alone.hub.publish(publication, self.now_ms, |subscriber, entry| {
            delivered.push((subscriber, entry.position));
            Flow::Taken
        });
        match published {
            Ok(Published::Committed(committed)) => {
                let at = committed.entry.position;
                self.oracle.place(at, message);
                self.oracle.answer(message, Some(at), &self.log);
                let (seq, time_ms, ends) = (at.seq.0, self.now_ms, kind == Kind::End);
                alone.newest[channel] = (seq, ends);
                let until_ms = time_ms + hub_config().settings.key_ms;
                alone.keys.extend(key.map(|key| (channel, key, seq, until_ms)));
                let text = format!("m{message};");
                alone.kept.push(Kept { seq, channel, text, ends, time_ms });
            }
            Ok(Published::Duplicate(at)) => self.oracle.repeat(message, at, &self.log),
            Err(_) => self.oracle.answer(message, None, &self.log),
        }
        for (subscriber, at) in delivered {
            let number = alone.clients.iter().position(|it| *it == Some(subscriber));
            self.clients[number.expect("its client")].receive(at, message);
        }
    }

    fn come_to(&mut self, alone: &mut Alone, number: usize) {
        let key = alone.hub.connect().expect("there is room");
        let client = &mut self.clients[number];
        let start = client.start(self.step);
        follow_all(&mut alone.hub, key, start, self.now_ms);
        alone.clients[number] = Some(key);
        let mut items = Vec::new();
        let budget = sockeye_hub::Budget { messages: 999, bytes: 1 << 20 };
        let mut subscriber = alone.hub.subscriber(key).expect("it is connected");
        assert_eq!(subscriber.pull(budget, self.now_ms, &mut items), sockeye_hub::Progress::Live);
        let epoch = alone.hub.position().epoch.0;
        client.take_all(items, epoch, self.step);
    }

    fn leave_from(&mut self, alone: &mut Alone, number: usize) {
        if let Some(key) = alone.clients[number].take() {
            let subscriber = alone.hub.subscriber(key).expect("it is connected");
            self.clients[number].cursor = Some(subscriber.disconnect());
        }
    }

    /// The messages to bring: some of each channel, and of one perhaps none.
    fn export<'a>(&mut self, alone: &'a Alone) -> (Import, Vec<ImportedPart<'a>>) {
        let mut floors = [0; CHANNELS.len()];
        for (channel, floor) in floors.iter_mut().enumerate() {
            let of_it: Vec<u64> =
                alone.kept.iter().filter(|it| it.channel == channel).map(|it| it.seq).collect();
            if self.random.one_in(2) && !of_it.is_empty() {
                *floor = of_it[self.random.below(of_it.len())];
            }
        }
        let head = alone.hub.position().seq.0 + self.random.below(3) as u64;
        let brought = alone.kept.iter().filter(|it| it.seq > floors[it.channel]);
        let mut parts: Vec<ImportedPart<'a>> = brought.map(message).collect();
        let channels = floors.into_iter().enumerate().filter(|(_, floor)| *floor > 0);
        let channels = channels.map(|(channel, floor)| {
            let (last, ended) = alone.newest[channel];
            ImportedChannel { name: CHANNELS[channel], floor, last, ended }
        });
        let channels: Vec<_> = channels.collect();
        if !channels.is_empty() {
            parts.push(ImportedPart::Channels(channels));
        }
        let keys = alone.keys.iter().map(|(channel, key, seq, until_ms)| ImportedKey {
            channel: CHANNELS[*channel],
            key,
            seq: *seq,
            until_ms: *until_ms,
        });
        parts.push(ImportedPart::Keys(keys.collect()));
        parts.push(ImportedPart::End);
        let import = Import {
            epoch: alone.hub.position().epoch.0,
            nonce: 0,
            time_ms: self.now_ms,
            identity: 0,
            head,
            horizon: 0,
            check: alone.run + 1,
            runs: vec![ImportedRun { first: 1, tag: alone.run }],
            plan: parts.len() as u64,
        };
        (import, parts)
    }

    /// An importer that is cut and killed for some rounds brings all of it. Nodes wait for the end.
    fn import(&mut self, disturbed: usize) {
        let origin = self.origin.take().expect("there was a machine");
        let (mut importer, mut engine) = self.begin_import(&origin.import);
        for round in 0.. {
            self.now_ms += self.random.below(20) as u64;
            self.log.set_unix_ms(self.now_ms);
            if round < disturbed {
                self.disturb_import(engine);
            } else {
                self.log.hold_writes(engine, Hold::Off);
                self.log.allow_reads(engine, None);
                self.log.restore(engine);
                self.log.deliver_late(usize::MAX);
            }
            self.log.ask_ends();
            if round < disturbed && self.random.one_in(40) {
                self.log.cut(engine, [Held::Lost, Held::Late, Held::Arrived][self.random.below(3)]);
                (importer, engine) = self.begin_import(&origin.import);
                self.sum.imports_killed += 1;
            }
            match importer.step().expect("the log was empty") {
                Progress::Done => break,
                Progress::Waits(_) => {}
                Progress::Feeds(_) => self.feed(&mut importer, &origin),
            }
            if disturbed > 0 {
                self.wait_for_import();
            }
        }
        self.log.deliver_late(usize::MAX);
        self.sum.imported += 1;
        self.origin = Some(origin);
    }

    /// Offers the parts from the first one on, as the program does.
    fn feed(&mut self, importer: &mut Importer, origin: &Origin) {
        for (number, bytes) in origin.parts.iter().enumerate() {
            let Ok(Entry { body: Body::Imported(it), .. }) = Entry::decode(bytes) else {
                unreachable!("it was encoded")
            };
            match importer.offer(number as u64, &it.part) {
                Offered::Taken => {}
                Offered::Full | Offered::Again => return,
            }
            if self.random.one_in(4) {
                importer.flush();
            }
        }
    }

    fn begin_import(&mut self, import: &Import) -> (Importer, usize) {
        let mut engine = self.log.open();
        engine.set_wake(Arc::new(|| {}));
        let number = engine.number();
        let import = Import { nonce: self.random.bits(), ..import.clone() };
        (Importer::new(import, Box::new(engine)), number)
    }

    fn disturb_import(&mut self, engine: usize) {
        match self.random.below(16) {
            0 => self.log.hold_writes(engine, Hold::On),
            1 => self.log.hold_writes(engine, Hold::Off),
            2 => {
                let held = [Held::Lost, Held::Late, Held::Arrived][self.random.below(3)];
                self.log.cut(engine, held);
            }
            3 => self.log.take_away(engine),
            4 | 5 => self.log.restore(engine),
            6 => self.log.deliver_late(1),
            7 if self.log.ends().last.is_some() => self.log.write(*b"somebody else wrote this"),
            8 => self.log.allow_reads(engine, Some(1 + self.random.below(5))),
            9 => self.log.allow_reads(engine, None),
            _ => self.log.deliver(engine, self.random.below(3)),
        }
    }

    /// Nodes that come too early read, and give their hubs nothing.
    fn wait_for_import(&mut self) {
        let at = self.random.below(STATIONS);
        if self.log.ends().last.is_some() && self.stations[at].is_none() && self.random.one_in(9) {
            self.start(at);
        }
        self.run(at);
        let Some(station) = &self.stations[at] else { return };
        let objection = station.node.find_objection();
        let waits = matches!(objection, Some(Objection::Joining | Objection::Importing));
        let entries = self.log.entries();
        let has_end = entries.iter().any(|(_, bytes)| is_end(bytes));
        assert!(waits || has_end, "{objection:?}");
        assert!(has_end || station.hub.position().seq == Seq::ZERO, "its hub has something");
        self.sum.waited += u64::from(objection == Some(Objection::Importing));
    }
}

fn message(it: &Kept) -> ImportedPart<'_> {
    let payload = Payload {
        event: None,
        data: Data::Text(&it.text),
        ttl_ms: None,
        date_ms: Some(it.time_ms),
    };
    let (channel, ends) = (CHANNELS[it.channel], it.ends);
    ImportedPart::Message(ImportedMessage {
        seq: it.seq,
        time_ms: it.time_ms,
        channel,
        payload,
        ends,
    })
}

fn is_end(bytes: &[u8]) -> bool {
    let entry = Entry::decode(bytes);
    matches!(
        entry,
        Ok(Entry { body: Body::Imported(Imported { part: ImportedPart::End, .. }), .. })
    )
}
