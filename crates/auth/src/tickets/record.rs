//! Tickets whose table is kept elsewhere: where several machines agree on what was redeemed.

use super::{SEED_BYTES, Session, Tickets, counts_for, live};
use crate::keys::sha256;
use crate::{Identity, Refusal, UnixTime};

/// One outstanding ticket as a table keeps it, and the bounds under which the table takes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TicketRecord {
    /// The SHA-256 of the ticket.
    pub hash: [u8; 32],
    /// The user whose quota it counts against, if any: the first half of the SHA-256 of the name.
    pub holder: Option<[u8; 16]>,
    /// How long it may wait to be redeemed.
    pub life_ms: u64,
    /// [`Limits::tickets_max`](crate::Limits::tickets_max) of its issuer.
    pub tickets_max: u64,
    /// [`Limits::tickets_per_user_max`](crate::Limits::tickets_per_user_max) of its issuer.
    pub per_holder_max: u64,
}

impl Tickets {
    /// Seals a ticket that this table does not take. The ticket is good once the table that is kept elsewhere has
    /// taken its record. Otherwise it is as [`issue`](Self::issue).
    ///
    /// # Errors
    /// As for [`issue`](Self::issue), but for [`Refusal::TicketsFull`].
    pub fn seal(
        &self,
        issuer: &Identity,
        identity: &Identity,
        life_ms: u64,
        entropy: &[u8; SEED_BYTES],
        now: UnixTime,
    ) -> Result<(String, TicketRecord), Refusal> {
        self.check_identity(identity, now)?;
        let ticket = self.seal_identity(identity, entropy, now)?;
        let holder = counts_for(issuer, identity)
            .map(|user| *sha256(user).first_chunk().expect("SHA-256 has more bytes"));
        let record = TicketRecord {
            // [auth:ticket-hashed]
            hash: sha256(&ticket),
            holder,
            // [auth:ticket-life]
            life_ms: life_ms.min(self.limits.ticket_ms_max),
            tickets_max: self.limits.tickets_max as u64,
            per_holder_max: self.limits.tickets_per_user_max as u64,
        };
        Ok((ticket, record))
    }

    /// Opens a ticket whose table is kept elsewhere. A session that [was resumed](Session::is_resumed) goes on.
    /// Any other one begins if that table redeems its [hash](Session::ticket_hash).
    ///
    /// The proof is that of [`enter`](Self::enter). One of another ticket is ignored.
    ///
    /// # Errors
    /// [`Refusal::Ticket`] if no secret has sealed it; [`Refusal::SessionOver`] if the session has ended, or the
    /// proof is right and too old.
    pub fn open(
        &self,
        ticket: &str,
        proof: Option<&str>,
        now: UnixTime,
    ) -> Result<Session, Refusal> {
        if ticket.len() > self.limits.ticket_bytes_max {
            return Err(Refusal::Ticket);
        }
        let binding = sha256(ticket);
        match proof.map(|proof| self.resume(ticket, binding, proof, now)) {
            Some(Ok(session)) => return Ok(session),
            Some(Err(refusal)) if refusal != Refusal::Ticket => return Err(refusal),
            Some(Err(_)) | None => {}
        }
        let identity = self.secrets.iter().find_map(|it| self.unseal(it, ticket));
        let identity = identity.ok_or(Refusal::Ticket)?;
        live(Session { identity, binding, resumed: false }, now)
    }
}

impl Session {
    /// The SHA-256 of the ticket that began the session.
    pub const fn ticket_hash(&self) -> [u8; 32] {
        self.binding
    }
}
