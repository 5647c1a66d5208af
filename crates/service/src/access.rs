//! Who may do what: the credential of a request, and what it allows.

mod brought;

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::rc::Rc;

use sockeye_auth::{
    Action, Grants, Identity, KeyId, Keys, Refusal, Session, Taken, Tickets, Verifier,
};
use sockeye_handshake::Origins;
use sockeye_hub::{ChannelName, Target};
use sockeye_server::Request;

use crate::namespaces::{Namespaces, Publishers, Readers};
use crate::wire::{Code, Problem};

/// Who may do what.
#[derive(Debug)]
pub enum Access {
    /// Everybody may do everything: for the loopback interface, and for nothing else.
    Open,
    /// Whoever shows something good may do what it says.
    Guarded(Box<Guard>),
}

/// What is taken for good, and what it takes to look.
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
    /// What verifies JSON Web Tokens.
    pub tokens: Option<Verifier>,
    /// One-time tickets.
    pub tickets: Option<Tickets>,
    /// Where else a credential may stand: a cookie, or the query; and the origins of pages, for the
    /// cookie and for CORS.
    pub taken: Taken,
    /// What everybody may do who shows nothing.
    pub everybody: Identity,
    /// Fills bytes with what nobody can guess.
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

/// Somebody on a stream, or behind a request.
#[derive(Clone)]
pub(crate) struct Who {
    identity: Rc<Identity>,
    /// What a ticket began: its cursors carry a proof.
    pub(crate) session: Option<Rc<Session>>,
    shown: Shown,
    /// The key, or that of the token.
    came_by: Option<KeyId>,
    /// On whose account goes what it does; `None` for whom nobody counts.
    pub(crate) account: Option<Account>,
}

/// Whose messages are counted together.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Account {
    /// A user's.
    User(Rc<str>),
    /// Those of all from one address who have no name.
    Address(IpAddr),
}

/// What has become of somebody since other settings are in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// All is as it was.
    Same,
    /// It would be let in, with other rights.
    Changed,
    /// It would not be let in.
    Revoked,
}

/// What somebody has shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shown {
    Nothing,
    /// A token or a ticket that is good.
    Credential,
    ApiKey,
}

/// Shows who, and nothing that was shown.
impl fmt::Debug for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Who").field("user", &self.identity.user).finish_non_exhaustive()
    }
}

impl Who {
    fn of(identity: Identity, shown: Shown) -> Self {
        let user = identity.user.as_deref().map(|user| Account::User(user.into()));
        let user = user.unwrap_or(Account::Address(IpAddr::V4(Ipv4Addr::UNSPECIFIED)));
        let account = match shown {
            Shown::Nothing | Shown::Credential => Some(user),
            // A back end speaks for many.
            Shown::ApiKey => None,
        };
        Self { identity: Rc::new(identity), session: None, shown, came_by: None, account }
    }

    /// The same, at this address.
    pub(crate) fn at(mut self, origin: IpAddr) -> Self {
        if let Some(Account::Address(address)) = &mut self.account {
            *address = origin;
        }
        self
    }

    /// The same, at the address of somebody else.
    pub(crate) fn where_is(self, other: &Self) -> Self {
        match &other.account {
            Some(Account::Address(address)) => self.at(*address),
            Some(Account::User(_)) | None => self,
        }
    }

    /// The name, if it is a user that has one and whose connections are counted.
    pub(crate) fn counted_user(&self) -> Option<&Rc<str>> {
        match &self.account {
            Some(Account::User(name)) => Some(name),
            Some(Account::Address(_)) | None => None,
        }
    }

    /// Whether it may receive this: the one place that decides for every way of reading.
    ///
    /// [service:rights-subscribe] A namespace adds to what was granted, and takes nothing of it.
    pub(crate) fn may_subscribe(
        &self,
        target: Target<'_>,
        namespaces: &Namespaces,
    ) -> Result<(), Refusal> {
        let gives = |readers| match readers {
            Readers::Granted => false,
            Readers::Known => self.is_known(),
            Readers::Anyone => true,
        };
        let allowed =
            self.is_granted(target) || namespaces.all(target, |rules| gives(rules.subscribe));
        allowed.then_some(()).ok_or_else(|| self.refusal())
    }

    /// [service:rights-unknown] Whoever has shown nothing may have something to show.
    fn refusal(&self) -> Refusal {
        if self.is_known() { Refusal::Forbidden } else { Refusal::Required }
    }

    /// Whether it may receive this whatever namespaces give.
    pub(crate) fn is_granted(&self, target: Target<'_>) -> bool {
        self.identity.allows_target(Action::Subscribe, target)
    }

    /// Whether it may publish there, or close the channel: the one place for every way of doing it.
    pub(crate) fn may_publish(
        &self,
        channel: ChannelName<'_>,
        namespaces: &Namespaces,
    ) -> Result<(), Refusal> {
        let granted = self.identity.allows(Action::Publish, channel);
        // [service:rights-publish]
        let allowed = match namespaces.of(channel.namespace()).publish {
            Publishers::Granted => granted,
            Publishers::Known => granted || self.is_known(),
            Publishers::Anyone => true,
            Publishers::Keys => granted && self.is_api_key(),
        };
        allowed.then_some(()).ok_or_else(|| self.refusal())
    }

    /// Whether a credential was shown.
    pub(crate) fn is_known(&self) -> bool {
        self.shown != Shown::Nothing
    }

    /// The user's name; none of a back end, and of those who came without.
    pub(crate) fn user(&self) -> Option<&str> {
        self.identity.user.as_deref().filter(|_| !self.is_api_key())
    }

    /// Whether it is a back end, which has shown an API key.
    pub(crate) fn is_api_key(&self) -> bool {
        self.shown == Shown::ApiKey
    }

    /// Whether its time is over. Streams are ended by a timer; what comes in the same turn before
    /// it is looked at with this.
    pub(crate) fn has_ended(&self, now_ms: u64) -> bool {
        self.identity.has_ended(now_ms)
    }

    /// When it ends, in milliseconds since 1970.
    pub(crate) fn ends_ms(&self) -> Option<u64> {
        self.identity.ends_ms
    }
}

impl Access {
    /// Whoever shows nothing.
    pub(crate) fn anybody(&self) -> Who {
        let identity = match self {
            Self::Open => Identity {
                subscribe: Grants::everything(),
                publish: Grants::everything(),
                ..Identity::anonymous()
            },
            Self::Guarded(guard) => guard.everybody.clone(),
        };
        let who = Who::of(identity, Shown::Nothing);
        match self {
            Self::Open => Who { account: None, ..who },
            Self::Guarded(_) => who,
        }
    }

    /// The same settings, with the tickets that are outstanding under the former ones.
    pub(crate) fn succeed(mut self, former: Self) -> Self {
        if let (Self::Guarded(guard), Self::Guarded(former)) = (&mut self, former) {
            guard.tickets = match (guard.tickets.take(), former.tickets) {
                (Some(tickets), Some(former)) => Some(tickets.succeed(former)),
                (tickets, _) => tickets,
            };
        }
        self
    }

    /// What has become of somebody who was let in by other settings.
    pub(crate) fn standing(&self, who: &Who, anybody: &Who, now_ms: u64) -> Standing {
        let changed = |now: &Identity| match *now == *who.identity {
            true => Standing::Same,
            false => Standing::Changed,
        };
        match (self, who.shown, who.came_by) {
            (_, Shown::Nothing, _) => changed(&anybody.identity),
            // Whoever was let in may do here what everybody may.
            (Self::Open, ..) => Standing::Same,
            (Self::Guarded(guard), Shown::ApiKey, Some(key)) => {
                guard.keys.by_id(key, now_ms).map_or(Standing::Revoked, changed)
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

    /// Refuses other sites' pages where nobody has to show anything: any page that somebody looks
    /// at could publish to a server on their own machine.
    pub(crate) fn check_page(&self, request: &Request<'_>) -> Result<(), Problem> {
        // [service:open-same-host]
        let headers = request.head.headers();
        let single = |name| headers.single(name).map_err(|_| Problem::from(Refusal::Ambiguous));
        let host = single("Host")?;
        if matches!(self, Self::Open) && !host.is_some_and(is_this_machine) {
            // A name that somebody made point here (DNS rebinding) makes a foreign page its own.
            let message = "an open server is asked for by its address, or as localhost";
            return Err(Problem::new(Code::Forbidden, message));
        }
        match (self, single("Origin")?) {
            (Self::Open, Some(origin)) if !Origins::SameHost.allow(origin, host) => {
                Err(Problem::new(Code::Forbidden, "an open server is for its own pages only"))
            }
            (Self::Open | Self::Guarded(_), _) => Ok(()),
        }
    }

    /// Whether pages of this origin are on the list. An open server has none: its own pages need
    /// no leave, and no others are served.
    pub(crate) fn is_listed(&self, origin: &str) -> bool {
        match self {
            Self::Open => false,
            Self::Guarded(guard) => guard.taken.origins.check(Some(origin), None).is_ok(),
        }
    }

    /// Whether a cookie may say who it is.
    pub(crate) fn takes_cookies(&self) -> bool {
        match self {
            Self::Open => false,
            Self::Guarded(guard) => guard.taken.cookie.is_some(),
        }
    }

    /// Whether somebody who has shown nothing has to before anything else.
    pub(crate) fn asks_first(&self, namespaces: &Namespaces) -> bool {
        match self {
            Self::Open => false,
            Self::Guarded(guard) => {
                guard.everybody.subscribe.is_empty()
                    && guard.everybody.publish.is_empty()
                    && !namespaces.give_to_anyone()
            }
        }
    }

    /// What has to follow each cursor of a stream that a ticket opened.
    /// [service:ticket-reconnect]
    pub(crate) fn proof(&self, who: &Who, now_ms: u64) -> Option<String> {
        let (Self::Guarded(guard), Some(session)) = (self, &who.session) else { return None };
        Some(guard.tickets.as_ref()?.proof(session, now_ms))
    }

    /// Issues a ticket for `wanted`.
    pub(crate) fn issue(
        &mut self,
        who: &Who,
        wanted: &Identity,
        life_ms: u64,
        now_ms: u64,
    ) -> Result<String, Problem> {
        let none = |message| Problem::new(Code::Forbidden, message);
        let Self::Guarded(guard) = self else {
            return Err(none("an open server has no tickets, and needs none"));
        };
        let Some(tickets) = &mut guard.tickets else {
            return Err(none(
                "this server has no tickets: its configuration has no secret for them",
            ));
        };
        // Whoever shows nothing could fill the store with tickets for nothing.
        if !who.is_known() {
            return Err(Refusal::Required.into());
        }
        if !who.identity.may_issue(wanted) {
            return Err(Refusal::Forbidden.into());
        }
        let mut entropy = [0; 24];
        (guard.entropy)(&mut entropy);
        let ends_ms = [who.identity.ends_ms, wanted.ends_ms].into_iter().flatten().min();
        let wanted = Identity { ends_ms, ..wanted.clone() };
        Ok(tickets.issue(&who.identity, &wanted, life_ms, &entropy, now_ms)?)
    }
}

/// Whether a `Host` names a machine by its address, or this one as nobody else can.
fn is_this_machine(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok()
}
