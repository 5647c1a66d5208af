//! Publishing in steps: a request that reaches many goes on in later turns.

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
        self.add(&mut job, who, None, (&mut publish, 0), context);
        match job.is_done() {
            true => self.tell(&job, context),
            false => self.put_by(job),
        }
    }

    /// Publishes for a request: answers it, or holds it until every publication has its outcome.
    pub(crate) fn publish_request(
        &mut self,
        who: &Principal,
        publish: Publish<'_>,
        context: &mut Context<'_>,
    ) -> Result<Answer<Pending>, Problem> {
        if let Channels::Many(_) = &publish.channels {
            self.check_room_for_steps()?;
        }
        let mut job = self.jobs.begin(Asker::Request(None), Shape::One);
        self.begin_one(&mut job, who, publish, context);
        Ok(self.answer_or_hold(job, who))
    }

    /// Publishes the lines of a batch: answers the request, or holds it, as for one publication.
    pub(crate) fn publish_batch(
        &mut self,
        who: &Principal,
        mut batch: Batch<'_>,
        context: &mut Context<'_>,
    ) -> Result<Answer<Pending>, Problem> {
        self.check_room_for_steps()?;
        let mut job = self.jobs.begin(Asker::Request(None), Shape::Many);
        let mut begun = None;
        let progress = self.publish_some(&mut job, who, &mut begun, Some(&mut batch), context);
        if progress == Progress::Left {
            self.jobs.put_off_bytes += job.put_off(who, begun, Some(&batch));
        }
        Ok(self.answer_or_hold(job, who))
    }

    /// [service:bound-batches]
    fn check_room_for_steps(&self) -> Result<(), Problem> {
        if self.jobs.put_off_bytes < self.engine.limits.batches_bytes_max {
            return Ok(());
        }
        Err(Problem::new(Code::Overloaded, "too many batches are being published"))
    }

    fn begin_one<'p>(
        &mut self,
        job: &mut Job<'p>,
        who: &Principal,
        mut publish: Publish<'p>,
        context: &mut Context<'_>,
    ) {
        if let Channels::One(_) = publish.channels {
            return self.add(job, who, None, (&mut publish, 0), context);
        }
        let mut begun = Some(Begun { line: None, publish, next: 0 });
        if self.publish_some(job, who, &mut begun, None, context) == Progress::Left {
            self.jobs.put_off_bytes += job.put_off(who, begun, None);
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
        let end = context.units_spent() + units::STEP;
        while let Some(Begun { line, mut publish, next }) =
            begun.take().or_else(|| self.next_line(job, who, batch.as_deref_mut(), context))
        {
            if let Channels::Many(_) = &publish.channels {
                job.shape = Shape::Many;
            }
            let count = publish.channels.as_mut_slice().len();
            for at in next..count {
                // [service:turn-yields]
                if context.units_spent() >= end {
                    *begun = Some(Begun { line, publish, next: at });
                    return Progress::Left;
                }
                self.add(job, who, line, (&mut publish, at), context);
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
                Ok(publish) => return Some(Begun { line: Some(line), publish, next: 0 }),
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
                self.engine.work.add_for(&rest.who, Task::Publish(id));
                job.rest = Some(rest);
            }
            Progress::Done => self.jobs.put_off_bytes -= rest.bytes,
        }
        match job.is_done() {
            true => self.finish(&job, context),
            false => drop(self.jobs.open.insert(id, job)),
        }
    }
}
