//! WebSockets on streams (RFC 8441 §5): frames of two layers, ends, and many at a time.

use sockeye_cases::{Outcome, failed};

use crate::hpack::Block;
use crate::peer::Peer;
use crate::row::{Case, Row, free, seeing, table};
use crate::socket::{BINARY, CLOSE, PING, PONG, Socket, TEXT, framed, message};
use crate::target::Target;
use crate::want::Want;
use crate::wire::{
    CANCEL, END_STREAM, INITIAL_WINDOW_SIZE, NONE, PADDED, PROTOCOL_ERROR, WHOLE, code_name, data,
    headers, padded, reset,
};

const SOCKET: &str = "RFC 8441 §5";
const FRAMES: &str = "RFC 6455 §5";

pub(super) fn cases() -> impl Iterator<Item = Case> {
    table(ROWS).chain(table(ENDS))
}

const ROWS: &[Row] = &[
    free("websocket/echo", SOCKET, "A message comes back", |target| {
        let (mut peer, mut socket) = Socket::open(target)?;
        socket.expect_echo(&mut peer, "over HTTP/2")
    }),
    free("websocket/binary", SOCKET, "A binary message comes back", |target| {
        let (mut peer, mut socket) = Socket::open(target)?;
        socket.send(&mut peer, &message(BINARY, &[0, 0xff, 0x80]));
        socket.expect(&mut peer, BINARY, &[0, 0xff, 0x80])
    }),
    free("websocket/behind-connect", SOCKET, "A message right behind the CONNECT", |target| {
        let mut peer = Peer::ready(target)?;
        crate::socket::announced(&peer)?;
        let head = headers(1, 4, target.site.connect());
        peer.send(&[head, data(1, NONE, message(TEXT, b"early"))].concat());
        let arrived = |peer: &Peer| peer.content(1).ends_with(b"early");
        match peer.until(arrived) {
            true => Ok(()),
            false => failed("the echo", peer.story()),
        }
    })
    .policy("RFC 6455 has a client wait for the answer, and gateways do not"),
    free("websocket/one-byte-data", SOCKET, "A frame in DATA frames of one byte", |target| {
        let (mut peer, mut socket) = Socket::open(target)?;
        for byte in message(TEXT, b"in single bytes") {
            socket.send(&mut peer, &[byte]);
        }
        socket.expect(&mut peer, TEXT, b"in single bytes")
    }),
    free("websocket/many-in-one-data", SOCKET, "100 frames in one DATA frame", |target| {
        let (mut peer, mut socket) = Socket::open(target)?;
        let frames: Vec<u8> = (0..100_u8).flat_map(|at| message(BINARY, &[at])).collect();
        socket.send(&mut peer, &frames);
        (0..100_u8).try_for_each(|at| socket.expect(&mut peer, BINARY, &[at]))
    }),
    free("websocket/empty-data", SOCKET, "Empty DATA frames between those of a frame", |target| {
        let (mut peer, mut socket) = Socket::open(target)?;
        for part in message(TEXT, b"with gaps").chunks(4) {
            peer.send(&data(1, NONE, ""));
            socket.send(&mut peer, part);
        }
        socket.expect(&mut peer, TEXT, b"with gaps")
    }),
    free("websocket/padded-data", SOCKET, "A frame in padded DATA", |target| {
        let (mut peer, mut socket) = Socket::open(target)?;
        peer.send(&data(1, PADDED, padded(100, message(TEXT, b"padded"))));
        socket.expect(&mut peer, TEXT, b"padded")
    }),
    free("websocket/fragments", FRAMES, "A message in three fragments", |target| {
        let (mut peer, mut socket) = Socket::open(target)?;
        let frames = [framed(1, b"one "), framed(0, b"two "), framed(0x80, b"three")].concat();
        socket.send(&mut peer, &frames);
        socket.expect(&mut peer, TEXT, b"one two three")
    }),
    free("websocket/ping", FRAMES, "A Ping of the WebSocket has its Pong", |target| {
        let (mut peer, mut socket) = Socket::open(target)?;
        socket.send(&mut peer, &message(PING, b"inside"));
        socket.expect(&mut peer, PONG, b"inside")
    }),
    free(
        "websocket/larger-than-window",
        "RFC 9113 §6.9",
        "A message of 200,000 bytes, there and back",
        large,
    ),
    free("websocket/narrow", "RFC 9113 §6.9", "An echo through a window of 10 bytes", |target| {
        let mut peer = Peer::ready_with(target, &[(INITIAL_WINDOW_SIZE, 10)])?;
        let mut socket = Socket::open_on(&mut peer, target, 1)?;
        socket.expect_echo(&mut peer, "longer than the window of this stream")
    }),
    free("websocket/fifty", SOCKET, "50 WebSockets on a connection", |target| {
        let mut peer = Peer::ready(target)?;
        let mut sockets = Vec::new();
        for at in 0..50 {
            sockets.push(Socket::open_on(&mut peer, target, 2 * at + 1)?);
        }
        for (at, socket) in sockets.iter_mut().enumerate().rev() {
            socket.expect_echo(&mut peer, &format!("number {at}"))?;
        }
        Ok(())
    }),
    free("websocket/beside-requests", SOCKET, "Requests beside a WebSocket", |target| {
        let (mut peer, mut socket) = Socket::open(target)?;
        for stream in [3, 5, 7] {
            peer.expect_page(target, stream)?;
            socket.expect_echo(&mut peer, "between requests")?;
        }
        Ok(())
    }),
    free(
        "websocket/unread-leaves-others",
        "RFC 9113 §5.2.2",
        "A WebSocket whose window is closed leaves the others",
        |target| {
            let mut peer = Peer::ready_with(target, &[(INITIAL_WINDOW_SIZE, 0)])?;
            peer.gives_back = false;
            let mut stuck = Socket::open_on(&mut peer, target, 1)?;
            let mut other = Socket::open_on(&mut peer, target, 3)?;
            stuck.send(&mut peer, &message(BINARY, &[7; 10_000]));
            peer.grant(3, 1_000);
            other.expect_echo(&mut peer, "not stuck")
        },
    ),
];

const ENDS: &[Row] = &[
    free("websocket/close", FRAMES, "Close is answered by Close and END_STREAM", |target| {
        let (mut peer, mut socket) = Socket::open(target)?;
        socket.send(&mut peer, &message(CLOSE, &1000_u16.to_be_bytes()));
        socket.expect_close(&mut peer, &[1000])?;
        ended(&mut peer)?;
        peer.expect_alive()
    }),
    free(
        "websocket/close-end-stream",
        FRAMES,
        "Close with END_STREAM, as Chromium sends it",
        |target| {
            let (mut peer, mut socket) = Socket::open(target)?;
            peer.send(&data(1, END_STREAM, message(CLOSE, &1001_u16.to_be_bytes())));
            socket.expect_close(&mut peer, &[1001])?;
            ended(&mut peer)?;
            peer.expect_alive()
        },
    ),
    free(
        "websocket/close-then-cancel",
        FRAMES,
        "Close, then RST_STREAM CANCEL, as Firefox does",
        |target| {
            let (mut peer, mut socket) = Socket::open(target)?;
            socket.send(&mut peer, &message(CLOSE, &1000_u16.to_be_bytes()));
            socket.expect_close(&mut peer, &[1000])?;
            peer.send(&reset(1, CANCEL));
            peer.expect_page(target, 3)
        },
    ),
    free("websocket/cancel", SOCKET, "RST_STREAM CANCEL ends it, and nothing else", |target| {
        let (mut peer, _) = Socket::open(target)?;
        peer.send(&reset(1, CANCEL));
        peer.expect_alive()?;
        Socket::open_on(&mut peer, target, 3)?.expect_echo(&mut peer, "the next one")
    }),
    free(
        "websocket/end-without-close",
        SOCKET,
        "END_STREAM without Close ends the stream",
        |target| {
            let (mut peer, _) = Socket::open(target)?;
            peer.send(&data(1, END_STREAM, ""));
            ended(&mut peer)?;
            peer.expect_alive()
        },
    ),
    free(
        "websocket/end-within-frame",
        SOCKET,
        "END_STREAM within a frame ends the stream",
        |target| {
            let (mut peer, _) = Socket::open(target)?;
            peer.send(&data(1, END_STREAM, &message(TEXT, b"cut off")[..5]));
            ended(&mut peer)?;
            peer.expect_alive()
        },
    ),
    free("websocket/unmasked", FRAMES, "A frame without mask: Close 1002", |target| {
        let (mut peer, mut socket) = Socket::open(target)?;
        socket.send(&mut peer, &[0x81, 1, b'x']);
        socket.expect_close(&mut peer, &[1002])?;
        peer.expect_alive()
    }),
    free("websocket/not-utf-8", "RFC 6455 §8.1", "Text that is not UTF-8: Close 1007", |target| {
        let (mut peer, mut socket) = Socket::open(target)?;
        socket.send(&mut peer, &message(TEXT, b"\xff\xfe"));
        socket.expect_close(&mut peer, &[1007])?;
        peer.expect_alive()
    }),
    free("websocket/opcode-3", FRAMES, "A reserved opcode: Close 1002", |target| {
        let (mut peer, mut socket) = Socket::open(target)?;
        socket.send(&mut peer, &message(3, b"x"));
        socket.expect_close(&mut peer, &[1002])?;
        peer.expect_alive()
    }),
    seeing("websocket/trailers", "RFC 9113 §8.5", "HEADERS on a WebSocket's stream", |target| {
        let (mut peer, _) = Socket::open(target)?;
        peer.send(&headers(1, WHOLE, Block::new().field("x-a", "b")));
        peer.until(|peer| {
            peer.stream(1).is_some_and(|it| it.reset.is_some()) || peer.goaway.is_some()
        });
        match (peer.stream(1).and_then(|it| it.reset), peer.goaway) {
            (Some(code), _) if code == PROTOCOL_ERROR => {
                Ok(format!("RST_STREAM {}", code_name(code)))
            }
            (_, Some((_, code))) if code == PROTOCOL_ERROR => {
                Ok(format!("GOAWAY {}", code_name(code)))
            }
            _ => failed("RST_STREAM PROTOCOL_ERROR, or GOAWAY with it", peer.story()),
        }
    }),
    seeing("websocket/data-behind-end", "RFC 9113 §5.1", "DATA behind END_STREAM", |target| {
        let (mut peer, _) = Socket::open(target)?;
        peer.send(&[data(1, END_STREAM, ""), data(1, NONE, "x")].concat());
        Want::Any(&[Want::Reset(1, &[5]), Want::Goaway(&[5])]).judge(&mut peer, true)
    }),
    free(
        "websocket/never-twice-ended",
        "RFC 9113 §5.1",
        "Nothing comes behind the end of a stream",
        |target| {
            let (mut peer, mut socket) = Socket::open(target)?;
            socket.send(&mut peer, &message(CLOSE, &1000_u16.to_be_bytes()));
            socket.expect_close(&mut peer, &[1000])?;
            ended(&mut peer)?;
            peer.send(&data(1, END_STREAM, ""));
            peer.within(target.timeout, |peer| peer.stream(1).is_some_and(|it| it.reset.is_some()));
            peer.expect_alive()?;
            peer.fault.as_ref().map_or(Ok(()), |fault| failed("nothing", fault))
        },
    ),
];

/// The server's direction of stream 1 has to end, cleanly or not.
fn ended(peer: &mut Peer) -> Outcome {
    match peer.until(|peer| peer.stream(1).is_some_and(|it| it.ended || it.reset.is_some())) {
        true => Ok(()),
        false => failed("END_STREAM or RST_STREAM", peer.story()),
    }
}

fn large(target: &Target) -> Outcome {
    let (mut peer, mut socket) = Socket::open(target)?;
    let payload: Vec<u8> = (0..200_000_u32).map(|at| at.to_le_bytes()[1]).collect();
    let initial = i64::from(peer.setting(INITIAL_WINDOW_SIZE, 65_535));
    for part in message(BINARY, &payload).chunks(16_000) {
        let after = socket.sent + i64::try_from(part.len()).unwrap_or(0);
        let is_open = |peer: &Peer| {
            let more = peer.granted.get(&1).copied().unwrap_or(0);
            after <= initial + more && after <= peer.granted[&0]
        };
        if !peer.until(is_open) {
            return failed("WINDOW_UPDATE", peer.story());
        }
        socket.send(&mut peer, part);
    }
    match socket.next(&mut peer) {
        Some((0x82, echo)) if echo == payload => Ok(()),
        Some((first, echo)) => failed("the echo", format!("a frame {first:#x} of {}", echo.len())),
        None => failed("the echo", peer.story()),
    }
}
