//! The closing handshake as one table (RFC 6455 §5.5.1, §7.1).
//!
//! [`step`] is the only place that decides what a connection may still do. The other files look up
//! the answer and carry it out, so no two places can decide differently.

/// How far a connection is from its end.
///
/// The graph of the states stands on the crate's page; a test keeps it equal to the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// Messages flow in both directions.
    Open,
    /// Our Close frame is sent, and the peer's is awaited. We send no more data. Data of the peer is
    /// checked and discarded; its pings are answered.
    CloseSent,
    /// Both Close frames were exchanged. Nothing more is sent and nothing more is read.
    Closed,
    /// The connection was failed (RFC 6455 §7.1.7). Nothing more is sent and nothing more is read.
    Failed,
    /// The transport reported the end of the stream.
    Ended,
}

impl State {
    /// Whether the connection still reads the peer's bytes.
    pub(crate) const fn reads(self) -> bool {
        match self {
            Self::Open | Self::CloseSent => true,
            Self::Closed | Self::Failed | Self::Ended => false,
        }
    }
}

/// An input of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Input {
    /// A part of a data message arrived.
    ReceiveData,
    /// A Ping frame arrived.
    ReceivePing,
    /// A Pong frame arrived.
    ReceivePong,
    /// A valid Close frame arrived.
    ReceiveClose,
    /// The peer broke a rule, or an outer layer gave the connection up.
    Fail,
    /// The transport reported the end of the stream.
    ReceiveEof,
    /// We want to send a part of a data message.
    SendData,
    /// We want to send a Ping or an unsolicited Pong frame.
    SendControl,
    /// We want to close.
    SendClose,
}

/// The action of a connection for an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// Hand the input to the application.
    Deliver,
    /// Send the reply that the frame needs, and hand the frame to the application.
    Answer,
    /// Check the input as usual, then drop it.
    Discard,
    /// Send the frame.
    Send,
    /// Refuse the application's call.
    Refuse,
    /// Do nothing; the peer's bytes are not even looked at.
    Ignore,
}

/// The closing handshake. No arm is a wildcard: a new state or input does not compile until every
/// one of its cases is decided here.
pub(crate) const fn step(state: State, input: Input) -> (State, Action) {
    match state {
        State::Open => match input {
            Input::ReceiveData | Input::ReceivePong => (State::Open, Action::Deliver),
            Input::ReceivePing => (State::Open, Action::Answer),
            // RFC 6455 §5.5.1: a Close that finds no Close of ours is answered with one, at once,
            // even inside a fragmented message. [rfc6455:5.5.1-close-answered]
            Input::ReceiveClose => (State::Closed, Action::Answer),
            // RFC 6455 §7.1.7: the failing side says why, if it can. [rfc6455:7.1.7-fail-sends-close]
            Input::Fail => (State::Failed, Action::Send),
            Input::ReceiveEof => (State::Ended, Action::Deliver),
            Input::SendData | Input::SendControl => (State::Open, Action::Send),
            Input::SendClose => (State::CloseSent, Action::Send),
        },
        State::CloseSent => match input {
            Input::ReceiveData => (State::CloseSent, Action::Discard),
            // RFC 6455 §5.5.2: only an endpoint that has *received* a Close need not send a Pong.
            // [rfc6455:5.5.2-pong-until-close-received]
            Input::ReceivePing => (State::CloseSent, Action::Answer),
            Input::ReceivePong => (State::CloseSent, Action::Deliver),
            // Covers both sides closing at once: no second Close. [rfc6455:7.1.3-simultaneous-close]
            Input::ReceiveClose => (State::Closed, Action::Deliver),
            // Our Close is sent already; a second one would be data after it.
            Input::Fail => (State::Failed, Action::Discard),
            Input::ReceiveEof => (State::Ended, Action::Deliver),
            // RFC 6455 §5.5.1: no data after our Close. Deviation: we refuse our own pings and
            // unsolicited pongs as well, because they serve no purpose there.
            // [rfc6455:5.5.1-no-data-after-close]
            Input::SendData | Input::SendControl | Input::SendClose => {
                (State::CloseSent, Action::Refuse)
            }
        },
        // RFC 6455 §1.4: what follows the peer's Close is discarded. [rfc6455:1.4-ignore-after-close]
        State::Closed => silent(State::Closed, input),
        // RFC 6455 §7.1.7: a failed connection processes no more data, a Close included.
        // [rfc6455:7.1.7-ignore-after-failure]
        State::Failed => silent(State::Failed, input),
        State::Ended => match input {
            Input::ReceiveData
            | Input::ReceivePing
            | Input::ReceivePong
            | Input::ReceiveClose
            | Input::Fail
            | Input::ReceiveEof => (State::Ended, Action::Ignore),
            Input::SendData | Input::SendControl | Input::SendClose => {
                (State::Ended, Action::Refuse)
            }
        },
    }
}

/// A connection that only waits for the end of the stream.
const fn silent(state: State, input: Input) -> (State, Action) {
    match input {
        Input::ReceiveData
        | Input::ReceivePing
        | Input::ReceivePong
        | Input::ReceiveClose
        | Input::Fail => (state, Action::Ignore),
        Input::ReceiveEof => (State::Ended, Action::Deliver),
        Input::SendData | Input::SendControl | Input::SendClose => (state, Action::Refuse),
    }
}

#[cfg(test)]
mod tests {
    use alloc::format;
    use alloc::string::{String, ToString};
    use alloc::vec::Vec;

    use super::*;

    const STATES: [State; 5] =
        [State::Open, State::CloseSent, State::Closed, State::Failed, State::Ended];
    const INPUTS: [(Input, &str); 9] = [
        (Input::ReceiveData, "receive data"),
        (Input::ReceivePing, "receive Ping"),
        (Input::ReceivePong, "receive Pong"),
        (Input::ReceiveClose, "receive Close"),
        (Input::Fail, "fail"),
        (Input::ReceiveEof, "receive EOF"),
        (Input::SendData, "send data"),
        (Input::SendControl, "send control"),
        (Input::SendClose, "send Close"),
    ];
    const README: &str = include_str!("../README.md");

    fn is_send(input: Input) -> bool {
        matches!(input, Input::SendData | Input::SendControl | Input::SendClose)
    }

    fn cell(state: State, input: Input) -> String {
        let (next, action) = step(state, input);
        let action = format!("{action:?}").to_lowercase();
        if next == state { action } else { format!("{action} → {next:?}") }
    }

    /// The drawn table is the table. [rfc6455:5.5.1-close-answered]
    /// [rfc6455:5.5.1-no-data-after-close] [rfc6455:5.5.2-pong-until-close-received]
    /// [rfc6455:7.1.3-simultaneous-close] [rfc6455:1.4-ignore-after-close]
    /// [rfc6455:7.1.7-fail-sends-close] [rfc6455:7.1.7-ignore-after-failure]
    #[test]
    fn the_documented_table_is_the_code() {
        let mut table = String::from("| | Open | CloseSent | Closed | Failed | Ended |\n");
        table += "|---|---|---|---|---|---|\n";
        for (input, name) in INPUTS {
            let cells: Vec<_> = STATES.map(|state| cell(state, input)).into();
            table += &format!("| {name} | {} |\n", cells.join(" | "));
        }
        assert!(README.contains(&table), "the README should hold\n{table}");
    }

    #[test]
    fn the_documented_graph_is_the_code() {
        let mut drawn: Vec<_> = README
            .lines()
            .map(str::trim)
            .filter(|line| line.contains("-->") && !line.contains("[*]"))
            .map(ToString::to_string)
            .collect();
        let mut edges = Vec::new();
        for state in STATES {
            for (input, name) in INPUTS {
                let (next, action) = step(state, input);
                let action = format!("{action:?}").to_lowercase();
                if next != state {
                    edges.push(format!("{state:?} --> {next:?}: {name} / {action}"));
                }
            }
        }
        drawn.sort();
        edges.sort();
        assert_eq!(drawn, edges);
    }

    #[test]
    fn every_pair_keeps_the_invariants() {
        for state in STATES {
            for (input, name) in INPUTS {
                let (next, action) = step(state, input);
                let case = format!("{state:?}, {name}");
                // Nothing but Open sends on request, and nothing ever returns to an earlier state.
                assert_eq!(
                    action == Action::Send && is_send(input),
                    is_send(input) && state == State::Open,
                    "{case}"
                );
                assert!(next == state || next != State::Open, "{case}");
                assert!(
                    next == state || next != State::CloseSent || state == State::Open,
                    "{case}"
                );
                // A state that does not read ignores everything but the end, and the other way round.
                let from_peer = !is_send(input) && input != Input::ReceiveEof;
                assert_eq!(
                    from_peer && action == Action::Ignore,
                    from_peer && !state.reads(),
                    "{case}"
                );
                // Refusing or ignoring changes nothing.
                if matches!(action, Action::Refuse | Action::Ignore) {
                    assert_eq!(next, state, "{case}");
                }
            }
        }
    }

    /// Along every path of six inputs, at most one Close frame is sent and no data follow it.
    #[test]
    fn at_most_one_close_is_sent_on_any_path() {
        fn walk(state: State, closes: u32, depth: u32) {
            for (input, _) in INPUTS {
                let (next, action) = step(state, input);
                let closing = match input {
                    Input::ReceiveClose => action == Action::Answer,
                    Input::Fail | Input::SendClose => action == Action::Send,
                    Input::SendData => {
                        assert!(closes == 0 || action != Action::Send);
                        false
                    }
                    Input::ReceiveData
                    | Input::ReceivePing
                    | Input::ReceivePong
                    | Input::ReceiveEof
                    | Input::SendControl => false,
                };
                let closes = closes + u32::from(closing);
                assert!(closes <= 1);
                if depth > 0 {
                    walk(next, closes, depth - 1);
                }
            }
        }
        walk(State::Open, 0, 6);
    }
}
