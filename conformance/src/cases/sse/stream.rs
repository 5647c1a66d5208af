//! The body of a stream: chunks undone strictly, blocks read one after the other.

use crate::case::{Miss, failed};
use crate::http::Response;
use crate::peer::Peer;
use crate::wire::excerpt;

/// An open stream.
pub(super) struct Stream {
    pub(super) peer: Peer,
    chunked: bool,
    body: Vec<u8>,
    /// How much of `body` was read as events.
    read: usize,
}

/// A dispatched event.
#[derive(Debug)]
pub(super) struct Event {
    pub(super) id: Option<String>,
    pub(super) data: String,
}

impl Stream {
    pub(super) fn new(peer: Peer, response: &Response) -> Self {
        let chunked = response.list("transfer-encoding").contains(&"chunked".to_owned());
        Self { peer, chunked, body: Vec::new(), read: 0 }
    }

    /// The body up to the last whole block.
    pub(super) fn complete(&self) -> &[u8] {
        &self.body[..self.read]
    }

    /// Waits for more of the body.
    pub(super) fn bytes(&mut self) -> Result<(), Miss> {
        let taken = match self.chunked {
            true => self.peer.take_when(chunk_end),
            false => self.peer.take_when(|bytes| (!bytes.is_empty()).then_some(bytes.len())),
        };
        let taken = match taken {
            Ok(taken) => taken,
            Err(seen) => return failed("more of the stream", self.peer.describe_end(&seen)),
        };
        if !self.chunked {
            self.body.extend(taken);
            return Ok(());
        }
        match chunk_data(&taken) {
            Some([]) => failed("an endless stream", "its last chunk"),
            Some(data) => {
                self.body.extend_from_slice(data);
                Ok(())
            }
            None => failed("a chunk", excerpt(&taken)),
        }
    }

    /// Waits for the next block with data (HTML §9.2.6).
    pub(super) fn event(&mut self) -> Result<Event, Miss> {
        loop {
            while let Some(len) = block_len(&self.body[self.read..]) {
                let block = String::from_utf8_lossy(&self.body[self.read..self.read + len]);
                let event = event(&block.replace("\r\n", "\n").replace('\r', "\n"));
                self.read += len;
                if let Some(event) = event {
                    return Ok(event);
                }
            }
            self.bytes()?;
        }
    }
}

/// The length of a chunk with its size line, once it is whole. What is no chunk is whole at once.
fn chunk_end(bytes: &[u8]) -> Option<usize> {
    let line = bytes.windows(2).position(|window| window == b"\r\n")?;
    let Some(size) = chunk_size(&bytes[..line]) else { return Some(bytes.len()) };
    let end = line + 2 + size + 2;
    (bytes.len() >= end).then_some(end)
}

fn chunk_size(line: &[u8]) -> Option<usize> {
    let digits = line.split(|&byte| byte == b';').next()?;
    let digits = core::str::from_utf8(digits).ok()?;
    let hex = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    if hex { usize::from_str_radix(digits, 16).ok() } else { None }
}

fn chunk_data(chunk: &[u8]) -> Option<&[u8]> {
    let line = chunk.windows(2).position(|window| window == b"\r\n")?;
    chunk_size(&chunk[..line])?;
    chunk[line + 2..].strip_suffix(b"\r\n")
}

/// The length of the first block, with the empty line that ends it.
fn block_len(body: &[u8]) -> Option<usize> {
    let ends: [&[u8]; 3] = [b"\n\n", b"\r\n\r\n", b"\r\r"];
    let end = |end: &[u8]| {
        body.windows(end.len()).position(|window| window == end).map(|at| at + end.len())
    };
    ends.into_iter().filter_map(end).min()
}

fn event(block: &str) -> Option<Event> {
    let mut event = Event { id: None, data: String::new() };
    let mut has_data = false;
    for line in block.lines() {
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match name {
            "data" => {
                has_data = true;
                event.data.push_str(value);
                event.data.push('\n');
            }
            "id" => event.id = Some(value.to_owned()),
            _ => {}
        }
    }
    has_data.then_some(event)
}
