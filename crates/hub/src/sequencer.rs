//! The sequencer: which messages are admitted, and which positions they get.

use std::rc::Rc;

use crate::entry::Draft;
use crate::keys::Known;
use crate::{
    Committed, Cursor, Entry, Flow, Hub, Kind, Misuse, Publication, Refusal, Seq, SubscriberKey,
};

/// The answer to a publication that was not refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Admission {
    /// The message has this position, and waits for [`Hub::commit`] or [`Hub::abort`].
    Pending(Cursor),
    /// A message in the log has the same key: answer with its position.
    Duplicate(Cursor),
    /// A pending message has the same key: answer when that one is settled.
    DuplicatePending(Cursor),
}

/// The result of [`Hub::publish`].
#[derive(Debug)]
pub enum Published<M> {
    /// The message is in the log.
    Committed(Committed<M>),
    /// A message in the log has the same key. This is its position.
    Duplicate(Cursor),
}

/// A message that has its position and waits for the log. The first pending one follows the head,
/// and the others follow it without holes.
#[derive(Debug)]
pub(crate) struct Pending<M> {
    channel: u32,
    key: Option<Rc<str>>,
    /// `None` if it was aborted: its position is void.
    draft: Option<Draft<M>>,
}

impl<M> Hub<M> {
    /// Gives a message its position, or refuses it.
    ///
    /// After [`Admission::Pending`] the caller owes a [`commit`](Self::commit) once the log has the
    /// message, or an [`abort`](Self::abort) if the log certainly never will. If nobody knows, the
    /// caller [begins an epoch](Self::begin_epoch). Several messages may be pending.
    ///
    /// # Errors
    /// [`Refusal`] says why the message was not taken.
    pub fn admit(
        &mut self,
        publication: Publication<'_, M>,
        now_ms: u64,
    ) -> Result<Admission, Refusal> {
        self.advance_beside(now_ms);
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

    /// Commits the message at `position`, which the log has now. It has to be the oldest pending
    /// one. `deliver` is called once for each live subscriber, and says whether that took it.
    ///
    /// # Errors
    /// [`Misuse`] if an older message is pending, none is pending at this position, or a burst waits.
    pub fn commit(
        &mut self,
        position: Cursor,
        now_ms: u64,
        deliver: impl FnMut(SubscriberKey, &Rc<Entry<M>>) -> Flow,
    ) -> Result<Committed<M>, Misuse> {
        self.check_no_burst()?;
        let (channel, draft) = self.take_pending(position, now_ms)?;
        let committed = self.append(channel, draft, deliver);
        self.pass_voids();
        Ok(committed)
    }

    /// Takes the oldest pending message out, to append it: its channel's record, and the rest.
    #[inline(always)]
    pub(crate) fn take_pending(
        &mut self,
        position: Cursor,
        now_ms: u64,
    ) -> Result<(u32, Draft<M>), Misuse> {
        self.pending_at(position)?;
        // [hub:commit-order]
        if position.seq != self.head.next() {
            return Err(Misuse::OutOfOrder { next: self.head.next() });
        }
        self.advance_to_commit(now_ms);
        let Some(Pending { channel, key, draft: Some(draft) }) = self.pending.pop_front() else {
            unreachable!("a void at the front is passed at once");
        };
        if let Some(key) = key {
            // [hub:key-ages]
            let settings = self.channels.settings(channel, &self.config);
            let until_ms = now_ms.saturating_add(settings.key_ms);
            self.keys.commit(key, position.seq, until_ms);
        }
        self.channels.settle_pending(channel, draft.kind);
        Ok((channel, draft))
    }

    /// The channel of the oldest pending message.
    pub(crate) fn next_channel(&self) -> Option<u32> {
        self.pending.front().map(|pending| pending.channel)
    }

    /// Aborts a pending message, because the log never will have it. Its position stays void, later
    /// positions stay as they are, and its key is free again.
    ///
    /// # Errors
    /// [`Misuse::NotPending`] if none is pending at this position.
    pub fn abort(&mut self, position: Cursor) -> Result<(), Misuse> {
        let at = self.pending_at(position)?;
        let pending = &mut self.pending[at];
        let kind = pending.draft.take().map_or(Kind::Message, |draft| draft.kind);
        if let Some(key) = pending.key.take() {
            self.keys.forget(&key);
        }
        let channel = pending.channel;
        self.channels.settle_pending(channel, kind);
        self.channels.settle(channel, &self.config);
        self.stats.aborted += 1;
        // [hub:void]
        self.pass_voids();
        Ok(())
    }

    /// [Admits](Self::admit) and [commits](Self::commit) a message, if memory is the log.
    ///
    /// # Errors
    /// [`Refusal`] says why the message was not taken.
    ///
    /// # Panics
    /// If messages are pending, or a burst waits. A hub is driven either by `publish`, or by `admit` and `commit`.
    pub fn publish(
        &mut self,
        publication: Publication<'_, M>,
        now_ms: u64,
        deliver: impl FnMut(SubscriberKey, &Rc<Entry<M>>) -> Flow,
    ) -> Result<Published<M>, Refusal> {
        assert!(self.pending.is_empty(), "messages wait for another log");
        assert!(self.burst.is_empty(), "messages wait to be delivered");
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

    /// Checks a publication: an answer if it is a repeat, `None` if it may be enqueued, or a
    /// refusal.
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
            match self.keys.known(name, key) {
                Some(Known::Committed(seq)) => return Ok(Some(Admission::Duplicate(self.at(seq)))),
                Some(Known::Pending(seq)) => {
                    return Ok(Some(Admission::DuplicatePending(self.at(seq))));
                }
                None => {}
            }
        }
        let settings = match record {
            Some(index) => self.channels.settings(index, &self.config),
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
        // [hub:bound-keys]
        if publication.key.is_some() && !self.keys.has_room(name, &self.config) {
            return Err(Refusal::Keys);
        }
        Ok(None)
    }

    /// Checks the publication's condition. It must not depend on a pending message: if that were
    /// aborted, a message would be in the log against its condition.
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
                return Err(Refusal::Undecided { pending: self.at(seq) });
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
        Ok(Admission::Pending(self.at(seq)))
    }

    /// Moves the head over void positions.
    pub(crate) fn pass_voids(&mut self) {
        while self.pending.front().is_some_and(|pending| pending.draft.is_none()) {
            self.pending.pop_front();
            self.head = self.head.next();
        }
    }

    /// The index of the pending message at this position.
    fn pending_at(&self, position: Cursor) -> Result<usize, Misuse> {
        let before =
            position.seq.0.checked_sub(self.head.0 + 1).filter(|_| position.epoch == self.epoch);
        let at = before.and_then(|before| usize::try_from(before).ok());
        at.filter(|at| self.pending.get(*at).is_some_and(|pending| pending.draft.is_some()))
            .ok_or(Misuse::NotPending)
    }
}
