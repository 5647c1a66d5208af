//! What becomes of publications that have their place: the log's word, the subscribers, the answer.

use sockeye_hub::{Committed, Cursor, Hub, Seq};
use sockeye_server::Context;

use super::{Asker, Job, Settled, failed_log};
use crate::Service;
use crate::body::Body;
use crate::counters::count;
use crate::health::Health;
use crate::line::Line;
use crate::log::{LogState, next_state};
use crate::session::Form;
use crate::streams::Delivery;
use crate::wire::{Code, Control, Level, Problem};

impl Service {
    /// Takes in what the log has done since it was asked last.
    pub(crate) fn settle(&mut self, context: &mut Context<'_>) {
        let mut before = None;
        if let Some(log) = &mut self.log {
            log.advance(self.now_ms);
        }
        while let Some(state) = next_state(self.log.as_deref_mut(), &mut before) {
            let through = match state {
                LogState::Through(seq) => {
                    self.log_health.taken(seq);
                    seq
                }
                LogState::Refused(seq) => {
                    self.counters.log_refusals += 1;
                    self.log_health = Health::Refusing { through: seq, at_ms: self.now_ms };
                    seq
                }
                LogState::Failed => return self.give_up_on_the_log(context),
            };
            while let Some(next) = self.jobs.first_waiting().filter(|next| *next <= through) {
                match state {
                    LogState::Refused(_) => self.refuse_one(next, context),
                    LogState::Through(_) | LogState::Failed => self.settle_one(next, context),
                }
            }
        }
    }

    /// The log has not got the message at this place, and never will.
    fn refuse_one(&mut self, seq: Seq, context: &mut Context<'_>) {
        let position = Cursor { epoch: self.hub.position().epoch, seq };
        let aborted = self.hub.abort(position);
        debug_assert!(aborted.is_ok(), "what waits is pending");
        for (id, at, _) in self.jobs.waiting.remove(&seq).unwrap_or_default() {
            let problem = Problem::new(Code::Unavailable, "the log could not take it");
            count(&mut self.counters.publications_refused, problem.code);
            self.jobs.settle(id, at, Err(problem));
            self.conclude(id, context);
        }
    }

    /// The log has the message at this place.
    fn settle_one(&mut self, seq: Seq, context: &mut Context<'_>) {
        let position = Cursor { epoch: self.hub.position().epoch, seq };
        let committed = self.commit(position, context);
        let subscribers = (committed.taken + committed.behind) as u64;
        for (id, at, duplicate) in self.jobs.waiting.remove(&seq).unwrap_or_default() {
            let subscribers = if duplicate { 0 } else { subscribers };
            let settled = Settled { position, level: Level::Logged, duplicate, subscribers };
            self.jobs.settle(id, at, Ok(settled));
            self.conclude(id, context);
        }
    }

    /// Nothing that waits can be promised any more: it may or may not be on disk. A new life of
    /// the log begins, in which nothing is taken.
    fn give_up_on_the_log(&mut self, context: &mut Context<'_>) {
        self.log_health = Health::Failed;
        if self.jobs.waiting.is_empty() {
            return;
        }
        let waiting = core::mem::take(&mut self.jobs.waiting);
        for (id, at, _) in waiting.into_values().flatten() {
            let problem = failed_log();
            count(&mut self.counters.publications_refused, problem.code);
            self.jobs.settle(id, at, Err(problem));
            self.conclude(id, context);
        }
        let epoch = self.hub.position().epoch;
        let anew = self.hub.begin_epoch(sockeye_hub::Epoch(epoch.0.wrapping_add(1)));
        debug_assert!(anew.is_ok(), "the next number is another number");
        self.pull_all(context);
    }

    /// Answers if nothing of the job is open any more.
    pub(crate) fn conclude(&mut self, id: u64, context: &mut Context<'_>) {
        if let Some(job) = self.jobs.take_settled(id) {
            self.tell(&job, context);
        }
    }

    /// Tells who asked what became of a job of which all is settled.
    pub(super) fn tell(&mut self, job: &Job<'_>, context: &mut Context<'_>) {
        match &job.asker {
            Asker::Request(Some(stream)) => {
                self.jobs.held.remove(stream);
                // A client that is gone is told nothing; the message is in the log.
                let _ = context.respond(*stream, job.reply(self.spread_ms()));
            }
            Asker::Request(None) => {}
            Asker::Socket { stream, id } => {
                let (stream, form) = (*stream, Form::Commands);
                let mut line = Line { stream, form, proof: None, context };
                for item in &job.items {
                    let (id, channel) = (id.as_ref(), item.channel.as_deref());
                    let said = match item.receipt() {
                        Ok(receipt) => line.control(&Control::Published { id, receipt }),
                        Err(problem) => line.control(&Control::Error { id, channel, problem }),
                    };
                    // Whoever is gone is reported by itself.
                    let _ = said;
                }
            }
        }
    }

    /// The message at this place is in the log: whoever is subscribed gets it.
    pub(super) fn commit(
        &mut self,
        position: Cursor,
        context: &mut Context<'_>,
    ) -> Committed<Body> {
        let now_ms = self.now_ms;
        self.deliver(context, |hub, delivery| {
            let deliver = |subscriber, entry: &_| delivery.deliver(subscriber, entry);
            let committed = hub.commit(position, now_ms, deliver);
            committed.expect("places are settled in their order")
        })
    }

    /// Has `into` take a message into the hub: whoever is subscribed gets it.
    pub(crate) fn deliver(
        &mut self,
        context: &mut Context<'_>,
        into: impl FnOnce(&mut Hub<Body>, &mut Delivery<'_, '_>) -> Committed<Body>,
    ) -> Committed<Body> {
        let Self { hub, sessions, answerable, access, limits, now_ms, .. } = self;
        let (now_ms, queue_bytes_max) = (*now_ms, limits.queue_bytes_max);
        let ended = Vec::new();
        let mut delivery =
            Delivery { sessions, answerable, ended, access, now_ms, queue_bytes_max, context };
        let committed = into(hub, &mut delivery);
        for subscriber in delivery.ended {
            let (channel, position) = (&committed.entry.channel, committed.entry.position);
            self.end_one(subscriber, channel, position, context);
        }
        if committed.taken > 0 {
            let age_ms = now_ms.saturating_sub(committed.entry.time_ms);
            self.counters.delivery.note(age_ms);
        }
        committed
    }
}
