//! Windows and context takeover, in both directions (RFC 7692 §7.1, §7.2.3.2).

use super::accepted;
use crate::case::{Case, Miss, Outcome, Row, case, failed, skipped, table};
use crate::cases::delivery::noise;
use crate::peer::Peer;
use crate::squeeze::{Token, squeeze};
use crate::target::Target;
use crate::wire::{RSV1, binary, text};

const WINDOW: &str = "RFC 7692 §7.1.2";
const TAKEOVER: &str = "RFC 7692 §7.2.3.2";

pub(super) fn cases() -> impl Iterator<Item = Case> {
    let server = (8..=15u8).map(|bits| {
        let title = format!("With server_max_window_bits={bits} no distance is above it");
        let id = format!("deflate/server-window-{bits}");
        Case::new(id, WINDOW, title, move |target| server_window(target, bits))
    });
    let client = (8..=15u8).map(|bits| {
        let title = format!("With client_max_window_bits={bits} the full distance works");
        let id = format!("deflate/client-window-{bits}");
        Case::new(id, WINDOW, title, move |target| client_window(target, bits))
    });
    server.chain(client).chain(table(ROWS))
}

const ROWS: &[Row] = &[
    case(
        "deflate/client-takeover",
        TAKEOVER,
        "A message may refer to the one before",
        client_takeover,
    ),
    case(
        "deflate/client-takeover-over-uncompressed",
        "RFC 7692 §7.2",
        "An uncompressed message does not enter the window",
        over_uncompressed,
    ),
    case(
        "deflate/client-takeover-over-final",
        TAKEOVER,
        "The window outlives a block with BFINAL",
        over_final,
    ),
    case(
        "deflate/client-window-full",
        WINDOW,
        "A distance of 32768 over many messages",
        window_full,
    ),
    case(
        "deflate/server-takeover",
        TAKEOVER,
        "The server's references over messages resolve",
        |target| repeated(target, "permessage-deflate"),
    ),
    case(
        "deflate/server-no-takeover",
        "RFC 7692 §7.1.1.1",
        "With server_no_context_takeover each message stands alone",
        |target| repeated(target, "permessage-deflate; server_no_context_takeover"),
    ),
    case(
        "deflate/client-no-takeover",
        "RFC 7692 §7.1.1.2",
        "Messages without references need no agreement",
        |target| repeated(target, "permessage-deflate; client_no_context_takeover"),
    ),
    case(
        "deflate/distance-before-start",
        "RFC 1951 §3.2.5",
        "A reference to before the first message",
        |target| {
            let (mut peer, _) = accepted(target, "permessage-deflate")?;
            let payload = squeeze(&[Token::Bytes(b"abc"), Token::Match { len: 10, distance: 100 }]);
            peer.send_frames(&[binary(payload).rsv(RSV1)]);
            peer.expect_close(&[1007, 1002, 1003, 1008, 1011])
        },
    ),
];

/// The server's compressor must stay within its window: messages that repeat at several distances.
fn server_window(target: &Target, bits: u8) -> Outcome {
    let offer = format!("permessage-deflate; server_max_window_bits={bits}");
    let (mut peer, agreed) = accepted(target, &offer)?;
    match agreed.bits("server_max_window_bits") {
        Some(answered) if answered <= bits => {}
        answered => return failed(format!("at most {bits}"), format!("{answered:?}")),
    }
    for distance in [200, 300, 600, 1200, 2500, 5000, 10_000, 20_000] {
        let pattern: Vec<u8> = noise(distance).iter().map(|byte| b'a' + byte % 26).collect();
        let message = pattern.repeat(3);
        peer.send_frames(&[text(squeeze(&[Token::Bytes(&message)])).rsv(RSV1)]);
        peer.expect_text(message)?;
    }
    Ok(())
}

/// Our compressor uses the last byte of what the server allows.
fn client_window(target: &Target, bits: u8) -> Outcome {
    let offer = format!("permessage-deflate; client_max_window_bits={bits}");
    let (mut peer, agreed) = accepted(target, &offer)?;
    let bits = agreed.bits("client_max_window_bits").unwrap_or(bits).min(bits);
    let distance = 1 << bits;
    let pattern = noise(distance);
    let payload = squeeze(&[Token::Bytes(&pattern), Token::Match { len: 200, distance }]);
    peer.send_frames(&[binary(payload).rsv(RSV1)]);
    peer.expect_binary([&pattern[..], &pattern[..200]].concat())
}

/// Opens a connection whose server keeps our window.
fn remembered(target: &Target) -> Result<Peer, Miss> {
    match accepted(target, "permessage-deflate")? {
        (_, agreed) if agreed.client_forgets => {
            skipped("the server asks for client_no_context_takeover")
        }
        (peer, _) => Ok(peer),
    }
}

fn client_takeover(target: &Target) -> Outcome {
    let mut peer = remembered(target)?;
    peer.send_frames(&[text(b"\xf2\x48\xcd\xc9\xc9\x07\x00").rsv(RSV1)]);
    peer.expect_text("Hello")?;
    peer.send_frames(&[text(b"\xf2\x00\x11\x00\x00").rsv(RSV1)]);
    peer.expect_text("Hello")
}

fn over_uncompressed(target: &Target) -> Outcome {
    let mut peer = remembered(target)?;
    peer.send_frames(&[text(squeeze(&[Token::Bytes(b"compressed")])).rsv(RSV1)]);
    peer.expect_text("compressed")?;
    peer.send_frames(&[text("not compressed and longer")]);
    peer.expect_text("not compressed and longer")?;
    peer.send_frames(&[text(squeeze(&[Token::Match { len: 10, distance: 10 }])).rsv(RSV1)]);
    peer.expect_text("compressed")
}

fn over_final(target: &Target) -> Outcome {
    let mut peer = remembered(target)?;
    peer.send_frames(&[text(b"\xf3\x48\xcd\xc9\xc9\x07\x00\x00").rsv(RSV1)]);
    peer.expect_text("Hello")?;
    peer.send_frames(&[text(squeeze(&[Token::Match { len: 5, distance: 5 }])).rsv(RSV1)]);
    peer.expect_text("Hello")
}

fn window_full(target: &Target) -> Outcome {
    let mut peer = remembered(target)?;
    let all = noise(32_768);
    for piece in all.chunks(4096) {
        peer.send_frames(&[binary(squeeze(&[Token::Bytes(piece)])).rsv(RSV1)]);
        peer.expect_binary(piece)?;
    }
    let payload = squeeze(&[Token::Match { len: 258, distance: 32_768 }]);
    peer.send_frames(&[binary(payload).rsv(RSV1)]);
    peer.expect_binary(&all[..258])
}

/// The same message several times: an inflater with the agreed memory must read all echoes.
fn repeated(target: &Target, offer: &str) -> Outcome {
    let (mut peer, agreed) = accepted(target, offer)?;
    if offer.contains("server_no") && !agreed.server_forgets {
        return failed("server_no_context_takeover in the answer", "an answer without it");
    }
    let message: Vec<u8> = noise(3000).iter().map(|byte| b'a' + byte % 26).collect();
    for _ in 0..4 {
        peer.send_frames(&[text(squeeze(&[Token::Bytes(&message)])).rsv(RSV1)]);
        peer.expect_text(&message)?;
    }
    Ok(())
}
