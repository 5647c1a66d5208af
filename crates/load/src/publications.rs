//! Counts, for each recent publication, the subscribers that have not received it yet.

use std::collections::VecDeque;

/// A window of publications, numbered from 1.
#[derive(Default)]
pub(super) struct Publications {
    /// The oldest one first, from number `first` on.
    open: VecDeque<Publication>,
    /// Publications before the window, which all subscribers have received.
    done: u64,
    /// Publications in the window that all subscribers have received.
    done_in_window: usize,
    undelivered: u64,
}

struct Publication {
    sent_at: u64,
    remaining: u64,
}

/// One delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Delivered {
    pub(super) sent_at: u64,
    /// Whether it was the last delivery of its publication.
    pub(super) was_last: bool,
}

impl Publications {
    /// Counts a publication to `receivers` subscribers, and returns its number.
    pub(super) fn publish(&mut self, sent_at: u64, receivers: u64) -> u64 {
        self.open.push_back(Publication { sent_at, remaining: receivers });
        self.undelivered += receivers;
        self.done + self.open.len() as u64
    }

    /// Publications that some subscriber has not received.
    pub(super) fn in_flight(&self) -> usize {
        self.open.len() - self.done_in_window
    }

    /// Publications so far.
    pub(super) fn count(&self) -> u64 {
        self.done + self.open.len() as u64
    }

    pub(super) const fn undelivered(&self) -> u64 {
        self.undelivered
    }

    /// Counts a delivery. `None` if nothing with this number was published, or if all subscribers have
    /// received it already.
    #[inline]
    pub(super) fn deliver(&mut self, number: u64) -> Option<Delivered> {
        let at = usize::try_from(number.checked_sub(self.done + 1)?).ok()?;
        let publication = self.open.get_mut(at)?;
        publication.remaining = publication.remaining.checked_sub(1)?;
        self.undelivered -= 1;
        let was_last = publication.remaining == 0;
        let delivered = Delivered { sent_at: publication.sent_at, was_last };
        if was_last {
            self.done_in_window += 1;
            self.shrink();
        }
        Some(delivered)
    }

    /// Stops waiting for a subscriber that has left. It was waiting for number `next` and every `step`th
    /// after it. Returns how many publications it has not received.
    pub(super) fn forget(&mut self, next: u64, step: u64) -> u64 {
        let skip = usize::try_from(next.saturating_sub(self.done + 1)).unwrap_or(usize::MAX);
        let step = usize::try_from(step).unwrap_or(usize::MAX).max(1);
        let mut forgotten = 0;
        let awaited = self.open.iter_mut().skip(skip).step_by(step);
        for publication in awaited.filter(|it| it.remaining > 0) {
            publication.remaining -= 1;
            forgotten += 1;
            self.done_in_window += usize::from(publication.remaining == 0);
        }
        self.undelivered -= forgotten;
        self.shrink();
        forgotten
    }

    fn shrink(&mut self) {
        while self.open.front().is_some_and(|first| first.remaining == 0) {
            self.open.pop_front();
            self.done += 1;
            self.done_in_window -= 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_publication_waits_for_everybody() {
        let mut all = Publications::default();
        assert_eq!((all.publish(10, 2), all.publish(20, 2)), (1, 2));
        assert_eq!(all.deliver(1), Some(Delivered { sent_at: 10, was_last: false }));
        assert_eq!(all.deliver(2), Some(Delivered { sent_at: 20, was_last: false }));
        assert_eq!(all.deliver(2), Some(Delivered { sent_at: 20, was_last: true }));
        assert_eq!((all.in_flight(), all.undelivered(), all.count()), (1, 1, 2));
        assert_eq!((all.deliver(2), all.deliver(3), all.deliver(0)), (None, None, None));
        assert_eq!(all.deliver(1), Some(Delivered { sent_at: 10, was_last: true }));
        assert_eq!((all.in_flight(), all.undelivered(), all.publish(30, 1)), (0, 0, 3));
    }

    #[test]
    fn nobody_waits_for_a_subscriber_that_has_gone() {
        let mut all = Publications::default();
        assert_eq!([0, 1, 2].map(|at| all.publish(at, 2)), [1, 2, 3]);
        // One has had the first, the other has had all and stays.
        let delivered = [1, 1, 2, 3].map(|number| all.deliver(number).map(|it| it.was_last));
        assert_eq!(delivered, [Some(false), Some(true), Some(false), Some(false)]);
        assert_eq!(all.forget(2, 1), 2);
        assert_eq!((all.in_flight(), all.undelivered(), all.count()), (0, 0, 3));
        assert_eq!(all.forget(9, 1), 0);
        // Nor for every second one, where those are another's.
        assert_eq!([4, 5, 6].map(|at| all.publish(at, 1)), [4, 5, 6]);
        assert_eq!((all.forget(4, 2), all.in_flight()), (2, 1));
    }
}
