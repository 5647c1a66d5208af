//! Access: the credential of a request, and the rights of its principal.

mod credentials;

use std::fmt;
use std::hash::{Hash, Hasher};
use std::net::{IpAddr, Ipv6Addr};
use std::rc::Rc;
use std::sync::Arc;

use sockeye_auth::{
    Action, Grants, Identity, KeyId, Keys, Refusal, Session, Taken, Tickets, UnixTime, Verifier,
};
use sockeye_hub::{ChannelName, Target};

pub(crate) use self::credentials::Issued;
use crate::engine::namespaces::{Publishers, Readers};
use crate::engine::{Namespaces, units};

/// The rules of access: of an open server, or of a guarded one.
#[derive(Debug)]
pub enum Access {
    /// Everybody may do everything: for the loopback interface, and for nothing else.
    Open,
    /// A client has the rights of its credential; without one, those of [`Guard::everybody`].
    Guarded(Box<Guard>),
}

/// The credentials that a guarded server accepts, and their verifiers.
///
/// ```
/// use sockeye_auth::{Identity, Keys, Limits, Taken};
/// use sockeye_service::Guard;
///
/// let keys = Keys::new(Limits::default());
/// let guard = Guard {
///     keys,
///     tokens: None,
///     tickets: None,
///     taken: Taken::default(),
///     everybody: Identity::anonymous(),
///     entropy: Box::new(|bytes| bytes.fill(7)), // the system's randomness in real life
/// };
/// # let _ = guard;
/// ```
pub struct Guard {
    /// API keys of back ends.
    pub keys: Keys,
    /// The verifier of JSON Web Tokens.
    pub tokens: Option<Verifier>,
    /// One-time tickets.
    pub tickets: Option<Tickets>,
    /// Where else a credential may stand: in a cookie, or in the query. Its list of origins is for
    /// the cookie and for CORS.
    pub taken: Taken,
    /// The rights of clients that show no credential.
    pub everybody: Identity,
    /// Fills a buffer with random bytes.
    pub entropy: Entropy,
}

/// A source of randomness.
pub type Entropy = Box<dyn FnMut(&mut [u8]) + Send>;

/// Shows no secrets.
impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guard")
            .field("tokens", &self.tokens.is_some())
            .field("tickets", &self.tickets)
            .field("taken", &self.taken)
            .field("everybody", &self.everybody)
            .finish_non_exhaustive()
    }
}

/// The principal on a stream or behind a request. Each stream has one, so it is small: clones share
/// everything but the address.
#[derive(Clone)]
pub struct Principal {
    of: Rc<Somebody>,
    /// Its address; an IPv4 address is mapped to an IPv6 one.
    origin: Ipv6Addr,
}

/// The part of a principal that does not depend on its address.
struct Somebody {
    identity: Identity,
    /// The session that a ticket began. Its cursors carry a proof.
    session: Option<Session>,
    shown: Shown,
    /// The API key, or the key that verified the token.
    came_by: Option<KeyId>,
    /// The log has still to redeem its ticket.
    unredeemed: bool,
    counted: Counted,
}

/// The account that a principal's messages count against.
enum Counted {
    /// None.
    Not,
    /// That of the user with this name.
    AsUser(Arc<str>),
    /// That of its address.
    ByOrigin,
}

/// An account: the messages of one account have one rate limit, and its streams have one quota.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Account {
    /// A user.
    User(Arc<str>),
    /// All clients at one address that have shown a credential without a name.
    Nameless(Ipv6Addr),
    /// All clients at one address that have shown nothing. Messages of nameless clients count here,
    /// too.
    Address(Ipv6Addr),
}

/// The rights of an admitted principal after a reload, compared with those before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// The same rights.
    Same,
    /// It would be admitted with other rights.
    Changed,
    /// It would not be admitted.
    Revoked,
    /// Its user was disconnected.
    Disconnected,
}

/// The kind of credential that a principal has shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shown {
    Nothing,
    /// A good token or ticket.
    Credential,
    ApiKey,
}

/// Shows the user, and no credential.
impl fmt::Debug for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Principal").field("user", &self.of.identity.user).finish_non_exhaustive()
    }
}

impl Principal {
    /// A source of this process, which may publish where `publish` says. It has no address: its number stands for one,
    /// so that each source pays for itself.
    pub(crate) fn of_source(number: u64, name: &str, publish: Grants) -> Self {
        let user = Some(format!("source:{name}"));
        let identity = Identity { user, publish, ..Identity::anonymous() };
        // Addresses of this prefix are nobody's (RFC 6666).
        let origin = Ipv6Addr::from_bits(u128::from(number) | 0x100 << 112);
        Self { origin, ..Somebody::of(identity, Shown::ApiKey, None, None).into() }
    }

    /// The same principal at this address.
    pub(crate) fn at(self, origin: IpAddr) -> Self {
        let origin = match origin {
            IpAddr::V4(address) => address.to_ipv6_mapped(),
            IpAddr::V6(address) => address,
        };
        Self { origin, ..self }
    }

    /// The same principal at the address of another one.
    pub(crate) fn where_is(self, other: &Self) -> Self {
        Self { origin: other.origin, ..self }
    }

    /// The account whose rate limit its messages count against; `None` if they are not counted.
    pub(crate) fn account(&self) -> Option<Account> {
        match &self.of.counted {
            Counted::Not => None,
            Counted::AsUser(name) => Some(Account::User(Arc::clone(name))),
            Counted::ByOrigin => Some(Account::Address(self.origin)),
        }
    }

    /// The account whose quotas its streams and channels count against; `None` if they are not
    /// counted. What strangers do takes nothing from those at the same address that have shown a
    /// credential.
    pub(crate) fn holder(&self) -> Option<Account> {
        match (&self.of.counted, self.of.shown) {
            (Counted::Not, _) => None,
            (Counted::AsUser(name), _) => Some(Account::User(Arc::clone(name))),
            (Counted::ByOrigin, Shown::Nothing) => Some(Account::Address(self.origin)),
            (Counted::ByOrigin, Shown::Credential | Shown::ApiKey) => {
                Some(Account::Nameless(self.origin))
            }
        }
    }

    /// Whether its work is charged to its address, because it has no account of its own.
    pub(crate) fn pays_by_origin(&self) -> bool {
        match (&self.of.counted, self.of.came_by) {
            (Counted::AsUser(_), _) | (Counted::Not, Some(_)) => false,
            (Counted::Not | Counted::ByOrigin, _) => true,
        }
    }

    /// Hashes the account that its work is charged to: that of its quotas, or else its API key, or its
    /// address.
    pub(crate) fn hash_payer(&self, hasher: &mut impl Hasher) {
        match (&self.of.counted, self.of.came_by) {
            (Counted::AsUser(name), _) => (0_u8, name).hash(hasher),
            (Counted::Not, Some(key)) => (1_u8, key).hash(hasher),
            (Counted::Not | Counted::ByOrigin, _) => {
                (2_u8, self.is_known(), self.origin).hash(hasher);
            }
        }
    }

    /// Whether the principal may receive this target. Every way of reading is decided here.
    ///
    /// [service:rights-subscribe] A namespace can let more clients receive than have a grant. It
    /// never takes the right to receive from a grant.
    pub(crate) fn may_subscribe(
        &self,
        target: Target<'_>,
        namespaces: &Namespaces,
        calendar: UnixTime,
    ) -> Result<(), Refusal> {
        self.check_end(calendar)?;
        let gives = |readers| match readers {
            Readers::Granted => false,
            Readers::Known => self.is_known(),
            Readers::Anyone => true,
        };
        let allowed = self.is_granted(target, calendar)
            || namespaces.all(target, |rules| gives(rules.subscribe));
        allowed.then_some(()).ok_or_else(|| self.refusal())
    }

    /// [service:rights-unknown] A client without a credential is asked for one: it may have one.
    fn refusal(&self) -> Refusal {
        if self.is_known() { Refusal::Forbidden } else { Refusal::Required }
    }

    /// Whether a grant alone lets it receive this target.
    pub(crate) fn is_granted(&self, target: Target<'_>, calendar: UnixTime) -> bool {
        self.of.identity.allows_target(Action::Subscribe, target, calendar)
    }

    /// Whether it may publish to the channel, or close it. Every way of publishing is decided here.
    pub(crate) fn may_publish(
        &self,
        channel: ChannelName<'_>,
        namespaces: &Namespaces,
        calendar: UnixTime,
    ) -> Result<(), Refusal> {
        self.check_end(calendar)?;
        let granted = self.of.identity.allows(Action::Publish, channel, calendar);
        // [service:rights-publish]
        let allowed = match namespaces.of(channel.namespace()).publish {
            Publishers::Granted => granted,
            Publishers::Known => granted || self.is_known(),
            Publishers::Anyone => true,
            Publishers::Keys => granted && self.is_api_key(),
        };
        allowed.then_some(()).ok_or_else(|| self.refusal())
    }

    /// A principal whose credential has expired may do nothing, not even what a namespace gives to
    /// everybody: its client has to bring another credential.
    fn check_end(&self, calendar: UnixTime) -> Result<(), Refusal> {
        if self.has_ended(calendar) { Err(Refusal::SessionOver) } else { Ok(()) }
    }

    /// Whether a credential was shown.
    pub(crate) fn is_known(&self) -> bool {
        self.of.shown != Shown::Nothing
    }

    /// The user's name; `None` for a back end, and for a client without a name.
    pub(crate) fn user(&self) -> Option<&str> {
        self.of.identity.user.as_deref().filter(|_| !self.is_api_key())
    }

    /// Whether it is a back end, which has shown an API key.
    pub(crate) fn is_api_key(&self) -> bool {
        self.of.shown == Shown::ApiKey
    }

    /// Whether it may disconnect users: a back end that its operator lets do so.
    pub(crate) fn may_disconnect(&self, calendar: UnixTime) -> Result<(), Refusal> {
        self.check_end(calendar)?;
        let may = self.is_api_key() && self.of.identity.disconnect;
        may.then_some(()).ok_or_else(|| self.refusal())
    }

    /// The hash of the ticket that the log has to redeem before its owner gets anything.
    pub(crate) fn unredeemed(&self) -> Option<[u8; 32]> {
        let session = self.of.session.as_ref().filter(|_| self.of.unredeemed);
        session.map(Session::ticket_hash)
    }

    /// Whether it may look at the nodes of the log: a back end that its operator lets do so.
    pub(crate) fn may_see_nodes(&self, calendar: UnixTime) -> Result<(), Refusal> {
        self.check_end(calendar)?;
        let may = self.is_api_key() && self.of.identity.nodes;
        may.then_some(()).ok_or_else(|| self.refusal())
    }

    /// Whether a ticket began its session.
    pub(crate) fn has_ticket(&self) -> bool {
        self.of.session.is_some()
    }

    /// The units of work that its credential has cost.
    pub(crate) fn units(&self) -> u64 {
        match self.of.shown {
            Shown::Nothing => 0,
            Shown::ApiKey => units::TARGET,
            Shown::Credential if self.has_ticket() => units::TICKET,
            Shown::Credential => units::TOKEN,
        }
    }

    /// Whether its credential has expired. `Engine::do_what_is_due` ends its streams; this check
    /// refuses what comes before that.
    pub(crate) fn has_ended(&self, calendar: UnixTime) -> bool {
        self.of.identity.has_ended(calendar)
    }

    /// When its credential expires.
    pub(crate) fn ends(&self) -> UnixTime {
        self.of.identity.ends()
    }
}

impl Somebody {
    fn of(
        identity: Identity,
        shown: Shown,
        came_by: Option<KeyId>,
        session: Option<Session>,
    ) -> Self {
        let user = identity.user.as_deref().map(|user| Counted::AsUser(user.into()));
        let counted = match shown {
            Shown::Nothing | Shown::Credential => user.unwrap_or(Counted::ByOrigin),
            // A back end speaks for many users.
            Shown::ApiKey => Counted::Not,
        };
        Self { identity, session, shown, came_by, unredeemed: false, counted }
    }
}

/// A principal whose address is not known yet.
impl From<Somebody> for Principal {
    fn from(somebody: Somebody) -> Self {
        Self { of: Rc::new(somebody), origin: Ipv6Addr::UNSPECIFIED }
    }
}

impl Access {
    /// The principal of a client that shows no credential.
    pub(crate) fn anybody(&self) -> Principal {
        let identity = match self {
            Self::Open => Identity {
                subscribe: Grants::everything(),
                publish: Grants::everything(),
                ..Identity::anonymous()
            },
            Self::Guarded(guard) => guard.everybody.clone(),
        };
        let somebody = Somebody::of(identity, Shown::Nothing, None, None);
        match self {
            Self::Open => Somebody { counted: Counted::Not, ..somebody }.into(),
            Self::Guarded(_) => somebody.into(),
        }
    }

    /// The credentials that a guarded server accepts; `None` for an open one.
    pub(crate) fn guard(&self) -> Option<&Guard> {
        match self {
            Self::Open => None,
            Self::Guarded(guard) => Some(guard),
        }
    }

    /// Shares the outstanding tickets of another service of the process.
    pub fn share_tickets(&mut self, other: &Self) {
        if let (Self::Guarded(guard), Self::Guarded(other)) = (self, other)
            && let (Some(tickets), Some(others)) = (&mut guard.tickets, &other.tickets)
        {
            tickets.share(others);
        }
    }

    /// The same settings, with the outstanding tickets of the former ones.
    pub(crate) fn succeed(mut self, former: Self) -> Self {
        if let (Self::Guarded(guard), Self::Guarded(former)) = (&mut self, former) {
            guard.tickets = match (guard.tickets.take(), former.tickets) {
                (Some(tickets), Some(former)) => Some(tickets.succeed(former)),
                (tickets, _) => tickets,
            };
        }
        self
    }

    /// Compares the rights of an admitted principal with those that these settings give it.
    pub(crate) fn standing(
        &self,
        who: &Principal,
        anybody: &Principal,
        calendar: UnixTime,
    ) -> Standing {
        let changed = |now: &Identity| match *now == who.of.identity {
            true => Standing::Same,
            false => Standing::Changed,
        };
        match (self, who.of.shown, who.of.came_by) {
            (_, Shown::Nothing, _) => changed(&anybody.of.identity),
            // An open server gives everybody every right.
            (Self::Open, ..) => Standing::Same,
            (Self::Guarded(guard), Shown::ApiKey, Some(key)) => {
                guard.keys.by_id(key, calendar).map_or(Standing::Revoked, changed)
            }
            (Self::Guarded(guard), Shown::Credential, Some(key)) => {
                match guard.tokens.as_ref().is_some_and(|tokens| tokens.has_key(key)) {
                    true => Standing::Same,
                    false => Standing::Revoked,
                }
            }
            // A session that a ticket began has its own end.
            (Self::Guarded(_), Shown::ApiKey | Shown::Credential, None) => Standing::Same,
        }
    }

    /// Whether pages of this origin are on the list. An open server has no list: its own pages need
    /// none, and it serves no others.
    pub(crate) fn is_listed(&self, origin: &str) -> bool {
        self.guard().is_some_and(|guard| guard.taken.origins.check(Some(origin), None).is_ok())
    }

    /// Whether a cookie counts as a credential.
    pub(crate) fn takes_cookies(&self) -> bool {
        self.guard().is_some_and(|guard| guard.taken.cookie.is_some())
    }

    /// Whether a client has to show a credential before anything else, because it has no rights
    /// without.
    pub(crate) fn asks_first(&self, namespaces: &Namespaces) -> bool {
        self.guard().is_some_and(|Guard { everybody, .. }| {
            everybody.subscribe.is_empty()
                && everybody.publish.is_empty()
                && !namespaces.give_to_anyone()
        })
    }

    /// The proof that has to follow each cursor of a stream that a ticket opened.
    /// [service:ticket-reconnect]
    pub(crate) fn proof(&self, who: &Principal, calendar: UnixTime) -> Option<String> {
        let tickets = self.guard()?.tickets.as_ref()?;
        Some(tickets.proof(who.of.session.as_ref()?, calendar))
    }
}
