//! Publications: into the log, out to the subscribers, and an answer to their publishers.

mod following;
mod job;
mod settling;

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::mem;

use sockeye_hub::{ChannelName, Kind, Publication};
use sockeye_server::{Answer, Context, Hold, StreamKey};

use crate::Pending;
use crate::dialect::outlet::{EntryBody, V1};
use crate::engine::Engine;
use crate::engine::access::Principal;
use crate::engine::counters::count;
use crate::sequencing::{Decision, Sequencing, Ticket, Verdict};
use crate::wire::{Channels, Code, Payload, Problem, Publish};
pub(crate) use job::{Asker, Settled, Shape};
use job::{Item, Job};

/// Jobs with publications that wait for their outcome.
#[derive(Debug, Default)]
pub(crate) struct Jobs {
    next: u64,
    /// By their numbers.
    open: BTreeMap<u64, Job<'static>>,
    /// The streams of requests that wait.
    held: HashSet<StreamKey>,
    /// The job of each waiting publication, and the item in it.
    waiting: HashMap<Ticket, (u64, usize)>,
    tickets: Ticket,
}

/// A publication that was not refused.
enum Placed {
    Settled(Settled),
    Waiting(Ticket),
}

impl Engine<V1> {
    /// Publishes for a command.
    pub(crate) fn publish(
        &mut self,
        asker: Asker<'_>,
        who: &Principal,
        publish: Publish<'_>,
        context: &mut Context<'_>,
    ) {
        let mut job = self.jobs.begin(asker, Shape::One);
        self.add(&mut job, who, None, Ok(publish), context);
        match job.unsettled {
            0 => self.tell(&job, context),
            _ => self.jobs.put_by(job),
        }
    }

    /// Publishes for a request: answers it, or holds it until every publication has its outcome.
    pub(crate) fn publish_request<'p>(
        &mut self,
        who: &Principal,
        shape: Shape,
        items: impl Iterator<Item = (Option<u64>, Result<Publish<'p>, Problem>)>,
        context: &mut Context<'_>,
    ) -> Answer<Pending> {
        let mut job = self.jobs.begin(Asker::Request(None), shape);
        for (line, item) in items {
            self.add(&mut job, who, line, item, context);
        }
        self.answer_or_hold(job)
    }

    /// Ends a channel for a request.
    pub(crate) fn end_channel(
        &mut self,
        who: &Principal,
        channel: &str,
        context: &mut Context<'_>,
    ) -> Answer<Pending> {
        let mut job = self.jobs.begin(Asker::Request(None), Shape::One);
        let placed = ChannelName::new(channel).map_err(Problem::from).and_then(|name| {
            who.may_publish(name, &self.namespaces)?;
            self.count_message(who)?;
            let publication = Publication {
                kind: Kind::End,
                ..Publication::new(name, EntryBody::new(Payload::empty()), 0)
            };
            self.place(publication, context)
        });
        self.note(&mut job, None, Some(Cow::Borrowed(channel)), placed);
        self.answer_or_hold(job)
    }

    /// Answers a job's request if all is settled, or holds it.
    fn answer_or_hold(&mut self, job: Job<'_>) -> Answer<Pending> {
        match job.unsettled {
            0 => job.reply(self.spread_ms()).into(),
            _ => {
                let pending = Pending::Publishing(job.id);
                self.jobs.put_by(job);
                Answer::Hold(Hold { hold_ms: u64::MAX, headers: Vec::new() }, pending)
            }
        }
    }

    /// The request of a job is held now.
    pub(crate) fn hold_publishing(&mut self, id: u64, stream: StreamKey) {
        if let Some(job) = self.jobs.open.get_mut(&id) {
            job.asker = Asker::Request(Some(stream));
            self.jobs.held.insert(stream);
        }
    }

    /// Publishes one item of a job, once for each of its channels.
    fn add<'p>(
        &mut self,
        job: &mut Job<'p>,
        who: &Principal,
        line: Option<u64>,
        item: Result<Publish<'p>, Problem>,
        context: &mut Context<'_>,
    ) {
        // A command was counted when it arrived.
        let counts = matches!(job.asker, Asker::Request(_));
        let publish = match item {
            Ok(publish) => publish,
            Err(problem) => {
                let counted = if counts { self.count_message(who).map(|_| ()) } else { Ok(()) };
                let counted = counted.map_err(Problem::from);
                return self.note(job, line, None, Err(counted.err().unwrap_or(problem)));
            }
        };
        if let Channels::Many(_) = &publish.channels {
            job.shape = Shape::Many;
        }
        let Publish { mut channels, payload, key, expect } = publish;
        for name in channels.as_mut_slice() {
            let channel = ChannelName::new(name).expect("checked when it was read");
            let expect = expect.map(|expect| expect.in_epoch(self.hub.position().epoch));
            let placed = expect.transpose().and_then(|expect| {
                if counts {
                    self.count_message(who)?;
                }
                who.may_publish(channel, &self.namespaces)?;
                let body = EntryBody::new(payload.clone());
                let publication = Publication {
                    key: key.as_deref(),
                    expect,
                    ..Publication::new(channel, body, payload.cost())
                };
                self.place(publication, context)
            });
            self.note(job, line, Some(mem::take(name)), placed);
        }
    }

    /// Has a publication decided: by this service's hub, or behind the backbone.
    fn place(
        &mut self,
        publication: Publication<'_, EntryBody>,
        context: &mut Context<'_>,
    ) -> Result<Placed, Problem> {
        if self.sequencing.health().has_failed() {
            return result_of(Verdict::Failed).map(Placed::Settled);
        }
        let is_full = self.jobs.waiting.len() >= self.limits.publishing_max;
        if is_full && self.sequencing.makes_wait() {
            return Err(no_room());
        }
        let ticket = self.jobs.next_ticket();
        let decider = match &mut self.sequencing {
            Sequencing::InLoop { decider, .. } => decider,
            Sequencing::Behind { backbone, .. } => {
                following::hand_over(backbone.as_mut(), publication, ticket)?;
                return Ok(Placed::Waiting(ticket));
            }
        };
        let payload = |body: &EntryBody| body.payload().clone();
        match decider.decide(&mut self.hub, publication, payload, ticket, self.now_ms) {
            Decision::Commit(position) => Ok(Placed::Settled(self.commit(position, context))),
            Decision::Pending | Decision::PendingRepeat => Ok(Placed::Waiting(ticket)),
            Decision::Answer(verdict) => result_of(verdict).map(Placed::Settled),
        }
    }

    /// Adds a publication to its job.
    fn note<'p>(
        &mut self,
        job: &mut Job<'p>,
        line: Option<u64>,
        channel: Option<Cow<'p, str>>,
        placed: Result<Placed, Problem>,
    ) {
        let result = match placed {
            Ok(Placed::Settled(settled)) => Some(Ok(settled)),
            Ok(Placed::Waiting(ticket)) => {
                self.jobs.waiting.insert(ticket, (job.id, job.items.len()));
                job.unsettled += 1;
                None
            }
            Err(problem) => {
                count(&mut self.counters.publications_refused, problem.code);
                Some(Err(problem))
            }
        };
        job.items.push(Item { line, channel, result });
    }
}

impl Jobs {
    fn begin<'p>(&mut self, asker: Asker<'p>, shape: Shape) -> Job<'p> {
        self.next += 1;
        Job { id: self.next, asker, shape, items: Vec::new(), unsettled: 0 }
    }

    /// Keeps a job until all of it is settled.
    fn put_by(&mut self, job: Job<'_>) {
        self.open.insert(job.id, job.into_owned());
    }

    fn next_ticket(&mut self) -> Ticket {
        self.tickets += 1;
        self.tickets
    }

    /// Gives a waiting publication its result; returns its job.
    fn settle(&mut self, ticket: Ticket, result: Result<Settled, Problem>) -> Option<u64> {
        let (id, at) = self.waiting.remove(&ticket)?;
        let job = self.open.get_mut(&id)?;
        job.items.get_mut(at)?.result = Some(result);
        job.unsettled -= 1;
        Some(id)
    }

    /// Whether a job's request is held by this stream.
    pub(crate) fn holds(&self, stream: StreamKey) -> bool {
        self.held.contains(&stream)
    }

    /// The number of requests that are held, of jobs, and of publications that wait.
    pub(crate) fn counts(&self) -> (usize, usize, usize) {
        (self.held.len(), self.open.len(), self.waiting.len())
    }

    fn take_settled(&mut self, id: u64) -> Option<Job<'static>> {
        self.open.get(&id).filter(|job| job.unsettled == 0)?;
        self.open.remove(&id)
    }
}

/// The result of a publication that made no new message.
fn result_of(verdict: Verdict) -> Result<Settled, Problem> {
    let unavailable = |message| Err(Problem::new(Code::Unavailable, message));
    match verdict {
        Verdict::Duplicate(position, level) => {
            Ok(Settled { position, level, duplicate: true, subscribers: 0 })
        }
        Verdict::Refused(refusal) => Err(refusal.into()),
        Verdict::NoRoom => Err(no_room()),
        Verdict::NotKept => unavailable("the log could not take it"),
        Verdict::Failed => unavailable("the log has failed; this message may or may not be kept"),
    }
}

fn no_room() -> Problem {
    Problem::new(Code::Overloaded, "too much waits for the log")
}
