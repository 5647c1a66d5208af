//! The servers of HTTP/2, and those of TLS.

use std::path::Path;
use std::process::Command;

use super::{
    CONFIG, Found, Scratch, nchan_module, nginx_server, nginx_version, said, sockeye_server, uws,
};
use crate::builds::Builds;
use crate::server::{Places, Server};

/// nginx: a small answer, and event streams of nchan where that is installed. Its port speaks HTTP/2 only, so
/// publications go to another address.
const PLAIN: &str = "\
HEAD
  server {
    listen 127.0.0.1:PORT http2 backlog=4096;
    ANSWER
    SUBSCRIBER
  }
  server {
    listen 127.0.0.2:PORT;
    PUBLISHER
  }
}
";

/// The same with TLS, for HTTP/1.1 and HTTP/2.
const ENCRYPTED: &str = "\
HEAD
  ssl_certificate CERT;
  ssl_certificate_key KEY;
  ssl_protocols TLSv1.3;
  server {
    listen 127.0.0.1:PORT ssl http2 backlog=4096;
    ANSWER
  }
}
";

const HEAD: &str = "\
worker_processes 1;
daemon off;
pid DIR/nginx.pid;
error_log DIR/nginx.log error;
worker_rlimit_nofile LIMIT;
events { worker_connections WORKERS; use epoll; multi_accept on; }
http {
  access_log off;
  tcp_nodelay on;
  keepalive_requests 1000000000;
  keepalive_timeout 3600s;";

const ANSWER: &str = "location = /healthz { default_type text/plain; return 200 \"ok\\n\"; }";
const SUBSCRIBER: &str = "location = /sub { nchan_subscriber eventsource; nchan_channel_id channel; \
    nchan_subscriber_first_message newest; }";
const PUBLISHER: &str = "location = /pub { nchan_publisher http; nchan_channel_id channel; \
    nchan_store_messages off; }";

/// The files of a certificate: ECDSA on P-256, by an authority of its own.
struct Certificate {
    authority: String,
    cert: String,
    key: String,
}

impl Certificate {
    /// Has Sockeye make one, for all servers.
    fn make(scratch: Option<&Scratch>, sockeye: &Path) -> Result<Self, String> {
        let dir = scratch.ok_or("no directory for files")?.0.join("certificate");
        if !dir.exists() {
            said(Command::new(sockeye).arg("cert").arg("--out").arg(&dir));
        }
        let file = |name: &str| {
            let path = dir.join(name);
            let text = path.to_string_lossy().into_owned();
            path.exists().then_some(text).ok_or("sockeye cert made no certificate")
        };
        Ok(Self { authority: file("ca.pem")?, cert: file("cert.pem")?, key: file("key.pem")? })
    }

    /// The places of a server that speaks TLS.
    fn places(&self) -> Places {
        Places {
            get: Some("https://127.0.0.1:{port}/healthz".into()),
            authority: Some(self.authority.clone()),
            ..Places::default()
        }
    }
}

impl Found {
    /// Looks for the servers of HTTP/2 and TLS that are wanted.
    pub(super) fn add_http2(
        &mut self,
        sockeye: &Path,
        builds: &Builds,
        is_wanted: &dyn Fn(&str) -> bool,
    ) {
        let certificate = |scratch: Option<&Scratch>| Certificate::make(scratch, sockeye);
        self.add(is_wanted, &["tls"], |scratch| {
            let certificate = certificate(scratch)?;
            let config = scratch.ok_or("no directory for files")?.file("tls.toml", CONFIG)?;
            Ok(vec![encrypted_sockeye(sockeye, &config, &certificate)])
        });
        self.add(is_wanted, &["nghttpd", "nghttpd-tls"], |scratch| {
            nghttpd(scratch, &certificate(scratch)?)
        });
        self.add(is_wanted, &["nginx", "nginx-tls"], |scratch| {
            nginx(scratch.ok_or("no directory for files")?, &certificate(scratch)?)
        });
        self.add(is_wanted, &["node-h2", "node-tls"], |scratch| {
            node(builds, &certificate(scratch)?)
        });
        self.add(is_wanted, &["uws-tls"], |scratch| {
            let certificate = certificate(scratch)?;
            let mut server = uws(builds)?.swap_remove(0);
            server.name = "uws-tls";
            server.label += ", TLS";
            server.command.extend([certificate.key.clone(), certificate.cert.clone()]);
            server.places = certificate.places();
            Ok(vec![server])
        });
    }
}

fn encrypted_sockeye(sockeye: &Path, config: &str, certificate: &Certificate) -> Server {
    let version = said(Command::new(sockeye).arg("--version")).unwrap_or_default();
    let label = format!("{}, TLS", version.replace("sockeye", "Sockeye"));
    let mut server = sockeye_server("tls", label, sockeye, config);
    let files = ["--cert", &certificate.cert, "--key", &certificate.key];
    server.command.extend(files.map(String::from));
    server.places = certificate.places();
    server
}

/// nghttp2's own server, which sends a file.
fn nghttpd(scratch: Option<&Scratch>, certificate: &Certificate) -> Result<Vec<Server>, String> {
    let version =
        said(Command::new("nghttpd").arg("--version")).ok_or("nghttpd is not installed")?;
    scratch.ok_or("no directory for files")?.file("healthz", "ok\n")?;
    let dir = scratch.map(|it| it.0.to_string_lossy().into_owned()).unwrap_or_default();
    let command = ["nghttpd", "--address=127.0.0.1", "--htdocs", &dir];
    let mut plain =
        Server::new("nghttpd", version.clone(), &[&command[..], &["--no-tls", "{port}"]].concat());
    plain.places.get = Some("http://127.0.0.1:{port}/healthz".into());
    let files = ["{port}", &*certificate.key, &*certificate.cert];
    let command = [&command[..], &files].concat();
    let mut encrypted = Server::new("nghttpd-tls", format!("{version}, TLS"), &command);
    encrypted.places = certificate.places();
    Ok(vec![plain, encrypted])
}

fn nginx(scratch: &Scratch, certificate: &Certificate) -> Result<Vec<Server>, String> {
    let version = nginx_version()?;
    let module = nchan_module();
    let has = |text: &'static str| if module.is_some() { text } else { "" };
    let load = module.as_ref().map(|path| format!("load_module {};\n", path.display()));
    let text = PLAIN.replace("SUBSCRIBER", has(SUBSCRIBER)).replace("PUBLISHER", has(PUBLISHER));
    let text = load.unwrap_or_default() + &text.replace("HEAD", HEAD).replace("ANSWER", ANSWER);
    let label = if module.is_some() { format!("{version} with nchan") } else { version.clone() };
    let mut plain = nginx_server("nginx", label, scratch, &text)?;
    plain.places.get = Some("http://127.0.0.1:{port}/healthz".into());
    if module.is_some() {
        plain.places.events = posted_events();
    }
    let text = ENCRYPTED.replace("HEAD", HEAD).replace("ANSWER", ANSWER);
    let text = text.replace("CERT", &certificate.cert).replace("KEY", &certificate.key);
    let mut encrypted = nginx_server("nginx-tls", format!("{version}, TLS"), scratch, &text)?;
    encrypted.places = certificate.places();
    Ok(vec![plain, encrypted])
}

fn node(builds: &Builds, certificate: &Certificate) -> Result<Vec<Server>, String> {
    let node = said(Command::new("node").arg("--version")).ok_or("node is not installed")?;
    let script = builds.node_peers()?.join("http2.mjs").to_string_lossy().into_owned();
    let label = format!("http2 of node {node}");
    let mut plain = Server::new("node-h2", label, &["node", &script, "{port}"]);
    plain.places = Places {
        echo: Some("ws://127.0.0.1:{port}/echo".into()),
        events: posted_events(),
        get: Some("http://127.0.0.1:{port}/healthz".into()),
        ..Places::default()
    };
    let command = ["node", &script, "{port}", &certificate.key, &certificate.cert];
    let label = format!("http2, https and ws on node {node}, TLS");
    let mut encrypted = Server::new("node-tls", label, &command);
    encrypted.places = certificate.places();
    Ok(vec![plain, encrypted])
}

/// Event streams over HTTP/2 at `/sub`, and what is posted over HTTP/1.1 to `/pub` at another address.
fn posted_events() -> Vec<String> {
    vec!["--publish=http://127.0.0.2:{port}/pub".into(), "http://127.0.0.1:{port}/sub".into()]
}
