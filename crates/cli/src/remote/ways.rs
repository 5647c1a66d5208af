//! Tracks the transports of `sockeye subscribe`: the current one, and why the others failed.

use sockeye_client::{Deadline, Error, Http2Error, HubError, Transport};
use sockeye_http1::Error as HttpError;

/// The transports to a hub, with their failures so far.
pub(super) struct Ways {
    list: Vec<Transport>,
    /// The transport of the last connection or attempt.
    now: Transport,
    /// Whether the last loss was followed by another attempt with the same transport.
    has_stayed: bool,
    /// The transports that were given up since the hub last answered, and the reasons.
    left: Vec<(Transport, String)>,
    /// The transport on which the hub last answered, if it ever did.
    spoken: Option<Transport>,
}

impl Ways {
    /// Takes the transports, the preferred one first; at least one.
    pub(super) fn new(list: Vec<Transport>) -> Self {
        let now = list[0];
        Self { list, now, has_stayed: false, left: Vec::new(), spoken: None }
    }

    /// Whether the hub has ever answered.
    pub(super) const fn is_known(&self) -> bool {
        self.spoken.is_some()
    }

    /// The transport of the last connection or attempt.
    pub(super) const fn now(&self) -> Transport {
        self.now
    }

    /// Records a lost connection, after which the client tries `next`. Returns whether that attempt is worth making
    /// if the hub has never answered: each transport has its turn, and a second one if the client stays with it.
    pub(super) fn lost(&mut self, next: Transport, why: &Error, words: &str) -> bool {
        let was = core::mem::replace(&mut self.now, next);
        let is_other = was != next;
        let has_stayed = core::mem::replace(&mut self.has_stayed, !is_other);
        if is_other {
            self.left.push((was, words.to_owned()));
        }
        let is_round = is_other && next == self.list[0];
        if is_round {
            self.left.clear();
        }
        let has_turn = if is_other { !is_round } else { !has_stayed };
        is_busy(why) || self.list.len() > 1 && !concerns_all(why) && has_turn
    }

    /// Records that the hub has answered. Returns the notice about it, if there is one.
    pub(super) fn connected(&mut self, by: Transport) -> Option<String> {
        let was = self.spoken.replace(by);
        let left = core::mem::take(&mut self.left);
        (self.now, self.has_stayed) = (by, false);
        match was {
            None if by == self.list[0] => None,
            None => {
                let why = left.into_iter().map(|(it, why)| format!("; no {}: {why}", name(it)));
                Some(format!("connected by {}{}", name(by), why.collect::<String>()))
            }
            Some(was) if was != by => Some(format!("connected again, by {}", name(by))),
            Some(_) => Some("connected again".to_owned()),
        }
    }
}

/// The name of a transport in notices.
pub(super) const fn name(transport: Transport) -> &'static str {
    match transport {
        Transport::WebSocket => "WebSocket",
        Transport::EventStream => "event stream",
        Transport::LongPoll => "long poll",
        Transport::ShortPoll => "short poll",
    }
}

/// Whether the server has refused in a way that a later attempt may mend: overload, a rate limit, a restart, an
/// error of its own.
pub(super) fn is_busy(why: &Error) -> bool {
    match why {
        Error::Hub(HubError::Goaway { code, .. }) => matches!(code, 1012 | 1013 | 4100..=4199),
        Error::Hub(HubError::Refused { .. }) => true,
        Error::Refused(refusal) => {
            matches!(refusal.status.code(), 408 | 429 | 500 | 502..=504)
        }
        _ => false,
    }
}

/// Whether an error concerns all transports: it happened below them, on the way up to HTTP.
const fn concerns_all(why: &Error) -> bool {
    matches!(
        why,
        Error::Connect(_)
            | Error::Resolve(_)
            | Error::Proxy(_)
            | Error::Tls(_)
            | Error::NoTls
            | Error::Http2(Http2Error::NotSpoken)
            | Error::Http(HttpError::FirstByte)
            | Error::Descriptors
            | Error::System(_)
            | Error::TimedOut(Deadline::Connect)
    )
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;

    use super::*;

    const ALL: [Transport; 3] = [Transport::WebSocket, Transport::EventStream, Transport::LongPoll];

    #[test]
    fn each_transport_has_its_turn_and_no_more() {
        let mut ways = Ways::new(ALL.to_vec());
        for next in [ALL[0], ALL[1], ALL[1], ALL[2], ALL[2]] {
            assert!(ways.lost(next, &Error::Ended, "gone"), "{next:?}");
        }
        assert!(!ways.lost(ALL[0], &Error::Ended, "gone"), "a round");
        let mut ways = Ways::new(ALL.to_vec());
        assert!(ways.lost(ALL[0], &Error::Ended, ""));
        assert!(!ways.lost(ALL[0], &Error::Ended, ""), "nothing changes");
        for alone in ALL {
            assert!(!Ways::new(vec![alone]).lost(alone, &Error::Ended, ""));
        }
    }

    #[test]
    fn what_no_transport_mends_is_tried_with_none() {
        for (why, goes_on) in [
            (Error::Connect(ErrorKind::ConnectionRefused), false),
            (Error::Resolve(ErrorKind::NotFound), false),
            (Error::Tls(sockeye_client::TlsError::Protocol), false),
            (Error::TimedOut(Deadline::Connect), false),
            (Error::Http(HttpError::FirstByte), false),
            (Error::TimedOut(Deadline::Head), true),
            (Error::Transport(ErrorKind::ConnectionReset), true),
        ] {
            assert_eq!(Ways::new(ALL.to_vec()).lost(ALL[0], &why, ""), goes_on, "{why:?}");
        }
        let busy = Error::Hub(HubError::Goaway { code: 1013, reason: "busy".into() });
        let mut ways = Ways::new(vec![ALL[0]]);
        assert!((0..9).all(|_| ways.lost(ALL[0], &busy, "")), "it will have room");
    }

    #[test]
    fn what_it_came_to_is_told_with_its_reasons() {
        let mut ways = Ways::new(ALL.to_vec());
        assert_eq!(ways.connected(ALL[0]), None);
        assert_eq!(ways.connected(ALL[0]).as_deref(), Some("connected again"));
        ways.lost(ALL[1], &Error::Ended, "it was told");
        assert_eq!(ways.connected(ALL[1]).as_deref(), Some("connected again, by event stream"));
        let mut ways = Ways::new(ALL.to_vec());
        ways.lost(ALL[1], &Error::Ended, "closed");
        ways.lost(ALL[2], &Error::Ended, "silent");
        let told = "connected by long poll; no WebSocket: closed; no event stream: silent";
        assert_eq!(ways.connected(ALL[2]).as_deref(), Some(told));
    }
}
