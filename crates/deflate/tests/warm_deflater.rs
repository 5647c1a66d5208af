//! A session goes on where the deflater stands only if it stands at that session's last message.

use sockeye_deflate::properties::engine;
use sockeye_deflate::{Params, Session, WindowBits};
use sockeye_websocket::{MessageCodec, Role};

const HERE: &[u8] = b"here here here the salmon leap upstream, one after the other";
const THERE: &[u8] = b"there there there the tide comes in and covers every stone, stone";
const BETWEEN: &[u8] = b"between between between";

/// Both engines have issued one ticket; the session's is from the first.
#[test]
fn another_engine_does_not_know_the_session() {
    let (mut first, mut second) = (engine(6), engine(6));
    let mut moving = Session::new(Role::Server, Params::default());
    let mut settled = Session::new(Role::Server, Params::default());
    let mut client = Session::new(Role::Client, Params::default());
    let mut wire = Vec::new();
    assert!(settled.codec(&mut second).compress(THERE, &mut wire));
    for engine in [&mut first, &mut second] {
        wire.clear();
        assert!(moving.codec(engine).compress(HERE, &mut wire));
        let mut out = Vec::new();
        client.codec(engine).decompress(&wire, 1000, &mut out).expect("its own past");
        assert_eq!(out, HERE);
    }
}

/// The shared message was compressed by a deflater of another window size, so the session's own
/// deflater stands where it stood, and yet has missed a message.
#[test]
fn a_shared_message_moves_the_session_on() {
    let mut engine = engine(6);
    let mut server = Session::new(Role::Server, Params::default());
    let mut client = Session::new(Role::Client, Params::default());
    for (message, is_shared) in [(HERE, false), (BETWEEN, true), (HERE, false)] {
        let mut wire = Vec::new();
        if is_shared {
            assert!(engine.compress_shared(message, WindowBits::MIN, &mut wire));
            server.note_shared(message);
        } else {
            assert!(server.codec(&mut engine).compress(message, &mut wire));
        }
        let mut out = Vec::new();
        client.codec(&mut engine).decompress(&wire, 1000, &mut out).expect("in order");
        assert_eq!(out, message);
    }
}

/// Five sessions that take turns at one engine send hardly more than five with an engine each.
#[test]
fn sessions_that_share_an_engine_compress_as_well() {
    let mut shared = engine(2);
    let mut lanes = [0; 5].map(|_| {
        let session = || Session::new(Role::Server, Params::default());
        (session(), session(), engine(2))
    });
    let (mut together, mut alone) = (0, 0);
    for n in 0..500_usize {
        let message =
            format!("{{\"id\":{n},\"text\":\"hello, number {}\",\"of\":{}}}", n * n, n % 5);
        let (sharer, loner, engine) = &mut lanes[n % 5];
        for (session, engine, bytes) in
            [(sharer, &mut shared, &mut together), (loner, engine, &mut alone)]
        {
            let mut wire = Vec::new();
            let is_shorter = session.codec(engine).compress(message.as_bytes(), &mut wire);
            *bytes += if is_shorter { wire.len() } else { message.len() };
        }
    }
    assert!(together * 100 <= alone * 102, "{together} bytes together, {alone} bytes alone");
}
