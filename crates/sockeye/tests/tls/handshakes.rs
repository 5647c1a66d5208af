//! Handshakes that are refused, and clients with certificates.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::process::{Command, Stdio};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rcgen::{
    BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    date_time_ymd,
};

use super::{Secured, client, connect, files, make};
use crate::common::{PATIENCE, read_some};
use crate::operations::place::Place;

pub(super) fn pem(label: &str, der: &[u8]) -> String {
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", STANDARD.encode(der))
}

/// Makes an authority of clients in `NAME.pem`, and in the directory `NAME-OF-CLIENT` the certificate of each client,
/// valid until the end of the year given.
fn make_clients(place: &Place, name: &str, clients: &[(&str, i32)]) {
    let mut ca = CertificateParams::default();
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca_key = KeyPair::generate().expect("random numbers");
    let ca_cert = ca.self_signed(&ca_key).expect("a certificate");
    place.write(&format!("{name}.pem"), &pem("CERTIFICATE", ca_cert.der()));
    let issuer = Issuer::new(ca, ca_key);
    for (client, year) in clients {
        let mut params = CertificateParams::new(vec![(*client).to_owned()]).expect("a name");
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        (params.not_before, params.not_after) =
            (date_time_ymd(2020, 1, 1), date_time_ymd(*year, 1, 1));
        let key = KeyPair::generate().expect("random numbers");
        let cert = params.signed_by(&key, &issuer).expect("a certificate");
        fs::create_dir(place.path(client)).expect("our directory");
        place.write(&format!("{client}/cert.pem"), &pem("CERTIFICATE", cert.der()));
        place.write(&format!("{client}/key.pem"), &pem("PRIVATE KEY", key.serialized_der()));
    }
}

/// [tls:client-certificates]
#[test]
fn clients_need_a_certificate_of_the_authority_and_of_today() {
    let place = Place::new();
    let [ca, ..] = files(&make(&place, "dev", &[]));
    make_clients(&place, "clients", &[("known", 2100), ("expired", 2021)]);
    make_clients(&place, "others", &[("stranger", 2100)]);
    place.write(
        "sockeye.toml",
        "[tls]\nclient_ca = \"clients.pem\"\n\
         [[tls.certificates]]\ncert = \"dev/cert.pem\"\nkey = \"dev/key.pem\"\n",
    );
    let server = Secured::start(&place, &["--config", &place.path("sockeye.toml")]);
    let with = |name: &str| client(&[&ca], Some(&place.path(name)));
    assert!(server.ask(&with("known"), "/healthz").starts_with("HTTP/1.1 200 "));
    for refused in [with("expired"), with("stranger"), client(&[&ca], None)] {
        let mut stream = connect(server.addr, &refused, "localhost");
        let _ = stream.write(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n");
        assert!(read_some(&mut stream, &mut [0]).is_err(), "it is refused");
    }
    let metrics = server.ask(&with("known"), "/metrics");
    for (reason, count) in [("client_certificate_refused", 2), ("client_certificate_missing", 1)] {
        let row = format!("sockeye_tls_handshakes_failed_total{{reason=\"{reason}\"}} {count}\n");
        assert!(metrics.contains(&row), "{row}{metrics}");
    }
    assert!(metrics.contains("sockeye_tls_handshakes_total{outcome=\"failed\"} 3\n"), "{metrics}");
}

/// [server:handshake-failures]
#[test]
fn a_failed_handshake_is_logged_with_its_peer_and_not_each_one() {
    let place = Place::new();
    let [ca, cert, key] = files(&make(&place, "dev", &[]));
    let server = Secured::start(&place, &["--cert", &cert, "--key", &key]);
    let mut peers = Vec::new();
    // Nothing is said of a peer that goes away, as health checks do.
    for bytes in [&[0x16, 3, 1][..], b"no TLS at all", b"GET / HTTP/1.1\r\n"] {
        let mut peer = TcpStream::connect(server.addr).expect("it listens");
        peer.set_read_timeout(Some(PATIENCE)).expect("a deadline");
        peer.write_all(bytes).expect("it is taken");
        peer.shutdown(Shutdown::Write).expect("it is open");
        let _ = peer.read_to_end(&mut Vec::new());
        peers.push(peer.local_addr().expect("bound"));
    }
    let log = place.until_logged("a TLS handshake failed", 1);
    let line = log.lines().find(|it| it.contains("a TLS handshake failed")).expect("it is there");
    assert!(line.contains("reason=garbage") && line.contains(&peers[1].to_string()), "{line}");
    let metrics = server.ask(&client(&[&ca], None), "/metrics");
    for reason in ["cut", "garbage", "plain_http"] {
        let row = format!("sockeye_tls_handshakes_failed_total{{reason=\"{reason}\"}} 1\n");
        assert!(metrics.contains(&row), "{row}{metrics}");
    }
    assert_eq!(place.log().matches("a TLS handshake failed").count(), 1);
}

/// [tls:no-early-data] A ticket says that none is taken; a client that sends it all the same is answered only for what
/// comes after the handshake.
#[test]
fn early_data_is_refused() {
    let place = Place::new();
    let [ca, cert, key] = files(&make(&place, "dev", &[]));
    let server = Secured::start(&place, &["--cert", &cert, "--key", &key]);
    let (ticket, early) = (place.path("ticket"), place.path("early"));
    fs::write(
        &early,
        "POST /v1/channels/early HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\n\r\n!",
    )
    .expect("our directory");
    let talk = |more: &[&str]| {
        let address = format!("127.0.0.1:{}", server.addr.port());
        let mut command = Command::new("openssl");
        command.args(["s_client", "-tls1_3", "-connect", &address, "-servername", "localhost"]);
        command.args(["-CAfile", &ca, "-alpn", "http/1.1", "-ign_eof"]).args(more);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("openssl is there");
        let request = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
        child.stdin.take().expect("piped").write_all(request).expect("it is taken");
        let output = child.wait_with_output().expect("it ends");
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let first = talk(&["-sess_out", &ticket]);
    assert!(first.contains("\r\n\r\nok\n") && first.contains("Max Early Data: 0"), "{first}");
    let again = talk(&["-sess_in", &ticket, "-early_data", &early]);
    assert!(again.contains("Reused, TLSv1.3") && again.contains("\r\n\r\nok\n"), "{again}");
    assert!(!again.contains("Early data was accepted"), "{again}");
    let history = server.ask(&client(&[&ca], None), "/v1/channels/early/history");
    assert!(!history.contains('!'), "{history}");
}

/// TLS 1.2 could begin a second handshake inside of the first (RFC 5246 §7.4.1.1). [tls:no-renegotiation]
#[test]
fn renegotiation_is_refused() {
    let place = Place::new();
    let [ca, cert, key] = files(&make(&place, "dev", &[]));
    let server = Secured::start(&place, &["--cert", &cert, "--key", &key]);
    let address = format!("127.0.0.1:{}", server.addr.port());
    let mut command = Command::new("openssl");
    command.args(["s_client", "-tls1_2", "-connect", &address, "-servername", "localhost"]);
    command
        .args(["-CAfile", &ca])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().expect("openssl is there");
    child.stdin.take().expect("piped").write_all(b"R\n").expect("it is taken");
    let output = child.wait_with_output().expect("it ends");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("no renegotiation"), "{said}");
}

/// [server:http2-alpn]
#[test]
fn without_alpn_the_preface_begins_no_http2() {
    let place = Place::new();
    let [ca, cert, key] = files(&make(&place, "one", &[]));
    let server = Secured::start(&place, &["--cert", &cert, "--key", &key]);
    for protocols in [vec![b"http/1.1".to_vec()], Vec::new()] {
        let mut config = (*client(&[&ca], None)).clone();
        config.alpn_protocols = protocols.clone();
        let mut stream = connect(server.addr, &Arc::new(config), "localhost");
        stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").expect("it is taken");
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        assert!(answer.starts_with(b"HTTP/1.1 "), "{protocols:?}: {answer:?}");
    }
}
