//! The identity of a principal: its name, its grants, and when they end.

use sockeye_hub::{ChannelName, Target};

use crate::{Grants, Limits, Misuse, UnixTime};

/// An action on a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Action {
    /// Receive: subscribe, poll, read history, position and presence.
    Subscribe,
    /// Publish a message.
    Publish,
    /// Issue tickets that grant the channel to others.
    Ticket,
    /// Reserved: no call asks for it, and no ticket grants it.
    Admin,
}

/// A principal and its grants. It grants only what is written in it; the service adds what a
/// namespace gives to everybody.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// The principal's name, if it has one: of a user, or of an API key with `key:` before it.
    pub user: Option<String>,
    /// Channels that the principal may receive.
    pub subscribe: Grants,
    /// Channels that the principal may publish to.
    pub publish: Grants,
    /// Channels that the principal may issue tickets for.
    pub tickets: Grants,
    /// Reserved, with [`Action::Admin`].
    pub admin: Grants,
    /// Whether it may disconnect users. No token and no ticket says so.
    pub disconnect: bool,
    /// Whether it may look at the nodes of a log that several machines share. No token and no ticket says so.
    pub nodes: bool,
    /// When the identity ends, in milliseconds since 1970 by the calendar.
    pub ends_ms: Option<u64>,
}

impl Identity {
    /// Somebody without a name or rights of their own.
    #[must_use]
    pub fn anonymous() -> Self {
        Self::default()
    }

    /// The same with the name of a user.
    ///
    /// # Errors
    /// [`Misuse::User`] if it is empty, longer than [`Limits::user_bytes_max`], has a control
    /// character, or begins like the name of an API key.
    pub fn with_user(mut self, name: &str, limits: &Limits) -> Result<Self, Misuse> {
        self.user = Some(user(name, limits)?);
        Ok(self)
    }

    /// What is granted for an action.
    pub const fn grants(&self, action: Action) -> &Grants {
        match action {
            Action::Subscribe => &self.subscribe,
            Action::Publish => &self.publish,
            Action::Ticket => &self.tickets,
            Action::Admin => &self.admin,
        }
    }

    // [auth:allows] [auth:allows-until]
    /// Whether they may do that with the channel now. An identity that has ended may do nothing.
    pub fn allows(&self, action: Action, channel: ChannelName<'_>, now: UnixTime) -> bool {
        !self.has_ended(now) && self.grants(action).allow(channel)
    }

    /// The same for a channel or a pattern: a pattern needs a grant that is the same or wider.
    pub fn allows_target(&self, action: Action, target: Target<'_>, now: UnixTime) -> bool {
        !self.has_ended(now) && self.grants(action).cover(target)
    }

    /// Whether the identity has ended.
    pub fn has_ended(&self, now: UnixTime) -> bool {
        self.ends() <= now
    }

    /// When the identity ends; [`UnixTime::NEVER`] if it has no end.
    pub fn ends(&self) -> UnixTime {
        self.ends_ms.map_or(UnixTime::NEVER, UnixTime::from_millis)
    }

    /// Whether this identity may now issue a ticket with the rights of `other`. Each right needs a
    /// grant for [`Action::Ticket`] on its channel. A ticket with the issuer's own name may also
    /// have the issuer's own rights.
    ///
    /// The ends are not compared. The caller shortens the ticket's end to the issuer's.
    pub fn may_issue(&self, other: &Self, now: UnixTime) -> bool {
        // [auth:ticket-rights]
        if self.has_ended(now) || !other.tickets.is_empty() || !other.admin.is_empty() {
            return false;
        }
        let own = other.user == self.user;
        if !own && self.tickets.is_empty() {
            return false;
        }
        let covers = |own_grants: &Grants, wanted: &str| {
            Target::new(wanted)
                .is_ok_and(|wanted| self.tickets.cover(wanted) || (own && own_grants.cover(wanted)))
        };
        other.subscribe.iter().all(|it| covers(&self.subscribe, it))
            && other.publish.iter().all(|it| covers(&self.publish, it))
    }
}

/// The prefix of the names of API keys; no user's name has it.
pub(crate) const KEY_PREFIX: &str = "key:";

/// Checks a user's name.
pub(crate) fn user(name: &str, limits: &Limits) -> Result<String, Misuse> {
    // [auth:user-name]
    if name.is_empty() || name.len() > limits.user_bytes_max || name.chars().any(char::is_control) {
        return Err(Misuse::User);
    }
    if name.starts_with(KEY_PREFIX) {
        return Err(Misuse::User);
    }
    Ok(name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixTime = UnixTime::from_millis(999);

    fn grants(texts: &[&str]) -> Grants {
        Grants::new(texts.iter().copied(), &Limits::default()).unwrap()
    }

    fn ann() -> Identity {
        Identity {
            user: Some("ann".to_owned()),
            subscribe: grants(&["chat:*", "news"]),
            publish: grants(&["chat:7"]),
            ends_ms: Some(1000),
            ..Identity::anonymous()
        }
    }

    /// [auth:allows]
    #[test]
    fn what_is_not_granted_is_not_allowed() {
        let room = |name| ChannelName::new(name).unwrap();
        assert!(ann().allows(Action::Subscribe, room("chat:1"), NOW));
        assert!(!ann().allows(Action::Subscribe, room("chat:1:2"), NOW));
        assert!(ann().allows(Action::Publish, room("chat:7"), NOW));
        assert!(!ann().allows(Action::Publish, room("chat:1"), NOW));
        for action in [Action::Ticket, Action::Admin] {
            assert!(!ann().allows(action, room("chat:7"), NOW));
        }
        for action in [Action::Subscribe, Action::Publish, Action::Ticket, Action::Admin] {
            assert!(!Identity::anonymous().allows(action, room("news"), NOW));
        }
        let wanted = |text| ann().allows_target(Action::Subscribe, Target::new(text).unwrap(), NOW);
        assert!(wanted("chat:*") && wanted("chat:5") && wanted("news"));
        assert!(!wanted("chat:>") && !wanted("*") && !wanted(">"));
    }

    /// [auth:allows-until]
    #[test]
    fn nothing_is_allowed_to_whom_has_ended() {
        let (room, other) = (ChannelName::new("chat:7").unwrap(), Identity::anonymous());
        let target = Target::new("chat:*").unwrap();
        for (ms, is_good) in [(0, true), (999, true), (1000, false), (u64::MAX, false)] {
            let now = UnixTime::from_millis(ms);
            assert_eq!(ann().has_ended(now), !is_good, "{ms}");
            assert_eq!(ann().allows(Action::Publish, room, now), is_good, "{ms}");
            assert_eq!(ann().allows_target(Action::Subscribe, target, now), is_good, "{ms}");
            let ticket = Identity { ends_ms: None, ..ann() };
            assert_eq!(ann().may_issue(&ticket, now), is_good, "{ms}");
            assert!(ms == u64::MAX || !other.has_ended(now), "without an end");
        }
    }

    /// [auth:ticket-rights]
    #[test]
    fn tickets_never_grant_more_than_their_issuer_may() {
        let ticket = |user: Option<&str>, subscribe: &[&str], publish: &[&str]| Identity {
            user: user.map(str::to_owned),
            subscribe: grants(subscribe),
            publish: grants(publish),
            ..Identity::anonymous()
        };
        let (me, other) = (Some("ann"), Some("bob"));
        assert!(ann().may_issue(&ticket(me, &["chat:7", "chat:*"], &["chat:7"]), NOW));
        assert!(!ann().may_issue(&ticket(me, &["chat:>"], &[]), NOW));
        assert!(!ann().may_issue(&ticket(me, &[], &["chat:1"]), NOW));
        assert!(!ann().may_issue(&ticket(other, &["chat:7"], &[]), NOW));
        assert!(!ann().may_issue(&ticket(None, &[], &[]), NOW));

        let back = Identity { tickets: grants(&["chat:>"]), ..Identity::anonymous() };
        assert!(back.may_issue(&ticket(other, &["chat:a:b"], &["chat:*"]), NOW));
        assert!(!back.may_issue(&ticket(other, &["news"], &[]), NOW));
        let reader = Identity { subscribe: grants(&["news"]), ..back.clone() };
        assert!(
            !reader.may_issue(&ticket(other, &["news"], &[]), NOW),
            "to read is not to hand on"
        );
        let mut greedy = ticket(other, &["chat:7"], &[]);
        greedy.admin = grants(&["chat:7"]);
        assert!(!back.may_issue(&greedy, NOW));
        (greedy.admin, greedy.tickets) = (Grants::default(), grants(&["chat:7"]));
        assert!(!back.may_issue(&greedy, NOW));
    }

    /// [auth:user-name]
    #[test]
    fn names_of_users() {
        let limits = Limits::default();
        assert_eq!(user("ann@example.com", &limits).as_deref(), Ok("ann@example.com"));
        for bad in ["", "a\r\nSet-Cookie: x", "a\0", "a\u{85}", &"x".repeat(201), "key:a"] {
            assert_eq!(user(bad, &limits), Err(Misuse::User), "{bad:?}");
            assert_eq!(Identity::anonymous().with_user(bad, &limits), Err(Misuse::User));
        }
    }
}
