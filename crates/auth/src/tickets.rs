//! One-time tickets: issues them, redeems them, and resumes the sessions that they began.
//!
//! ```text
//!  ticket = base64url( seed, 24 bytes | sealed identity | tag, 16 bytes )
//!  proof  = minute in hexadecimal, until which it is good, ~ base64url( MAC, 16 bytes )
//! ```

pub(crate) mod record;

use core::fmt;
use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard};

use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
use ring::digest::{SHA256, digest};
use ring::hmac;
use serde_json::{Value, json};
use subtle::ConstantTimeEq;

use crate::keys::sha256;
use crate::{Grants, Identity, Limits, Misuse, Moment, Refusal, UnixTime, base64url, identity};

const SECRET_BYTES_MIN: usize = 32;
const SEED_BYTES: usize = 24;
const MAC_BYTES: usize = 16;
const MINUTE_MS: u64 = 60_000;

/// The key that seals tickets and makes proofs. Whoever has it can make both.
pub struct Secret {
    seal: hmac::Key,
    proof: hmac::Key,
}

impl Secret {
    /// Makes a secret from at least 32 random bytes. Another process with the same secret resumes
    /// the sessions of this one.
    ///
    /// # Errors
    /// [`Misuse::SecretTooShort`].
    pub fn new(bytes: &[u8]) -> Result<Self, Misuse> {
        if bytes.len() < SECRET_BYTES_MIN {
            return Err(Misuse::SecretTooShort { bytes_min: SECRET_BYTES_MIN });
        }
        let root = hmac::Key::new(hmac::HMAC_SHA256, bytes);
        let derive =
            |purpose: &[u8]| hmac::Key::new(hmac::HMAC_SHA256, hmac::sign(&root, purpose).as_ref());
        Ok(Self { seal: derive(b"sockeye ticket 1"), proof: derive(b"sockeye proof 1") })
    }

    /// Seals a ticket. Its seed depends on the entropy and on the content, so no key ever seals two
    /// contents, even if the entropy repeats.
    fn seal(&self, content: &[u8], entropy: &[u8; SEED_BYTES]) -> String {
        let seed = keyed(&self.seal, &[b"seed", entropy, content]);
        let seed = &seed.as_ref()[..SEED_BYTES];
        let mut sealed = content.to_vec();
        self.key(seed)
            .seal_in_place_append_tag(nonce(), Aad::empty(), &mut sealed)
            .expect("tickets are far shorter than what can be sealed");
        base64url::encode(&[seed, &sealed].concat())
    }

    /// Opens a ticket that this secret sealed.
    fn open(&self, ticket: &[u8]) -> Option<Vec<u8>> {
        let (seed, sealed) = ticket.split_at_checked(SEED_BYTES)?;
        let mut sealed = sealed.to_vec();
        let content = self.key(seed).open_in_place(nonce(), Aad::empty(), &mut sealed).ok()?;
        Some(content.to_vec())
    }

    fn key(&self, seed: &[u8]) -> LessSafeKey {
        let key = keyed(&self.seal, &[b"key.", seed]);
        let key = UnboundKey::new(&CHACHA20_POLY1305, key.as_ref());
        LessSafeKey::new(key.expect("the key and the hash have 32 bytes"))
    }

    fn mac(&self, binding: &[u8; 32], minute: u64) -> [u8; MAC_BYTES] {
        let tag = keyed(&self.proof, &[binding, &minute.to_be_bytes()]);
        *tag.as_ref().first_chunk().expect("SHA-256 has more bytes")
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// The unused tickets, and the secrets that seal them.
///
/// A ticket opens one stream, and is removed when it does. Its grants are sealed in it, so this
/// table keeps only its hash. The stream gets a [`proof`](Self::proof) appended to its cursors;
/// with the proof, the same ticket opens the next stream of the session, in this process or in
/// another one that has the secret.
pub struct Tickets {
    secrets: Vec<Secret>,
    limits: Limits,
    store: Arc<Mutex<Store>>,
}

/// The table of unused tickets. Several threads of a process may share one table: each accepts a
/// ticket of the table, and one of them redeems it. A table that is not shared never waits for its
/// lock.
#[derive(Default)]
struct Store {
    /// By hash.
    outstanding: HashMap<[u8; 32], Outstanding>,
    by_expiry: BTreeSet<(u64, [u8; 32])>,
    /// How many tickets each user has; a user without any has no entry.
    by_user: HashMap<Arc<str>, usize>,
}

struct Outstanding {
    /// [auth:ticket-clock] By [`Moment::elapsed_ms`]: a calendar that is set back must not keep it for years.
    expires_ms: u64,
    /// The user whose quota it counts against, if any.
    user: Option<Arc<str>>,
}

impl Tickets {
    /// Makes an empty table. The first secret makes tickets and proofs; all of them are accepted.
    ///
    /// # Errors
    /// [`Misuse::NoKey`] without a secret; [`Misuse::TooManyKeys`].
    pub fn new(secrets: Vec<Secret>, limits: Limits) -> Result<Self, Misuse> {
        check_secrets(&secrets, &limits)?;
        Ok(Self { secrets, limits, store: Arc::default() })
    }

    // [auth:secret-change]
    /// Replaces the secrets. Tickets and proofs of a secret that is not among them are void.
    ///
    /// # Errors
    /// As for [`new`](Self::new); then nothing has changed.
    pub fn set_secrets(&mut self, secrets: Vec<Secret>) -> Result<(), Misuse> {
        check_secrets(&secrets, &self.limits)?;
        self.secrets = secrets;
        Ok(())
    }

    /// Issues a ticket for the identity, good for `life_ms` or [`Limits::ticket_ms_max`], whichever
    /// is less. `entropy` is from the system's source of randomness. The caller first checks that
    /// the issuer may issue it: [`Identity::may_issue`].
    ///
    /// The ticket counts against the quota of its user. Tickets of issuers without a name and
    /// without [`Identity::tickets`] count against one quota. A ticket without a user, from an
    /// issuer with [`Identity::tickets`], counts against no user.
    ///
    /// The ticket's life does not depend on the calendar. The session ends with the identity, and
    /// after [`Limits::session_ms_max`] at the latest, by the calendar.
    ///
    /// # Errors
    /// - [`Refusal::TicketsFull`], [`Refusal::TicketTooLarge`].
    /// - [`Refusal::SessionOver`]: the identity has ended.
    /// - [`Refusal::Forbidden`]: the identity has grants to issue tickets or to administrate, which
    ///   no ticket can carry, or its name is not valid ([`with_user`](Identity::with_user)).
    pub fn issue(
        &mut self,
        issuer: &Identity,
        identity: &Identity,
        life_ms: u64,
        entropy: &[u8; SEED_BYTES],
        now: Moment,
    ) -> Result<String, Refusal> {
        self.check_identity(identity, now.unix)?;
        let mut store = lock(&self.store);
        store.expire(now.elapsed_ms);
        let user = counts_for(issuer, identity);
        // [auth:tickets-bound] [auth:tickets-per-user]
        let of_user = user.and_then(|user| store.by_user.get(user)).copied().unwrap_or(0);
        if store.outstanding.len() >= self.limits.tickets_max
            || of_user >= self.limits.tickets_per_user_max
        {
            return Err(Refusal::TicketsFull);
        }
        let ticket = self.seal_identity(identity, entropy, now.unix)?;
        // [auth:ticket-life]
        let life_ms = life_ms.min(self.limits.ticket_ms_max);
        let expires_ms = now.elapsed_ms.saturating_add(life_ms);
        // [auth:ticket-hashed]
        let hash = sha256(&ticket);
        // Equal entropy and content give an equal ticket: its entry is replaced.
        store.take(&hash);
        let user = user.map(|user| store.count(user));
        store.outstanding.insert(hash, Outstanding { expires_ms, user });
        store.by_expiry.insert((expires_ms, hash));
        Ok(ticket)
    }

    /// Refuses an identity that no ticket can carry.
    fn check_identity(&self, identity: &Identity, now: UnixTime) -> Result<(), Refusal> {
        if !identity.tickets.is_empty() || !identity.admin.is_empty() {
            return Err(Refusal::Forbidden);
        }
        // [auth:user-name] `read_content` would refuse such a name.
        if identity.user.iter().any(|name| identity::user(name, &self.limits).is_err()) {
            return Err(Refusal::Forbidden);
        }
        if identity.has_ended(now) { Err(Refusal::SessionOver) } else { Ok(()) }
    }

    /// Makes the text of a ticket.
    fn seal_identity(
        &self,
        identity: &Identity,
        entropy: &[u8; SEED_BYTES],
        now: UnixTime,
    ) -> Result<String, Refusal> {
        let latest_ms = (now + self.limits.session_ms_max).as_millis();
        let ends_ms = identity.ends_ms.unwrap_or(u64::MAX).min(latest_ms);
        let ticket = self.secrets[0].seal(&content(identity, ends_ms), entropy);
        // [auth:ticket-size]
        let fits = ticket.len() <= self.limits.ticket_bytes_max;
        if fits { Ok(ticket) } else { Err(Refusal::TicketTooLarge) }
    }

    /// Redeems an unused ticket, or resumes its session.
    ///
    /// A ticket is redeemed once. Later it resumes the session that it began, if the proof is that
    /// session's.
    ///
    /// The proof is [`Token::proof`](sockeye_hub::Token::proof) of the cursor that the client
    /// resumes from. With an unused ticket it is ignored: a page may bring a new ticket and the
    /// cursor of an older session.
    ///
    /// # Errors
    /// [`Refusal::Ticket`] if it is used or unknown, and the proof is missing or wrong;
    /// [`Refusal::SessionOver`] if the proof is right, but the session has ended or the proof is
    /// too old.
    pub fn enter(
        &mut self,
        ticket: &str,
        proof: Option<&str>,
        now: Moment,
    ) -> Result<Session, Refusal> {
        if ticket.len() > self.limits.ticket_bytes_max {
            return Err(Refusal::Ticket);
        }
        let binding = sha256(ticket);
        // [auth:ticket-once]
        let taken = lock(&self.store).take(&binding);
        if let Some(expires_ms) = taken {
            // [auth:ticket-life]
            if expires_ms <= now.elapsed_ms {
                return Err(Refusal::Ticket);
            }
            let identity = self.secrets.iter().find_map(|it| self.unseal(it, ticket));
            let identity = identity.ok_or(Refusal::Ticket)?;
            return live(Session { identity, binding, resumed: false }, now.unix);
        }
        self.resume(ticket, binding, proof.ok_or(Refusal::Ticket)?, now.unix)
    }

    /// Makes the proof that is appended to the session's cursors behind a `~`: 30 bytes.
    ///
    /// It is the same for a minute, and good for [`Limits::resume_ms`] at least.
    pub fn proof(&self, session: &Session, now: UnixTime) -> String {
        let minute = (now + self.limits.resume_ms).as_millis() / MINUTE_MS + 1;
        let mac = self.secrets[0].mac(&session.binding, minute);
        format!("{minute:x}~{}", base64url::encode(&mac))
    }

    // [auth:tickets-survive]
    /// Takes over the outstanding tickets of former settings, and drops their secrets. A ticket is
    /// void if it was sealed by a secret that the new settings do not have.
    #[must_use]
    pub fn succeed(mut self, former: Self) -> Self {
        self.store = former.store;
        self
    }

    /// Shares the table of another `Tickets`. Both then accept each outstanding ticket, and only
    /// one of them can redeem it. The tickets that were outstanding here are forgotten.
    pub fn share(&mut self, other: &Self) {
        self.store = Arc::clone(&other.store);
    }

    /// How many tickets are outstanding. The time is [`Moment::elapsed_ms`].
    pub fn outstanding(&mut self, elapsed_ms: u64) -> usize {
        let mut store = lock(&self.store);
        store.expire(elapsed_ms);
        store.outstanding.len()
    }

    fn resume(
        &self,
        ticket: &str,
        binding: [u8; 32],
        proof: &str,
        now: UnixTime,
    ) -> Result<Session, Refusal> {
        // [auth:session-proof]
        let (minute, mac) = read_proof(proof).ok_or(Refusal::Ticket)?;
        let is_its = |secret: &&Secret| bool::from(secret.mac(&binding, minute).ct_eq(&mac));
        if !self.secrets.iter().any(|it| is_its(&it)) {
            return Err(Refusal::Ticket);
        }
        // The proof may be newer than the ticket by one change of secrets.
        let identity = self.secrets.iter().find_map(|it| self.unseal(it, ticket));
        let identity = identity.ok_or(Refusal::Ticket)?;
        // [auth:session-away]
        if UnixTime::from_millis(minute.saturating_mul(MINUTE_MS)) <= now {
            return Err(Refusal::SessionOver);
        }
        live(Session { identity, binding, resumed: true }, now)
    }

    fn unseal(&self, secret: &Secret, ticket: &str) -> Option<Identity> {
        let content = secret.open(&base64url::decode(ticket)?)?;
        read_content(&content, &self.limits)
    }
}

impl Store {
    /// Forgets what has expired, each ticket once.
    fn expire(&mut self, elapsed_ms: u64) {
        while let Some(&(expires_ms, hash)) = self.by_expiry.first() {
            if expires_ms > elapsed_ms {
                break;
            }
            self.by_expiry.pop_first();
            self.take(&hash);
        }
    }

    /// Removes an outstanding ticket from everywhere; returns when it would have expired.
    fn take(&mut self, hash: &[u8; 32]) -> Option<u64> {
        let Outstanding { expires_ms, user } = self.outstanding.remove(hash)?;
        self.by_expiry.remove(&(expires_ms, *hash));
        if let Some(user) = user {
            let count = self.by_user.get_mut(&user).expect("each outstanding ticket was counted");
            *count -= 1;
            if *count == 0 {
                self.by_user.remove(&user);
            }
        }
        Some(expires_ms)
    }

    /// One more for the user.
    fn count(&mut self, user: &str) -> Arc<str> {
        let user = match self.by_user.get_key_value(user) {
            Some((user, _)) => Arc::clone(user),
            None => Arc::from(user),
        };
        *self.by_user.entry(Arc::clone(&user)).or_default() += 1;
        user
    }
}

fn lock(store: &Mutex<Store>) -> MutexGuard<'_, Store> {
    store.lock().expect("nobody panics while holding it")
}

/// The user whose quota a ticket counts against. A nameless ticket of an issuer that may issue
/// tickets for others has none: only the bound on all tickets holds for it.
fn counts_for<'i>(issuer: &'i Identity, identity: &'i Identity) -> Option<&'i str> {
    if issuer.tickets.is_empty() {
        return Some(issuer.user.as_deref().unwrap_or_default());
    }
    identity.user.as_deref()
}

impl fmt::Debug for Tickets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tickets")
            .field("secrets", &self.secrets.len())
            .field("outstanding", &lock(&self.store).outstanding.len())
            .finish_non_exhaustive()
    }
}

/// A session that a ticket began.
#[derive(Clone, PartialEq, Eq)]
pub struct Session {
    identity: Identity,
    binding: [u8; 32],
    resumed: bool,
}

impl Session {
    /// The identity of the session. It always has an end.
    pub const fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Whether the session was resumed, rather than begun.
    pub const fn is_resumed(&self) -> bool {
        self.resumed
    }

    /// A name for logs and lists, the same for each stream of the session: 16 characters, from
    /// which nothing can be done.
    pub fn id(&self) -> String {
        let id = digest(&SHA256, &[b"sockeye session id".as_slice(), &self.binding].concat());
        base64url::encode(&id.as_ref()[..12])
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("id", &self.id())
            .field("identity", &self.identity)
            .field("resumed", &self.resumed)
            .finish_non_exhaustive()
    }
}

fn check_secrets(secrets: &[Secret], limits: &Limits) -> Result<(), Misuse> {
    match secrets.len() {
        0 => Err(Misuse::NoKey),
        len if len > limits.keys_max => Err(Misuse::TooManyKeys),
        _ => Ok(()),
    }
}

fn live(session: Session, now: UnixTime) -> Result<Session, Refusal> {
    // [auth:session-end]
    if session.identity.has_ended(now) { Err(Refusal::SessionOver) } else { Ok(session) }
}

/// What is sealed: name, subscribe, publish, end.
fn content(identity: &Identity, ends_ms: u64) -> Vec<u8> {
    let list = |grants: &Grants| grants.iter().collect::<Vec<_>>().into();
    let fields: [Value; 4] =
        [json!(identity.user), list(&identity.subscribe), list(&identity.publish), json!(ends_ms)];
    Value::from(fields.as_slice()).to_string().into_bytes()
}

fn read_content(content: &[u8], limits: &Limits) -> Option<Identity> {
    let fields: [Value; 4] = serde_json::from_slice(content).ok()?;
    let [user, subscribe, publish, ends_ms] = fields;
    let list = |value: &Value| {
        let names = value.as_array()?.iter().map(|name| name.as_str().unwrap_or_default());
        Grants::new(names, limits).ok()
    };
    Some(Identity {
        user: match user {
            Value::Null => None,
            user => Some(identity::user(user.as_str()?, limits).ok()?),
        },
        subscribe: list(&subscribe)?,
        publish: list(&publish)?,
        ends_ms: Some(ends_ms.as_u64()?),
        ..Identity::anonymous()
    })
}

/// The minute and the MAC, in the one spelling in which they are written.
fn read_proof(proof: &str) -> Option<(u64, [u8; MAC_BYTES])> {
    let (minute, mac) = proof.split_once('~')?;
    let number = u64::from_str_radix(minute, 16).ok()?;
    let mac = base64url::decode(mac)?.try_into().ok()?;
    Some((number, mac)).filter(|_| format!("{number:x}") == minute)
}

fn keyed(key: &hmac::Key, parts: &[&[u8]]) -> hmac::Tag {
    let mut context = hmac::Context::with_key(key);
    for part in parts {
        context.update(part);
    }
    context.sign()
}

/// Each key seals once.
fn nonce() -> Nonce {
    Nonce::assume_unique_for_key([0; 12])
}
