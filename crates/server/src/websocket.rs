//! Receives on a WebSocket: from bytes to [`App::on_message`].

use sockeye_reactor::{PooledBytes, Slab, Time};
use sockeye_websocket::{CloseCode, Event, Kind as MessageKind, Message, Piece, ProtocolError};

use crate::app::App;
use crate::budget::{self, FRAME_UNITS, INFLATE_UNITS};
use crate::cause::{CloseCause, Deadline};
use crate::connection::{Connection, OpenStream, find, find_as};
use crate::context::Context;
use crate::key::StreamKey;
use crate::leftover::Leftover;
use crate::partial_message::{LARGE_BYTES_MIN, PartialMessage, typed};
use crate::state::Core;
use crate::stream::{Stream, WebSocketStream, cause_of_close};

/// The open WebSocket that `key` names.
#[inline(always)]
fn find_web_socket(
    connections: &mut Slab<Connection>,
    key: StreamKey,
) -> Option<OpenStream<'_, WebSocketStream>> {
    find_as(connections, key, Stream::web_socket)
}

/// Takes in bytes for `stream`, for which no earlier bytes wait.
pub(crate) fn receive<A: App>(core: &mut Core, app: &mut A, stream: StreamKey, bytes: &mut [u8]) {
    let rest = converse(core, app, stream, bytes);
    if !rest.is_empty() {
        keep_leftover(core, stream, Leftover { bytes: rest.to_vec(), used: 0 });
    }
}

/// Takes in the bytes of `stream` that had to wait.
pub(crate) fn go_on<A: App>(core: &mut Core, app: &mut A, stream: StreamKey) {
    let Some(open) = find(&mut core.connections, stream) else { return };
    open.stream.has_leftover = false;
    let Some(mut leftover) = core.take_leftover(stream) else { return };
    let rest = converse(core, app, stream, &mut leftover.bytes[leftover.used..]).len();
    leftover.used = leftover.bytes.len() - rest;
    if rest > 0 {
        keep_leftover(core, stream, leftover);
    }
}

/// Keeps more bytes of `stream`, behind those that wait.
pub(crate) fn keep_more(core: &mut Core, stream: StreamKey, bytes: &[u8]) {
    let Leftover { bytes: mut all, used } =
        core.take_leftover(stream).unwrap_or(Leftover { bytes: Vec::new(), used: 0 });
    // The peer has had credit for what is used, so it would grow for ever.
    all.drain(..used);
    all.extend_from_slice(bytes);
    keep_leftover(core, stream, Leftover { bytes: all, used: 0 });
}

/// Keeps bytes for the next turn.
fn keep_leftover(core: &mut Core, stream: StreamKey, leftover: Leftover) {
    let Some(open) = find(&mut core.connections, stream) else { return };
    open.stream.has_leftover = true;
    core.keep_leftover(stream, leftover);
}

/// Takes in bytes until they or the connection's share of the turn are used up, or until too many bytes
/// wait for the peer. Returns the bytes that are left.
fn converse<'b, A: App>(
    core: &mut Core,
    app: &mut A,
    stream: StreamKey,
    mut input: &'b mut [u8],
) -> &'b mut [u8] {
    let mut heard = false;
    while !input.is_empty() {
        let found = find_as(&mut core.connections, stream, Stream::if_web_socket);
        let Some(OpenStream { stream: of, outbox, .. }) = found else { return &mut [] };
        let is_full =
            || core.budget.share_is_spent() || outbox.len() > core.limits.outbox_pause_bytes;
        // [server:pause-unheard]
        if heard && is_full() || of.paused != Time::NEVER {
            return input;
        }
        heard = true;
        let life = of.life();
        let Some(websocket) = of.web_socket() else { return &mut [] };
        websocket.note_life(life);
        core.budget.spend(FRAME_UNITS);
        match websocket.protocol.receive(&mut input, outbox.tail(&mut core.pool)) {
            Ok(Some(Event::Message(message))) => deliver(core, app, stream, message),
            Ok(Some(Event::Piece(piece))) => receive_piece(core, app, stream, piece),
            // [server:pings-told]
            Ok(Some(Event::Ping(_))) => app.on_ping(stream, &mut Context { core }),
            Ok(Some(Event::Pong(_))) => {}
            Ok(Some(Event::Close(reason))) => {
                let cause = cause_of_close(of.closed_with(), reason.map(|reason| reason.code()));
                core.finish_stream(stream, cause);
                return &mut [];
            }
            Ok(None) => return &mut [],
            Err(error) => {
                fail(core, stream, error);
                return &mut [];
            }
        }
    }
    input
}

/// Ends a WebSocket whose peer broke a rule. The Close that says so is in the outbox; further input is
/// read and discarded. [rfc6455:7.1.7-close-then-end]
fn fail(core: &mut Core, stream: StreamKey, error: ProtocolError) {
    core.stats.protocol_errors += 1;
    core.finish_stream(stream, CloseCause::Failed(error));
}

/// Sends a pong that had to wait while the outbox was full. The outbox is empty now.
pub(crate) fn flush_replies(core: &mut Core, stream: StreamKey) {
    let Some(mut open) = find_web_socket(&mut core.connections, stream) else { return };
    if open.stream.protocol.owes_reply() {
        open.stream.protocol.flush_replies(open.outbox.tail(&mut core.pool));
        let waiting = open.mark_dirty(&mut core.dirty);
        // The application hears of a peer that is given up.
        let _ = core.check_bound(stream, waiting);
    }
}

/// Pings a silent peer. Any byte will do for an answer (RFC 6455 §5.5.2).
/// [rfc6455:5.5.2-ping-keeps-alive]
pub(crate) fn ping(core: &mut Core, stream: StreamKey) {
    let Some(mut open) = find_web_socket(&mut core.connections, stream) else { return };
    open.stream.awaits = core.now;
    if open.stream.protocol.ping(b"", open.outbox.tail(&mut core.pool)).is_ok() {
        let waiting = open.mark_dirty(&mut core.dirty);
        // The application hears of a peer that is given up.
        let _ = core.check_bound(stream, waiting);
    }
}

/// Takes in a part of a message that did not come whole, or came compressed.
fn receive_piece<A: App>(core: &mut Core, app: &mut A, stream: StreamKey, piece: Piece<'_>) {
    let Some(open) = find_web_socket(&mut core.connections, stream) else { return };
    let websocket = open.stream;
    // The partial message is taken out of the stream, so that the application may send on this very
    // stream, and even close it, while it looks at the message.
    let held = websocket.partial.take().or_else(|| core.spare.take());
    let mut partial = held.unwrap_or_else(|| Box::new(PartialMessage::new()));
    if piece.first {
        partial.begin(core.now, websocket.protocol.message_bytes_max(), piece.compressed);
    }
    let Piece { kind, last, compressed, .. } = piece;
    let received = match (compressed, &mut websocket.session) {
        (true, Some(session)) => {
            partial.assembler.push(piece, Some(&mut session.codec(&mut core.engine)))
        }
        (true, None) => partial.assembler.push(piece, None),
        (false, _) => {
            let missing = websocket.protocol.payload_missing();
            partial.append(piece.payload, missing, &mut core.pool).map(|()| None)
        }
    };
    match received {
        Ok(Some(message)) => {
            core.budget.spend(INFLATE_UNITS + budget::of_coded(message.as_bytes().len()));
            deliver(core, app, stream, message);
            let (memory, _) = partial.take();
            partial.keep(memory);
            core.spare = Some(partial);
        }
        Ok(None) if last && !compressed => deliver_partial(core, app, stream, kind, partial),
        Ok(None) => websocket.partial = Some(partial),
        Err(error) => refuse(core, stream, error.close_code()),
    }
}

/// Hands a message to the application.
#[inline]
fn deliver<A: App>(core: &mut Core, app: &mut A, stream: StreamKey, message: Message<'_>) {
    core.stats.messages_received += 1;
    app.on_message(stream, message, &mut Context { core });
}

/// Hands a message that has become whole to the application.
fn deliver_partial<A: App>(
    core: &mut Core,
    app: &mut A,
    stream: StreamKey,
    kind: MessageKind,
    mut partial: Box<PartialMessage>,
) {
    let (memory, len) = partial.take();
    if len < LARGE_BYTES_MIN {
        deliver_bytes(core, app, stream, kind, &memory[..len]);
        partial.keep(memory);
        core.spare = Some(partial);
        return;
    }
    core.spare = Some(partial);
    let bytes = PooledBytes::new(memory, len);
    // [server:passed-on] An application that sends this very message on sends it by reference.
    core.delivered = Some(bytes.clone());
    deliver_bytes(core, app, stream, kind, &bytes);
    core.delivered = None;
    core.pool.give_back(bytes);
}

fn deliver_bytes<A: App>(
    core: &mut Core,
    app: &mut A,
    stream: StreamKey,
    kind: MessageKind,
    bytes: &[u8],
) {
    match typed(kind, bytes) {
        Ok(message) => deliver(core, app, stream, message),
        Err(error) => refuse(core, stream, error.close_code()),
    }
}

/// Takes in `len` bytes that were read to where the message in progress is put together.
pub(crate) fn receive_direct<A: App>(core: &mut Core, app: &mut A, stream: StreamKey, len: usize) {
    let Some(open) = find(&mut core.connections, stream) else { return };
    let OpenStream { stream: of, outbox, .. } = open;
    let life = of.life();
    let Some(websocket) = of.web_socket() else { return };
    let Some(mut partial) = websocket.partial.take() else { return };
    websocket.note_life(life);
    let mut input = partial.fresh(len);
    match websocket.protocol.receive(&mut input, outbox.tail(&mut core.pool)) {
        Ok(Some(Event::Piece(Piece { kind, last, .. }))) => {
            partial.adopt(len);
            if last {
                deliver_partial(core, app, stream, kind, partial);
            } else {
                websocket.partial = Some(partial);
            }
        }
        // Our Close is sent: input is checked and dropped.
        Ok(_) => websocket.partial = Some(partial),
        Err(error) => fail(core, stream, error),
    }
}

/// Fails the WebSocket because a message cannot be taken (RFC 6455 §7.1.7).
pub(crate) fn refuse(core: &mut Core, stream: StreamKey, code: CloseCode) {
    if fail_with(core, stream, code, CloseCause::Refused(code)) {
        core.stats.protocol_errors += 1;
    }
}

/// Fails the WebSocket because a message did not end in time.
pub(crate) fn time_out_message(core: &mut Core, stream: StreamKey) {
    let _ = fail_with(
        core,
        stream,
        CloseCode::POLICY_VIOLATION,
        CloseCause::Timeout(Deadline::Message),
    );
}

/// Sends a Close frame and ends the stream; false if there is none.
fn fail_with(core: &mut Core, stream: StreamKey, code: CloseCode, cause: CloseCause) -> bool {
    let Some(open) = find_web_socket(&mut core.connections, stream) else { return false };
    open.stream.protocol.fail(code, "", open.outbox.tail(&mut core.pool));
    core.finish_stream(stream, cause);
    true
}

/// Ends a WebSocket whose peer will send nothing more. Bytes that wait are still delivered, because the
/// peer may have ended only its own direction.
pub(crate) fn receive_end(core: &mut Core, stream: StreamKey) {
    let Some(open) = find(&mut core.connections, stream) else { return };
    let key = open.connection;
    if let Some(websocket) = open.stream.web_socket() {
        websocket.protocol.receive_eof();
    }
    core.peer_ended(key);
}
