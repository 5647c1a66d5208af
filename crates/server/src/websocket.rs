//! The WebSocket room: the handshake that opens it, and the messages that come in.

use sockeye_deflate::{EXTENSION_NAME, Params, Session, accept_offer};
use sockeye_handshake::{Accept, Extensions, Origins as Allowed, Policy, Reject, decide};
use sockeye_http1::RequestHead;
use sockeye_reactor::{Key, PooledBytes, Time};
use sockeye_websocket::{
    CloseCode, Compression, Config, Connection as Protocol, Event, Kind, Piece, ProtocolError, Role,
};

use crate::app::{Header, Opened, Origins, Refused, Upgrade, Wording};
use crate::connection::{Awaits, Core, Leftover, Room, WebSocketRoom};
use crate::under_way::{LARGE_BYTES_MIN, UnderWay, typed};
use crate::{App, CloseCause, Context, StreamKey};

/// Decides an opening handshake, answers it, and opens the stream if it was in order.
pub(crate) fn open<'b, A: App>(
    core: &mut Core,
    app: &mut A,
    key: Key,
    head: &RequestHead<'_, 'b>,
    upgrade: &Upgrade,
) -> Option<(StreamKey, Opened<'b>)> {
    let accept = match decide_upgrade(head, upgrade) {
        Ok(accept) => accept,
        Err(reject) => {
            refuse_upgrade(core, app, key, head, reject);
            return None;
        }
    };
    let connection = core.connections.get_mut(key)?;
    let out = connection.outbox.tail(&mut core.pool);
    let (params, extensions) = negotiate(accept.offers(), upgrade);
    // [server:upgrade-headers]
    let headers = upgrade.headers.iter().filter(|header| !header.is_handshakes());
    let headers: Vec<_> = headers.map(Header::parts).collect();
    accept.write_response(&extensions, &headers, out).expect("offered, and not reserved");
    let compression =
        if params.is_some() { Compression::PerMessageDeflate } else { Compression::Off };
    let mut limits = core.limits.websocket;
    if let Some(bytes_max) = upgrade.message_bytes_max {
        limits.message_bytes_max = limits.message_bytes_max.min(bytes_max);
    }
    let config = Config { limits, compression };
    let room = Room::WebSocket(WebSocketRoom {
        protocol: Protocol::server(&config),
        under_way: None,
        session: params.map(|params| Box::new(Session::new(Role::Server, params))),
        awaits_at: Time::NEVER,
        awaits: Awaits::Nothing,
        has_leftover: false,
    });
    let stream = core.begin_stream(key, room)?;
    core.touch(key);
    let opened = Opened::WebSocket {
        subprotocol: accept.subprotocol(),
        compressed: compression == Compression::PerMessageDeflate,
    };
    Some((stream, opened))
}

/// Refuses a handshake in the application's words, or else the handshake's own.
fn refuse_upgrade<A: App>(
    core: &mut Core,
    app: &mut A,
    key: Key,
    head: &RequestHead<'_, '_>,
    reject: Reject,
) {
    let Some(connection) = core.connections.get_mut(key) else { return };
    core.stats.refused += 1;
    let (status, reason) = (reject.status(), &*reject.to_string());
    let refused = Refused { status, reason, head: Some(head), stream: None };
    let (wording, out) = (app.refusal(&refused), connection.outbox.tail(&mut core.pool));
    match &wording {
        // [server:refusal-words]
        Some(Wording { headers, body }) => {
            let headers: Vec<_> = headers.iter().map(Header::parts).collect();
            reject.write_worded_response(Some(core.date), &headers, body, out);
        }
        None => reject.write_response(Some(core.date), out),
    }
    core.leave(key, CloseCause::Finished);
}

/// Puts the question to the handshake in its own terms.
fn decide_upgrade<'b>(head: &RequestHead<'_, 'b>, upgrade: &Upgrade) -> Result<Accept<'b>, Reject> {
    let subprotocols = upgrade.subprotocols;
    let list: Vec<&str>;
    let origins = match &upgrade.origins {
        Origins::Any => Allowed::Any,
        Origins::SameHost => Allowed::SameHost,
        Origins::List(origins) => {
            list = origins.iter().map(String::as_str).collect();
            Allowed::List(&list)
        }
    };
    decide(head, &Policy { subprotocols, origins })
}

/// Takes the first offer of permessage-deflate that suits (RFC 7692 §5.1).
fn negotiate(offers: &Extensions, upgrade: &Upgrade) -> (Option<Params>, Extensions) {
    let Some(config) = &upgrade.compression else { return (None, Extensions::new()) };
    let agreed = offers
        .iter()
        .filter(|offer| offer.name() == EXTENSION_NAME)
        .find_map(|offer| accept_offer(offer.params(), config));
    let Some(params) = agreed else { return (None, Extensions::new()) };
    let mut text = Vec::new();
    params.write_response(&mut text);
    (agreed, Extensions::parse([&*text]).expect("our own answer is well formed"))
}

/// Takes in bytes for the WebSocket room of `key`, in which none wait.
pub(crate) fn receive<A: App>(core: &mut Core, app: &mut A, key: Key, bytes: &mut [u8]) {
    let rest = converse(core, app, key, bytes);
    if !rest.is_empty() {
        hold(core, key, Leftover { bytes: rest.to_vec(), used: 0 });
    }
}

/// Goes on with the bytes that had to wait.
pub(crate) fn go_on<A: App>(core: &mut Core, app: &mut A, key: Key) {
    let Some(connection) = core.connections.get_mut(key) else { return };
    let Room::WebSocket(room) = &mut connection.room else { return };
    room.has_leftover = false;
    let Some(mut held) = core.leftovers.remove(&key) else { return };
    let rest = converse(core, app, key, &mut held.bytes[held.used..]).len();
    held.used = held.bytes.len() - rest;
    if rest > 0 {
        hold(core, key, held);
    }
}

/// Keeps what is left for the next turn.
fn hold(core: &mut Core, key: Key, leftover: Leftover) {
    let Some(connection) = core.connections.get_mut(key) else { return };
    let Room::WebSocket(room) = &mut connection.room else { return };
    room.has_leftover = true;
    core.leftovers.insert(key, leftover);
    core.settle(key);
}

/// Takes in bytes until they or the turn's share are used up, or until more waits for the peer than
/// it may leave unread; gives what is left.
fn converse<'b, A: App>(
    core: &mut Core,
    app: &mut A,
    key: Key,
    mut input: &'b mut [u8],
) -> &'b mut [u8] {
    let mut share = core.limits.message_bytes_per_turn_max;
    let mut heard = false;
    loop {
        let Some(connection) = core.connections.get_mut(key) else { return &mut [] };
        let Room::WebSocket(room) = &mut connection.room else { return &mut [] };
        if !input.is_empty() {
            let full = share == 0 || connection.outbox.len() > core.limits.outbox_pause_bytes;
            // [server:pause-unheard]
            if heard && full || connection.resting != Time::NEVER {
                return input;
            }
        } else if heard {
            let waiting = connection.settle(key, &mut core.pool, &mut core.dirty);
            if waiting > core.limits.outbox_bytes_max {
                core.overflow(key);
            }
            return input;
        }
        heard = true;
        let stream = StreamKey { socket: key, serial: connection.serial };
        room.note_life();
        let out = connection.outbox.tail(&mut core.pool);
        let used = match room.protocol.receive(&mut input, out) {
            Ok(Some(Event::Message(message))) => {
                core.stats.messages_received += 1;
                app.on_message(stream, message, &mut Context { core });
                message.as_bytes().len()
            }
            Ok(Some(Event::Piece(piece))) => receive_piece(core, app, stream, piece),
            Ok(Some(Event::Ping(_) | Event::Pong(_))) => 0,
            Ok(Some(Event::Close(reason))) => {
                let cause = room.cause_of_close(reason.map(|reason| reason.code()));
                core.leave(key, cause);
                return &mut [];
            }
            Ok(None) => {
                core.settle(key);
                return &mut [];
            }
            Err(error) => {
                fail(core, key, error);
                return &mut [];
            }
        };
        share = share.saturating_sub(used);
    }
}

/// The peer broke a rule. The Close that says so is in the outbox; what else it sent is discarded
/// unread. [rfc6455:7.1.7-close-then-end]
fn fail(core: &mut Core, key: Key, error: ProtocolError) {
    core.stats.protocol_errors += 1;
    core.leave(key, CloseCause::Failed(error));
}

impl Room {
    /// Where the next bytes may be read to, if they are the message under way and nothing else.
    #[inline]
    pub(crate) fn direct(&mut self) -> Option<&mut [u8]> {
        match self {
            Self::WebSocket(WebSocketRoom { under_way: Some(under_way), protocol, .. }) => {
                under_way.room(protocol.payload_missing())
            }
            Self::WebSocket(_)
            | Self::Http(_)
            | Self::Events(_)
            | Self::Held(_)
            | Self::Tunnel(_)
            | Self::Leaving(_)
            | Self::Gone => None,
        }
    }
}

impl WebSocketRoom {
    /// Why the stream is over now that the peer's Close is here.
    fn cause_of_close(&self, code: Option<CloseCode>) -> CloseCause {
        match self.awaits {
            Awaits::Close(code) => CloseCause::Local(code),
            Awaits::Nothing | Awaits::Pong => {
                CloseCause::Remote(code.unwrap_or(CloseCode::NO_STATUS))
            }
        }
    }

    /// Any byte is a sign of life, not only a pong.
    #[inline]
    fn note_life(&mut self) {
        if let Awaits::Pong = self.awaits {
            self.awaits = Awaits::Nothing;
        }
    }
}

/// The outbox is empty: a pong that found it full goes now.
pub(crate) fn flush_replies(core: &mut Core, key: Key) {
    let Some(connection) = core.connections.get_mut(key) else { return };
    let Room::WebSocket(room) = &mut connection.room else { return };
    if room.protocol.owes_reply() {
        room.protocol.flush_replies(connection.outbox.tail(&mut core.pool));
        core.settle(key);
    }
}

/// The peer will send nothing more. What waits for it is still delivered: it may have ended only
/// its own direction.
pub(crate) fn receive_end(core: &mut Core, key: Key) {
    let Some(connection) = core.connections.get_mut(key) else { return };
    let Room::WebSocket(room) = &mut connection.room else { return };
    room.protocol.receive_eof();
    crate::http::receive_end(core, key);
}

/// What a compressed message costs at the least, in bytes of the turn's share: the inflater is
/// primed with up to 32 KiB for it, however small it is.
const INFLATE_COST: usize = 2048;

/// Takes in a part of a message that did not come whole, or came compressed; gives what the
/// message that became whole with it takes of the turn's share.
fn receive_piece<A: App>(
    core: &mut Core,
    app: &mut A,
    stream: StreamKey,
    piece: Piece<'_>,
) -> usize {
    let Some(connection) = core.connections.get_mut(stream.socket) else { return 0 };
    let Room::WebSocket(room) = &mut connection.room else { return 0 };
    // It is taken out of the room, so that the application may send on this very stream, and even
    // close it, while it looks at the message.
    let held = room.under_way.take().or_else(|| core.spare.take());
    let mut under_way = held.unwrap_or_else(|| Box::new(UnderWay::new()));
    if piece.first {
        under_way.begin(core.now, room.protocol.message_bytes_max(), piece.compressed);
    }
    if piece.compressed {
        return receive_compressed(core, app, stream, piece, under_way);
    }
    let (kind, last, missing) = (piece.kind, piece.last, room.protocol.payload_missing());
    match under_way.append(piece.payload, missing, &mut core.pool) {
        Ok(()) if last => deliver(core, app, stream, kind, under_way),
        Ok(()) => {
            room.under_way = Some(under_way);
            0
        }
        Err(error) => {
            refuse(core, stream.socket, error.close_code());
            0
        }
    }
}

/// The same of a compressed one.
fn receive_compressed<A: App>(
    core: &mut Core,
    app: &mut A,
    stream: StreamKey,
    piece: Piece<'_>,
    mut under_way: Box<UnderWay>,
) -> usize {
    let Some(connection) = core.connections.get_mut(stream.socket) else { return 0 };
    let Room::WebSocket(room) = &mut connection.room else { return 0 };
    let assembler = &mut under_way.assembler;
    let pushed = match &mut room.session {
        Some(session) => assembler.push(piece, Some(&mut session.codec(&mut core.engine))),
        None => assembler.push(piece, None),
    };
    match pushed {
        Ok(Some(message)) => {
            core.stats.messages_received += 1;
            app.on_message(stream, message, &mut Context { core });
            let len = message.as_bytes().len();
            let (memory, _) = under_way.take();
            under_way.keep(memory);
            core.spare = Some(under_way);
            len.max(INFLATE_COST)
        }
        Ok(None) => {
            room.under_way = Some(under_way);
            0
        }
        Err(error) => {
            refuse(core, stream.socket, error.close_code());
            0
        }
    }
}

/// Hands over a message that has become whole; gives its length.
fn deliver<A: App>(
    core: &mut Core,
    app: &mut A,
    stream: StreamKey,
    kind: Kind,
    mut under_way: Box<UnderWay>,
) -> usize {
    let (memory, len) = under_way.take();
    if len >= LARGE_BYTES_MIN {
        core.spare = Some(under_way);
        deliver_large(core, app, stream, kind, PooledBytes::new(memory, len));
        return len;
    }
    deliver_bytes(core, app, stream, kind, &memory[..len]);
    under_way.keep(memory);
    core.spare = Some(under_way);
    len
}

/// [server:passed-on] Whoever sends this very message on gets it by reference.
fn deliver_large<A: App>(
    core: &mut Core,
    app: &mut A,
    stream: StreamKey,
    kind: Kind,
    bytes: PooledBytes,
) {
    core.delivered = Some(bytes.clone());
    deliver_bytes(core, app, stream, kind, &bytes);
    core.delivered = None;
    core.pool.give_back(bytes);
}

fn deliver_bytes<A: App>(
    core: &mut Core,
    app: &mut A,
    stream: StreamKey,
    kind: Kind,
    bytes: &[u8],
) {
    match typed(kind, bytes) {
        Ok(message) => {
            core.stats.messages_received += 1;
            app.on_message(stream, message, &mut Context { core });
        }
        Err(error) => refuse(core, stream.socket, error.close_code()),
    }
}

/// Takes in `len` bytes that were read to where the message under way is put together.
pub(crate) fn receive_direct<A: App>(core: &mut Core, app: &mut A, key: Key, len: usize) {
    let Some(connection) = core.connections.get_mut(key) else { return };
    let Room::WebSocket(room) = &mut connection.room else { return };
    let Some(mut under_way) = room.under_way.take() else { return };
    let stream = StreamKey { socket: key, serial: connection.serial };
    room.note_life();
    let mut input = under_way.fresh(len);
    let out = connection.outbox.tail(&mut core.pool);
    match room.protocol.receive(&mut input, out) {
        Ok(Some(Event::Piece(Piece { kind, last, .. }))) => {
            under_way.adopt(len);
            if last {
                deliver(core, app, stream, kind, under_way);
            } else {
                room.under_way = Some(under_way);
            }
        }
        // Our Close is sent: what comes is checked and forgotten.
        Ok(_) => room.under_way = Some(under_way),
        Err(error) => return fail(core, key, error),
    }
    core.settle(key);
}

/// Fails the connection because a message cannot be taken (RFC 6455 §7.1.7).
pub(crate) fn refuse(core: &mut Core, key: Key, code: CloseCode) {
    let Some(connection) = core.connections.get_mut(key) else { return };
    let Room::WebSocket(room) = &mut connection.room else { return };
    room.protocol.fail(code, "", connection.outbox.tail(&mut core.pool));
    core.stats.protocol_errors += 1;
    core.leave(key, CloseCause::Refused(code));
}
