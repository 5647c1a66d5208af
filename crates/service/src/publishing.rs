//! Publications: into the log, out to the subscribers, and an answer to who sent them.

mod job;
mod settling;

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::mem;

use sockeye_hub::{Admission, ChannelName, Cursor, Kind, Publication, Seq};
use sockeye_server::{Answer, Context, Hold, StreamKey};

use crate::access::Who;
use crate::backbone::Ticket;
use crate::body::Body;
use crate::counters::count;
use crate::log::Record;
use crate::wire::{Channels, Code, Level, Payload, Problem, Publish};
use crate::{Pending, Service};
pub(crate) use job::{Asker, Settled, Shape};
use job::{Item, Job};

/// Jobs whose publications wait for the log.
#[derive(Debug, Default)]
pub(crate) struct Jobs {
    next: u64,
    /// By their numbers.
    open: BTreeMap<u64, Job<'static>>,
    /// The streams of requests that wait.
    held: HashSet<StreamKey>,
    /// By the place waited for: the job, the item in it, and whether it is a duplicate.
    waiting: BTreeMap<Seq, Vec<(u64, usize, bool)>>,
    /// By the ticket under which a publication was handed over: the job, and the item in it.
    handed: HashMap<Ticket, (u64, usize)>,
    tickets: Ticket,
    /// Entries in all of that: several may wait for one place.
    unsettled: usize,
}

/// Where a publication is after it was taken.
enum Placed {
    Settled(Settled),
    Waiting {
        seq: Seq,
        duplicate: bool,
    },
    /// With whoever gives out the places.
    Handed(Ticket),
}

impl Service {
    /// Publishes for a command.
    pub(crate) fn publish(
        &mut self,
        asker: Asker<'_>,
        who: &Who,
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

    /// Publishes for a request: answers, or holds it until the log has answered.
    pub(crate) fn publish_request<'p>(
        &mut self,
        who: &Who,
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
        who: &Who,
        channel: &str,
        context: &mut Context<'_>,
    ) -> Answer<Pending> {
        let mut job = self.jobs.begin(Asker::Request(None), Shape::One);
        let placed = ChannelName::new(channel).map_err(Problem::from).and_then(|name| {
            who.may_publish(name, &self.namespaces)?;
            self.count_message(who)?;
            let publication = Publication {
                kind: Kind::End,
                ..Publication::new(name, Body::new(Payload::empty()), 0)
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
        who: &Who,
        line: Option<u64>,
        item: Result<Publish<'p>, Problem>,
        context: &mut Context<'_>,
    ) {
        // A command was counted when it came.
        let counts = matches!(job.asker, Asker::Request(_));
        let publish = match item {
            Ok(publish) => publish,
            Err(problem) => {
                let counted = if counts { self.count_message(who).map(|_| ()) } else { Ok(()) };
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
                let body = Body::new(payload.clone());
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

    /// Gives a publication its place, and hands it to the log if there is one.
    fn place(
        &mut self,
        publication: Publication<'_, Body>,
        context: &mut Context<'_>,
    ) -> Result<Placed, Problem> {
        if self.backbone.is_some() {
            return self.hand_over(publication).map(Placed::Handed);
        }
        let Some(log) = &mut self.log else {
            let admission = self.hub.admit(publication, self.now_ms)?;
            return Ok(Placed::Settled(match admission {
                Admission::Pending(position) => {
                    let committed = self.commit(position, context);
                    let subscribers = (committed.taken + committed.behind) as u64;
                    Settled { position, level: Level::Accepted, duplicate: false, subscribers }
                }
                Admission::Duplicate(position) | Admission::DuplicatePending(position) => {
                    duplicate(position, Level::Accepted)
                }
            }));
        };
        if self.log_health.has_failed() {
            return Err(failed_log());
        }
        // Before it has a place: a place that stays empty would look like a loss later.
        if !log.has_room() || self.jobs.unsettled >= self.limits.publishing_max {
            return Err(Problem::new(Code::Overloaded, "too much waits for the log"));
        }
        let (channel, kind) = (publication.channel, publication.kind);
        let (payload, key) = (publication.body.payload().clone(), publication.key);
        match self.hub.admit(publication, self.now_ms)? {
            Admission::Pending(position) => {
                let time_ms = self.now_ms;
                log.append(&Record { position, channel, time_ms, kind, payload: &payload, key });
                Ok(Placed::Waiting { seq: position.seq, duplicate: false })
            }
            Admission::Duplicate(position) => {
                Ok(Placed::Settled(duplicate(position, Level::Logged)))
            }
            Admission::DuplicatePending(position) => {
                Ok(Placed::Waiting { seq: position.seq, duplicate: true })
            }
        }
    }

    /// Writes down where an item of a job is.
    fn note<'p>(
        &mut self,
        job: &mut Job<'p>,
        line: Option<u64>,
        channel: Option<Cow<'p, str>>,
        placed: Result<Placed, Problem>,
    ) {
        let Jobs { waiting, handed, unsettled, .. } = &mut self.jobs;
        let result = match placed {
            Ok(Placed::Settled(settled)) => Some(Ok(settled)),
            Ok(Placed::Waiting { seq, duplicate }) => {
                waiting.entry(seq).or_default().push((job.id, job.items.len(), duplicate));
                job.unsettled += 1;
                *unsettled += 1;
                None
            }
            Ok(Placed::Handed(ticket)) => {
                handed.insert(ticket, (job.id, job.items.len()));
                job.unsettled += 1;
                *unsettled += 1;
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

    /// A job waits for the log.
    fn put_by(&mut self, job: Job<'_>) {
        self.open.insert(job.id, job.into_owned());
    }

    /// The first place that waits for the log.
    fn first_waiting(&self) -> Option<Seq> {
        self.waiting.first_key_value().map(|(seq, _)| *seq)
    }

    fn settle(&mut self, id: u64, at: usize, result: Result<Settled, Problem>) {
        if let Some(job) = self.open.get_mut(&id)
            && let Some(item) = job.items.get_mut(at)
        {
            item.result = Some(result);
            job.unsettled -= 1;
            self.unsettled -= 1;
        }
    }

    /// What the next publication that is handed over is called.
    pub(crate) fn next_ticket(&mut self) -> Ticket {
        self.tickets += 1;
        self.tickets
    }

    /// Publications that wait for an outcome.
    pub(crate) const fn unsettled(&self) -> usize {
        self.unsettled
    }

    /// What was handed over has this outcome; gives its job.
    pub(crate) fn settle_ticket(
        &mut self,
        ticket: Ticket,
        result: Result<Settled, Problem>,
    ) -> Option<u64> {
        let (id, at) = self.handed.remove(&ticket)?;
        self.settle(id, at, result);
        Some(id)
    }

    /// Whether a job's request is held by this stream.
    pub(crate) fn holds(&self, stream: StreamKey) -> bool {
        self.held.contains(&stream)
    }

    /// Requests that are held, jobs, and places that the log has not answered for.
    pub(crate) fn counts(&self) -> (usize, usize, usize) {
        (self.held.len(), self.open.len(), self.waiting.len() + self.handed.len())
    }

    fn take_settled(&mut self, id: u64) -> Option<Job<'static>> {
        self.open.get(&id).filter(|job| job.unsettled == 0)?;
        self.open.remove(&id)
    }
}

pub(crate) const fn duplicate(position: Cursor, level: Level) -> Settled {
    Settled { position, level, duplicate: true, subscribers: 0 }
}

pub(crate) fn failed_log() -> Problem {
    Problem::new(Code::Unavailable, "the log has failed; this message may or may not be kept")
}
