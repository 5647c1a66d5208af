//! The parts of another log, in a log that goes on from it.
//!
//! | the log has | what follows |
//! |---|---|
//! | the first entry | places begin behind the other log's head |
//! | the next part | it is remembered as verdicts need it, and collected for the hubs |
//! | another part | a repeat, or one that came too early: it is passed over |
//! | the end | the hubs get all of it at once. From here on nodes take part |

use sockeye_hub::{ChannelName, Check, Cursor, Epoch, Kind, Run, Seq};
use sockeye_service::sequencing::{Restored, RestoredChannel, Sequenced};
use sockeye_service::wire::Level;

use super::memory::{Entry, Memory};
use super::{Effect, Replica, Told};
use crate::entry::{Import, Imported, ImportedMessage, ImportedPart};

/// The known parts of the other log; none, if there is no other log.
#[derive(Debug, Default)]
pub(super) struct Origin {
    /// The parts that are still to come.
    under_way: Option<Box<UnderWay>>,
    /// Whose tags positions have.
    runs: Vec<Run>,
    /// Channels that nobody has named may have had messages up to here, in the other log.
    horizon: u64,
    /// Its newest position.
    head: u64,
}

/// Parts that have come.
#[derive(Debug)]
struct UnderWay {
    nonce: u64,
    next: u64,
    /// No message may be behind this position.
    head: u64,
    newest: u64,
    restored: Restored,
}

impl Origin {
    fn new(it: &Import) -> Self {
        let run = |first, tag| Run { first: Seq(first), check: Check::new(tag) };
        let runs = it.runs.iter().filter(|run| run.first <= it.head);
        let mut runs: Vec<Run> = runs.map(|it| run(it.first, it.tag)).collect();
        runs.push(run(it.head + 1, it.check));
        runs.sort_by_key(|run| run.first);
        let horizon = it.horizon.min(it.head);
        let restored =
            Restored { horizon: Seq(horizon), runs: runs.clone(), ..Restored::default() };
        let (nonce, head) = (it.nonce, it.head);
        let under_way = UnderWay { nonce, next: 0, head, newest: 0, restored };
        Self { under_way: Some(Box::new(under_way)), runs, horizon, head }
    }

    /// The position up to which unknown channels may have had messages, if everything up to a place is forgotten.
    pub(super) const fn floor(&self, through: u64) -> u64 {
        if through > self.head { through } else { self.horizon }
    }

    /// The tag of a position.
    fn check(&self, seq: u64) -> Check {
        let after = self.runs.partition_point(|run| run.first.0 <= seq);
        after.checked_sub(1).map_or(Check::NONE, |at| self.runs[at].check)
    }

    /// Another epoch begins. Its positions have no tags.
    pub(super) fn end_epoch(&mut self) {
        self.runs.clear();
        if let Some(under_way) = &mut self.under_way {
            under_way.restored.runs.clear();
        }
    }
}

impl UnderWay {
    /// Whether this is the next part, and fits to the others.
    fn takes(&self, it: &Imported<'_>) -> bool {
        let is_name = |name: &str| ChannelName::new(name).is_ok();
        let fits = match &it.part {
            ImportedPart::Message(message) => {
                let is_next = message.seq > self.newest && message.seq <= self.head;
                is_next && is_name(message.channel) && message.payload.checked().is_some()
            }
            ImportedPart::Channels(channels) => {
                let mut all = channels.iter();
                all.all(|it| it.floor <= it.last && it.last <= self.head && is_name(it.name))
            }
            ImportedPart::Keys(keys) => {
                let mut all = keys.iter();
                all.all(|it| it.seq <= self.head && !it.key.is_empty() && is_name(it.channel))
            }
            ImportedPart::End => true,
        };
        fits && (it.nonce, it.number) == (self.nonce, self.next)
    }
}

impl Replica {
    /// Of a log that has just begun, and goes on from another one.
    pub(in crate::node) fn import(import: &Import, level: Level) -> Self {
        let seq = import.head + 1;
        let mut replica =
            Self::begin((seq, Epoch(import.epoch)), (import.identity, import.time_ms), level);
        replica.memory = Memory::behind(import.head, import.time_ms);
        replica.told = import.head;
        replica.origin = Origin::new(import);
        replica
    }

    /// Whether parts of another log are still to come. Until then nobody takes part.
    pub(in crate::node) const fn is_importing(&self) -> bool {
        self.origin.under_way.is_some()
    }

    /// The cursor of a position in this epoch.
    pub(super) fn at(&self, seq: Seq) -> Cursor {
        Cursor { epoch: self.epoch, seq, check: self.origin.check(seq.0) }
    }

    /// Takes a part of another log.
    pub(super) fn bring(&mut self, it: &Imported<'_>) -> Effect {
        let under_way = self.origin.under_way.as_ref();
        if under_way.is_none_or(|under_way| !under_way.takes(it)) {
            self.passed.push(self.head);
            return Effect::Void;
        }
        self.remember(&it.part);
        self.collect(&it.part);
        match it.part {
            ImportedPart::End => {
                let under_way = self.origin.under_way.take().expect("it has taken the part");
                Effect::Restored(Box::new(under_way.restored))
            }
            ImportedPart::Message(_) | ImportedPart::Channels(_) | ImportedPart::Keys(_) => {
                Effect::Void
            }
        }
    }

    /// Takes a part whose verdict was told. The hubs of this node begin behind it.
    pub(super) fn bring_told(&mut self, it: &Imported<'_>, told: Told) -> Effect {
        match told {
            Told::Taken | Told::Refused => self.remember(&it.part),
            Told::Passed if self.head > self.told => self.passed.push(self.head),
            Told::Passed => {}
        }
        Effect::Void
    }

    /// Notes what later verdicts follow from.
    fn remember(&mut self, part: &ImportedPart<'_>) {
        let at = (self.head, self.time_ms);
        let kind = |ended| if ended { Kind::End } else { Kind::Message };
        match part {
            ImportedPart::Message(it) => {
                self.memory.push(Entry::newest(at, it.seq, it.channel, kind(it.ends)));
            }
            ImportedPart::Channels(channels) => {
                for it in channels {
                    self.memory.push(Entry::newest(at, it.last, it.name, kind(it.ended)));
                }
            }
            ImportedPart::Keys(keys) => {
                keys.iter().for_each(|it| self.memory.push(Entry::key(at, it)));
            }
            ImportedPart::End => {}
        }
    }

    /// Notes what the hubs get.
    fn collect(&mut self, part: &ImportedPart<'_>) {
        let message = match part {
            ImportedPart::Message(it) => Some(self.message(it)),
            ImportedPart::Channels(_) | ImportedPart::Keys(_) | ImportedPart::End => None,
        };
        let Some(under_way) = &mut self.origin.under_way else { return };
        under_way.next += 1;
        if let Some(message) = message {
            under_way.newest = message.position.seq.0;
            under_way.restored.messages.push(message);
        }
        if let ImportedPart::Channels(channels) = part {
            let channels = channels.iter().map(|it| RestoredChannel {
                name: it.name.into(),
                floor: Seq(it.floor),
                last: Seq(it.last),
                ended: it.ended,
            });
            under_way.restored.channels.extend(channels);
        }
    }

    fn message(&self, it: &ImportedMessage<'_>) -> Sequenced {
        Sequenced {
            position: self.at(Seq(it.seq)),
            channel: it.channel.into(),
            payload: it.payload.checked().expect("it was checked"),
            kind: if it.ends { Kind::End } else { Kind::Message },
            time_ms: it.time_ms.min(self.time_ms),
            level: self.level,
        }
    }
}
