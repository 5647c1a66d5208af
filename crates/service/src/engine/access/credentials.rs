//! The principal behind a credential, and the tickets that it issues.

use sockeye_auth::{Credential, Identity, Keys, Moment, Refusal, TicketRecord};

use super::{Access, Guard, Principal, Shown, Somebody};
use crate::engine::refusal as engine;
use crate::sequencing::Sequencing;

/// A ticket.
pub(crate) enum Issued {
    /// It is outstanding.
    Outstanding(String),
    /// It is outstanding once the log has taken its record.
    Sealed(String, TicketRecord),
}

impl Access {
    /// Issues a ticket for `wanted`.
    pub(crate) fn issue(
        &mut self,
        who: &Principal,
        (wanted, life_ms): (&Identity, u64),
        (now, sequencing): (Moment, &Sequencing),
    ) -> Result<Issued, engine::Refusal> {
        let Self::Guarded(guard) = self else {
            return Err(engine::Refusal::TicketsNotNeeded);
        };
        let Some(tickets) = &mut guard.tickets else {
            return Err(engine::Refusal::TicketsOff);
        };
        // A client without a credential could fill the table of tickets.
        if !who.is_known() {
            return Err(Refusal::Required.into());
        }
        let issuer = &who.of.identity;
        if !issuer.may_issue(wanted, now.unix) {
            return Err(Refusal::Forbidden.into());
        }
        let mut entropy = [0; 24];
        (guard.entropy)(&mut entropy);
        let ends_ms = [issuer.ends_ms, wanted.ends_ms].into_iter().flatten().min();
        let wanted = Identity { ends_ms, ..wanted.clone() };
        if !sequencing.has_tickets() {
            let ticket = tickets.issue(issuer, &wanted, life_ms, &entropy, now)?;
            return Ok(Issued::Outstanding(ticket));
        }
        let (ticket, record) = tickets.seal(issuer, &wanted, life_ms, &entropy, now.unix)?;
        Ok(Issued::Sealed(ticket, record))
    }
}

impl Guard {
    /// The principal behind a credential. `proof` is what came with its cursor.
    pub(crate) fn identify(
        &mut self,
        credential: Credential<'_>,
        proof: Option<&str>,
        (now, sequencing): (Moment, &Sequencing),
    ) -> Result<Principal, Refusal> {
        match credential {
            Credential::ApiKey(key) => {
                let identity = self.keys.identify(key, now.unix)?.clone();
                Ok(Somebody::of(identity, Shown::ApiKey, Some(Keys::id(key)), None).into())
            }
            Credential::Bearer(token)
            | Credential::QueryToken(token)
            | Credential::Cookie(token) => {
                let tokens = self.tokens.as_ref().ok_or(Refusal::TokenKey)?;
                let (identity, key) = tokens.verify_by(token, now.unix)?;
                Ok(Somebody::of(identity, Shown::Credential, Some(key), None).into())
            }
            Credential::Ticket(ticket) => {
                let tickets = self.tickets.as_mut().ok_or(Refusal::Ticket)?;
                let in_log = sequencing.has_tickets();
                let session = match in_log {
                    false => tickets.enter(ticket, proof, now)?,
                    true => tickets.open(ticket, proof, now.unix)?,
                };
                let unredeemed = in_log && !session.is_resumed();
                let identity = session.identity().clone();
                let somebody = Somebody::of(identity, Shown::Credential, None, Some(session));
                Ok(Somebody { unredeemed, ..somebody }.into())
            }
        }
    }
}
