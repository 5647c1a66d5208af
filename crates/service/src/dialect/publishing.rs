//! Publishing: takes publications from requests and commands, and answers their publishers.

mod job;
mod offers;
mod pace;
mod parked;
mod steps;

use std::borrow::Cow;
use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::mem;

use sockeye_hub::{ChannelName, Kind, Publication, Start};
use sockeye_server::{Answer, Context, Hold, StreamKey};

use super::outlet::Recipient;
use crate::dialect::counters::count;
use crate::engine::parts::Parts;
use crate::engine::work::Payer;
use crate::engine::{Answered, Placed, Principal, Settled, units};
use crate::sequencing::Ticket;
use crate::wire::{Channels, Control, Payload, Problem, Publish, channel_name};
use crate::{Pending, Service};
pub(crate) use job::{Asker, Shape};
use job::{Begun, Item, Job};
pub(crate) use offers::Offers;
use pace::Pace;
use parked::ParkedJobs;

/// Jobs with publications that wait for their outcome.
#[derive(Debug, Default)]
pub(crate) struct Jobs {
    next: u64,
    /// By their numbers.
    open: BTreeMap<u64, Job<'static>>,
    /// The streams of requests that wait, each with the account to which visits to it are charged, unless
    /// that is its address.
    held: HashMap<StreamKey, Option<Payer>>,
    waiting: HashMap<Ticket, Waiting>,
    pub(crate) pace: Pace,
    parked: ParkedJobs,
    /// The WebSockets with jobs that wait.
    sockets: HashMap<StreamKey, Waiter>,
    /// The bytes of jobs that are left to later steps.
    waiting_bytes: Parts,
}

/// A publication that waits for its outcome.
#[derive(Debug)]
struct Waiting {
    job: u64,
    /// Its place in the job.
    item: usize,
    units: u64,
}

/// A WebSocket that waits for outcomes.
#[derive(Debug, Default)]
struct Waiter {
    jobs: usize,
    /// Its goodbye follows the last receipt.
    leaves: bool,
}

impl Service {
    /// Ends a channel for a request.
    pub(crate) fn end_channel(
        &mut self,
        who: &Principal,
        channel: &str,
        context: &mut Context<'_>,
    ) -> Answer<Pending> {
        let mut job = self.jobs.begin(Asker::Request(None), Shape::One);
        let name = Cow::Borrowed(channel);
        let waits = self.has_to_wait(channel);
        let checked = channel_name(channel).and_then(|name| {
            who.may_publish(name, &self.engine.namespaces, self.engine.calendar)?;
            if waits { self.check_room_for_steps(who) } else { Ok(()) }
        });
        if let Err(problem) = checked {
            self.note(&mut job, None, Some(name), Err(problem));
            return self.answer_or_hold(job, who);
        }
        let (channels, payload) = (Channels::One(name), Payload::empty());
        let mut publish = Publish { channels, payload, key: None, expect: None };
        match waits {
            true => self.set_aside(&mut job, who, Some(Begun::end(publish)), None),
            false => self.add_kind(&mut job, who, None, (&mut publish, 0, Kind::End), context),
        }
        self.answer_or_hold(job, who)
    }

    /// Answers a job's request if all is settled, or holds it.
    fn answer_or_hold(&mut self, job: Job<'_>, who: &Principal) -> Answer<Pending> {
        if job.is_done() {
            return job.reply(self.engine.spread_ms()).into();
        }
        let pending = Pending::Publishing(job.id, self.engine.work.payer_of_visits(who));
        self.put_by(job);
        Answer::Hold(Hold::new(u64::MAX), pending)
    }

    /// Keeps a job, and has its next step taken if it has one.
    fn put_by(&mut self, mut job: Job<'_>) {
        if let Some(rest) = &mut job.rest {
            self.line_up_job(job.id, rest, false);
        }
        self.jobs.put_by(job);
    }

    /// Notes the stream of a job's held request.
    pub(crate) fn hold_publishing(&mut self, id: u64, of_visits: Option<Payer>, stream: StreamKey) {
        if let Some(job) = self.jobs.open.get_mut(&id) {
            job.asker = Asker::Request(Some(stream));
            self.jobs.held.insert(stream, of_visits);
        }
    }

    /// Notes an item that could not be read. It counts against the rate limit all the same.
    fn note_unread(&mut self, job: &mut Job<'_>, who: &Principal, line: u64, problem: Problem) {
        let limited = self.engine.count_message(who).err();
        let problem = limited.map_or(problem, Problem::from);
        self.note(job, Some(line), None, Err(problem));
    }

    /// Publishes one item of a job in the channel with the number `at`.
    fn add<'p>(
        &mut self,
        job: &mut Job<'p>,
        who: &Principal,
        line: Option<u64>,
        (publish, at): (&mut Publish<'p>, usize),
        context: &mut Context<'_>,
    ) {
        self.add_kind(job, who, line, (publish, at, Kind::Message), context);
    }

    /// The same, or ends the channel.
    fn add_kind<'p>(
        &mut self,
        job: &mut Job<'p>,
        who: &Principal,
        line: Option<u64>,
        (publish, at, kind): (&mut Publish<'p>, usize, Kind),
        context: &mut Context<'_>,
    ) {
        context.spend(units::ITEM);
        // A command was counted when it arrived.
        let counts = matches!(job.asker, Asker::Request(_));
        let Publish { channels, payload, key, expect } = publish;
        let name = &mut channels.as_mut_slice()[at];
        let channel = ChannelName::new(name).expect("checked when it was read");
        let fault = |cursor| self.engine.hub.fault(Start::After(cursor));
        let expect = expect.map(|expect| expect.in_log(fault));
        let placed = expect.transpose().and_then(|expect| {
            if counts {
                self.engine.count_message(who)?;
            }
            let publication = Publication {
                kind,
                key: key.as_deref(),
                expect,
                ..Publication::new(channel, payload.clone(), payload.cost())
            };
            Ok(self.engine.publish(who, publication, context)?)
        });
        self.note(job, line, Some(mem::take(name)), placed);
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
                let subscribers = channel.as_deref().map_or(0, |it| self.engine.hub.reach(it));
                let (item, units) = (job.items.len(), self.jobs.pace.give(subscribers));
                self.jobs.waiting.insert(ticket, Waiting { job: job.id, item, units });
                job.unsettled += 1;
                None
            }
            Err(problem) => {
                count(&mut self.counters.publications_refused, problem.code.as_str());
                Some(Err(problem))
            }
        };
        job.items.push(Item { line, channel, result });
    }

    /// Takes in the outcomes that have arrived from other services, and answers their publishers.
    #[inline]
    pub(crate) fn follow(&mut self, context: &mut Context<'_>) {
        while let Some(answered) = self.engine.follow(context) {
            self.settle_one(answered, context);
        }
    }

    /// [Follows](Self::follow) before the work of a visit. Whoever is visited does not pay for what others have
    /// published. [service:follow-bill]
    #[inline]
    pub(crate) fn follow_for_all(&mut self, context: &mut Context<'_>) {
        let before = context.units_spent();
        self.follow(context);
        context.bill_nobody(before);
    }

    /// Takes in the log's answers since the last call: at least one message, and others until the turn
    /// has only `reserve` units left. Takes none that begins a fan-out while there is no room for it.
    pub(crate) fn settle(&mut self, reserve: u64, context: &mut Context<'_>) {
        self.jobs.pace.note_turn(context.is_short_turn());
        self.engine.hear_log();
        let mut steps = Vec::new();
        loop {
            // [service:fan-out-room] The steps of fan-outs make some.
            if !self.engine.hub.has_room_for_next() {
                return context.come_back();
            }
            self.engine.log_steps(&mut steps);
            if steps.is_empty() {
                return;
            }
            for step in steps.drain(..) {
                if let Some(answered) = self.engine.take_step(&step, context) {
                    self.settle_one(answered, context);
                }
            }
            // [service:turn-yields]
            if context.units_left() <= reserve {
                return context.come_back();
            }
        }
    }

    /// Gives a waiting publication its result, and answers its job if nothing else of it waits.
    fn settle_one(&mut self, answered: Answered, context: &mut Context<'_>) {
        let is_other = self.settle_redemption(&answered, context);
        if is_other.or_else(|| self.settle_statement(&answered, context)).is_some() {
            return;
        }
        let Answered { ticket, result } = answered;
        let result = result.map_err(Problem::from);
        if let Err(problem) = &result {
            count(&mut self.counters.publications_refused, problem.code.as_str());
        }
        context.spend(units::ITEM);
        let Some(job) = self.jobs.settle(ticket, result) else { return };
        self.finish(&job, context);
    }

    /// Answers a job that was kept.
    fn finish(&mut self, job: &Job<'_>, context: &mut Context<'_>) {
        self.tell(job, context);
        if let Asker::Socket { stream, .. } = job.asker
            && self.jobs.stop_waiting(stream)
        {
            self.say_goodbye(stream, context);
        }
    }

    /// Gives the results of a settled job to the client that asked.
    fn tell(&mut self, job: &Job<'_>, context: &mut Context<'_>) {
        match &job.asker {
            Asker::Request(Some(stream)) => {
                self.jobs.held.remove(stream);
                // A client that is gone is told nothing; the message is in the log.
                let _ = context.respond(*stream, job.reply(self.engine.spread_ms()));
            }
            Asker::Request(None) => {}
            Asker::Source { line, ticket } => {
                let result = job.items.iter().find_map(|item| item.result.clone());
                line.answer(*ticket, result.expect("told once all is settled"));
            }
            Asker::Socket { stream, id } => {
                self.engine.deliver_before(*stream, context);
                let to = Recipient::socket(*stream);
                for item in &job.items {
                    let (id, channel) = (id.as_ref(), item.channel.as_deref());
                    match item.receipt() {
                        Ok(receipt) => to.control(&Control::Published { id, receipt }, context),
                        Err(problem) => to.error(id, channel, problem, context),
                    }
                }
            }
        }
    }
}

impl Jobs {
    fn begin<'p>(&mut self, asker: Asker<'p>, shape: Shape) -> Job<'p> {
        self.next += 1;
        let (items, unsettled, rest) = (Vec::new(), 0, None);
        Job { id: self.next, asker, shape, items, unsettled, rest }
    }

    /// Keeps a job until all of it is published and settled.
    fn put_by(&mut self, job: Job<'_>) {
        if let Asker::Socket { stream, .. } = job.asker {
            self.sockets.entry(stream).or_default().jobs += 1;
        }
        self.open.insert(job.id, job.into_owned());
    }

    /// Gives a waiting publication its result; returns its job if nothing else of it waits.
    fn settle(&mut self, ticket: Ticket, result: Result<Settled, Problem>) -> Option<Job<'static>> {
        let Waiting { job: id, item, units } = self.waiting.remove(&ticket)?;
        self.pace.settle(units);
        let job = self.open.get_mut(&id)?;
        job.items.get_mut(item)?.result = Some(result);
        job.unsettled -= 1;
        if job.is_done() { self.open.remove(&id) } else { None }
    }

    /// Notes that a job of a WebSocket was answered; returns whether its goodbye is due now.
    fn stop_waiting(&mut self, stream: StreamKey) -> bool {
        let Entry::Occupied(mut waiter) = self.sockets.entry(stream) else { return false };
        waiter.get_mut().jobs -= 1;
        waiter.get().jobs == 0 && waiter.remove().leaves
    }

    /// [service:receipts-before-goaway] Puts off the goodbye of a WebSocket behind the receipts that it
    /// waits for; returns whether it waits for any.
    pub(crate) fn put_off_goodbye(&mut self, stream: StreamKey) -> bool {
        let waiter = self.sockets.get_mut(&stream);
        waiter.map(|waiter| waiter.leaves = true).is_some()
    }

    /// Whether the goodbye of a WebSocket was put off.
    pub(crate) fn is_leaving(&self, stream: StreamKey) -> bool {
        self.sockets.get(&stream).is_some_and(|waiter| waiter.leaves)
    }

    /// Whether a job's request is held by this stream.
    pub(crate) fn holds(&self, stream: StreamKey) -> bool {
        self.held.contains_key(&stream)
    }

    /// The account to which visits to the stream of a job's request are charged, unless that is its
    /// address.
    pub(crate) fn payer_of_visits(&self, stream: StreamKey) -> Option<Payer> {
        self.held.get(&stream).copied().flatten()
    }

    /// The number of requests that are held, of jobs, and of publications that wait.
    pub(crate) fn counts(&self) -> (usize, usize, usize) {
        (self.held.len(), self.open.len(), self.waiting.len())
    }
}
