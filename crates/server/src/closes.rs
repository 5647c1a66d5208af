//! How streams ended, counted.

use std::collections::BTreeMap;

use sockeye_websocket::CloseCode;

use crate::cause::{CloseCause, Deadline};

/// The kind of a stream that is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum StreamKind {
    /// A WebSocket.
    WebSocket,
    /// An event stream.
    EventStream,
    /// A request that was held.
    Held,
    /// A tunnel.
    Tunnel,
}

/// The side that ended a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum ClosedBy {
    /// The server: by a Close or an end of the response, or by a cut of a peer that was silent, slow or
    /// wrong.
    Server,
    /// The peer, or the network.
    Client,
}

/// How a stream ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub struct Close {
    /// The kind of stream.
    pub kind: StreamKind,
    /// The side that ended it.
    pub by: ClosedBy,
    /// The code.
    ///
    /// | the stream ended | code |
    /// |---|---|
    /// | by [`Context::close`](crate::Context::close), a WebSocket or event stream | the code given there, which an event stream does not send |
    /// | by our Close to a peer that broke a rule, or whose message was refused | the code of that Close |
    /// | by the peer's Close | its code if RFC 6455 §7.4.1 or its registry names it, else `None`: a peer may choose among thousands |
    /// | by a cut, by a deadline (except that of a message), or without a Close | 1006 |
    /// | otherwise in good order: a held request that is answered, a tunnel | 1000 |
    pub code: Option<u16>,
}

/// How many streams ended in each way. It has one number for each code that the application uses, and
/// for the codes of peers at most those of RFC 6455.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Closes(BTreeMap<Close, u64>);

/// Codes that RFC 6455 §7.4.1 and its registry name.
const NAMED: core::ops::RangeInclusive<u16> = 1000..=1014;

const NORMAL: u16 = 1000;
/// What a peer is told whose message did not end in time.
const POLICY_VIOLATION: u16 = 1008;
/// RFC 6455 §7.1.5: the connection is gone without a Close.
const ABNORMAL: u16 = 1006;

impl Closes {
    /// The ways in which streams ended, each with its count, in a fixed order.
    pub fn iter(&self) -> impl Iterator<Item = (Close, u64)> + '_ {
        self.0.iter().map(|(close, count)| (*close, *count))
    }

    /// How many ended that way.
    pub fn count(&self, kind: StreamKind, by: ClosedBy, code: u16) -> u64 {
        self.0.get(&Close { kind, by, code: Some(code) }).copied().unwrap_or(0)
    }

    /// Adds the counts of another server.
    pub fn include(&mut self, other: &Self) {
        for (close, count) in other.iter() {
            *self.0.entry(close).or_default() += count;
        }
    }

    /// Counts a stream that is over for `cause`; `said` is the code that we gave to it, if any.
    pub(crate) fn add(&mut self, kind: StreamKind, cause: CloseCause, said: Option<CloseCode>) {
        let (by, code) = ending(cause, said.map(CloseCode::to_u16));
        *self.0.entry(Close { kind, by, code }).or_default() += 1;
    }
}

/// The side that ended a stream, and the code. A code that we sent counts, whatever code came back.
fn ending(cause: CloseCause, said: Option<u16>) -> (ClosedBy, Option<u16>) {
    if let Some(code) = said {
        return (ClosedBy::Server, Some(code));
    }
    match cause {
        CloseCause::Local(code) | CloseCause::Refused(code) => {
            (ClosedBy::Server, Some(code.to_u16()))
        }
        CloseCause::Failed(error) => (ClosedBy::Server, Some(error.close_code().to_u16())),
        CloseCause::Finished => (ClosedBy::Server, Some(NORMAL)),
        CloseCause::Timeout(Deadline::Message) => (ClosedBy::Server, Some(POLICY_VIOLATION)),
        CloseCause::Timeout(_) | CloseCause::Overflow | CloseCause::Drained => {
            (ClosedBy::Server, Some(ABNORMAL))
        }
        CloseCause::Remote(code) => {
            let code = code.to_u16();
            (ClosedBy::Client, Some(code).filter(|code| NAMED.contains(code)))
        }
        CloseCause::Ended | CloseCause::Transport => (ClosedBy::Client, Some(ABNORMAL)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn peers_cannot_make_it_grow() {
        let mut closes = Closes::default();
        for code in 1000..5000 {
            let cause = CloseCause::Remote(CloseCode::new(code));
            closes.add(StreamKind::WebSocket, cause, None);
        }
        assert_eq!(closes.iter().count(), 16);
        let other = Close { kind: StreamKind::WebSocket, by: ClosedBy::Client, code: None };
        assert!(closes.iter().any(|it| it == (other, 4000 - 15)));
    }

    #[test]
    fn what_we_said_counts_however_the_peer_took_it() {
        let mut closes = Closes::default();
        let said = Some(CloseCode::new(4202));
        for cause in [CloseCause::Finished, CloseCause::Ended, CloseCause::Timeout(Deadline::Close)]
        {
            closes.add(StreamKind::EventStream, cause, said);
        }
        assert_eq!(closes.count(StreamKind::EventStream, ClosedBy::Server, 4202), 3);
    }
}
