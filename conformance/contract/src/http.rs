//! As much HTTP as a test service needs, between programs that trust each other.

use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use sockeye_client::Url;

/// The largest request, in bytes.
const BYTES_MAX: u64 = 64 << 20;
/// How long the other program may take for a step.
const STEP: Duration = Duration::from_secs(10);

/// A request with its body.
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) body: Vec<u8>,
}

impl Request {
    pub(crate) fn read(connection: &mut TcpStream) -> io::Result<Self> {
        connection.set_read_timeout(Some(STEP))?;
        let mut reader = BufReader::new(connection.take(BYTES_MAX));
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let mut words = line.split_ascii_whitespace();
        let (Some(method), Some(path)) = (words.next(), words.next()) else {
            return Err(ErrorKind::InvalidData.into());
        };
        let (method, path) = (method.to_owned(), path.to_owned());
        let mut length = 0;
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line)? == 0 {
                return Err(ErrorKind::UnexpectedEof.into());
            }
            let Some((name, value)) = line.split_once(':') else { break };
            if name.eq_ignore_ascii_case("content-length") {
                length = value.trim().parse().map_err(|_| ErrorKind::InvalidData)?;
            }
        }
        let mut body = Vec::new();
        reader.take(length).read_to_end(&mut body)?;
        Ok(Self { method, path, body })
    }
}

/// An answer; the connection ends behind it.
pub(crate) struct Answer {
    pub(crate) status: &'static str,
    pub(crate) location: Option<String>,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) const fn status(status: &'static str) -> Self {
        Self { status, location: None, body: String::new() }
    }

    pub(crate) fn write(&self, connection: &mut TcpStream) -> io::Result<()> {
        let mut head = format!("HTTP/1.1 {}\r\nConnection: close\r\n", self.status);
        if let Some(location) = &self.location {
            head.push_str(&format!("Location: {location}\r\n"));
        }
        if self.status != "204 No Content" {
            head.push_str(&format!("Content-Length: {}\r\n", self.body.len()));
        }
        connection.write_all(format!("{head}\r\n{}", self.body).as_bytes())
    }
}

/// Sends a JSON text to a URL, and waits until it was taken.
pub(crate) fn post(url: &Url, json: &str) -> io::Result<()> {
    let peer = url.peer();
    let mut connection = TcpStream::connect((peer.host.as_str(), peer.port))?;
    connection.set_read_timeout(Some(STEP))?;
    let (target, host, length) = (url.target(), url.authority(), json.len());
    let head = format!(
        "POST {target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\
         Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
    );
    connection.write_all(head.as_bytes())?;
    connection.write_all(json.as_bytes())?;
    let mut answer = String::new();
    connection.take(BYTES_MAX).read_to_string(&mut answer)?;
    let is_taken = answer.starts_with("HTTP/1.1 2");
    if is_taken { Ok(()) } else { Err(ErrorKind::InvalidData.into()) }
}
