//! Any of the four machines, for a fleet of several kinds.

use sockeye_reactor::Time;

use crate::web_socket::SocketEvent;
use crate::{Error, Machine, Peer, sans_io};

/// One of the four machines, so that a [`Fleet`](crate::Fleet) may have several kinds.
pub enum AnyMachine {
    /// A WebSocket.
    WebSocket(Box<sans_io::WebSocket>),
    /// An event source.
    EventSource(Box<sans_io::EventSource>),
    /// A subscription of a hub.
    #[cfg(feature = "hub")]
    Subscription(Box<sans_io::Subscription>),
    /// Requests to a hub.
    #[cfg(feature = "hub")]
    Requests(Box<sans_io::Requests>),
}

/// What [`AnyMachine`] tells.
#[derive(Debug)]
#[non_exhaustive]
pub enum AnyEvent<'e> {
    /// Of a WebSocket.
    WebSocket(SocketEvent<'e>),
    /// Of an event source.
    EventSource(sans_io::SourceEvent<'e>),
    /// Of a subscription.
    #[cfg(feature = "hub")]
    Subscription(crate::SubscriptionEvent<'e>),
    /// The body of the answer to a request.
    #[cfg(feature = "hub")]
    Response(Vec<u8>),
}

/// Calls the machine inside, whatever its kind.
macro_rules! each {
    ($any:expr, $machine:ident => $call:expr) => {
        match $any {
            AnyMachine::WebSocket($machine) => $call,
            AnyMachine::EventSource($machine) => $call,
            #[cfg(feature = "hub")]
            AnyMachine::Subscription($machine) => $call,
            #[cfg(feature = "hub")]
            AnyMachine::Requests($machine) => $call,
        }
    };
}

impl Machine for AnyMachine {
    type Event<'e> = AnyEvent<'e>;

    fn peer(&self) -> Option<&Peer> {
        each!(self, machine => machine.peer())
    }

    fn deadline(&self) -> Time {
        each!(self, machine => machine.deadline())
    }

    fn connected(&mut self, now: Time, out: &mut Vec<u8>) {
        each!(self, machine => machine.connected(now, out));
    }

    fn disconnected(&mut self, now: Time, why: Error) {
        each!(self, machine => machine.disconnected(now, why));
    }

    fn next<R>(
        &mut self,
        now: Time,
        input: &mut &mut [u8],
        out: &mut Vec<u8>,
        take: &mut dyn FnMut(Self::Event<'_>) -> R,
    ) -> Result<Option<R>, Error> {
        match self {
            Self::WebSocket(it) => {
                it.next(now, input, out, &mut |event| take(AnyEvent::WebSocket(event)))
            }
            Self::EventSource(it) => {
                it.next(now, input, out, &mut |event| take(AnyEvent::EventSource(event)))
            }
            #[cfg(feature = "hub")]
            Self::Subscription(it) => {
                it.next(now, input, out, &mut |event| take(AnyEvent::Subscription(event)))
            }
            #[cfg(feature = "hub")]
            Self::Requests(it) => {
                it.next(now, input, out, &mut |body| take(AnyEvent::Response(body)))
            }
        }
    }

    fn is_over(&self) -> bool {
        each!(self, machine => machine.is_over())
    }
}

impl From<sans_io::WebSocket> for AnyMachine {
    fn from(machine: sans_io::WebSocket) -> Self {
        Self::WebSocket(Box::new(machine))
    }
}

impl From<sans_io::EventSource> for AnyMachine {
    fn from(machine: sans_io::EventSource) -> Self {
        Self::EventSource(Box::new(machine))
    }
}

#[cfg(feature = "hub")]
impl From<sans_io::Subscription> for AnyMachine {
    fn from(machine: sans_io::Subscription) -> Self {
        Self::Subscription(Box::new(machine))
    }
}

#[cfg(feature = "hub")]
impl From<sans_io::Requests> for AnyMachine {
    fn from(machine: sans_io::Requests) -> Self {
        Self::Requests(Box::new(machine))
    }
}
