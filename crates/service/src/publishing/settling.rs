//! Publications that this service's hub has decided: the log's answers, fan-out, and the receipts.

use sockeye_hub::Cursor;
use sockeye_server::Context;

use super::{Asker, Job, Settled};
use crate::dialect::outlet::V1;
use crate::dialect::writer::StreamWriter;
use crate::engine::Engine;
use crate::sequencing::{Sequencing, Step};
use crate::wire::Control;

impl Engine<V1> {
    /// Takes in the log's answers since the last call.
    pub(crate) fn settle(&mut self, context: &mut Context<'_>) {
        let Sequencing::InLoop { decider, .. } = &mut self.sequencing else { return };
        let mut steps = Vec::new();
        decider.settle(self.now_ms, &mut steps);
        for step in steps {
            match step {
                Step::Commit(position, ticket) => {
                    let settled = self.commit(position, context);
                    self.settle_ticket(ticket, Ok(settled), context);
                }
                Step::Void(position) => {
                    let aborted = self.hub.abort(position);
                    debug_assert!(aborted.is_ok(), "a message that waits is pending");
                }
                Step::NextEpoch => {
                    self.hub.begin_next_epoch();
                    self.pull_all(context);
                }
                Step::Health(_) => {}
                Step::Answer(ticket, verdict) => self.answer_ticket(ticket, verdict, context),
            }
        }
    }

    /// Answers a job if all of it is settled.
    pub(crate) fn conclude(&mut self, id: u64, context: &mut Context<'_>) {
        if let Some(job) = self.jobs.take_settled(id) {
            self.tell(&job, context);
        }
    }

    /// Gives the results of a settled job to the client that asked.
    pub(super) fn tell(&mut self, job: &Job<'_>, context: &mut Context<'_>) {
        match &job.asker {
            Asker::Request(Some(stream)) => {
                self.jobs.held.remove(stream);
                // A client that is gone is told nothing; the message is in the log.
                let _ = context.respond(*stream, job.reply(self.spread_ms()));
            }
            Asker::Request(None) => {}
            Asker::Socket { stream, id } => {
                let mut line = StreamWriter::commands(*stream, context);
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

    /// Commits the pending message at this position, and delivers it to its subscribers.
    pub(super) fn commit(&mut self, position: Cursor, context: &mut Context<'_>) -> Settled {
        let (now_ms, level) = (self.now_ms, self.sequencing.level());
        let committed = self.deliver(context, |hub, delivery| {
            let deliver = |subscriber, entry: &_| delivery.deliver(subscriber, entry);
            let committed = hub.commit(position, now_ms, deliver);
            committed.expect("messages are settled in order")
        });
        let subscribers = (committed.taken + committed.behind) as u64;
        Settled { position, level, duplicate: false, subscribers }
    }
}
