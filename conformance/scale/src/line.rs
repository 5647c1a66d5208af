//! A blocking connection, for what is done in sequence.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr};

use crate::Failure;
use crate::lane::Lane;
use crate::wire::{Target, Wire};
use crate::world::{MASK, SUBPROTOCOL};

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

/// A connection from an address, or a stream of one, which reads when it is asked to.
pub(crate) struct Line {
    stream: Stream,
    received: String,
}

enum Stream {
    Own(Wire),
    Shared(Lane),
}

impl Line {
    /// Over HTTP/1.1.
    pub(crate) fn open(addr: SocketAddr, source: Ipv4Addr) -> Result<Self, Failure> {
        Self::to(&Target::plain(addr), source)
    }

    /// On a connection of its own.
    pub(crate) fn to(target: &Target, source: Ipv4Addr) -> Result<Self, Failure> {
        let wire = target.connect_from(source)?;
        let stream = match target.is_shared {
            true => Stream::Shared(Lane::new(wire, target.scheme())),
            false => Stream::Own(wire),
        };
        Ok(Self { stream, received: String::new() })
    }

    /// On the connection of another one, if it can be shared.
    fn beside(&self) -> Option<Self> {
        match &self.stream {
            Stream::Own(_) => None,
            Stream::Shared(lane) => {
                Some(Self { stream: Stream::Shared(lane.beside()), received: String::new() })
            }
        }
    }

    /// A stream on the connection of a `neighbour` if there is one and it can be shared.
    fn near(target: &Target, source: Ipv4Addr, neighbour: Option<&Self>) -> Result<Self, Failure> {
        neighbour.and_then(Self::beside).map_or_else(|| Self::to(target, source), Ok)
    }

    /// An event stream of one channel.
    pub(crate) fn events(
        target: &Target,
        source: Ipv4Addr,
        neighbour: Option<&Self>,
        channel: &str,
        headers: &str,
    ) -> Result<Self, Failure> {
        let mut line = Self::near(target, source, neighbour)?;
        line.send(&format!(
            "GET /v1/sse?channel={channel} HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n"
        ))?;
        Ok(line)
    }

    /// A WebSocket that was let in.
    pub(crate) fn socket(
        target: &Target,
        source: Ipv4Addr,
        neighbour: Option<&Self>,
    ) -> Result<Self, Failure> {
        let mut line = Self::near(target, source, neighbour)?;
        line.send(&upgrade(""))?;
        line.until(&["\"welcome\""])?;
        Ok(line)
    }

    pub(crate) fn send(&mut self, text: &str) -> Result<(), Failure> {
        self.write_all(text.as_bytes())
    }

    fn write_all(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        match &mut self.stream {
            Stream::Own(wire) => Ok(wire.write_all(bytes)?),
            Stream::Shared(lane) => lane.write_all(bytes),
        }
    }

    /// Reads until one of these words has come, and gives everything up to then.
    pub(crate) fn until(&mut self, words: &[&str]) -> Result<String, Failure> {
        let mut buffer = [0; 16 * 1024];
        loop {
            if words.iter().any(|word| self.received.contains(word)) {
                return Ok(std::mem::take(&mut self.received));
            }
            let len = match &mut self.stream {
                Stream::Own(wire) => wire.read(&mut buffer)?,
                Stream::Shared(lane) => lane.read(&mut buffer)?,
            };
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
            self.write_all(&masked(text))?;
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
