//! Publishing in steps: a request that reaches many goes on in later turns.

use std::mem;

use sockeye_server::{Answer, Context};

use super::job::{Asker, Begun, Job, Rest, Shape};
use super::parked::Parked;
use crate::engine::{Principal, Task, units};
use crate::wire::{Batch, Channels, Code, Problem, Publish};
use crate::{Pending, Service};

/// Whether a job has published everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Progress {
    Done,
    Left,
    /// The job was called, and could not begin.
    NotBegun,
}

impl Service {
    /// Publishes for a command, which names one channel.
    pub(crate) fn publish_one<'p>(
        &mut self,
        asker: Asker<'p>,
        who: &Principal,
        mut publish: Publish<'p>,
        context: &mut Context<'_>,
    ) {
        let mut job = self.jobs.begin(asker, Shape::One);
        if !self.has_to_wait(&publish.channels.as_mut_slice()[0]) {
            self.add(&mut job, who, None, (&mut publish, 0), context);
        } else if let Err(problem) = self.check_room_for_steps(who) {
            let name = mem::take(&mut publish.channels.as_mut_slice()[0]);
            self.note(&mut job, None, Some(name), Err(problem));
        } else {
            self.set_aside(&mut job, who, Some(Begun::new(publish)), None);
        }
        match job.is_done() {
            true => self.tell(&job, context),
            false => self.put_by(job),
        }
    }

    /// Publishes for a request: answers it, or holds it until every publication has its outcome.
    pub(crate) fn publish_request(
        &mut self,
        who: &Principal,
        mut publish: Publish<'_>,
        context: &mut Context<'_>,
    ) -> Result<Answer<Pending>, Problem> {
        let mut job = self.jobs.begin(Asker::Request(None), Shape::One);
        if let Channels::One(channel) = &publish.channels
            && !self.has_to_wait(channel)
        {
            self.add(&mut job, who, None, (&mut publish, 0), context);
            return Ok(self.answer_or_hold(job, who));
        }
        self.check_room_for_steps(who)?;
        self.begin(&mut job, who, (Some(Begun::new(publish)), None), context);
        Ok(self.answer_or_hold(job, who))
    }

    /// Publishes the lines of a batch: answers the request, or holds it, as for one publication.
    pub(crate) fn publish_batch(
        &mut self,
        who: &Principal,
        batch: Batch<'_>,
        context: &mut Context<'_>,
    ) -> Result<Answer<Pending>, Problem> {
        self.check_room_for_steps(who)?;
        let mut job = self.jobs.begin(Asker::Request(None), Shape::Many);
        self.begin(&mut job, who, (None, Some(batch)), context);
        Ok(self.answer_or_hold(job, who))
    }

    /// Whether a publication to this channel has to wait for its turn.
    pub(super) fn has_to_wait(&mut self, channel: &str) -> bool {
        self.has_to_wait_for_log() || self.has_to_wait_for_fan_outs(channel)
    }

    /// Whether a publication has to wait before the log: others wait there, or the log has enough. [service:paced]
    fn has_to_wait_for_log(&self) -> bool {
        let waits = self.engine.work.has_jobs() || !self.may_publish();
        waits && self.engine.sequencing.makes_wait()
    }

    /// Whether a publication to this channel has to wait for fan-outs: it would begin one, and too many are under way or
    /// others wait; or others wait for the channel. [service:fan-out-room]
    fn has_to_wait_for_fan_outs(&mut self, channel: &str) -> bool {
        let parked = &self.jobs.parked;
        if parked.is_empty() && self.engine.hub.has_room_for_fan_out() {
            return false;
        }
        parked.has(channel) || self.begins_fan_out(channel)
    }

    /// Whether a job that was called for this channel cannot begin: what the log has settled took the room, or an earlier
    /// job of the channel could not begin.
    fn has_lost_its_room(&mut self, channel: &str) -> bool {
        let has_room = self.engine.hub.has_room_for_fan_out();
        self.jobs.parked.is_back(channel) || !has_room && self.begins_fan_out(channel)
    }

    fn begins_fan_out(&mut self, channel: &str) -> bool {
        let reached = self.engine.hub.reach(channel);
        self.engine.is_divided(reached)
    }

    /// Whether the log may be given another publication now.
    pub(crate) fn may_publish(&self) -> bool {
        self.jobs.pace.is_open(&self.engine.limits)
    }

    /// Has jobs that wait for fan-outs take their steps, as far as there is room now.
    pub(crate) fn call_parked(&mut self) {
        if self.jobs.parked.is_empty() {
            return;
        }
        let room = self.engine.hub.room_for_fan_outs();
        while let Some((payer, job)) = self.jobs.parked.call(room) {
            self.engine.work.add(payer, Task::Publish(job));
        }
    }

    /// Whether [`call_parked`](Self::call_parked) would find one.
    pub(crate) fn may_call_parked(&self) -> bool {
        let parked = &self.jobs.parked;
        !parked.is_empty() && parked.may_call(self.engine.hub.room_for_fan_outs())
    }

    /// Lines up the next step of a job: in its turn, or once it need not wait for fan-outs. With `goes_first`, ahead of
    /// the others that wait for fan-outs.
    pub(super) fn line_up_job(&mut self, job: u64, rest: &mut Rest, goes_first: bool) {
        let payer = rest.payer;
        let next = rest.begun.as_mut().map(|it| it.next_channel().to_owned());
        let Some(channel) = next.filter(|it| goes_first || self.has_to_wait_for_fan_outs(it))
        else {
            return self.engine.work.add(payer, Task::Publish(job));
        };
        let units = self.engine.hub.reach(&channel) as u64 * units::DELIVERY;
        let parked = Parked { payer, job, channel: channel.into() };
        match goes_first {
            true => self.jobs.parked.put_back(parked),
            false => self.jobs.parked.add(parked, units),
        }
    }

    pub(super) fn check_room_for_steps(&self, who: &Principal) -> Result<(), Problem> {
        let payer = self.engine.work.payer(who);
        // [service:bound-batches]
        if self.jobs.waiting_bytes.has_room(payer, self.engine.limits.batches_bytes_max) {
            return Ok(());
        }
        Err(Problem::new(Code::Overloaded, "too many publications wait for their turn"))
    }

    /// Leaves publications of a job to later steps.
    pub(super) fn set_aside(
        &mut self,
        job: &mut Job<'_>,
        who: &Principal,
        begun: Option<Begun<'_>>,
        batch: Option<&Batch<'_>>,
    ) {
        let payer = self.engine.work.payer(who);
        self.jobs.waiting_bytes.add(payer, job.set_aside((who, payer), begun, batch));
    }

    /// Publishes the first step of a job, unless others come before it. What is left waits for later steps.
    fn begin<'p>(
        &mut self,
        job: &mut Job<'p>,
        who: &Principal,
        (mut begun, mut batch): (Option<Begun<'p>>, Option<Batch<'p>>),
        context: &mut Context<'_>,
    ) {
        if self.has_to_wait_for_log()
            || self.publish_some((job, false), who, (&mut begun, batch.as_mut()), context)
                != Progress::Done
        {
            self.set_aside(job, who, begun, batch.as_ref());
        }
    }

    /// Publishes a step of what is left: a publication that has begun, and then lines of a batch. If the job was called,
    /// its first publication waits only if the room for its fan-out is gone.
    fn publish_some<'p>(
        &mut self,
        (job, mut is_called): (&mut Job<'p>, bool),
        who: &Principal,
        (begun, mut batch): (&mut Option<Begun<'p>>, Option<&mut Batch<'p>>),
        context: &mut Context<'_>,
    ) -> Progress {
        let spent = |it: &Self, context: &Context<'_>| context.units_spent() + it.jobs.pace.given();
        let end = spent(self, context) + units::STEP;
        while let Some(Begun { line, mut publish, kind, next }) =
            begun.take().or_else(|| self.next_line(job, who, batch.as_deref_mut(), context))
        {
            if let Channels::Many(_) = &publish.channels {
                job.shape = Shape::Many;
            }
            let count = publish.channels.as_mut_slice().len();
            for at in next..count {
                // [service:turn-yields]
                let channel = &publish.channels.as_mut_slice()[at];
                let waits = match is_called {
                    true => self.has_lost_its_room(channel),
                    false => self.has_to_wait_for_fan_outs(channel),
                };
                if spent(self, context) >= end || !self.may_publish() || waits {
                    *begun = Some(Begun { line, publish, kind, next: at });
                    return if is_called { Progress::NotBegun } else { Progress::Left };
                }
                is_called = false;
                self.add_kind(job, who, line, (&mut publish, at, kind), context);
            }
        }
        Progress::Done
    }

    /// Reads the next publication of a batch, and notes the lines before it that cannot be read.
    fn next_line<'p>(
        &mut self,
        job: &mut Job<'p>,
        who: &Principal,
        batch: Option<&mut Batch<'p>>,
        context: &mut Context<'_>,
    ) -> Option<Begun<'p>> {
        let batch = batch?;
        loop {
            let before = batch.rest().0.len();
            let (line, item) = batch.next()?;
            context.spend(units::ITEM + units::of_text(before - batch.rest().0.len()));
            match item {
                Ok(publish) => return Some(Begun { line: Some(line), ..Begun::new(publish) }),
                Err(problem) => self.note_unread(job, who, line, problem),
            }
        }
    }

    /// Publishes the next step of a job.
    pub(crate) fn publish_on(&mut self, id: u64, context: &mut Context<'_>) {
        let is_called = self.jobs.parked.take_call(id);
        let Some(mut rest) = self.jobs.open.get_mut(&id).and_then(|job| job.rest.take()) else {
            return;
        };
        let Some(job) = self.jobs.open.remove(&id) else { return };
        let mut begun = rest.begun.take();
        let mut batch =
            Batch::resume(&rest.lines[rest.used..], rest.line, &self.engine.limits.wire);
        let mut part: Job<'_> = job;
        let progress = self.publish_some(
            (&mut part, is_called),
            &rest.who,
            (&mut begun, Some(&mut batch)),
            context,
        );
        let (left, line) = batch.rest();
        let (used, begun) = (rest.lines.len() - left.len(), begun.map(Begun::into_owned));
        let mut job = part.into_owned();
        match progress {
            Progress::Left | Progress::NotBegun => {
                (rest.used, rest.line, rest.begun) = (used, line, begun);
                self.line_up_job(id, &mut rest, progress == Progress::NotBegun);
                job.rest = Some(rest);
            }
            Progress::Done => self.jobs.waiting_bytes.remove(rest.payer, rest.bytes),
        }
        match job.is_done() {
            true => self.finish(&job, context),
            false => drop(self.jobs.open.insert(id, job)),
        }
    }
}
