//! The life of a stream as one table (RFC 9113 §5.1).
//!
//! [`step`] is the only place that decides what may come and go on a stream. The other files look up
//! the answer and carry it out. `reserved` is missing, because pushes are refused.

use crate::ConnectionError;

/// The state of a stream.
///
/// The table stands on the crate's page; a test keeps it equal to the code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum State {
    /// The peer may not open it: its number belongs to us, or to a push.
    Unopened,
    /// The peer may open it.
    Idle,
    /// Both directions are open.
    Open,
    /// Ours has ended.
    HalfClosedLocal,
    /// The peer's has ended.
    HalfClosedRemote,
    /// We reset it while the peer's direction was open: its frames may be on their way.
    Reset,
    /// Both directions have ended, or the peer reset it, not long ago.
    Closed,
    /// Its number is below one that was used, and nothing is known of it: ended long ago, or skipped.
    Forgotten,
}

/// An input of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Input {
    /// A whole field block.
    ReceiveHeaders,
    /// A whole field block with END_STREAM.
    ReceiveHeadersEnd,
    /// DATA.
    ReceiveData,
    /// DATA with END_STREAM.
    ReceiveDataEnd,
    /// PRIORITY.
    ReceivePriority,
    /// RST_STREAM.
    ReceiveRst,
    /// WINDOW_UPDATE.
    ReceiveWindowUpdate,
    /// PUSH_PROMISE.
    ReceivePush,
    /// A client's request.
    SendRequest,
    /// A client's request with END_STREAM.
    SendRequestEnd,
    /// A response, or trailers.
    SendHeaders,
    /// A response or trailers with END_STREAM.
    SendHeadersEnd,
    /// DATA.
    SendData,
    /// DATA with END_STREAM.
    SendDataEnd,
    /// RST_STREAM.
    SendRst,
}

/// The action of a connection for an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// Carry it out, and tell the application.
    Deliver,
    /// Decode fields and count content, without an event; the frame is counted as late.
    Discard,
    /// Do nothing.
    Ignore,
    /// Reset the stream with STREAM_CLOSED.
    Reset,
    /// End the connection.
    Fail(ConnectionError),
    /// Send the frame.
    Send,
    /// Refuse the application's call.
    Refuse,
}

const IDLE: Action = Action::Fail(ConnectionError::StreamIdle);
const ORDER: Action = Action::Fail(ConnectionError::StreamIdOrder);
const CLOSED: Action = Action::Fail(ConnectionError::StreamClosed);
const PUSH: Action = Action::Fail(ConnectionError::PushPromise);

/// The table. No arm is a wildcard: a new state or input does not compile until each of its cases is
/// decided here.
pub(crate) const fn step(state: State, input: Input) -> (State, Action) {
    match input {
        Input::ReceiveHeaders => headers(state, State::Open, State::HalfClosedLocal),
        Input::ReceiveHeadersEnd => headers(state, State::HalfClosedRemote, State::Closed),
        Input::ReceiveData => data(state, State::Open, State::HalfClosedLocal),
        Input::ReceiveDataEnd => data(state, State::HalfClosedRemote, State::Closed),
        // [http2:5.3-priority-ignored]
        Input::ReceivePriority => (state, Action::Ignore),
        Input::ReceiveRst => match state {
            // [http2:5.1-idle]
            State::Unopened | State::Idle => (state, IDLE),
            State::Open | State::HalfClosedLocal | State::HalfClosedRemote => {
                (State::Closed, Action::Deliver)
            }
            State::Reset | State::Closed | State::Forgotten => (state, Action::Ignore),
        },
        Input::ReceiveWindowUpdate => match state {
            State::Unopened | State::Idle => (state, IDLE),
            State::Open | State::HalfClosedLocal | State::HalfClosedRemote => {
                (state, Action::Deliver)
            }
            // [http2:5.1-window-update-after-end]
            State::Reset | State::Closed | State::Forgotten => (state, Action::Ignore),
        },
        // [http2:8.4-no-push]
        Input::ReceivePush => (state, PUSH),
        Input::SendRequest => request(state, State::Open),
        Input::SendRequestEnd => request(state, State::HalfClosedLocal),
        Input::SendHeaders | Input::SendData => send(state, state, state),
        // [http2:5.1-no-frame-after-our-end]
        Input::SendHeadersEnd | Input::SendDataEnd => {
            send(state, State::HalfClosedLocal, State::Closed)
        }
        Input::SendRst => match state {
            State::Open | State::HalfClosedLocal => (State::Reset, Action::Send),
            State::HalfClosedRemote => (State::Closed, Action::Send),
            // [http2:6.4-no-reset-of-idle]
            State::Unopened | State::Idle | State::Reset | State::Closed | State::Forgotten => {
                (state, Action::Refuse)
            }
        },
    }
}

/// A field block of the peer, and the state that follows where our direction is open, and where not.
const fn headers(state: State, open: State, ended: State) -> (State, Action) {
    match state {
        // [http2:5.1.1-stream-parity]
        State::Unopened => (state, IDLE),
        State::Idle | State::Open => (open, Action::Deliver),
        State::HalfClosedLocal => (ended, Action::Deliver),
        // [http2:5.1-half-closed-remote]
        State::HalfClosedRemote => (State::Closed, Action::Reset),
        // [http2:5.1-late-frames]
        State::Reset => (state, Action::Discard),
        // [http2:5.1-closed]
        State::Closed => (state, CLOSED),
        // [http2:5.1.1-stream-order]
        State::Forgotten => (state, ORDER),
    }
}

/// Content of the peer.
const fn data(state: State, open: State, ended: State) -> (State, Action) {
    match state {
        State::Unopened | State::Idle => (state, IDLE),
        State::Open => (open, Action::Deliver),
        State::HalfClosedLocal => (ended, Action::Deliver),
        State::HalfClosedRemote => (State::Closed, Action::Reset),
        State::Reset => (state, Action::Discard),
        State::Closed | State::Forgotten => (state, CLOSED),
    }
}

/// A frame of ours, and the states that follow where the peer's direction is open, and where not.
const fn send(state: State, open: State, ended: State) -> (State, Action) {
    match state {
        State::Open => (open, Action::Send),
        State::HalfClosedRemote => (ended, Action::Send),
        State::Unopened
        | State::Idle
        | State::HalfClosedLocal
        | State::Reset
        | State::Closed
        | State::Forgotten => (state, Action::Refuse),
    }
}

const fn request(state: State, next: State) -> (State, Action) {
    match state {
        State::Unopened => (next, Action::Send),
        State::Idle
        | State::Open
        | State::HalfClosedLocal
        | State::HalfClosedRemote
        | State::Reset
        | State::Closed
        | State::Forgotten => (state, Action::Refuse),
    }
}

#[cfg(test)]
mod tests;
