//! The order authority: which message is taken, and which place it gets.

use std::rc::Rc;

use crate::entry::Draft;
use crate::keys::Known;
use crate::{
    Committed, Cursor, Entry, Flow, Hub, Kind, Misuse, Publication, Refusal, Seq, SubscriberKey,
};

/// What became of a publication that was not refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Admission {
    /// It has its position, and waits for [`Hub::commit`] or [`Hub::abort`].
    Pending(Cursor),
    /// Its key is that of a message in the log: answer with that one's position.
    Duplicate(Cursor),
    /// Its key is that of a message that is pending: answer when that one is settled.
    DuplicatePending(Cursor),
}

/// What [`Hub::publish`] came to.
#[derive(Debug)]
pub enum Published<M> {
    /// It is in the log.
    Committed(Committed<M>),
    /// Its key is that of a message in the log, which stands here.
    Duplicate(Cursor),
}

/// A message that has its place and waits for the log. The first one's is after the head, and
/// there are no holes.
#[derive(Debug)]
pub(crate) struct Pending<M> {
    channel: u32,
    key: Option<Rc<str>>,
    /// `None` if it failed: its place stays empty.
    draft: Option<Draft<M>>,
}

impl<M> Hub<M> {
    /// Gives a message its place in the order, or says why not.
    ///
    /// From [`Admission::Pending`] on the caller owes a [`commit`](Self::commit) once the log has
    /// it, or an [`abort`](Self::abort) if the log certainly has not and never will. What may or
    /// may not be there takes a [new epoch](Self::begin_epoch). Several messages may be pending.
    ///
    /// # Errors
    /// [`Refusal`] says why the message was not taken.
    pub fn admit(
        &mut self,
        publication: Publication<'_, M>,
        now_ms: u64,
    ) -> Result<Admission, Refusal> {
        self.advance(now_ms);
        let record = self.channels.find(publication.channel.as_str());
        let admission = self.decide(&publication, record).and_then(|known| match known {
            Some(admission) => Ok(admission),
            None => self.enqueue(publication, record, now_ms),
        });
        match admission {
            Ok(Admission::Pending(_)) => self.stats.admitted += 1,
            Ok(Admission::Duplicate(_) | Admission::DuplicatePending(_)) => {
                self.stats.duplicates += 1;
            }
            Err(_) => self.stats.refused += 1,
        }
        admission
    }

    /// The log has the oldest pending message, which is the one at this position: subscribers get
    /// it. `deliver` is called once for each that is live, and says whether it took it.
    ///
    /// # Errors
    /// [`Misuse`] if something else is to be settled first, or nothing is pending there.
    pub fn commit(
        &mut self,
        position: Cursor,
        now_ms: u64,
        deliver: impl FnMut(SubscriberKey, &Rc<Entry<M>>) -> Flow,
    ) -> Result<Committed<M>, Misuse> {
        self.pending_at(position)?;
        // [hub:commit-order]
        if position.seq != self.head.next() {
            return Err(Misuse::OutOfOrder { next: self.head.next() });
        }
        self.advance(now_ms);
        let Some(Pending { channel, key, draft: Some(draft) }) = self.pending.pop_front() else {
            unreachable!("a void at the front is passed at once");
        };
        if let Some(key) = key {
            // [hub:key-ages]
            let settings = self.config.by_id(self.channels.record(channel).settings);
            let until_ms = now_ms.saturating_add(settings.key_ms);
            self.keys.commit(key, position.seq, until_ms, &self.config);
        }
        self.channels.settle_pending(channel, draft.kind);
        let committed = self.append(channel, draft, deliver);
        self.pass_voids();
        Ok(committed)
    }

    /// The log has not got this pending message and never will. Its place stays empty: no other
    /// message gets it, the order goes on behind it, and its key is free again.
    ///
    /// # Errors
    /// [`Misuse::NotPending`].
    pub fn abort(&mut self, position: Cursor) -> Result<(), Misuse> {
        let at = self.pending_at(position)?;
        let pending = &mut self.pending[at];
        let kind = pending.draft.take().map_or(Kind::Message, |draft| draft.kind);
        if let Some(key) = pending.key.take() {
            self.keys.abort(&key);
        }
        let channel = pending.channel;
        self.channels.settle_pending(channel, kind);
        self.channels.settle(channel, &self.config);
        self.stats.aborted += 1;
        // [hub:void]
        self.pass_voids();
        Ok(())
    }

    /// [`admit`](Self::admit) and [`commit`](Self::commit) in one, for a log that is this memory.
    ///
    /// # Errors
    /// [`Refusal`] says why the message was not taken.
    ///
    /// # Panics
    /// If messages are pending: a hub has one log.
    pub fn publish(
        &mut self,
        publication: Publication<'_, M>,
        now_ms: u64,
        deliver: impl FnMut(SubscriberKey, &Rc<Entry<M>>) -> Flow,
    ) -> Result<Published<M>, Refusal> {
        assert!(self.pending.is_empty(), "messages wait for another log");
        match self.admit(publication, now_ms)? {
            Admission::Pending(position) => {
                let committed = self.commit(position, now_ms, deliver);
                Ok(Published::Committed(committed.expect("nothing else is pending")))
            }
            Admission::Duplicate(position) | Admission::DuplicatePending(position) => {
                Ok(Published::Duplicate(position))
            }
        }
    }

    /// What is already known about a publication, or that it may be enqueued.
    fn decide(
        &mut self,
        publication: &Publication<'_, M>,
        record: Option<u32>,
    ) -> Result<Option<Admission>, Refusal> {
        let name = publication.channel.as_str();
        if let Some(key) = publication.key {
            if key.is_empty() || key.len() > self.config.limits.key_bytes_max {
                return Err(Refusal::Key);
            }
            // [hub:idempotent]
            let at = |seq| Cursor { epoch: self.epoch, seq };
            match self.keys.known(name, key) {
                Some(Known::Committed(seq)) => return Ok(Some(Admission::Duplicate(at(seq)))),
                Some(Known::Pending(seq)) => {
                    return Ok(Some(Admission::DuplicatePending(at(seq))));
                }
                None => {}
            }
        }
        let settings = match record {
            Some(index) => self.config.by_id(self.channels.record(index).settings),
            None => self.config.settings_of(publication.channel.namespace()),
        };
        let bytes_max = settings.message_bytes_max;
        if publication.cost > bytes_max {
            return Err(Refusal::MessageTooLarge { bytes_max });
        }
        self.check_conditions(publication, record)?;
        // [hub:bound-pending]
        if self.pending.len() >= self.config.limits.pending_max {
            return Err(Refusal::Backlog);
        }
        Ok(None)
    }

    /// Whether the channel is where the publication needs it to be. That must not hang on what is
    /// pending: if that failed, a message would stand in the log against its condition.
    fn check_conditions(
        &self,
        publication: &Publication<'_, M>,
        record: Option<u32>,
    ) -> Result<(), Refusal> {
        let past = match record {
            Some(index) => self.channels.record(index).past,
            None => self.channels.tombstones.past(publication.channel.as_str(), &self.config),
        };
        // [hub:ended]
        if past.ended {
            return Err(Refusal::Ended { at: past.last });
        }
        if let Some(index) = record {
            let record = self.channels.record(index);
            // [hub:undecided]
            if record.ending || (record.pending > 0 && publication.expect.is_some()) {
                let of_channel = |it: &Pending<M>| it.channel == index && it.draft.is_some();
                let newest = self.pending.iter().rposition(of_channel).unwrap_or_default();
                let seq = Seq(self.head.0 + 1 + newest as u64);
                return Err(Refusal::Undecided { pending: Cursor { epoch: self.epoch, seq } });
            }
        }
        // [hub:expected]
        match publication.expect {
            // [hub:forgotten]
            Some(_) if past.is_forgotten() => Err(Refusal::Forgotten { through: past.floor }),
            Some(expected) if expected != past.last => Err(Refusal::Unexpected { last: past.last }),
            Some(_) | None => Ok(()),
        }
    }

    fn enqueue(
        &mut self,
        publication: Publication<'_, M>,
        record: Option<u32>,
        now_ms: u64,
    ) -> Result<Admission, Refusal> {
        let Publication { channel, body, cost, kind, key, expect: _ } = publication;
        let name = channel.as_str();
        let id = match record {
            Some(index) => self.channels.record(index).settings,
            None => self.config.id_of(channel.namespace()),
        };
        // [hub:bound-ended]
        if kind == Kind::End && !self.channels.may_end(id, &self.config) {
            return Err(Refusal::Endings);
        }
        let index = match record {
            Some(index) => index,
            None if self.channels.make_room(id, &self.config) => {
                self.channels.add(name, &self.config)
            }
            None => return Err(Refusal::Channels),
        };
        let seq = Seq(self.head.0 + 1 + self.pending.len() as u64);
        let key = key.map(|key| self.keys.begin(name, key, seq));
        self.channels.begin_pending(index, kind);
        let draft = Some(Draft { body, cost, kind, time_ms: now_ms });
        self.pending.push_back(Pending { channel: index, key, draft });
        Ok(Admission::Pending(Cursor { epoch: self.epoch, seq }))
    }

    /// The head moves over the places of messages that failed.
    fn pass_voids(&mut self) {
        while self.pending.front().is_some_and(|pending| pending.draft.is_none()) {
            self.pending.pop_front();
            self.head = self.head.next();
        }
    }

    /// The index of a pending message.
    fn pending_at(&self, position: Cursor) -> Result<usize, Misuse> {
        let before =
            position.seq.0.checked_sub(self.head.0 + 1).filter(|_| position.epoch == self.epoch);
        let at = before.and_then(|before| usize::try_from(before).ok());
        at.filter(|at| self.pending.get(*at).is_some_and(|pending| pending.draft.is_some()))
            .ok_or(Misuse::NotPending)
    }
}
