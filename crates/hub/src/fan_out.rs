//! Fan-out: new messages of a channel go to its subscribers.

use std::rc::Rc;
use std::{iter, mem};

use crate::burst::{Deliver, Offered};
use crate::subscribers::{ReadPosition, State};
use crate::{Entry, Flow, Hub, Seq};

impl<M> Hub<M> {
    /// Offers new messages of a channel to its subscribers, all of them at once.
    #[inline]
    pub(crate) fn fan_out(
        &mut self,
        channel: u32,
        entries: &[Rc<Entry<M>>],
        deliver: &mut impl Deliver<M>,
    ) -> Reached {
        if !self.fan_outs.is_empty() {
            return self.fan_out_beside(channel, entries, deliver);
        }
        let Self { channels, patterns, subscribers, stats, .. } = self;
        let newest = entries.last().map_or(Seq::ZERO, |entry| entry.seq());
        let record = channels.record(channel);
        let of_patterns = record.patterns.iter().map(|it| patterns.members(*it).as_slice());
        // Without a pattern there is only the channel's list, which has each subscriber once.
        let may_repeat = !record.patterns.is_empty();
        let mut reached = Reached::default();
        for list in iter::once(record.members.as_slice()).chain(of_patterns) {
            for member in list {
                let subscriber = subscribers.at_mut(member.subscriber);
                // [hub:named-once]
                if may_repeat && mem::replace(&mut subscriber.named, newest) == newest {
                    continue;
                }
                if subscriber.position == ReadPosition::LIVE {
                    let Offered { taken, flow } = deliver.offer(subscriber.key, entries);
                    stats.delivered += taken as u64;
                    match flow {
                        Flow::Taken => {
                            reached.taken += 1;
                            continue;
                        }
                        Flow::Full => stats.lagged += 1,
                        Flow::Fetches => {}
                    }
                    let missed = entries.get(taken).map_or(newest, |entry| entry.seq());
                    fall_behind(subscriber, missed.previous());
                }
                reached.behind += 1;
            }
        }
        reached
    }

    /// Subscribers that a message of this channel is offered to. One that has subscribed it in several ways
    /// counts several times.
    pub fn reach(&mut self, channel: &str) -> usize {
        let Some(channel) = self.channels.find(channel) else {
            let mut patterns = Vec::new();
            self.patterns.matching(channel, &mut patterns);
            return patterns.into_iter().map(|it| self.patterns.members(it).len()).sum();
        };
        self.look_up_patterns(channel);
        let record = self.channels.record(channel);
        let of_patterns = record.patterns.iter().map(|it| self.patterns.members(*it).len());
        record.members.len() + of_patterns.sum::<usize>()
    }

    pub(crate) fn look_up_patterns(&mut self, channel: u32) {
        let version = Some(self.patterns.version());
        let record = self.channels.record_mut(channel);
        if record.patterns_version != version {
            record.patterns.clear();
            self.patterns.matching(&record.name, &mut record.patterns);
            record.patterns_version = version;
        }
    }
}

/// Subscribers that a fan-out came to.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Reached {
    /// Those that took every message.
    pub(crate) taken: usize,
    /// Those that are behind now.
    pub(crate) behind: usize,
}

pub(crate) fn fall_behind(subscriber: &mut State, cursor: Seq) {
    if subscriber.position == ReadPosition::LIVE {
        subscriber.position = ReadPosition::behind(cursor);
    }
}
