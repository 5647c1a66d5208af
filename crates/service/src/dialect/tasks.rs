//! The steps of the tasks in a turn.

use sockeye_server::Context;

use crate::Service;
use crate::engine::Task;
use crate::engine::work::Payer;

impl Service {
    /// Takes steps of the work that is left, while the turn has units for it, but `least` units of them at
    /// least: one message of the log may have taken more than its part.
    pub(crate) fn work(&mut self, least: u64, context: &mut Context<'_>) {
        let least = context.units_spent() + least;
        self.call_parked();
        while let Some((payer, task)) = self.next_task() {
            // Steps of publishing go on with their burst. Nobody else pays for it.
            if !matches!(task, Task::Publish(_)) {
                self.engine.deliver_burst(context);
            }
            let (billed, given) = (context.units_billed(), self.jobs.pace.given());
            match self.engine.take_step_of(task, context) {
                Some(Task::Answer(subscriber)) => self.answer_soon(subscriber, context),
                Some(Task::AnswerAll) => self.answer_some_polls(context),
                Some(Task::Open(subscriber)) => self.open_late(subscriber, context),
                Some(Task::Publish(job)) => self.publish_on(job, context),
                Some(Task::Page(asker)) => self.take_page(asker, context),
                Some(Task::Request(payer)) => self.answer_next_of(payer, context),
                Some(Task::Judge) => {
                    self.engine.judging.is_queued = false;
                    self.judge_some(context);
                }
                Some(Task::Count) => self.count_some(context),
                Some(Task::CatchUp(_) | Task::PullAll | Task::FanOut | Task::Drop) | None => {}
            }
            // Also charged: the deliveries of a publication that waits for the log, and what a page has cost before.
            let (billed, given) = (context.units_billed() - billed, self.jobs.pace.given() - given);
            self.engine.work.charge(payer, billed, given + self.engine.reading.take_unbilled());
            // [service:turn-yields]
            if context.units_left() == 0 && context.units_spent() >= least {
                break;
            }
        }
        self.engine.deliver_burst(context);
        let is_empty = self.engine.work.is_empty(self.may_publish());
        if !is_empty || self.may_call_parked() || self.survey.has_question() {
            context.come_back();
        }
    }

    /// The task whose step is next. A count for the page of metrics begins behind all others, or in the next turn: it is
    /// for those who ask until then.
    fn next_task(&mut self) -> Option<(Payer, Task)> {
        let next = self.engine.work.next(self.may_publish());
        next.or_else(|| {
            self.begin_to_count();
            self.engine.work.next(self.may_publish())
        })
    }
}
