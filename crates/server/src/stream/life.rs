//! The life of a stream as one table.
//!
//! [`step`] alone decides what may still happen to a stream. The other files look the answer up and
//! carry it out.

/// How far a stream is from its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// Messages, events or bytes flow.
    Open,
    /// The application has closed the stream, and the peer's answer is awaited: a WebSocket's closing
    /// handshake (RFC 6455 §7.1.2).
    Closing,
    /// The stream is over. Its key names nothing any more.
    Ended,
}

/// What can happen to a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Input {
    /// The application wants to leave the stream unread for a while.
    Pause,
    /// The application wants to hear that the outbox has drained.
    AwaitDrained,
    /// The server drains, and it is the stream's turn to hear of it.
    Dismiss,
    /// The application closes a stream that has a closing handshake.
    Close,
    /// The last byte is in the outbox: a Close answered, a failure told, a response complete.
    Finish,
    /// The stream ends without another byte: its connection is lost, or a bound or deadline passed.
    Abort,
}

/// What the server does about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// Do it.
    Apply,
    /// Tell the application that the stream is over.
    Report,
    /// Do nothing.
    Ignore,
}

/// The life of a stream. No arm is a wildcard: a new state or input does not compile until every one
/// of its cases is decided here.
pub(crate) const fn step(state: State, input: Input) -> (State, Action) {
    match state {
        State::Open => match input {
            Input::Pause | Input::AwaitDrained | Input::Dismiss => (State::Open, Action::Apply),
            Input::Close => (State::Closing, Action::Apply),
            Input::Finish | Input::Abort => (State::Ended, Action::Report),
        },
        State::Closing => match input {
            // The peer's Close is still to be read, so a closing stream is never paused.
            // [server:drained-open-only]
            Input::Pause | Input::AwaitDrained | Input::Dismiss | Input::Close => {
                (State::Closing, Action::Ignore)
            }
            Input::Finish | Input::Abort => (State::Ended, Action::Report),
        },
        State::Ended => match input {
            Input::Pause
            | Input::AwaitDrained
            | Input::Dismiss
            | Input::Close
            | Input::Finish
            | Input::Abort => (State::Ended, Action::Ignore),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATES: [State; 3] = [State::Open, State::Closing, State::Ended];
    const INPUTS: [(Input, &str); 6] = [
        (Input::Pause, "pause"),
        (Input::AwaitDrained, "await drained"),
        (Input::Dismiss, "dismiss"),
        (Input::Close, "close"),
        (Input::Finish, "finish"),
        (Input::Abort, "abort"),
    ];
    const README: &str = include_str!("../../README.md");

    fn cell(state: State, input: Input) -> String {
        let (next, action) = step(state, input);
        let action = format!("{action:?}").to_lowercase();
        if next == state { action } else { format!("{action} → {next:?}") }
    }

    #[test]
    fn the_documented_table_is_the_code() {
        let mut table = String::from("| stream | Open | Closing | Ended |\n|---|---|---|---|\n");
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
            .find(|it| it.starts_with("The life of a stream"))
            .expect("it is there");
        let drawn = section.lines().map(str::trim).filter(|line| line.contains("-->"));
        let mut drawn: Vec<_> =
            drawn.filter(|line| !line.contains("[*]")).map(str::to_owned).collect();
        let mut edges = Vec::new();
        for state in STATES {
            for (input, name) in INPUTS {
                let (next, action) = step(state, input);
                if next != state {
                    edges.push(format!(
                        "{state:?} --> {next:?}: {name} / {}",
                        format!("{action:?}").to_lowercase()
                    ));
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
                assert!(next == state || next != State::Open, "no stream reopens: {case}");
                assert!(state != State::Ended || next == State::Ended, "an end is final: {case}");
                let ends = next == State::Ended && state != State::Ended;
                assert_eq!(action == Action::Report, ends, "an end is told once: {case}");
                if action == Action::Ignore {
                    assert_eq!(next, state, "{case}");
                }
            }
        }
    }
}
