//! HTTPS: certificates from `sockeye cert`, errors at the start, reloads, names.

mod checks;
mod handshakes;

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use rustix::process::{Pid, Signal, kill_process};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::common::child::{bad, good};
use crate::common::{PATIENCE, read_some, run, sockeye};
use crate::operations::place::Place;

/// A server on a free port.
struct Secured {
    child: Child,
    addr: SocketAddr,
}

impl Secured {
    fn start(place: &Place, args: &[&str]) -> Self {
        let log = fs::File::create(place.path("log")).expect("our directory");
        let mut command = sockeye(&["serve", "--listen", "127.0.0.1:0"]);
        command.args(args).stdout(Stdio::piped()).stderr(log);
        let mut child = command.spawn().expect("it starts");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("piped")).read_line(&mut line).expect("text");
        let addr = line.trim().rsplit_once(" https://").expect("HTTPS").1.parse();
        Self { child, addr: addr.expect("an address") }
    }

    fn hang_up(&self) {
        kill_process(Pid::from_child(&self.child), Signal::HUP).expect("it is our child");
    }

    /// The answer to a request on a connection of its own.
    fn ask(&self, client: &Arc<ClientConfig>, target: &str) -> String {
        let mut stream = connect(self.addr, client, "localhost");
        let request =
            format!("GET {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).expect("it is taken");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an end with close_notify");
        answer
    }
}

impl Drop for Secured {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

type Stream = StreamOwned<ClientConnection, TcpStream>;

fn connect(addr: SocketAddr, client: &Arc<ClientConfig>, name: &'static str) -> Stream {
    let socket = TcpStream::connect(addr).expect("it listens");
    socket.set_read_timeout(Some(PATIENCE)).expect("a deadline");
    let name = ServerName::try_from(name).expect("a name");
    StreamOwned::new(ClientConnection::new(Arc::clone(client), name).expect("a session"), socket)
}

/// A client that trusts these authorities, with a certificate of its own in the directory `own`, if any.
fn client(authorities: &[&str], own: Option<&str>) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    for path in authorities {
        roots.add(CertificateDer::from_pem_file(path).expect("PEM")).expect("an authority");
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("ring has both")
        .with_root_certificates(roots);
    let mut config = match own {
        None => builder.with_no_client_auth(),
        Some(own) => {
            let cert = CertificateDer::from_pem_file(Path::new(own).join("cert.pem")).expect("PEM");
            let key = PrivateKeyDer::from_pem_file(Path::new(own).join("key.pem")).expect("PEM");
            builder.with_client_auth_cert(vec![cert], key).expect("they fit")
        }
    };
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Arc::new(config)
}

/// Makes `NAME/ca.pem`, `cert.pem` and `key.pem` with the program.
fn make(place: &Place, name: &str, names: &[&str]) -> String {
    let out = place.path(name);
    let output = run(&[&["cert", "--out", &out], names].concat());
    assert!(good(&output).contains("curl --cacert"), "{output:?}");
    out
}

fn files(dir: &str) -> [String; 3] {
    ["ca.pem", "cert.pem", "key.pem"].map(|name| format!("{dir}/{name}"))
}

/// Copies certificate and key over those that a server uses.
fn install(from: &str, to: &str) {
    for name in ["cert.pem", "key.pem"] {
        fs::copy(format!("{from}/{name}"), format!("{to}/{name}")).expect("our directory");
    }
}

/// One command, the first time and again: the authority that a client trusts stays.
#[test]
fn a_server_makes_a_development_certificate_that_is_not_there() {
    let place = Place::new();
    let dir = place.path("made/dev");
    let [ca, cert, _] = files(&dir);
    let server = Secured::start(&place, &["--dev-cert", &dir]);
    let told = fs::read_to_string(place.path("log")).expect("our directory");
    assert!(told.contains("made a certificate for localhost") && told.contains(&ca), "{told}");
    let client = client(&[&ca], None);
    assert!(server.ask(&client, "/healthz").starts_with("HTTP/1.1 200 "));
    // The page shows commands that trust it, and to nobody where the machine has it.
    let told = r#"{"authority":"ca.pem","credential":null}"#;
    let authority = server.ask(&client, "/page/needed.json");
    assert!(authority.ends_with(&format!("\r\n\r\n{told}")), "{authority}");
    drop(server);

    let made = fs::read(&cert).expect("it is there");
    let mut command = sockeye(&["serve", "--listen", "127.0.0.1:0", "--dev-cert", &dir]);
    let mut child = command.stdout(Stdio::piped()).spawn().expect("it starts");
    let stdout = BufReader::new(child.stdout.take().expect("piped"));
    let said: Vec<String> = stdout
        .lines()
        .map(|line| line.expect("text"))
        .take_while(|line| !line.starts_with("Ctrl-C"))
        .collect();
    child.kill().and_then(|()| child.wait()).expect("it is our child");
    assert_eq!(fs::read(&cert).expect("it is there"), made, "it is the same");
    // What is shown to be tried works as it stands.
    let shown = said.iter().filter(|line| line.contains(" curl "));
    let trusting = format!(" curl --cacert {ca} ");
    assert!(
        shown.clone().count() == 5 && shown.clone().all(|it| it.contains(&trusting)),
        "{said:?}"
    );
    let both = run(&["serve", "--dev-cert", &dir, "--cert", &cert, "--key", &cert]);
    assert_eq!(both.status.code(), Some(2), "{both:?}");
    // The address is taken, so that no server stays.
    let taken = TcpListener::bind("127.0.0.1:0").expect("there are free ports");
    let address = taken.local_addr().expect("it listens").to_string();
    let serve = |more: &[&str]| run(&[&["serve", "--listen", &address], more].concat());
    for path in files(&dir) {
        let kept = fs::read(&path).expect("it is there");
        fs::remove_file(&path).expect("our directory");
        bad(&serve(&["--dev-cert", &dir]), 1, &format!("{path} is missing"));
        fs::write(&path, kept).expect("our directory");
    }

    // A server that cannot start makes none.
    let (config, other) = (place.path("wrong.toml"), place.path("made/other"));
    fs::write(&config, "[namespaces.\"a:b\"]\n").expect("our directory");
    bad(&serve(&["--config", &config, "--dev-cert", &other]), 1, "no namespace's name");
    assert!(!fs::exists(&other).expect("our directory"));
}

#[test]
fn a_development_certificate_serves_https() {
    let place = Place::new();
    let dir = make(&place, "dev", &[]);
    let [ca, cert, key] = files(&dir);
    let mode =
        std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&key).expect("it").permissions());
    assert_eq!(mode & 0o777, 0o600, "nobody else reads the key");
    bad(&run(&["cert", "--out", &dir]), 1, "is there already");
    bad(&run(&["cert", "--out", &format!("{dir}/ca.pem")]), 1, "ca.pem is no directory");
    let refused = run(&["cert", "a b"]);
    assert_eq!(refused.status.code(), Some(2), "{refused:?}");
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(said.contains("'a b' for '[NAME]...': expected the name of a host"), "{said}");

    let server = Secured::start(&place, &["--cert", &cert, "--key", &key]);
    let client = client(&[&ca], None);
    assert!(server.ask(&client, "/healthz").starts_with("HTTP/1.1 200 "));
    let metrics = server.ask(&client, "/metrics");
    assert!(metrics.contains("sockeye_tls_handshakes_total{outcome=\"completed\"} "), "{metrics}");
    assert!(metrics.contains("sockeye_certificate_not_after_seconds "), "{metrics}");
    // Our own commands.
    let url = format!("https://localhost:{}", server.addr.port());
    let output = run(&["publish", "--cacert", &ca, "--url", &url, "news", "hello"]);
    assert!(output.status.success(), "{output:?}");

    // The same port without TLS.
    let mut plain = TcpStream::connect(server.addr).expect("it listens");
    plain.set_read_timeout(Some(PATIENCE)).expect("a deadline");
    plain.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").expect("it is taken");
    let mut answer = String::new();
    plain.read_to_string(&mut answer).expect("an orderly end");
    assert!(answer.starts_with("HTTP/1.1 400 ") && answer.contains("https://"), "{answer}");
}

#[test]
fn files_that_cannot_be_used_are_named_with_the_reason() {
    let place = Place::new();
    place.write("log", "");
    let (one, other) = (files(&make(&place, "one", &[])), files(&make(&place, "other", &[])));
    let ([_, cert, key], [_, _, foreign]) = (&one, &other);
    let missing = place.path("missing.pem");
    place.write("empty.pem", "");
    let empty = place.path("empty.pem");
    for (cert, key, words) in [
        (cert, foreign, "does not belong to the certificate"),
        (&missing, key, "missing.pem"),
        (cert, &missing, "missing.pem"),
        (&empty, key, "no certificate in it"),
        (cert, &empty, "no private key in it"),
        (cert, cert, "no private key in it"),
    ] {
        let output = run(&["serve", "--listen", "127.0.0.1:0", "--cert", cert, "--key", key]);
        bad(&output, 1, words);
    }
    let output = run(&["serve", "--cert", cert]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(2) && said.contains("--key <FILE>"), "{said}");
    place.write("sockeye.toml", "[tls]\n");
    let config = place.path("sockeye.toml");
    bad(&run(&["serve", "--config", &config]), 1, "[[tls.certificates]]");
    // One of a time that is over.
    let (expired, key) = crate::common::tls::EXPIRED;
    place.write("expired.pem", &handshakes::pem("CERTIFICATE", expired));
    place.write("expired.key", &handshakes::pem("PRIVATE KEY", key));
    let [expired, key] = ["expired.pem", "expired.key"].map(|name| place.path(name));
    let output = run(&["serve", "--listen", "127.0.0.1:0", "--cert", &expired, "--key", &key]);
    bad(&output, 1, "expired.pem: it has expired");
}

/// [tls:reload] [service:certificates]
#[test]
fn certificates_are_reloaded_and_old_ones_stay_where_that_fails() {
    let place = Place::new();
    let used = make(&place, "used", &[]);
    let (next, last) = (make(&place, "next", &[]), make(&place, "last", &[]));
    let [ca, cert, key] = files(&used);
    let [next_ca, ..] = files(&next);
    let [last_ca, ..] = files(&last);
    let server = Secured::start(&place, &["--cert", &cert, "--key", &key]);
    let (old, new, newest) =
        (client(&[&ca], None), client(&[&next_ca], None), client(&[&last_ca], None));
    // It stays open all the time, with the certificate that it began with.
    let mut kept = connect(server.addr, &old, "localhost");
    let mut ask_kept = || {
        kept.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n").expect("it is taken");
        let mut head = vec![0; 15];
        kept.read_exact(&mut head).expect("an answer");
        assert_eq!(head, b"HTTP/1.1 200 OK");
        let mut reader = BufReader::new(&mut kept);
        let mut line = String::new();
        while line != "ok\n" {
            line.clear();
            assert!(reader.read_line(&mut line).expect("text") > 0, "the rest of the answer");
        }
    };
    ask_kept();

    // A key without its certificate: nothing changes, and that is said.
    fs::copy(format!("{next}/key.pem"), &key).expect("our directory");
    place.until_logged("does not belong to the certificate", 1);
    let ready = server.ask(&old, "/readyz");
    assert!(ready.starts_with("HTTP/1.1 200 "), "{ready}");
    assert!(ready.contains(r#""reason":"certificate_reload_failed""#), "{ready}");

    // The change is noticed without a signal.
    fs::copy(format!("{next}/cert.pem"), &cert).expect("our directory");
    place.until_logged("the certificates were read again", 1);
    assert!(server.ask(&new, "/readyz").ends_with("\r\n\r\nready\n"));
    ask_kept();

    // And with one.
    install(&last, &used);
    server.hang_up();
    place.until_logged("the certificates were read again", 2);
    let metrics = server.ask(&newest, "/metrics");
    assert!(metrics.contains("sockeye_certificate_reloads_total{outcome=\"good\"} "), "{metrics}");
    ask_kept();
}

/// [tls:certificate-by-name]
#[test]
fn names_and_certificates_of_clients_are_configured() {
    let place = Place::new();
    let one = files(&make(&place, "one", &["localhost"]));
    let wild = files(&make(&place, "wild", &["*.sockeye.example"]));
    place.write(
        "sockeye.toml",
        "[[tls.certificates]]\ncert = \"one/cert.pem\"\nkey = \"one/key.pem\"\n\
         [[tls.certificates]]\ncert = \"wild/cert.pem\"\nkey = \"wild/key.pem\"\n",
    );
    let config = place.path("sockeye.toml");
    let server = Secured::start(&place, &["--config", &config]);
    let client_of_both = client(&[&one[0], &wild[0]], None);
    for (name, files) in
        [("localhost", &one), ("a.sockeye.example", &wild), ("B.Sockeye.Example", &wild)]
    {
        let mut stream = connect(server.addr, &client_of_both, name);
        stream.flush().expect("a handshake");
        let mut rest = [0];
        let _ = stream.write(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n");
        stream.read_exact(&mut rest).expect("an answer");
        let shown = stream.conn.peer_certificates().expect("a certificate");
        assert_eq!(shown[0], CertificateDer::from_pem_file(&files[1]).expect("PEM"), "{name}");
        assert_eq!(stream.conn.alpn_protocol(), Some(&b"http/1.1"[..]));
    }
    drop(server);

    // Clients have to show a certificate of an authority.
    place.write(
        "sockeye.toml",
        "[tls]\nclient_ca = \"wild/ca.pem\"\n\
         [[tls.certificates]]\ncert = \"one/cert.pem\"\nkey = \"one/key.pem\"\n",
    );
    let server = Secured::start(&place, &["--config", &config]);
    let mut stranger = connect(server.addr, &client(&[&one[0]], None), "localhost");
    let _ = stranger.write(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert!(read_some(&mut stranger, &mut [0]).is_err(), "a certificate is required");
}

/// Two loops share certificates and tickets.
#[test]
fn several_loops_speak_tls() {
    let place = Place::new();
    let [ca, cert, key] = files(&make(&place, "dev", &[]));
    let server = Secured::start(&place, &["--workers", "2", "--cert", &cert, "--key", &key]);
    let client = client(&[&ca], None);
    for _ in 0..8 {
        assert!(server.ask(&client, "/healthz").starts_with("HTTP/1.1 200 "));
    }
}

/// [rfc9110:7.4-misdirected] Over HTTP/2, on one connection.
#[test]
fn a_host_that_the_certificate_does_not_name_is_misdirected() {
    let place = Place::new();
    let [ca, cert, key] = files(&make(&place, "dev", &[]));
    let ask = |server: &Secured, name: &str, hosts: &[&str]| -> Vec<String> {
        let url = format!("https://{name}:{}/v1/position", server.addr.port());
        let mut command = Command::new("curl");
        for (number, host) in hosts.iter().enumerate() {
            command.args(if number > 0 { &["--next"][..] } else { &[] });
            command.args([
                "-sS",
                "--noproxy",
                "*",
                "--cacert",
                &ca,
                "-H",
                &format!("Host: {host}"),
            ]);
            command.args(["-w", " %{http_code} %{num_connects} %{http_version}\n", &url]);
        }
        good(&command.output().expect("curl is there")).lines().map(str::to_owned).collect()
    };
    let server = Secured::start(&place, &["--cert", &cert, "--key", &key]);
    let said = ask(&server, "localhost", &["other.example", "127.0.0.1", "localhost:1"]);
    let [other, address, own] = &said[..] else { panic!("three answers: {said:?}") };
    assert!(other.contains(r#""code":"misdirected""#) && other.ends_with(" 421 1 2"), "{other}");
    assert!(address.ends_with(" 200 0 2") && own.ends_with(" 200 0 2"), "{said:?}");
    // curl asks for no name here, so nothing is compared: an open server refuses the name by itself.
    let said = ask(&server, "127.0.0.1", &["192.0.2.1", "other.example"]);
    assert!(said[0].ends_with(" 200 1 2") && said[1].ends_with(" 403 0 2"), "{said:?}");
    drop(server);

    place.write(
        "sockeye.toml",
        "[tls]\nany_host = true\n[[tls.certificates]]\ncert = \"dev/cert.pem\"\nkey = \"dev/key.pem\"\n",
    );
    let server = Secured::start(&place, &["--config", &place.path("sockeye.toml")]);
    let said = ask(&server, "localhost", &["192.0.2.1"]);
    assert!(said[0].ends_with(" 200 1 2"), "{said:?}");
}

/// What everybody has at hand. [tls:close-notify]
#[test]
fn curl_and_openssl_speak_with_it() {
    let place = Place::new();
    let [ca, cert, key] = files(&make(&place, "dev", &[]));
    let server = Secured::start(&place, &["--cert", &cert, "--key", &key]);
    let port = server.addr.port();
    for version in [&["--tlsv1.2", "--tls-max", "1.2"][..], &["--tlsv1.3"]] {
        let url = format!("https://localhost:{port}/healthz");
        let output = Command::new("curl")
            .args(["-sS", "--fail", "--noproxy", "*", "--cacert", &ca, "-w", "%{http_version}"])
            .args(version)
            .arg(&url)
            .output()
            .expect("curl is there");
        // It prefers HTTP/2.
        assert_eq!(good(&output), "ok\n2");
    }
    let mut command = Command::new("openssl");
    command
        .args(["s_client", "-connect", &format!("127.0.0.1:{port}"), "-servername", "localhost"])
        .args(["-CAfile", &ca, "-verify_return_error", "-alpn", "http/1.1", "-ign_eof"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().expect("openssl is there");
    let request = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    child.stdin.as_mut().expect("piped").write_all(request).expect("it is taken");
    let output = child.wait_with_output().expect("it ends");
    let said = good(&output);
    for expected in ["Verify return code: 0 (ok)", "ALPN protocol: http/1.1", "\r\n\r\nok\n"] {
        assert!(said.contains(expected), "{expected}: {said}");
    }
    // The end was announced.
    assert!(!said.contains("unexpected eof") && said.contains("closed"), "{said}");
}
