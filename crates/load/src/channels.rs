//! Assigns publications to channels, and channels to subscribers.

/// Digits of a channel's number in its name.
pub(super) const DIGITS: usize = 6;

/// The channels of a run, which are published to in turn.
///
/// One channel has all subscribers. Of several channels each has one subscriber, and all subscribers have
/// the same number of channels. A single subscriber may have all of them by a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Channels {
    count: usize,
    subscribers: usize,
    by: By,
}

/// How channels are subscribed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum By {
    Name,
    /// One subscriber has all channels.
    Pattern,
}

impl Channels {
    /// Makes the channels.
    ///
    /// # Errors
    /// The reason, if subscribers would have different numbers of channels.
    pub(super) fn new(count: usize, subscribers: usize, by: By) -> Result<Self, String> {
        if by == By::Pattern && subscribers > 1 {
            return Err("a pattern is for one connection: add --connections 1".into());
        }
        if count > 1 && !count.is_multiple_of(subscribers) {
            return Err(format!(
                "{count} channels cannot be shared out among {subscribers} connections"
            ));
        }
        Ok(Self { count, subscribers, by })
    }

    pub(super) fn is_one(self) -> bool {
        self.count == 1 && self.by == By::Name
    }

    /// The name of a channel.
    pub(super) fn name(self, base: &str, channel: usize) -> String {
        if self.is_one() { base.to_owned() } else { format!("{base}:{channel:0DIGITS$}") }
    }

    /// The names or the pattern that a subscriber subscribes.
    pub(super) fn names(self, base: &str, subscriber: usize) -> Vec<String> {
        match self.by {
            By::Name => self.of(subscriber).map(|channel| self.name(base, channel)).collect(),
            By::Pattern => vec![format!("{base}:*")],
        }
    }

    /// The channels of a subscriber.
    fn of(self, subscriber: usize) -> impl Iterator<Item = usize> {
        let first = if self.is_one() { 0 } else { subscriber };
        (first..self.count).step_by(self.subscribers)
    }

    /// The channel of a publication.
    pub(super) const fn channel(self, number: u64) -> usize {
        // The divisor is a `usize`, so the remainder fits into one.
        #[expect(clippy::cast_possible_truncation, reason = "it is below a usize")]
        let channel = (number % self.count as u64) as usize;
        channel
    }

    /// The number of the first publication that a subscriber receives; numbers begin with 1.
    pub(super) fn first(self, subscriber: usize) -> u64 {
        match subscriber {
            _ if self.is_one() => 1,
            0 => self.subscribers as u64,
            subscriber => subscriber as u64,
        }
    }

    /// The difference between the numbers of two successive publications that a subscriber receives.
    pub(super) fn step(self) -> u64 {
        if self.is_one() { 1 } else { self.subscribers as u64 }
    }

    /// How many subscribers receive a publication while `open` of them are connected.
    pub(super) fn receivers(self, open: usize) -> u64 {
        if self.is_one() { open as u64 } else { 1 }
    }

    /// The channels that are published to before the run: once each subscriber has received a publication,
    /// all of them listen.
    pub(super) fn probed(self) -> core::ops::Range<usize> {
        if self.is_one() { 0..1 } else { 0..self.subscribers }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_publication_is_somebodys_next() {
        for (count, subscribers) in [(1, 3), (3, 3), (12, 3), (5, 1)] {
            let channels =
                Channels::new(count, subscribers, By::Name).expect("they can be shared out");
            let mut next: Vec<u64> = (0..subscribers).map(|it| channels.first(it)).collect();
            for number in 1..100 {
                let channel = channels.channel(number);
                let hears = |it: &usize| channels.of(*it).any(|of| of == channel);
                let all: Vec<usize> = (0..subscribers).filter(hears).collect();
                assert_eq!(all.len() as u64, channels.receivers(subscribers));
                for subscriber in all {
                    assert_eq!(next[subscriber], number, "{count} among {subscribers}");
                    next[subscriber] += channels.step();
                }
            }
        }
        assert!(Channels::new(10, 3, By::Name).is_err());
    }

    #[test]
    fn names_have_one_length() {
        let channels = Channels::new(100_000, 800, By::Name).expect("125 each");
        assert_eq!(channels.name("bench", 7), "bench:000007");
        assert_eq!(channels.of(799).count(), 125);
        let one = |count, by| Channels::new(1, count, by).map(|it| it.names("bench", 0));
        assert_eq!(one(5, By::Name), Ok(vec!["bench".to_owned()]));
        assert_eq!(one(1, By::Pattern), Ok(vec!["bench:*".to_owned()]));
        assert!(one(2, By::Pattern).is_err());
    }
}
