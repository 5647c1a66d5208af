//! Publishing in steps: a request that reaches many goes on in later turns.

use std::mem;

use sockeye_server::{Answer, Context};

use super::job::{Asker, Begun, Job, Shape};
use crate::engine::{Principal, Task, units};
use crate::wire::{Batch, Channels, Code, Problem, Publish};
use crate::{Pending, Service};

/// Whether a job has published everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Progress {
    Done,
    Left,
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
        if !self.decide_to_queue() {
            self.add(&mut job, who, None, (&mut publish, 0), context);
        } else if let Err(problem) = self.check_room_for_steps(who) {
            let name = mem::take(&mut publish.channels.as_mut_slice()[0]);
            self.note(&mut job, None, Some(name), Err(problem));
        } else {
            self.put_off(&mut job, who, Some(Begun::new(publish)), None);
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
        if let Channels::One(_) = publish.channels
            && !self.decide_to_queue()
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

    /// Decides whether a publication has to wait for its turn: others wait for theirs, the log has enough, or too many
    /// fan-outs are under way. Notes whether any has to wait for fan-outs.
    pub(super) fn decide_to_queue(&mut self) -> bool {
        let (may_publish, has_jobs) = (self.may_publish(), self.engine.work.has_jobs());
        // [service:fan-out-room] Nobody overtakes those that wait for fan-outs.
        self.jobs.wait_for_fan_outs =
            !self.engine.hub.has_room_for_fan_out() || (self.jobs.wait_for_fan_outs && has_jobs);
        // [service:paced]
        (self.engine.sequencing.makes_wait() || self.jobs.wait_for_fan_outs)
            && (has_jobs || !may_publish)
    }

    /// Whether another publication may be decided now: the log may be given more, and there is room for a fan-out.
    pub(crate) fn may_publish(&self) -> bool {
        self.jobs.pace.is_open(&self.engine.limits) && self.engine.hub.has_room_for_fan_out()
    }

    pub(super) fn check_room_for_steps(&self, who: &Principal) -> Result<(), Problem> {
        let payer = self.engine.work.payer(who);
        // [service:bound-batches]
        if self.jobs.put_off.has_room(payer, self.engine.limits.batches_bytes_max) {
            return Ok(());
        }
        Err(Problem::new(Code::Overloaded, "too many publications wait for their turn"))
    }

    /// Puts off publications of a job to later steps.
    pub(super) fn put_off(
        &mut self,
        job: &mut Job<'_>,
        who: &Principal,
        begun: Option<Begun<'_>>,
        batch: Option<&Batch<'_>>,
    ) {
        let payer = self.engine.work.payer(who);
        self.jobs.put_off.add(payer, job.put_off((who, payer), begun, batch));
    }

    /// Publishes the first step of a job, unless others come before it. What is left is put off.
    fn begin<'p>(
        &mut self,
        job: &mut Job<'p>,
        who: &Principal,
        (mut begun, mut batch): (Option<Begun<'p>>, Option<Batch<'p>>),
        context: &mut Context<'_>,
    ) {
        if self.decide_to_queue()
            || self.publish_some(job, who, &mut begun, batch.as_mut(), context) == Progress::Left
        {
            self.put_off(job, who, begun, batch.as_ref());
        }
    }

    /// Publishes a step of what is left: a publication that has begun, and then lines of a batch.
    fn publish_some<'p>(
        &mut self,
        job: &mut Job<'p>,
        who: &Principal,
        begun: &mut Option<Begun<'p>>,
        mut batch: Option<&mut Batch<'p>>,
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
                if spent(self, context) >= end || !self.may_publish() {
                    *begun = Some(Begun { line, publish, kind, next: at });
                    return Progress::Left;
                }
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
        let Some(mut rest) = self.jobs.open.get_mut(&id).and_then(|job| job.rest.take()) else {
            return;
        };
        let Some(job) = self.jobs.open.remove(&id) else { return };
        let mut begun = rest.begun.take();
        let mut batch =
            Batch::resume(&rest.lines[rest.used..], rest.line, &self.engine.limits.wire);
        let mut part: Job<'_> = job;
        let progress =
            self.publish_some(&mut part, &rest.who, &mut begun, Some(&mut batch), context);
        let (left, line) = batch.rest();
        let (used, begun) = (rest.lines.len() - left.len(), begun.map(Begun::into_owned));
        let mut job = part.into_owned();
        match progress {
            Progress::Left => {
                (rest.used, rest.line, rest.begun) = (used, line, begun);
                self.engine.work.add(rest.payer, Task::Publish(id));
                job.rest = Some(rest);
            }
            Progress::Done => self.jobs.put_off.remove(rest.payer, rest.bytes),
        }
        match job.is_done() {
            true => self.finish(&job, context),
            false => drop(self.jobs.open.insert(id, job)),
        }
    }
}
