//! The life of a connection as one table.
//!
//! [`step`] is the only place that decides how a connection ends. The other files look the answer up
//! and carry it out.

/// How far a connection is from its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// The connection carries requests and streams.
    Open,
    /// The bytes in the outbox are the last ones. Input is discarded.
    Closing,
    /// The peer has ended its direction. The connection ends with the last byte of the outbox.
    Ending,
    /// Everything is written and our direction has ended. Input is discarded until the peer ends its
    /// own.
    Lingering,
    /// The connection is taken down at the end of the turn.
    Gone,
}

/// What can happen to a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Input {
    /// The last byte is in the outbox.
    Close,
    /// The peer has ended its direction.
    PeerEnds,
    /// The outbox is empty.
    Flushed,
    /// The socket failed, or a bound or deadline passed.
    Abort,
}

/// What the server does about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// Let the request or the stream on the connection decide.
    Ask,
    /// Write out what waits.
    Flush,
    /// End our direction, unless that is done.
    ShutDown,
    /// List the connection for its removal.
    Remove,
    /// Do nothing.
    Ignore,
}

/// The life of a connection. No arm is a wildcard: a new state or input does not compile until every
/// one of its cases is decided here.
pub(crate) const fn step(state: State, input: Input) -> (State, Action) {
    match state {
        State::Open => match input {
            Input::Close => (State::Closing, Action::Flush),
            Input::PeerEnds => (State::Open, Action::Ask),
            Input::Flushed => (State::Open, Action::Ignore),
            Input::Abort => (State::Gone, Action::Remove),
        },
        State::Closing => match input {
            Input::Close => (State::Closing, Action::Ignore),
            Input::PeerEnds => (State::Ending, Action::Flush),
            // RFC 6455 §7.1.1: the last byte is out, so our direction ends. Closing at once would
            // reset the connection if the peer had sent something that nobody read, and could
            // destroy that last byte on its way.
            // [rfc6455:7.1.1-server-closes-first] [rfc9112:9.6-lingering-close]
            Input::Flushed => (State::Lingering, Action::ShutDown),
            Input::Abort => (State::Gone, Action::Remove),
        },
        State::Ending => match input {
            Input::Close | Input::PeerEnds => (State::Ending, Action::Ignore),
            Input::Flushed => (State::Gone, Action::ShutDown),
            Input::Abort => (State::Gone, Action::Remove),
        },
        State::Lingering => match input {
            Input::Close | Input::Flushed => (State::Lingering, Action::Ignore),
            // The socket may still hold a last record of its own.
            Input::PeerEnds => (State::Ending, Action::Flush),
            Input::Abort => (State::Gone, Action::Remove),
        },
        State::Gone => match input {
            Input::Close | Input::PeerEnds | Input::Flushed | Input::Abort => {
                (State::Gone, Action::Ignore)
            }
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATES: [State; 5] =
        [State::Open, State::Closing, State::Ending, State::Lingering, State::Gone];
    const INPUTS: [(Input, &str); 4] = [
        (Input::Close, "close"),
        (Input::PeerEnds, "peer ends"),
        (Input::Flushed, "flushed"),
        (Input::Abort, "abort"),
    ];
    const README: &str = include_str!("../../README.md");

    fn action_of(action: Action) -> &'static str {
        match action {
            Action::Ask => "ask",
            Action::Flush => "flush",
            Action::ShutDown => "shut down",
            Action::Remove => "remove",
            Action::Ignore => "ignore",
        }
    }

    fn cell(state: State, input: Input) -> String {
        let (next, action) = step(state, input);
        let action = action_of(action);
        if next == state { action.to_owned() } else { format!("{action} → {next:?}") }
    }

    /// [rfc6455:7.1.1-server-closes-first] [rfc9112:9.6-lingering-close]
    #[test]
    fn the_documented_table_is_the_code() {
        let mut table =
            String::from("| connection | Open | Closing | Ending | Lingering | Gone |\n");
        table += "|---|---|---|---|---|---|\n";
        for (input, name) in INPUTS {
            let cells = STATES.map(|state| cell(state, input));
            table += &format!("| {name} | {} |\n", cells.join(" | "));
        }
        assert!(README.contains(&table), "the README should hold\n{table}");
    }

    /// The drawn graph is the table.
    #[test]
    fn the_documented_graph_is_the_code() {
        let section = README
            .split("### ")
            .find(|it| it.starts_with("The life of a connection"))
            .expect("it is there");
        let drawn = section.lines().map(str::trim).filter(|line| line.contains("-->"));
        let mut drawn: Vec<_> =
            drawn.filter(|line| !line.contains("[*]")).map(str::to_owned).collect();
        let mut edges = Vec::new();
        for state in STATES {
            for (input, name) in INPUTS {
                let (next, action) = step(state, input);
                if next != state {
                    edges.push(format!("{state:?} --> {next:?}: {name} / {}", action_of(action)));
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
                assert!(next == state || next != State::Open, "no connection reopens: {case}");
                assert!(state != State::Gone || next == State::Gone, "gone is gone: {case}");
                // Our direction ends with the last byte.
                assert_eq!(
                    action == Action::ShutDown,
                    input == Input::Flushed && matches!(state, State::Closing | State::Ending),
                    "{case}"
                );
                // Whatever removes a connection leads to `Gone`.
                assert!(action != Action::Remove || next == State::Gone, "{case}");
                if action == Action::Ignore {
                    assert_eq!(next, state, "{case}");
                }
            }
        }
    }

    /// The peer's end and an empty outbox together take a closing connection down, in any order.
    #[test]
    fn every_closing_connection_goes() {
        for state in [State::Closing, State::Ending, State::Lingering] {
            for order in [[Input::PeerEnds, Input::Flushed], [Input::Flushed, Input::PeerEnds]] {
                // The peer's end is an input that lists the connection for a flush.
                let inputs = order.into_iter().chain([Input::Flushed]);
                let end = inputs.fold(state, |state, input| step(state, input).0);
                assert_eq!(end, State::Gone, "{state:?}, {order:?}");
            }
        }
    }
}
