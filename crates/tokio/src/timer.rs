//! A timer that is armed lazily.

use core::future::Future;
use core::pin::{Pin, pin};
use core::task::{Context, Poll, Waker};

use tokio::task::unconstrained;
use tokio::time::{Instant, Sleep, sleep_until};

/// One alarm. Activity only moves the deadline: the alarm fires at the time for which it was armed, and is then armed for
/// the deadline of that moment.
#[derive(Default)]
pub(crate) struct Timer {
    alarm: Option<Pin<Box<Sleep>>>,
    /// Wakes the task that waits for the alarm.
    waker: Option<Waker>,
}

impl Timer {
    /// Ready once the deadline has passed; otherwise the task is woken then. `None` is never.
    pub(crate) fn poll(&mut self, deadline: Option<Instant>, cx: &mut Context<'_>) -> Poll<()> {
        let Some(deadline) = deadline else { return Poll::Pending };
        let alarm = self.alarm.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        let is_sooner = deadline < alarm.deadline();
        if is_sooner {
            alarm.as_mut().reset(deadline);
        }
        let wakes = self.waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker()));
        if wakes && !is_sooner && !alarm.is_elapsed() {
            return Poll::Pending;
        }
        // Outside the task's budget: an alarm that is pending because that is used up has not noted the waker.
        while pin!(unconstrained(alarm.as_mut())).poll(cx).is_ready() {
            if deadline <= Instant::now() {
                return Poll::Ready(());
            }
            alarm.as_mut().reset(deadline);
        }
        if !wakes {
            self.waker = Some(cx.waker().clone());
        }
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use core::sync::atomic::{AtomicUsize, Ordering};
    use core::time::Duration;
    use std::sync::Arc;
    use std::task::Wake;

    use super::*;

    #[derive(Default)]
    struct Woken(AtomicUsize);

    impl Woken {
        fn count(&self) -> usize {
            self.0.load(Ordering::Relaxed)
        }
    }

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn task() -> (Arc<Woken>, Waker) {
        let woken = Arc::<Woken>::default();
        (Arc::clone(&woken), Waker::from(woken))
    }

    fn run(test: impl Future<Output = ()>) {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        builder.enable_time().start_paused(true).build().unwrap().block_on(test);
    }

    /// The deadline moves on while a task waits. The task that waited last is woken.
    #[test]
    fn the_task_that_waits_is_woken() {
        run(async {
            let (mut timer, begin) = (Timer::default(), Instant::now());
            let ((first, first_waker), (last, last_waker)) = (task(), task());
            for second in 1..=3 {
                let deadline = Some(begin + Duration::from_secs(second));
                for waker in [&first_waker, &first_waker, &last_waker, &last_waker] {
                    assert!(timer.poll(deadline, &mut Context::from_waker(waker)).is_pending());
                }
            }
            tokio::time::sleep(Duration::from_millis(1001)).await;
            // The alarm was armed for the first deadline, and is for the last one now.
            let (deadline, mut cx) =
                (begin + Duration::from_secs(3), Context::from_waker(&last_waker));
            assert_eq!((first.count(), last.count()), (0, 1));
            assert!(timer.poll(Some(deadline), &mut cx).is_pending());
            sleep_until(deadline + Duration::from_millis(1)).await;
            assert_eq!((first.count(), last.count()), (0, 2));
            assert!(timer.poll(Some(deadline), &mut cx).is_ready());
        });
    }

    /// A task that has used up its budget waits, too.
    #[test]
    fn a_task_without_budget_is_woken() {
        run(async {
            let (mut timer, begin) = (Timer::default(), Instant::now());
            let (woken, waker) = task();
            while tokio::task::coop::has_budget_remaining() {
                tokio::task::consume_budget().await;
            }
            let deadline = Some(begin + Duration::from_secs(1));
            assert!(timer.poll(deadline, &mut Context::from_waker(&waker)).is_pending());
            tokio::task::yield_now().await;
            assert_eq!(woken.count(), 0, "it is not told to come again");
            tokio::time::sleep(Duration::from_secs(2)).await;
            assert_eq!(woken.count(), 1);
        });
    }

    #[test]
    fn an_earlier_deadline_counts_at_once() {
        run(async {
            let (mut timer, begin) = (Timer::default(), Instant::now());
            let (woken, waker) = task();
            let mut cx = Context::from_waker(&waker);
            for seconds in [9, 1] {
                let deadline = Some(begin + Duration::from_secs(seconds));
                assert!(timer.poll(deadline, &mut cx).is_pending());
            }
            tokio::time::sleep(Duration::from_secs(2)).await;
            assert_eq!(woken.count(), 1);
        });
    }
}
