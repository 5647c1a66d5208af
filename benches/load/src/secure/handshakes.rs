//! Handshakes on connections that end at once.

use std::io;
use std::net::Shutdown;

use rustls::HandshakeKind;

use super::{Client, Work};
use crate::scenario::Secure;

pub(super) fn run(work: &Work, client: &Client) -> io::Result<()> {
    let wanted = match work.load {
        Secure::Resumed => HandshakeKind::Resumed,
        Secure::Full | Secure::Echo(_) => HandshakeKind::Full,
    };
    // The first one of a client cannot be resumed.
    shake_hands(work, client)?;
    work.begin();
    while work.goes_on() {
        let kind = shake_hands(work, client)?;
        if kind != Some(wanted) {
            return Err(io::Error::other(format!("a handshake is {kind:?}")));
        }
        work.count();
    }
    Ok(())
}

/// A handshake, and the orderly end of the connection. Tickets come before it.
fn shake_hands(work: &Work, client: &Client) -> io::Result<Option<HandshakeKind>> {
    let (mut session, mut stream) = client.connect(work.port)?;
    session.send_close_notify();
    session.write_tls(&mut stream)?;
    stream.shutdown(Shutdown::Write)?;
    while session.read_tls(&mut stream)? > 0 {
        session.process_new_packets().map_err(io::Error::other)?;
    }
    Ok(session.handshake_kind())
}
