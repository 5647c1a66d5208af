//! The preface and the first frames (RFC 9113 §3).

use std::io::{Read, Write};

use sockeye_cases::{Miss, Outcome, failed, uninterrupted};

use crate::peer::Peer;
use crate::row::{Case, Row, free, sends, table};
use crate::target::{Site, Target};
use crate::want::Want;
use crate::wire::{
    ACK, ENABLE_CONNECT_PROTOCOL, ENABLE_PUSH, FRAME_SIZE_ERROR, INITIAL_WINDOW_SIZE,
    MAX_FRAME_SIZE, NONE, PREFACE, PROTOCOL_ERROR, SETTINGS, UNKNOWN, data, frame, goaway, ping,
    settings, window_update,
};

const START: &str = "RFC 9113 §3.4";
const PRIOR: &str = "RFC 9113 §3.3";
/// A GOAWAY may be omitted.
const INVALID: Want = Want::Any(&[Want::Goaway(&[PROTOCOL_ERROR]), Want::End]);
/// A port that speaks both may take another preface as a request of HTTP/1.1, and refuse that.
const NO_PREFACE: Want = Want::Any(&[INVALID, Want::Http1]);

pub(super) fn cases() -> impl Iterator<Item = Case> {
    table(ROWS)
}

fn first(frame: &[u8]) -> Vec<u8> {
    [PREFACE, frame].concat()
}

const ROWS: &[Row] = &[
    free("preface/settings-first", START, "The server's first frame is SETTINGS", |target| {
        let mut peer = Peer::connect(target)?;
        peer.send(&first(&settings(&[])));
        match peer.until(|peer| peer.settings.is_some()) {
            true => Ok(()),
            false => failed("SETTINGS", peer.story()),
        }
    }),
    free("preface/settings-values", "RFC 9113 §6.5.2", "The server's settings are allowed ones", values),
    free("preface/settings-acknowledged", "RFC 9113 §6.5.3", "Our SETTINGS are acknowledged", |target| {
        Peer::ready(target).map(|_| ())
    }),
    free("preface/byte-by-byte", START, "Preface and request in single bytes", |target| {
        let mut peer = Peer::connect(target)?;
        peer.trickle(&[PREFACE, &settings(&[]), &target.site.ask(1)].concat());
        peer.expect_answer(1)
    }),
    free("preface/request-at-once", START, "A request right behind our SETTINGS", |target| {
        let mut peer = Peer::connect(target)?;
        peer.send(&[PREFACE, &settings(&[]), &target.site.ask(1)].concat());
        peer.expect_answer(1)
    }),
    sends("preface/sm-changed", START, "XX instead of SM", |_| {
        b"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n".to_vec()
    }, NO_PREFACE).raw(),
    sends("preface/last-byte-changed", START, "The last byte of the preface is another", |_| {
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\r".to_vec()
    }, NO_PREFACE).raw(),
    free("preface/cut", START, "A preface that ends within itself", |target| {
        let mut peer = Peer::connect(target)?;
        peer.send(&PREFACE[..20]);
        peer.finish();
        peer.until(|_| false);
        peer.end.map_or_else(|| failed("the end of the connection", peer.story()), |_| Ok(()))
    }),
    sends("preface/first-ping", START, "The first frame is PING", |_| first(&ping([0; 8])), INVALID).raw(),
    sends("preface/first-headers", START, "The first frame is HEADERS", |site| first(&site.ask(1)), INVALID)
        .raw(),
    sends("preface/first-data", START, "The first frame is DATA", |_| first(&data(1, NONE, "x")), INVALID)
        .raw(),
    sends("preface/first-window-update", START, "The first frame is WINDOW_UPDATE", |_| {
        first(&window_update(0, 1))
    }, INVALID).raw(),
    sends("preface/first-goaway", START, "The first frame is GOAWAY", |_| first(&goaway(0, 0, b"")), INVALID)
        .raw(),
    sends("preface/first-unknown", START, "The first frame is of an unknown type", |_| {
        first(&frame(UNKNOWN, NONE, 0, "x"))
    }, INVALID).raw(),
    sends("preface/first-settings-ack", START, "The first frame acknowledges SETTINGS", |_| {
        first(&frame(SETTINGS, ACK, 0, ""))
    }, INVALID).raw()
        .policy("SETTINGS that acknowledge are no SETTINGS of a connection's start"),
    sends("preface/twice", "RFC 9113 §4.2", "A second preface: a frame of 5,263,945 bytes", |_| {
        first(&[&settings(&[]), PREFACE].concat())
    }, Want::Goaway(&[FRAME_SIZE_ERROR, PROTOCOL_ERROR])).raw(),
    sends("preface/http1-inside", "RFC 9113 §4.2", "A request of HTTP/1.1 where a frame should be", |_| {
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n".to_vec()
    }, Want::Goaway(&[FRAME_SIZE_ERROR, PROTOCOL_ERROR])).cut(),
    free("h2c/upgrade-ignored", "RFC 9113 §3.1", "HTTP/1.1 with Upgrade: h2c is answered in HTTP/1.1", |target| {
        let answer = http1(target, "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n")?;
        match answer.starts_with("HTTP/1.1 200") {
            true => Ok(()),
            false => failed("HTTP/1.1 200", first_line(&answer)),
        }
    })
    .policy("the upgrade is obsolete: RFC 9113 removed it"),
    free("h2c/http1-same-port", PRIOR, "HTTP/1.1 is served on the same port", |target| {
        let answer = http1(target, "")?;
        match answer.starts_with("HTTP/1.1 200") {
            true => Ok(()),
            false => failed("HTTP/1.1 200", first_line(&answer)),
        }
    })
    .policy("a port that speaks both needs no second one"),
];

fn values(target: &Target) -> Outcome {
    let peer = Peer::ready(target)?;
    let is_right = |&(id, value): &(u16, u32)| match id {
        ENABLE_PUSH => value == 0,
        ENABLE_CONNECT_PROTOCOL => value <= 1,
        INITIAL_WINDOW_SIZE => value <= 0x7fff_ffff,
        MAX_FRAME_SIZE => (16_384..=0x00ff_ffff).contains(&value),
        _ => true,
    };
    let values = peer.settings.unwrap_or_default();
    match values.iter().find(|it| !is_right(it)) {
        Some((id, value)) => failed("settings in their ranges", format!("{id:#x} = {value}")),
        None => Ok(()),
    }
}

fn first_line(answer: &str) -> &str {
    answer.lines().next().unwrap_or("nothing")
}

/// The answer to a request of HTTP/1.1.
fn http1(target: &Target, lines: &str) -> Result<String, Miss> {
    let mut socket = target.url.connect(target.timeout)?;
    let Site { page, authority, .. } = &target.site;
    let _ = socket.set_read_timeout(Some(target.timeout));
    let _ = write!(socket, "GET {page} HTTP/1.1\r\nHost: {authority}\r\n{lines}\r\n");
    let mut room = [0; 4096];
    let count = uninterrupted(|| socket.read(&mut room)).unwrap_or(0);
    Ok(String::from_utf8_lossy(&room[..count]).into_owned())
}
