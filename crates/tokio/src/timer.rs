//! A timer that is armed lazily.

use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll};

use tokio::time::{Instant, Sleep, sleep_until};

/// One alarm. Activity only moves the deadline: the alarm fires at the time for which it was armed, and is then armed for
/// the deadline of that moment.
#[derive(Default)]
pub(crate) struct Timer {
    alarm: Option<Pin<Box<Sleep>>>,
}

impl Timer {
    /// Ready once the deadline has passed; otherwise the task is woken then. `None` is never.
    pub(crate) fn poll(&mut self, deadline: Option<Instant>, cx: &mut Context<'_>) -> Poll<()> {
        let Some(deadline) = deadline else { return Poll::Pending };
        let alarm = self.alarm.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        if deadline < alarm.deadline() {
            alarm.as_mut().reset(deadline);
        }
        while alarm.as_mut().poll(cx).is_ready() {
            if deadline <= Instant::now() {
                return Poll::Ready(());
            }
            alarm.as_mut().reset(deadline);
        }
        Poll::Pending
    }
}
