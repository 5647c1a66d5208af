//! A blocking connection, for what is done in sequence.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use rustix::net::{AddressFamily, SocketType, bind, connect, socket, sockopt};

use crate::Failure;
use crate::world::{MASK, PATIENCE_MS, SUBPROTOCOL};

/// The header line that shows an API key.
pub(crate) fn shown(key: &str) -> String {
    format!("Authorization: ApiKey {key}\r\n")
}

/// The request for a WebSocket.
pub(crate) fn upgrade(headers: &str) -> String {
    format!(
        "GET /v1/ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Protocol: {SUBPROTOCOL}\r\n{headers}\r\n"
    )
}

/// A connection from an address, which reads when it is asked to. It is reset at its end, so that no
/// port stays behind.
pub(crate) struct Line {
    stream: TcpStream,
    received: String,
}

impl Line {
    pub(crate) fn open(addr: SocketAddr, source: Ipv4Addr) -> Result<Self, Failure> {
        let socket = socket(AddressFamily::INET, SocketType::STREAM, None)?;
        sockopt::set_socket_linger(&socket, Some(Duration::ZERO))?;
        bind(&socket, &SocketAddr::from((source, 0)))?;
        connect(&socket, &addr)?;
        let stream = TcpStream::from(socket);
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_millis(PATIENCE_MS)))?;
        Ok(Self { stream, received: String::new() })
    }

    /// An event stream of one channel.
    pub(crate) fn events(
        addr: SocketAddr,
        source: Ipv4Addr,
        channel: &str,
        headers: &str,
    ) -> Result<Self, Failure> {
        let mut line = Self::open(addr, source)?;
        line.send(&format!(
            "GET /v1/sse?channel={channel} HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n"
        ))?;
        Ok(line)
    }

    /// A WebSocket that was let in.
    pub(crate) fn socket(addr: SocketAddr, source: Ipv4Addr) -> Result<Self, Failure> {
        let mut line = Self::open(addr, source)?;
        line.send(&upgrade(""))?;
        line.until(&["\"welcome\""])?;
        Ok(line)
    }

    pub(crate) fn send(&mut self, text: &str) -> Result<(), Failure> {
        Ok(self.stream.write_all(text.as_bytes())?)
    }

    /// Reads until one of these words has come, and gives everything up to then.
    pub(crate) fn until(&mut self, words: &[&str]) -> Result<String, Failure> {
        let mut buffer = [0; 16 * 1024];
        loop {
            if words.iter().any(|word| self.received.contains(word)) {
                return Ok(std::mem::take(&mut self.received));
            }
            let len = self.stream.read(&mut buffer)?;
            if len == 0 {
                return Err(Failure(format!("the server left before it said {words:?}")));
            }
            self.received += &String::from_utf8_lossy(&buffer[..len]);
        }
    }

    /// Whether an event stream was let in.
    pub(crate) fn is_let_in(&mut self) -> Result<bool, Failure> {
        Ok(self.until(&["$sync", "$goaway"])?.contains("$sync"))
    }

    /// Subscribes names; how many were refused.
    pub(crate) fn subscribe(
        &mut self,
        names: impl Iterator<Item = String>,
    ) -> Result<usize, Failure> {
        let names: Vec<String> = names.collect();
        let ping = "{\"type\":\"ping\",\"id\":\"behind\"}";
        let names = serde_json::to_string(&names)?;
        let command = format!("{{\"type\":\"subscribe\",\"channels\":{names}}}");
        for text in [command.as_str(), ping] {
            self.stream.write_all(&masked(text))?;
        }
        let told = self.until(&["\"behind\""])?;
        Ok(told.matches("\"error\"").count())
    }
}

/// A text frame of a client.
pub(crate) fn masked(text: &str) -> Vec<u8> {
    let len = u16::try_from(text.len()).expect("a command is short");
    let mut frame = match u8::try_from(len) {
        Ok(short) if short < 126 => vec![0x81, 0x80 | short],
        _ => [&[0x81, 0x80 | 126][..], &len.to_be_bytes()].concat(),
    };
    let key = MASK.to_bytes();
    frame.extend(key);
    frame.extend(text.bytes().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key));
    frame
}
