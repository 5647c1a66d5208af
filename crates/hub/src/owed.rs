//! An estimate of what a new subscriber would be owed, before there is one.

use crate::{Budget, Hub, Seq, Start, Target};

impl<M> Hub<M> {
    /// Whether memory has no more than `budget` for a new subscriber of these targets from this start.
    ///
    /// It may say no where less is owed: each message after the start counts for each pattern. It does
    /// not know the bytes of those. [`Subscriber::pull`](crate::Subscriber::pull) costs no more steps of a
    /// search than there are such messages, and a few for each pattern.
    ///
    /// # Costs
    /// For each channel one lookup, a binary search, and a step for each message that counts.
    pub fn owes_at_most<'t>(
        &self,
        targets: impl IntoIterator<Item = Target<'t>>,
        start: Start,
        budget: Budget,
    ) -> bool {
        let after = match start {
            Start::Now => return true,
            Start::After(cursor) if self.fault(start).is_none() => cursor.seq,
            Start::After(_) | Start::Earliest | Start::Unreadable => Seq::ZERO,
        };
        if after >= self.head {
            return true;
        }
        let mut left = Some(budget);
        for target in targets {
            left = left.and_then(|left| match target {
                Target::Channel(name) => self.without_channel(left, name.as_str(), after),
                Target::Pattern(_) => {
                    let messages = usize::try_from(self.head.0 - after.0).unwrap_or(usize::MAX);
                    Some(Budget { messages: left.messages.checked_sub(messages)?, ..left })
                }
            });
        }
        left.is_some()
    }

    /// The budget without the messages of a channel after a position; `None` if they exceed it.
    fn without_channel(&self, mut left: Budget, name: &str, after: Seq) -> Option<Budget> {
        let Some(channel) = self.channels.find(name) else { return Some(left) };
        let ring = &self.channels.record(channel).ring;
        let from = ring.index_after(after);
        left.messages = left.messages.checked_sub(ring.len() - from)?;
        for entry in (from..ring.len()).filter_map(|at| ring.entry(at)) {
            left.bytes = left.bytes.checked_sub(entry.bytes())?;
        }
        Some(left)
    }
}

#[cfg(test)]
mod tests {
    use crate::{Budget, ChannelName, Config, Cursor, Epoch, Hub, Publication, Seq, Start, Target};

    #[test]
    fn messages_and_bytes_after_the_start_count() {
        let mut hub: Hub<()> = Hub::new(Epoch(1), Config::default());
        for (name, cost) in [("a", 10), ("b", 10), ("a", 1_000), ("a", 10)] {
            let name = ChannelName::new(name).expect("valid");
            let publication = Publication::new(name, (), cost);
            hub.publish(publication, 0, |_, _| unreachable!("nobody listens")).expect("room");
        }
        let after = |seq| Start::After(Cursor::new(Epoch(1), Seq(seq)));
        let is_in = |target: &str, start, messages, bytes| {
            let target = Target::new(target).expect("valid");
            hub.owes_at_most([target], start, Budget { messages, bytes })
        };
        assert!(is_in("a", Start::Now, 0, 0) && is_in("a", after(4), 0, 0));
        assert!(is_in("a", after(0), 3, 9_999) && !is_in("a", after(0), 2, 9_999));
        assert!(is_in("a", after(3), 1, 900) && !is_in("a", after(2), 3, 900));
        assert!(is_in("b", after(2), 0, 0) && is_in("no-such-channel", after(0), 0, 0));
        // A cursor of another log, and one that cannot be read, begin with what history has.
        let other = Start::After(Cursor::new(Epoch(2), Seq(4)));
        for start in [Start::Earliest, Start::Unreadable, other] {
            assert!(is_in("a", start, 3, 9_999) && !is_in("a", start, 2, 9_999));
        }
        // Of a pattern, every message counts.
        assert!(is_in(">", after(0), 4, 0) && !is_in(">", after(0), 3, 0));
        assert!(is_in(">", after(3), 1, 0));
        let both = ["a", "b"].map(|name| Target::new(name).expect("valid"));
        assert!(hub.owes_at_most(both, after(0), Budget { messages: 4, bytes: 9_999 }));
        assert!(!hub.owes_at_most(both, after(0), Budget { messages: 3, bytes: 9_999 }));
    }
}
