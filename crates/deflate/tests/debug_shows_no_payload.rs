//! `Debug` never writes the plaintext of a session to a log.

use std::fmt::Debug;

use sockeye_deflate::{Engine, EngineConfig, Params, Session};
use sockeye_websocket::{MessageCodec, Role};

/// Neither the text itself nor its bytes as a derived `Debug` writes them.
fn assert_silent(value: &impl Debug) {
    let shown = format!("{value:?}");
    assert!(!shown.contains("hunter2") && !shown.contains("104, 117, 110"), "{shown}");
}

#[test]
fn a_session_shows_no_plaintext() {
    let mut engine = Engine::default();
    let mut session = Session::new(Role::Server, Params::default());
    session.note_shared(b"hunter2");
    assert_eq!(session.windows_bytes(), 7, "the window holds the message");
    assert_silent(&session);
    assert_silent(&session.codec(&mut engine));
}

#[test]
fn an_engine_shows_no_plaintext() {
    let mut engine = Engine::new(EngineConfig::default());
    let mut session = Session::new(Role::Server, Params::default());
    let mut out = Vec::new();
    assert!(session.codec(&mut engine).compress(&b"hunter2".repeat(100), &mut out));
    assert_silent(&session);
    assert_silent(&engine);
}
