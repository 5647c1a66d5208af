//! The preference among transports: which one the next connection of a subscription uses.

use sockeye_reactor::Time;

use super::Transport;

/// Connections in a row that end before the hub has sent a message, until another transport is tried.
const FAILURES_MAX: u8 = 2;

/// The transports in the caller's order, and the current one.
pub(super) struct Preference {
    list: Vec<Transport>,
    at: usize,
    /// Connections of the current transport in a row that ended before the hub had sent a message.
    failures: u8,
    /// Transports in a row that do not work.
    unfit: usize,
    /// When the best one is tried again.
    better_at: Time,
    better_ms: u64,
}

impl Preference {
    /// `list` is not empty.
    pub(super) const fn new(list: Vec<Transport>, better_ms: u64) -> Self {
        Self { list, at: 0, failures: 0, unfit: 0, better_at: Time::NEVER, better_ms }
    }

    /// The transport of the next connection. [client:hub-transport] A better one is tried again after a time.
    pub(super) fn next(&mut self, now: Time) -> Transport {
        if self.better_at <= now {
            (self.at, self.failures, self.better_at) = (0, 0, Time::NEVER);
        }
        self.now()
    }

    pub(super) fn now(&self) -> Transport {
        self.list[self.at]
    }

    /// Whether a better one should be tried, if that costs nothing.
    pub(super) fn is_better_due(&self, now: Time) -> bool {
        self.better_at <= now
    }

    /// Records that the hub has answered.
    pub(super) const fn succeeded(&mut self) {
        (self.failures, self.unfit) = (0, 0);
    }

    /// Records a connection that ended before the hub had sent a message.
    pub(super) fn failed(&mut self, now: Time) {
        self.failures += 1;
        if self.failures >= FAILURES_MAX {
            self.fall_back(now);
        }
    }

    /// Records that the current transport does not work here; false if none does.
    pub(super) fn mark_unfit(&mut self, now: Time) -> bool {
        self.unfit += 1;
        self.fall_back(now);
        self.unfit < self.list.len()
    }

    /// [client:hub-transport]
    fn fall_back(&mut self, now: Time) {
        self.failures = 0;
        self.at = (self.at + 1) % self.list.len();
        self.better_at = if self.at == 0 { Time::NEVER } else { now + self.better_ms };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Transport; 3] = [Transport::WebSocket, Transport::EventStream, Transport::LongPoll];

    const fn at(ms: u64) -> Time {
        Time::from_millis(ms)
    }

    /// [client:hub-transport]
    #[test]
    fn falls_back_and_tries_the_better_one_again() {
        let mut preference = Preference::new(ALL.to_vec(), 1_000);
        assert_eq!(preference.next(at(0)), ALL[0]);
        preference.failed(at(0));
        assert_eq!(preference.next(at(0)), ALL[0], "once may be chance");
        preference.failed(at(10));
        assert_eq!(preference.next(at(10)), ALL[1]);
        preference.succeeded();
        assert_eq!(preference.next(at(1_009)), ALL[1]);
        assert!(preference.is_better_due(at(1_010)));
        assert_eq!(preference.next(at(1_010)), ALL[0]);
        preference.succeeded();
        preference.failed(at(2_000));
        assert_eq!(preference.next(at(9_000)), ALL[0]);
    }

    #[test]
    fn what_cannot_be_had_is_left_at_once_until_nothing_is_left() {
        let mut preference = Preference::new(ALL.to_vec(), 1_000);
        assert!(preference.mark_unfit(at(0)));
        assert_eq!(preference.next(at(0)), ALL[1]);
        preference.succeeded();
        assert!(preference.mark_unfit(at(0)) && preference.mark_unfit(at(0)));
        assert!(!preference.mark_unfit(at(0)));
        let mut single = Preference::new(vec![Transport::LongPoll], 1_000);
        assert!(!single.mark_unfit(at(0)));
        assert_eq!(single.next(at(5_000)), Transport::LongPoll);
    }
}
