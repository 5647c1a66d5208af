//! The verdicts on publications, and the order in which a log settles them.

use std::collections::VecDeque;

use sockeye_hub::{Admission, Cursor, Hub, Publication, Seq};

use super::health::Health;
use super::log::{Log, LogState, Record, next_state};
use super::{Figures, Verdict};
use crate::payload::{Level, Payload};

/// Decides publications over a hub that the caller owns, and keeps those that wait for the log.
///
/// It is a state machine without I/O but for the log: [`decide`](Self::decide) and
/// [`settle`](Self::settle) say what the caller has to do to its hub. `T` is how the caller names
/// a publication.
pub(crate) struct Decider<T> {
    /// Makes messages durable; without it they are settled as soon as they have a position.
    log: Option<Box<dyn Log>>,
    health: Health,
    /// Messages that are not committed yet, by position. The log may have taken the first ones.
    waiting: VecDeque<Waiting<T>>,
    /// The log has taken every message up to here. Some of them may wait for their steps.
    taken: Seq,
    log_refusals: u64,
}

struct Waiting<T> {
    position: Cursor,
    first: T,
    /// Publications with the same key.
    repeats: Vec<T>,
}

/// The verdict on a publication, for now.
pub(crate) enum Decision {
    /// It has this position. The caller commits it at once.
    Commit(Cursor),
    /// It has a position and waits for the log.
    Pending,
    /// It repeats a publication that waits for the log, and waits with it.
    PendingRepeat,
    /// It makes no new message.
    Answer(Verdict),
}

/// One thing that the caller has to do, in this order, because of the log's answers.
pub(crate) enum Step<T> {
    /// Commit the pending message at this position, and give its publisher the receipt.
    Commit(Cursor, T),
    /// Abort the pending message at this position.
    Void(Cursor),
    /// Begin the hub's next epoch.
    NextEpoch,
    /// Note the log's health.
    Health(Health),
    /// Answer a publisher whose publication made no new message.
    Answer(T, Verdict),
}

impl<T> Decider<T> {
    /// A decider that has messages wait for a log's answer, if there is a log.
    pub(crate) const fn new(log: Option<Box<dyn Log>>) -> Self {
        Self {
            log,
            health: Health::Good,
            waiting: VecDeque::new(),
            taken: Seq::ZERO,
            log_refusals: 0,
        }
    }

    pub(crate) const fn has_log(&self) -> bool {
        self.log.is_some()
    }

    /// Whether the log takes entries.
    pub(crate) const fn health(&self) -> Health {
        self.health
    }

    /// How durable a committed message is.
    pub(crate) const fn level(&self) -> Level {
        if self.log.is_some() { Level::Logged } else { Level::Accepted }
    }

    /// Messages that wait for the log, or for their step.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// The figures, with those of the hub.
    pub(crate) const fn figures(&self, hub: sockeye_hub::Stats) -> Figures {
        Figures { durable: self.log.is_some(), hub, log_refusals: self.log_refusals, shared: None }
    }

    /// Decides a publication. `payload` gives what the log has to keep of its body.
    pub(crate) fn decide<M>(
        &mut self,
        hub: &mut Hub<M>,
        publication: Publication<'_, M>,
        payload: impl FnOnce(&M) -> Payload,
        who: T,
        now_ms: u64,
    ) -> Decision {
        if self.health.has_failed() {
            return Decision::Answer(Verdict::Failed);
        }
        // The log is asked for room first: a position without a record would look like a lost
        // message after a restart.
        let (channel, kind, key) = (publication.channel, publication.kind, publication.key);
        let logged = self.log.as_mut().map(|log| (log, payload(&publication.body)));
        if let Some((log, payload)) = &logged
            && let Err(no_room) = log.room(channel, key, payload)
        {
            return Decision::Answer(Verdict::NoRoom(no_room));
        }
        match hub.admit(publication, now_ms) {
            Ok(Admission::Pending(position)) => {
                let Some((log, payload)) = logged else { return Decision::Commit(position) };
                let (time_ms, payload) = (now_ms, &payload);
                log.append(&Record { position, channel, time_ms, kind, payload, key });
                self.waiting.push_back(Waiting { position, first: who, repeats: Vec::new() });
                Decision::Pending
            }
            Ok(Admission::Duplicate(position)) => {
                Decision::Answer(Verdict::Duplicate(position, self.level()))
            }
            Ok(Admission::DuplicatePending(position)) => {
                let at = self.waiting.binary_search_by_key(&position.seq, |it| it.position.seq);
                let first = at.ok().and_then(|at| self.waiting.get_mut(at));
                first.expect("a pending message waits for the log").repeats.push(who);
                Decision::PendingRepeat
            }
            Err(refusal) => Decision::Answer(Verdict::Refused(refusal)),
        }
    }

    /// Tells the log the time.
    pub(crate) fn advance(&mut self, now_ms: u64) {
        if let Some(log) = &mut self.log {
            log.advance(now_ms);
        }
    }

    /// Asks the log for its answers since the last call, until they commit `commits` messages. The
    /// caller takes the steps before it decides or settles anything else. No step: there is no
    /// further answer.
    pub(crate) fn settle(&mut self, now_ms: u64, mut commits: usize, steps: &mut Vec<Step<T>>) {
        self.commit_taken(&mut commits, steps);
        let mut before = None;
        // The messages that the log has taken come before its next answer.
        if commits == 0 {
            return;
        }
        while let Some(state) = next_state(self.log.as_deref_mut(), &mut before) {
            let was = self.health;
            match state {
                LogState::Through(seq) => {
                    self.health.taken(seq);
                    self.taken = seq;
                    self.commit_taken(&mut commits, steps);
                }
                LogState::Refused(seq) => {
                    self.log_refusals += 1;
                    self.health = Health::Refusing { through: seq, at_ms: now_ms };
                    while let Some(first) = self.pop_through(seq) {
                        steps.push(Step::Void(first.position));
                        steps.extend(first.answers(Verdict::NotKept));
                    }
                }
                LogState::Failed => {
                    self.health = Health::Failed;
                    self.give_up(steps);
                }
            }
            if self.health != was {
                steps.push(Step::Health(self.health));
            }
            if self.health.has_failed() || commits == 0 {
                return;
            }
        }
    }

    /// Commits messages that the log has taken, `commits` at the most, and counts them off.
    fn commit_taken(&mut self, commits: &mut usize, steps: &mut Vec<Step<T>>) {
        while *commits > 0
            && let Some(first) = self.pop_through(self.taken)
        {
            self.commit(first, steps);
            *commits -= 1;
        }
    }

    /// The oldest message that waits, if it is at `through` or before.
    fn pop_through(&mut self, through: Seq) -> Option<Waiting<T>> {
        self.waiting.front().filter(|first| first.position.seq <= through)?;
        self.waiting.pop_front()
    }

    fn commit(&self, waiting: Waiting<T>, steps: &mut Vec<Step<T>>) {
        let Waiting { position, first, repeats } = waiting;
        steps.push(Step::Commit(position, first));
        let duplicate = Verdict::Duplicate(position, self.level());
        steps.extend(repeats.into_iter().map(|who| Step::Answer(who, duplicate)));
    }

    /// Answers everybody who waits. Their messages may or may not be on disk, so the log's history
    /// is uncertain: a new epoch begins, in which no publication is taken.
    fn give_up(&mut self, steps: &mut Vec<Step<T>>) {
        if self.waiting.is_empty() {
            return;
        }
        for waiting in self.waiting.drain(..) {
            steps.extend(waiting.answers(Verdict::Failed));
        }
        steps.push(Step::NextEpoch);
    }
}

impl<T> Waiting<T> {
    fn answers(self, verdict: Verdict) -> impl Iterator<Item = Step<T>> {
        let all = [self.first].into_iter().chain(self.repeats);
        all.map(move |who| Step::Answer(who, verdict))
    }
}
