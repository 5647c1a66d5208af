//! TLS, by nginx: whom our clients believe, and whom not.

use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, RootCertStore};
use sockeye_client::websocket::{CloseCode, Message};
use sockeye_client::{
    CertificateError, ConnectOptions, Error, EventSourceOptions, Limits, Network, OwnedMessage,
    Reconnect, TlsError, WebSocket,
};

use crate::children::{House, Outcome};
use crate::events::{Found, numbers, read};
use crate::sockets::refusal;
use crate::verdict::{Verdict, same};

pub(crate) fn run(house: &House, verdict: &mut Verdict) -> Outcome {
    let trusting = trusting(house)?;
    let (ports, bad) = (house.ports, TlsError::Certificate);
    for (port, what) in [(ports.good, "TLS 1.3"), (ports.older, "TLS 1.2")] {
        let network = trusting.clone();
        verdict.check(&format!("https: better-sse, {what}"), move || {
            let url = format!("https://localhost:{port}/numbers");
            numbers(&read(EventSourceOptions::new(&url)?, network)?)
        });
    }
    let network = trusting.clone();
    verdict.check("wss: ws, by name", move || echo("localhost", ports.good, network));
    let network = trusting.clone();
    verdict.check("wss: ws, by address", move || echo("127.0.0.1", ports.good, network));
    for (port, what, wanted) in [
        (ports.expired, "an expired certificate", bad(CertificateError::Expired)),
        (ports.elsewhere, "another name's certificate", bad(CertificateError::Name)),
        (ports.untrusted, "a stranger's certificate", bad(CertificateError::Issuer)),
        (house.ws.port, "a server without TLS", TlsError::NotTls),
    ] {
        refuse(verdict, what, port, wanted, &trusting);
    }
    refuse(
        verdict,
        "our authority, unknown",
        ports.good,
        bad(CertificateError::Issuer),
        &Network::default(),
    );
    verdict.check("ws: to a port that wants TLS", move || {
        let answer = refusal(&format!("ws://127.0.0.1:{}/ws/plain", ports.good))?;
        same("the status", &answer.status.code(), &400)
    });
    Ok(())
}

/// Both clients refuse, and say why; EventSource tries again where that is the rule, so it is kept from it.
fn refuse(verdict: &mut Verdict, what: &str, port: u16, wanted: TlsError, network: &Network) {
    let (of_source, of_socket) = (network.clone(), network.clone());
    verdict.check(&format!("https: {what} is refused"), move || {
        let mut options = EventSourceOptions::new(&format!("https://localhost:{port}/numbers"))?;
        options.reconnect = Reconnect::Never;
        same("the error", &read(options, of_source)?.error, &Some(Error::Tls(wanted)))
    });
    verdict.check(&format!("wss: {what} is refused"), move || {
        let options = ConnectOptions::new(&format!("wss://localhost:{port}/ws/plain"))?;
        same("the error", &WebSocket::with(options, of_socket).err(), &Some(Error::Tls(wanted)))
    });
}

fn echo(host: &str, port: u16, network: Network) -> Outcome {
    let options = ConnectOptions::new(&format!("wss://{host}:{port}/ws/takeover"))?;
    let mut socket = WebSocket::with(options, network)?;
    same("compression", &socket.opened().compressed, &true)?;
    for len in [0, 200, 16_384, 70_000, 900_000] {
        // More than fits into one record, and into what is read at a time.
        let text: String = "roe, milt, ".chars().cycle().take(len).collect();
        socket.send(Message::Text(&text))?;
        let back = socket.receive()?.ok_or("it was closed")?;
        same("the echo", &back, &OwnedMessage::Text(text))?;
    }
    same("the code", &socket.close(CloseCode::NORMAL, "")?.code, &CloseCode::NORMAL)
}

/// A client that trusts the authority of the tests, and nobody else.
fn trusting(house: &House) -> Found<Network> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from(std::fs::read(house.dir.join("trusted.der"))?))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Network::new(Limits::DEFAULT).with_tls(Arc::new(config)))
}
