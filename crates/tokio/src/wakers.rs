//! The tasks that wait for one connection.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Wake, Waker};

/// A half of a connection, by what its task waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Receiver,
    Sender,
}

/// Wakes both halves: when the stream can be written, when one closes, and at the end.
///
/// A stream remembers one task that waits to write. Both halves write: the sender its messages, the receiver the answers
/// to Pings. If each gave the stream its own waker, the later one would replace the earlier, whose task would sleep for
/// ever. So both give this one.
#[derive(Default)]
pub(crate) struct Wakers {
    waiting: Mutex<Waiting>,
}

#[derive(Default)]
struct Waiting {
    receiver: Option<Waker>,
    sender: Option<Waker>,
}

impl Wakers {
    /// Notes the task of a half, which is woken once.
    pub(crate) fn set(&self, side: Side, waker: &Waker) {
        let mut waiting = self.lock();
        let slot = match side {
            Side::Receiver => &mut waiting.receiver,
            Side::Sender => &mut waiting.sender,
        };
        match slot {
            Some(known) => known.clone_from(waker),
            None => *slot = Some(waker.clone()),
        }
    }

    /// Wakes both halves.
    pub(crate) fn wake_all(&self) {
        let Waiting { receiver, sender } = core::mem::take(&mut *self.lock());
        receiver.into_iter().chain(sender).for_each(Waker::wake);
    }

    /// No panic leaves the slots half changed.
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Wake for Wakers {
    fn wake(self: Arc<Self>) {
        self.wake_all();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.wake_all();
    }
}
