//! Publishing: from an offer to an entry of the log, and from there to the sessions.
//!
//! A publication is settled at once, or waits for its outcome under a ticket. Outcomes come one by
//! one, each when its entry is in the log. The entry may still wait for others of its channel: so call
//! `deliver_before` before a receipt is written to a stream.

use sockeye_hub::{ChannelName, Cursor, Misuse, Publication, Seq};

use crate::engine::{Access, Body, Dialect, Engine, Outlet, Principal, Refusal, units};
use crate::payload::{Level, Payload};
use crate::sequencing::{
    Backbone, Decision, Full, Health, NoRoom, Offer, Outcome, Restored, Sequenced, Sequencing,
    Statement, Step, Ticket, Verdict,
};

/// A publication that was not refused.
#[derive(Clone, Copy, Debug)]
pub enum Placed {
    /// It is in the log.
    Settled(Settled),
    /// It waits for its outcome.
    Waiting(Ticket),
}

/// The receipt of a publication.
#[derive(Clone, Copy, Debug)]
pub struct Settled {
    /// Its position in the log.
    pub position: Cursor,
    /// How safe it is.
    pub level: Level,
    /// Whether an earlier message has its key. This is the receipt of that message.
    pub duplicate: bool,
    /// The sessions of this engine that were subscribed to its channel; zero for a duplicate.
    pub subscribers: u64,
}

/// The outcome of a publication that waited.
#[derive(Clone, Copy, Debug)]
pub struct Answered {
    /// The publication, as [`Placed::Waiting`] named it.
    pub ticket: Ticket,
    /// Its receipt, or its refusal.
    pub result: Result<Settled, Refusal>,
}

impl<D: Dialect> Engine<D> {
    /// Publishes for a principal. No rate limit applies here: the caller counts its messages.
    ///
    /// # Errors
    /// The principal may not publish there, or the log does not take the publication.
    pub fn publish(
        &mut self,
        principal: &Principal,
        mut publication: Publication<'_, Payload>,
        out: &mut impl Outlet<D>,
    ) -> Result<Placed, Refusal> {
        principal.may_publish(publication.channel, &self.namespaces, self.calendar)?;
        self.check_log()?;
        self.tickets += 1;
        let (ticket, now_ms) = (self.tickets, self.log_time.ms);
        publication.body.date_ms = self.log_time.date();
        let decider = match &mut self.sequencing {
            Sequencing::InLoop { decider, .. } => decider,
            Sequencing::Behind { backbone, .. } => {
                hand_over(backbone.as_mut(), publication, ticket)?;
                return Ok(self.wait_for(ticket));
            }
        };
        let publication = encodable(publication);
        let payload = |body: &Body<D::Forms>| body.payload().clone();
        let decision = decider.decide(&mut self.hub, publication, payload, ticket, now_ms);
        // If these steps were not counted here, the next caller would be charged for them.
        self.count_steps(out);
        match decision {
            Decision::Commit(position) => {
                let settled = self.commit(position, out);
                // [service:fan-out-bill] Its publisher pays for the steps of a fan-out.
                let reached = usize::try_from(settled.subscribers).unwrap_or(usize::MAX);
                if self.is_divided(reached) {
                    out.bill(settled.subscribers * units::DELIVERY);
                }
                Ok(Placed::Settled(settled))
            }
            Decision::Pending | Decision::PendingRepeat => Ok(self.wait_for(ticket)),
            Decision::Answer(verdict) => self.result_of(verdict).map(Placed::Settled),
        }
    }

    /// Ends all open streams of a user, at each engine of the log.
    ///
    /// # Errors
    /// The principal may not do so, or the log does not take it.
    pub fn disconnect_user(
        &mut self,
        principal: &Principal,
        user: &str,
        out: &mut impl Outlet<D>,
    ) -> Result<Placed, Refusal> {
        if matches!(self.access, Access::Open) {
            return Err(Refusal::NoUsers);
        }
        principal.may_disconnect(self.calendar)?;
        match &mut self.sequencing {
            Sequencing::InLoop { .. } => {
                self.end_user(&user.into(), out);
                Ok(Placed::Settled(self.declared()))
            }
            Sequencing::Behind { .. } => self.declare(Statement::Disconnect(user.into())),
        }
    }

    /// Refuses a principal that may not look at the nodes of the log. On an open server everybody may.
    ///
    /// # Errors
    /// As said.
    pub(crate) fn check_operator(&self, principal: &Principal) -> Result<(), Refusal> {
        match self.access {
            Access::Open => Ok(()),
            Access::Guarded(_) => Ok(principal.may_see_nodes(self.calendar)?),
        }
    }

    /// Hands a statement over.
    ///
    /// # Errors
    /// The log does not take it.
    pub(crate) fn declare(&mut self, statement: Statement) -> Result<Placed, Refusal> {
        self.check_log()?;
        self.tickets += 1;
        let ticket = self.tickets;
        let Sequencing::Behind { backbone, .. } = &mut self.sequencing else {
            unreachable!("only a backbone takes statements")
        };
        backbone.declare(ticket, statement).map_err(|Full| Refusal::NoRoom)?;
        Ok(self.wait_for(ticket))
    }

    /// The receipt of a statement: `logged` if a log that machines share has it.
    fn declared(&self) -> Settled {
        let is_logged = match &self.sequencing {
            Sequencing::InLoop { .. } => false,
            Sequencing::Behind { backbone, .. } => {
                let figures = backbone.figures();
                figures.durable && figures.shared.is_some()
            }
        };
        let level = if is_logged { Level::Logged } else { Level::Accepted };
        Settled { position: self.hub.position(), level, duplicate: false, subscribers: 0 }
    }

    /// Refuses what the log would not take.
    pub(super) fn check_log(&self) -> Result<(), Refusal> {
        if self.sequencing.health().has_failed() {
            return Err(Refusal::LogFailed);
        }
        // [service:log-away]
        if let Health::Away(_) = self.sequencing.health() {
            return Err(Refusal::LogAway);
        }
        if self.waiting >= self.limits.publishing_max && self.sequencing.makes_wait() {
            return Err(Refusal::NoRoom);
        }
        Ok(())
    }

    fn wait_for(&mut self, ticket: Ticket) -> Placed {
        self.waiting += 1;
        Placed::Waiting(ticket)
    }

    /// Applies the outcomes that have arrived from the backbone. Stops at each outcome that answers
    /// a publication of this engine, and returns it; `None` after the last outcome.
    ///
    /// Call it until it returns `None` before each request with a cursor: another engine may have
    /// given out the cursor, and may be ahead of this one.
    // [service:follow-first]
    #[inline]
    pub fn follow(&mut self, out: &mut impl Outlet<D>) -> Option<Answered> {
        match self.sequencing {
            Sequencing::InLoop { .. } => None,
            Sequencing::Behind { .. } => self.follow_backbone(out),
        }
    }

    #[inline(never)]
    fn follow_backbone(&mut self, out: &mut impl Outlet<D>) -> Option<Answered> {
        while let Sequencing::Behind { backbone, health, has_begun } = &mut self.sequencing
            && let Some(outcome) = backbone.next()
        {
            let mut answered = None;
            let followed = match outcome {
                Outcome::Entry(entry, ticket) => {
                    let settled = self.take_in(&entry, out);
                    answered = ticket.map(|ticket| self.answer(ticket, Ok(settled)));
                    Ok(())
                }
                Outcome::Void(seq) => self.hub.void(seq),
                Outcome::Lost(seq) => {
                    self.lose(seq, out);
                    Ok(())
                }
                Outcome::Epoch(epoch) => {
                    self.deliver_burst(out);
                    let begun = self.hub.begin_epoch(epoch);
                    self.pull_all(out);
                    begun
                }
                Outcome::Restored(log) => self.take_over(&log),
                Outcome::Health(now) => {
                    *health = now;
                    *has_begun |= now == Health::Good;
                    if backbone.figures().shared.is_some() {
                        self.presence.begin_to_tell();
                    }
                    Ok(())
                }
                Outcome::Disconnect(user, ticket) => {
                    self.end_user(&user, out);
                    let declared = self.declared();
                    answered = ticket.map(|ticket| self.answer(ticket, Ok(declared)));
                    Ok(())
                }
                Outcome::DisconnectsMissed => {
                    self.recall_users(out);
                    Ok(())
                }
                Outcome::Presence(news) => {
                    self.hear_nodes(&news, out);
                    Ok(())
                }
                Outcome::Answer(ticket, verdict) if self.take_told(ticket, verdict) => Ok(()),
                Outcome::Answer(ticket, verdict) => {
                    let result = self.result_of(verdict);
                    answered = Some(self.answer(ticket, result));
                    Ok(())
                }
            };
            debug_assert!(followed.is_ok(), "outcomes come in the log's order: {followed:?}");
            if answered.is_some() {
                return answered;
            }
        }
        None
    }

    /// Takes over what another log had, whose epoch has just begun here: so no burst waits.
    fn take_over(&mut self, log: &Restored) -> Result<(), Misuse> {
        log.give_to(&mut self.hub, |it| Body::new(it.payload.clone()))
    }

    /// Asks this engine's own log for its answers since the last call.
    pub(crate) fn hear_log(&mut self) {
        if let Sequencing::InLoop { decider, .. } = &mut self.sequencing {
            decider.advance(self.log_time.ms);
        }
    }

    /// Appends the steps that these answers ask for, until one message is committed. Appends none
    /// if there is no further answer.
    pub(crate) fn log_steps(&mut self, steps: &mut Vec<Step<Ticket>>) {
        if let Sequencing::InLoop { decider, .. } = &mut self.sequencing {
            decider.settle(self.log_time.ms, 1, steps);
        }
    }

    /// Takes one of these steps.
    pub(crate) fn take_step(
        &mut self,
        step: &Step<Ticket>,
        out: &mut impl Outlet<D>,
    ) -> Option<Answered> {
        match *step {
            Step::Commit(position, ticket) => {
                let settled = self.commit(position, out);
                return Some(self.answer(ticket, Ok(settled)));
            }
            Step::Answer(ticket, verdict) => {
                let result = self.result_of(verdict);
                return Some(self.answer(ticket, result));
            }
            Step::Void(position) => {
                let aborted = self.hub.abort(position);
                debug_assert!(aborted.is_ok(), "a message that waits is pending");
            }
            Step::NextEpoch => {
                self.deliver_burst(out);
                self.hub.begin_next_epoch();
                self.pull_all(out);
            }
            Step::Health(_) => {}
        }
        None
    }

    /// The result of a publication that made no new message, or of a statement about a ticket.
    fn result_of(&self, verdict: Verdict) -> Result<Settled, Refusal> {
        match verdict {
            Verdict::Taken => Ok(self.declared()),
            Verdict::Duplicate(position, level) => {
                Ok(Settled { position, level, duplicate: true, subscribers: 0 })
            }
            Verdict::Refused(refusal) => Err(refusal.into()),
            Verdict::NoRoom(NoRoom::Waiting) => Err(Refusal::NoRoom),
            Verdict::NoRoom(NoRoom::Bytes) => Err(Refusal::LogFull("bytes")),
            Verdict::NoRoom(NoRoom::Channels) => Err(Refusal::LogFull("channels")),
            Verdict::NoRoom(NoRoom::Keys) => Err(Refusal::LogFull("keys")),
            Verdict::NotKept => Err(Refusal::NotKept),
            Verdict::Failed => Err(Refusal::LogFailed),
            Verdict::OldNodes => Err(Refusal::OldNodes),
            Verdict::TicketsFull => Err(sockeye_auth::Refusal::TicketsFull.into()),
            Verdict::TicketUsed => Err(sockeye_auth::Refusal::Ticket.into()),
        }
    }

    fn answer(&mut self, ticket: Ticket, result: Result<Settled, Refusal>) -> Answered {
        // A backbone may answer a ticket that it was never given.
        self.waiting = self.waiting.saturating_sub(1);
        Answered { ticket, result }
    }

    /// Delivers an entry that was decided elsewhere.
    fn take_in(&mut self, entry: &Sequenced, out: &mut impl Outlet<D>) -> Settled {
        let Sequenced { position, ref channel, ref payload, kind, time_ms, level } = *entry;
        // Entries between the head and this one never came.
        self.lose(position.seq.previous(), out);
        // The authority of the log may have changed.
        if self.hub.next_check() != position.check {
            self.hub.begin_run(position.check);
        }
        let name = ChannelName::new(channel).expect("names are checked where they come");
        let cost = payload.cost();
        // The sequencer has judged its key.
        let publication =
            Publication { kind, ..Publication::new(name, Body::new(payload.clone()), cost) };
        if !self.hub.continues_burst(name) {
            self.deliver_burst(out);
        }
        let applied = self.hub.apply_later(position.seq, publication, time_ms);
        let subscribers = self.deliver(applied.expect("no entry comes twice"), out);
        Settled { position, level, duplicate: false, subscribers }
    }

    /// Notes that the log has lost its entries up to `through`. Sessions that have not received them
    /// get a gap. Entries that this engine has are not lost to it.
    fn lose(&mut self, through: Seq, out: &mut impl Outlet<D>) {
        // [service:lost-entries]
        if through > self.hub.position().seq {
            self.deliver_burst(out);
            let lost = self.hub.lose(through);
            debug_assert!(lost.is_ok(), "the lost entries are above the head: {lost:?}");
            self.pull_all(out);
        }
    }

    /// Commits the pending message at this position, and delivers it or lets it wait for others of its
    /// channel.
    fn commit(&mut self, position: Cursor, out: &mut impl Outlet<D>) -> Settled {
        let (now_ms, level) = (self.log_time.ms, self.sequencing.level());
        if !self.hub.next_continues_burst() {
            self.deliver_burst(out);
        }
        let committed = self.hub.commit_later(position, now_ms);
        let subscribers = self.deliver(committed.expect("messages are settled in order"), out);
        Settled { position, level, duplicate: false, subscribers }
    }
}

/// The publication with room for its encodings.
fn encodable<F: Default>(publication: Publication<'_, Payload>) -> Publication<'_, Body<F>> {
    let Publication { channel, body, kind, key, expect, cost } = publication;
    Publication { channel, body: Body::new(body), kind, key, expect, cost }
}

/// Hands a publication over. Its outcome bears `ticket`.
fn hand_over(
    backbone: &mut dyn Backbone,
    publication: Publication<'_, Payload>,
    ticket: Ticket,
) -> Result<(), Refusal> {
    let Publication { channel, body, kind, key, expect, cost: _ } = publication;
    let (channel, key) = (channel.as_str().into(), key.map(Into::into));
    let offer = Offer { channel, payload: body, kind, key, expect };
    backbone.append(ticket, offer).map_err(|Full| Refusal::NoRoom)
}
