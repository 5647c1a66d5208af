//! A server that speaks TLS, asked once by a client of rustls.
//!
//! `cargo run -p sockeye-tls --example hello_tls`

use std::error::Error;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;

use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use sockeye_server::{Answer, App, Context, Limits, MioNet, Reply, Request, Server, Status};
use sockeye_tls::{Acceptor, AcceptorOptions, Certificate, SharedAcceptor, Tickets, TlsNet};

/// For `localhost`. Your own comes from files: see `Certificate::from_pem`.
const CERTIFICATE: &[u8] = include_bytes!("../../client/tests/certificates/good.der");
const KEY: &[u8] = include_bytes!("../../client/tests/certificates/good.key.der");
const AUTHORITY: &[u8] = include_bytes!("../../client/tests/certificates/trusted.der");

struct Hello;

impl App for Hello {
    type Pending = ();

    fn on_request(&mut self, _: &Request<'_>, _: &mut Context<'_>) -> Answer {
        Reply::text(Status::OK, "hello over TLS\n").into()
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let certificate = Certificate::from_der(vec![CERTIFICATE.to_vec()], KEY.to_vec())?;
    let options = AcceptorOptions::new(vec![certificate], Tickets::new()?);
    let acceptor = SharedAcceptor::new(Acceptor::new(&options)?);
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let addr = listener.local_addr()?;
    println!("serving https://localhost:{}/", addr.port());
    // To reload certificates, keep a clone of `acceptor` and call `replace`.
    let net = TlsNet::new(MioNet::listen(listener)?).with_tls(0, acceptor);
    thread::spawn(move || Server::new(net, Hello, Limits::default()).run());

    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from(AUTHORITY))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let session = ClientConnection::new(Arc::new(config), ServerName::try_from("localhost")?)?;
    let mut client = StreamOwned::new(session, TcpStream::connect(addr)?);
    client.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    // An end without close_notify would be an error.
    client.read_to_string(&mut answer)?;
    print!("{answer}");
    Ok(())
}
