//! A log that several machines share, and that goes on from the log of a single one.

use std::collections::HashMap;

use sockeye_hub::{ChannelName, Flow, Hub, Misuse, Publication, Run, Seq};

use super::{Sequenced, restore};

/// The state of another log, in whose epoch a shared log goes on: that of its hubs before the first entry of their own.
#[derive(Clone, Debug, Default)]
pub struct Restored {
    /// Channels that are not named may have had messages up to here.
    pub horizon: Seq,
    /// The runs that have given out the positions, in order. The last one is that of the shared log.
    pub runs: Vec<Run>,
    /// Channels of which more is known than their messages tell.
    pub channels: Vec<RestoredChannel>,
    /// The messages, in order.
    pub messages: Vec<Sequenced>,
}

/// A channel of another log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RestoredChannel {
    /// Its name, which was checked.
    pub name: Box<str>,
    /// Its messages up to here are not kept.
    pub floor: Seq,
    /// Its newest message. At the floor, no message is kept.
    pub last: Seq,
    /// Whether that has ended it.
    pub ended: bool,
}

impl Restored {
    /// Gives it to a hub that has just begun the epoch. `body` makes the body of a message.
    ///
    /// # Errors
    /// If the hub is not empty, or messages are out of order.
    pub fn give_to<M>(
        &self,
        hub: &mut Hub<M>,
        mut body: impl FnMut(&Sequenced) -> M,
    ) -> Result<(), Misuse> {
        hub.restore_horizon(self.horizon);
        restore::runs(hub, &self.runs);
        let mut floors = HashMap::new();
        for channel in &self.channels {
            let name = ChannelName::new(&channel.name).expect("names are checked where they come");
            if channel.last > channel.floor {
                floors.insert(&*channel.name, channel.floor);
            } else {
                hub.restore_channel(name, channel.last, channel.ended);
            }
        }
        for message in &self.messages {
            let name = ChannelName::new(&message.channel).expect("names are checked there, too");
            let floor = floors.remove(&*message.channel).unwrap_or_default();
            hub.restore_history(name, floor);
            restore::head(hub, message.position.seq.previous())?;
            let publication = Publication {
                kind: message.kind,
                ..Publication::new(name, body(message), message.payload.cost())
            };
            let seq = message.position.seq;
            hub.apply(seq, publication, message.time_ms, |_, _| Flow::Full)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use sockeye_hub::{
        Check, Config, Cursor, Epoch, Gap, Item, Kind, OnGap, Progress, Reason, Start, Target,
    };

    use super::*;
    use crate::payload::Level;
    use crate::wire::{Data, Payload};

    fn message(seq: u64, channel: &str) -> Sequenced {
        Sequenced {
            position: Cursor::new(Epoch(7), Seq(seq)),
            channel: channel.into(),
            payload: Payload::new(Data::text("x")),
            kind: Kind::Message,
            time_ms: 1,
            level: Level::Logged,
        }
    }

    fn channel(name: &str, floor: u64, last: u64) -> RestoredChannel {
        RestoredChannel { name: name.into(), floor: Seq(floor), last: Seq(last), ended: false }
    }

    /// The part of a channel that a client with a cursor gets: positions, and the end of the gap.
    fn resume(hub: &mut Hub<u64>, name: &str, after: Cursor) -> (Vec<u64>, Vec<(Reason, u64)>) {
        let key = hub.connect().expect("there is room");
        let mut subscriber = hub.subscriber(key).expect("it is there");
        let target = Target::Channel(ChannelName::new(name).expect("a name"));
        subscriber.subscribe(target, Start::After(after), 1).expect("there is room");
        let mut items = Vec::new();
        let budget = sockeye_hub::Budget { messages: 99, bytes: 9_999 };
        assert_eq!(subscriber.pull(budget, 1, &mut items), Progress::Live);
        let (mut got, mut gaps) = (Vec::new(), Vec::new());
        for item in items {
            match item {
                Item::Message(entry) => got.push(entry.position.seq.0),
                Item::Gap(Gap { reason, missed, .. }) => gaps.push((reason, missed.through.0)),
                Item::Sync(_) => {}
            }
        }
        (got, gaps)
    }

    #[test]
    fn cursors_of_the_other_log_resume_or_have_a_gap() {
        let (old, new) = (Check::new(5), Check::new(6));
        let runs = [Run { first: Seq(1), check: old }, Run { first: Seq(101), check: new }];
        let mut ended = channel("ended", 50, 50);
        ended.ended = true;
        let restored = Restored {
            horizon: Seq(30),
            runs: runs.into(),
            channels: vec![channel("cut", 40, 60), channel("gone", 20, 20), ended],
            messages: [(4, "whole"), (60, "cut"), (61, "whole")].map(|(s, c)| message(s, c)).into(),
        };
        let mut config = Config::default();
        config.settings.on_gap = OnGap::Tail;
        let mut hub: Hub<u64> = Hub::new(Epoch(7), config);
        restored.give_to(&mut hub, |it| it.position.seq.0).expect("it is empty");
        hub.void(Seq(101)).expect("it is ahead");
        let at = |seq, check| Cursor { epoch: Epoch(7), seq: Seq(seq), check };
        for (name, seq, got, gaps) in [
            // Nothing of it was dropped, though others were forgotten behind it.
            ("whole", 3, &[4, 61][..], &[][..]),
            ("whole", 4, &[61], &[]),
            ("whole", 100, &[], &[]),
            ("cut", 40, &[60], &[]),
            ("cut", 39, &[60], &[(Reason::Trimmed, 40)]),
            ("gone", 20, &[], &[]),
            ("gone", 19, &[], &[(Reason::Trimmed, 20)]),
            ("unknown", 30, &[], &[]),
            ("unknown", 29, &[], &[(Reason::Trimmed, 30)]),
        ] {
            let wanted = (got.to_vec(), gaps.to_vec());
            assert_eq!(resume(&mut hub, name, at(seq, old)), wanted, "{name} after {seq}");
        }
        assert!(hub.channel(ChannelName::new("ended").expect("a name")).ended);
        // A client that has gone on with the other log has a cursor of another run.
        let forked = resume(&mut hub, "whole", at(101, old));
        assert_eq!(forked.1.first().map(|gap| gap.0), Some(Reason::Forked), "{forked:?}");
        assert_eq!(hub.position(), at(101, new));
    }
}
