//! The table against the page, and what holds in all of it.

use alloc::format;
use alloc::string::{String, ToString};

use super::{Action, ConnectionError, Input, State, step};

const STATES: [State; 8] = [
    State::Unopened,
    State::Idle,
    State::Open,
    State::HalfClosedLocal,
    State::HalfClosedRemote,
    State::Reset,
    State::Closed,
    State::Forgotten,
];

const INPUTS: [(Input, &str); 15] = [
    (Input::ReceiveHeaders, "receive HEADERS"),
    (Input::ReceiveHeadersEnd, "receive HEADERS, END_STREAM"),
    (Input::ReceiveData, "receive DATA"),
    (Input::ReceiveDataEnd, "receive DATA, END_STREAM"),
    (Input::ReceivePriority, "receive PRIORITY"),
    (Input::ReceiveRst, "receive RST_STREAM"),
    (Input::ReceiveWindowUpdate, "receive WINDOW_UPDATE"),
    (Input::ReceivePush, "receive PUSH_PROMISE"),
    (Input::SendRequest, "send a request"),
    (Input::SendRequestEnd, "send a request, END_STREAM"),
    (Input::SendHeaders, "send HEADERS"),
    (Input::SendHeadersEnd, "send HEADERS, END_STREAM"),
    (Input::SendData, "send DATA"),
    (Input::SendDataEnd, "send DATA, END_STREAM"),
    (Input::SendRst, "send RST_STREAM"),
];

const README: &str = include_str!("../../README.md");

fn is_send(input: Input) -> bool {
    match input {
        Input::SendRequest
        | Input::SendRequestEnd
        | Input::SendHeaders
        | Input::SendHeadersEnd
        | Input::SendData
        | Input::SendDataEnd
        | Input::SendRst => true,
        Input::ReceiveHeaders
        | Input::ReceiveHeadersEnd
        | Input::ReceiveData
        | Input::ReceiveDataEnd
        | Input::ReceivePriority
        | Input::ReceiveRst
        | Input::ReceiveWindowUpdate
        | Input::ReceivePush => false,
    }
}

fn lives(state: State) -> bool {
    matches!(state, State::Open | State::HalfClosedLocal | State::HalfClosedRemote)
}

fn cell(state: State, input: Input) -> String {
    let (next, action) = step(state, input);
    let action = match action {
        Action::Fail(error) => format!("*{}*", error.code()),
        Action::Reset => "reset".to_string(),
        other => format!("{other:?}").to_lowercase(),
    };
    if next == state { action } else { format!("{action} → {next:?}") }
}

/// The drawn table is the table. [http2:5.1-idle] [http2:5.1-half-closed-remote] [http2:5.1-late-frames]
/// [http2:5.1-closed] [http2:5.1.1-stream-parity] [http2:5.1.1-stream-order] [http2:8.4-no-push]
/// [http2:5.3-priority-ignored] [http2:5.1-window-update-after-end] [http2:6.4-no-reset-of-idle]
/// [http2:5.1-no-frame-after-our-end]
#[test]
fn the_documented_table_is_the_code() {
    let mut table = String::from("| |");
    for state in STATES {
        table += &format!(" {state:?} |");
    }
    table += "\n|---|---|---|---|---|---|---|---|---|\n";
    for (input, name) in INPUTS {
        table += &format!("| {name} |");
        for state in STATES {
            table += &format!(" {} |", cell(state, input));
        }
        table += "\n";
    }
    assert!(README.contains(&table), "the page needs this table:\n{table}");
}

#[test]
fn what_holds_in_every_cell() {
    for state in STATES {
        for (input, _) in INPUTS {
            let (next, action) = step(state, input);
            let case = format!("{state:?} {input:?} -> {next:?} {action:?}");
            // Calls are sent or refused; frames are not.
            let is_answer = matches!(action, Action::Send | Action::Refuse);
            assert_eq!(is_answer, is_send(input), "{case}");
            // Only a frame that is carried out changes a state.
            let changes = matches!(action, Action::Deliver | Action::Send | Action::Reset);
            assert!(next == state || changes, "{case}");
            // A stream that has ended never lives again, and nothing is sent on it.
            if !lives(state) && !matches!(state, State::Idle | State::Unopened) {
                assert!(next == state && action != Action::Send, "{case}");
                assert!(action != Action::Deliver, "{case}");
            }
            // Nothing is reset that does not live.
            assert!(action != Action::Reset || lives(state), "{case}");
            // A direction that has ended stays so.
            let ended_ours = state == State::HalfClosedLocal;
            assert!(
                !(ended_ours && matches!(next, State::Open | State::HalfClosedRemote)),
                "{case}"
            );
            let ended_theirs = state == State::HalfClosedRemote;
            assert!(
                !(ended_theirs && matches!(next, State::Open | State::HalfClosedLocal)),
                "{case}"
            );
        }
    }
}

/// Along every path, neither side ends its direction twice, and we send nothing behind our end or our
/// reset.
#[test]
fn no_direction_ends_twice_on_any_path() {
    fn walk(state: State, ours: bool, theirs: bool, depth: u32) {
        for (input, _) in INPUTS {
            let (next, action) = step(state, input);
            let is_end = matches!(
                input,
                Input::SendRequestEnd | Input::SendHeadersEnd | Input::SendDataEnd | Input::SendRst
            );
            let has_sent = action == Action::Send;
            assert!(!(ours && has_sent && input != Input::SendRst), "{state:?} {input:?}");
            let is_their_end = action == Action::Deliver
                && matches!(
                    input,
                    Input::ReceiveHeadersEnd | Input::ReceiveDataEnd | Input::ReceiveRst
                );
            assert!(!(theirs && is_their_end && input != Input::ReceiveRst), "{state:?} {input:?}");
            if depth > 0 && next != state {
                let ours = ours || (has_sent && is_end);
                walk(next, ours, theirs || is_their_end, depth - 1);
            }
        }
    }
    walk(State::Idle, false, false, 5);
    walk(State::Unopened, false, false, 5);
}

/// The code of each refusal that ends the connection.
#[test]
fn codes_of_the_table() {
    let codes = [
        (State::Idle, Input::ReceiveData, ConnectionError::StreamIdle),
        (State::Unopened, Input::ReceiveHeaders, ConnectionError::StreamIdle),
        (State::Forgotten, Input::ReceiveHeaders, ConnectionError::StreamIdOrder),
        (State::Closed, Input::ReceiveHeaders, ConnectionError::StreamClosed),
        (State::Forgotten, Input::ReceiveData, ConnectionError::StreamClosed),
        (State::Open, Input::ReceivePush, ConnectionError::PushPromise),
    ];
    for (state, input, error) in codes {
        assert_eq!(step(state, input), (state, Action::Fail(error)));
    }
}
