//! Handshakes with clients of rustls: names, protocols, tickets, refusals, ends.

use std::io::{self, ErrorKind};
use std::sync::Arc;

use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, HandshakeKind};
use sockeye_reactor::Socket;
use sockeye_tls::properties::{Client, Echo, acceptor, certificate, client_config};
use sockeye_tls::{
    Acceptor, AcceptorOptions, Certificate, Challenges, HandshakeError, Protocol, SharedAcceptor,
    Tickets,
};

macro_rules! der {
    ($name:literal) => {
        include_bytes!(concat!("../../client/tests/certificates/", $name, ".der")).to_vec()
    };
}

/// Goes on until the handshake is over on both sides, and what followed it has arrived.
fn shake(client: &mut Client, server: &mut Echo) -> io::Result<()> {
    for _ in 0..4 {
        client.step(server.line(), usize::MAX).map_err(io::Error::other)?;
        server.step(100)?;
    }
    client.step(server.line(), usize::MAX).map_err(io::Error::other)?;
    assert!(!client.session.is_handshaking() && !server.socket.is_handshaking());
    Ok(())
}

fn options(certificates: Vec<Certificate>) -> AcceptorOptions {
    AcceptorOptions::new(certificates, Tickets::new().expect("random numbers"))
}

fn why(error: &io::Error) -> HandshakeError {
    *error.get_ref().and_then(|it| it.downcast_ref()).expect("a reason")
}

#[test]
fn the_protocol_is_negotiated() {
    let mut both = options(vec![certificate()]);
    both.protocols = vec![Protocol::Http2, Protocol::Http11];
    let both = Acceptor::new(&both).expect("good");
    type Case<'c> = (&'c Acceptor, &'c [&'c str], Option<&'c [u8]>);
    let table: [Case<'_>; 5] = [
        (&acceptor(), &["http/1.1"], Some(b"http/1.1")),
        (&acceptor(), &["h2", "http/1.1"], Some(b"http/1.1")),
        (&acceptor(), &[], None),
        (&both, &["http/1.1", "h2"], Some(b"h2")),
        (&both, &["http/1.1"], Some(b"http/1.1")),
    ];
    for (acceptor, offered, chosen) in table {
        for version in [&TLS12, &TLS13] {
            let config = client_config(&[version], offered);
            let (mut client, mut server) = (Client::new(config, "localhost"), Echo::new(acceptor));
            assert_eq!(server.socket.protocol(), None);
            shake(&mut client, &mut server).expect("a handshake");
            assert_eq!(server.socket.protocol(), chosen, "{offered:?}");
        }
    }
    let config = client_config(&[&TLS13], &["h2"]);
    let (mut client, mut server) = (Client::new(config, "localhost"), Echo::new(&acceptor()));
    client.step(server.line(), 0).expect("a hello");
    assert_eq!(why(&server.step(1).expect_err("refused")), HandshakeError::NoProtocol);
}

/// The costly part is the answer to the hello, in either version.
#[test]
fn one_call_of_a_handshake_is_costly() {
    for version in [&TLS12, &TLS13] {
        let mut client = Client::new(client_config(&[version], &[]), "localhost");
        let mut server = Echo::new(&acceptor());
        let mut costly = Vec::new();
        client.step(server.line(), 0).expect("a hello");
        let hello: Vec<u8> = server.line().inbound.drain(..).collect();
        for part in [&hello[..50], &hello[50..]] {
            server.line().inbound.extend(part);
            costly.push(server.socket.handshake().expect("a good hello"));
        }
        while server.socket.is_handshaking() {
            client.step(server.line(), usize::MAX).expect("a good answer");
            costly.push(server.socket.handshake().expect("a good flight"));
        }
        assert_eq!(costly[..2], [false, true]);
        assert!(!costly[2..].contains(&true), "{costly:?}");
    }
}

/// [tls:certificate-by-name]
#[test]
fn the_certificate_is_chosen_by_name() {
    let own = Certificate::from_der(vec![der!("own")], der!("own.key")).expect("good");
    let other = Certificate::from_der(vec![der!("elsewhere")], der!("elsewhere.key"));
    let other = other.expect("good");
    let [name] = other.names() else { panic!("one name: {:?}", other.names()) };
    let name: &'static str = name.clone().leak();
    for (order, first) in [
        (vec![certificate(), other.clone()], der!("good")),
        (vec![other, certificate(), own], der!("elsewhere")),
    ] {
        let acceptor = Acceptor::new(&options(order)).expect("good");
        for (asked, expected) in [
            ("localhost", der!("good")),
            (name, der!("elsewhere")),
            ("127.0.0.1", first.clone()),
            ("unknown.example", first),
        ] {
            let mut client = Client::new(client_config(&[&TLS13], &[]), asked);
            let mut server = Echo::new(&acceptor);
            // A client does not trust a certificate for another name, which shows that it got it.
            let _ = shake(&mut client, &mut server);
            let shown = client.session.peer_certificates();
            // The one for `localhost` is also good for 127.0.0.1.
            let is_trusted =
                asked != "unknown.example" && (asked != "127.0.0.1" || expected == der!("good"));
            assert_eq!(shown.is_some(), is_trusted, "{asked}");
            if let Some(shown) = shown {
                assert_eq!(&*shown[0], expected, "{asked}");
            }
        }
    }
}

/// How the next session of `config` with `acceptor` begins.
fn kind(config: &Arc<ClientConfig>, acceptor: &Acceptor) -> HandshakeKind {
    let mut client = Client::new(Arc::clone(config), "localhost");
    let mut server = Echo::new(acceptor);
    assert!(client.session.early_data().is_none(), "no early data is offered");
    shake(&mut client, &mut server).expect("a handshake");
    client.session.handshake_kind().expect("it is over")
}

/// [tls:stateless-tickets] [tls:reload] [tls:no-early-data]
#[test]
fn sessions_are_resumed_across_a_reload_with_the_same_tickets() {
    for version in [&TLS12, &TLS13] {
        let tickets = Tickets::new().expect("random numbers");
        let make = |tickets: &Tickets| {
            let options = AcceptorOptions::new(vec![certificate()], tickets.clone());
            Acceptor::new(&options).expect("good")
        };
        let mut config = client_config(&[version], &[]);
        config.enable_early_data = true;
        let config = Arc::new(config);
        let shared = SharedAcceptor::new(make(&tickets));
        assert_eq!(kind(&config, &shared.current()), HandshakeKind::Full);
        assert_eq!(kind(&config, &shared.current()), HandshakeKind::Resumed);
        shared.clone().replace(make(&tickets));
        assert_eq!(kind(&config, &shared.current()), HandshakeKind::Resumed);
        shared.replace(make(&Tickets::new().expect("random numbers")));
        assert_eq!(kind(&config, &shared.current()), HandshakeKind::Full);
    }
}

/// [tls:plain-http]
#[test]
fn a_request_without_tls_is_told_so() {
    for request in ["GET / HTTP/1.1\r\nHost: a\r\n\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "P"] {
        let mut server = Echo::new(&acceptor());
        server.line().room = 7;
        server.line().inbound.extend(request.as_bytes());
        assert_eq!(why(&server.step(1).expect_err("refused")), HandshakeError::PlainHttp);
        assert!(!server.socket.is_handshaking() && server.socket.protocol().is_none());
        server.socket.shutdown_write().expect("a line");
        assert!(!server.line().is_shut, "the answer comes first");
        let mut answer = Vec::new();
        while server.socket.held_output() > 0 {
            answer.extend(server.line().outbound.drain(..));
            server.socket.flush().expect("a line");
        }
        answer.extend(server.line().outbound.drain(..));
        let answer = String::from_utf8(answer).expect("text");
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
        assert!(head.starts_with("HTTP/1.1 400 "), "{head}");
        assert!(head.ends_with(&format!("\r\nContent-Length: {}", body.len())), "{head}");
        assert!(body.contains("https://"), "{body}");
        assert!(server.line().is_shut);
    }
}

#[test]
fn noise_gets_an_alert() {
    let mut server = Echo::new(&acceptor());
    server.line().inbound.extend(*b"\x01\x02\x03\x04\x05\x06");
    assert_eq!(why(&server.step(1).expect_err("refused")), HandshakeError::NotTls);
    server.socket.shutdown_write().expect("a line");
    let answer: Vec<u8> = server.line().outbound.drain(..).collect();
    // A fatal alert.
    assert_eq!((answer[0], answer[5]), (21, 2), "{answer:?}");
    assert!(server.line().is_shut);
}

/// [tls:truncation] [tls:close-notify]
#[test]
fn an_end_without_a_word_is_an_error_and_one_with_it_is_none() {
    for is_said in [true, false] {
        let mut client = Client::new(client_config(&[&TLS13], &[]), "localhost");
        let mut server = Echo::new(&acceptor());
        shake(&mut client, &mut server).expect("a handshake");
        if is_said {
            client.session.send_close_notify();
        }
        client.step(server.line(), usize::MAX).expect("a line");
        server.line().is_ended = true;
        let mut buffer = [0; 10];
        let end = loop {
            match server.socket.read(&mut buffer) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                end => break end,
            }
        };
        match end {
            Ok(len) => assert!(is_said && len == 0),
            Err(error) => assert!(!is_said && error.kind() == ErrorKind::UnexpectedEof),
        }
        assert!(!server.socket.holds_input());
        // We may still speak.
        assert_eq!(server.socket.write(b"bye").expect("our direction is open"), 3);
        server.socket.shutdown_write().expect("a line");
        client.step(server.line(), usize::MAX).expect("a line");
        assert_eq!((client.read.as_slice(), client.is_told), (&b"bye"[..], true));
    }
}

#[test]
fn a_changed_record_ends_the_connection_with_an_alert() {
    let mut client = Client::new(client_config(&[&TLS13], &[]), "localhost");
    let mut server = Echo::new(&acceptor());
    shake(&mut client, &mut server).expect("a handshake");
    server.line().inbound.extend([23, 3, 3, 0, 40]);
    server.line().inbound.extend([7; 40]);
    assert_eq!(why(&server.step(100).expect_err("bad")), HandshakeError::Protocol);
    assert!(client.step(server.line(), usize::MAX).is_err(), "the client is told");
}

/// [tls:challenge]
#[test]
fn a_challenge_is_answered_to_who_asks_for_nothing_else() {
    use HandshakeError as Why;
    let challenges = Challenges::new();
    let elsewhere = Certificate::from_der(vec![der!("elsewhere")], der!("elsewhere.key"));
    let mut with_own = options(vec![elsewhere.expect("good")]);
    with_own.challenges = Some(challenges.clone());
    let mut without = options(Vec::new());
    without.challenges = Some(challenges.clone());
    let both = [with_own, without].map(|options| Acceptor::new(&options).expect("good"));
    let end = |acceptor: &Acceptor, offered: &[&str]| {
        let mut client = Client::new(client_config(&[&TLS13], offered), "localhost");
        let mut server = Echo::new(acceptor);
        let error = shake(&mut client, &mut server).expect_err("the end");
        server.socket.shutdown_write().expect("a line");
        // A client that does not trust the certificate which it got says so.
        let trusts = client.step(server.line(), usize::MAX).is_ok();
        (error.get_ref().and_then(|it| it.downcast_ref().copied()), trusts && client.is_told)
    };
    for acceptor in &both {
        challenges.set("LOCALHOST", der!("good"), der!("good.key")).expect("good");
        assert_eq!(end(acceptor, &["acme-tls/1"]), (Some(Why::Challenge), true));
        assert_eq!(end(acceptor, &["acme-tls/1", "other"]), (Some(Why::NothingToShow), false));
        challenges.clear();
        assert_eq!(end(acceptor, &["acme-tls/1"]), (Some(Why::NothingToShow), false));
    }
    challenges.set("localhost", der!("good"), der!("good.key")).expect("good");
    // Everybody else gets the server's own certificate, which is for another name, or none.
    for offered in [&["http/1.1"][..], &["acme-tls/1", "http/1.1"], &[]] {
        assert_eq!(end(&both[0], offered), (None, false), "{offered:?}");
        assert_eq!(end(&both[1], offered), (Some(Why::NothingToShow), false), "{offered:?}");
    }
    // Without challenges it is a protocol like any other.
    assert_eq!(end(&acceptor(), &["acme-tls/1"]), (Some(Why::NoProtocol), false));
    assert!(challenges.set("localhost", der!("good"), b"no key".to_vec()).is_err());
}
