//! Our end of a connection: blocking, with a deadline on every read, and exact about endings.

use core::fmt;
use core::time::Duration;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::thread;
use std::time::Instant;

use crate::case::{Miss, Outcome, failed};
use crate::http::{Request, Response};
use crate::inflate::Window;
use crate::target::{Target, Url};
use crate::wire::{
    BINARY, CLOSE, CONTINUATION, Frame, Out, PONG, RSV1, TEXT, bytes_of, excerpt, ping,
};

/// One connection to the server under test.
pub(crate) struct Peer {
    stream: TcpStream,
    inbox: Vec<u8>,
    /// How much of `inbox` was taken.
    taken: usize,
    pub(crate) timeout: Duration,
    /// The history that the server may refer to, with permessage-deflate.
    pub(crate) window: Option<Window>,
    /// The server begins each message afresh.
    pub(crate) server_forgets: bool,
}

/// The next input.
pub(crate) enum Seen {
    Frame(Frame),
    /// The server broke a rule.
    Broken(String),
    /// The end of the stream, cleanly: FIN.
    Fin,
    /// The connection was reset: RST.
    Reset,
    Silence(Duration),
}

/// A whole message, put together and inflated.
#[derive(PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) opcode: u8,
    pub(crate) payload: Vec<u8>,
    pub(crate) compressed: bool,
}

impl Peer {
    /// Opens a TCP connection to a URL.
    pub(crate) fn connect(url: &Url, timeout: Duration) -> Result<Self, Miss> {
        let stream = url.connect(timeout)?;
        let _ = stream.set_write_timeout(Some(timeout));
        Ok(Self {
            stream,
            inbox: Vec::new(),
            taken: 0,
            timeout,
            window: None,
            server_forgets: false,
        })
    }

    /// Opens a WebSocket connection without extensions.
    pub(crate) fn open(target: &Target) -> Result<Self, Miss> {
        Ok(Self::upgraded(target, &Request::upgrade(&target.echo))?.0)
    }

    /// Sends a request on a new connection, which must be answered by a correct 101.
    pub(crate) fn upgraded(target: &Target, request: &Request) -> Result<(Self, Response), Miss> {
        let (peer, response) = Self::ask(&target.echo, target.timeout, request)?;
        match response.upgrade_fault() {
            _ if response.status != 101 => {
                failed("status 101", format!("{} {}", response.version, response.status))
            }
            Some(fault) => failed("a correct 101", format!("a 101 with {fault}")),
            None => Ok((peer, response)),
        }
    }

    /// Sends a request on a new connection, and reads the head of the answer.
    pub(crate) fn ask(
        url: &Url,
        timeout: Duration,
        request: &Request,
    ) -> Result<(Self, Response), Miss> {
        let mut peer = Self::connect(url, timeout)?;
        peer.send(&request.bytes());
        let response = peer.response()?;
        Ok((peer, response))
    }

    /// Writes bytes. That the server hung up shows at the next read, so it is no error here.
    pub(crate) fn send(&mut self, bytes: &[u8]) {
        let _ = self.stream.write_all(bytes);
    }

    /// Writes bytes, or fails when the server takes none of them for a while.
    pub(crate) fn try_send(&self, bytes: &[u8], patience: Duration) -> io::Result<()> {
        self.stream.set_write_timeout(Some(patience))?;
        (&self.stream).write_all(bytes)
    }

    pub(crate) fn send_frames(&mut self, frames: &[Out]) {
        self.send(&bytes_of(frames));
    }

    /// Writes bytes from another thread, so that we can read meanwhile.
    pub(crate) fn send_aside(&mut self, bytes: Vec<u8>) {
        let Ok(mut stream) = self.stream.try_clone() else { return };
        thread::spawn(move || stream.write_all(&bytes));
    }

    /// Writes bytes one by one, each in a segment of its own.
    pub(crate) fn trickle(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|&byte| self.send(&[byte]));
    }

    /// Ends our direction: FIN.
    pub(crate) fn finish(&mut self) {
        let _ = self.stream.shutdown(Shutdown::Write);
    }

    /// Reads more into the inbox, or says why there is nothing more.
    fn fill(&mut self, deadline: Instant) -> Result<(), Seen> {
        if self.taken > self.inbox.len() / 2 {
            self.inbox.drain(..self.taken);
            self.taken = 0;
        }
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(Seen::Silence(self.timeout));
        }
        let _ = self.stream.set_read_timeout(Some(left));
        let mut room = [0; 64 * 1024];
        match self.stream.read(&mut room) {
            Ok(0) => Err(Seen::Fin),
            Ok(count) => {
                self.inbox.extend_from_slice(&room[..count]);
                Ok(())
            }
            Err(error) => self.broken_read(&error),
        }
    }

    fn broken_read(&self, error: &io::Error) -> Result<(), Seen> {
        match error.kind() {
            ErrorKind::Interrupted => Ok(()),
            ErrorKind::WouldBlock | ErrorKind::TimedOut => Err(Seen::Silence(self.timeout)),
            _ => Err(Seen::Reset),
        }
    }

    /// The rest of the inbox.
    pub(crate) fn waiting(&self) -> &[u8] {
        &self.inbox[self.taken..]
    }

    pub(crate) fn take(&mut self, count: usize) -> Vec<u8> {
        let bytes = self.waiting()[..count].to_vec();
        self.taken += count;
        bytes
    }

    /// Waits until `found` gives a length for what is in the inbox, and takes as much.
    pub(crate) fn take_when(
        &mut self,
        found: impl Fn(&[u8]) -> Option<usize>,
    ) -> Result<Vec<u8>, Seen> {
        let deadline = Instant::now() + self.timeout;
        loop {
            if let Some(count) = found(self.waiting()) {
                return Ok(self.take(count));
            }
            self.fill(deadline)?;
        }
    }

    /// Reads a response head.
    pub(crate) fn response(&mut self) -> Result<Response, Miss> {
        let end = |bytes: &[u8]| bytes.windows(4).position(|w| w == b"\r\n\r\n").map(|at| at + 4);
        match self.take_when(end) {
            Ok(head) => Response::read(&head).or_else(|fault| failed("an HTTP response", fault)),
            Err(seen) => failed("an HTTP response", self.describe_end(&seen)),
        }
    }

    /// Waits for the next frame or the end.
    pub(crate) fn next(&mut self) -> Seen {
        let deadline = Instant::now() + self.timeout;
        loop {
            match Frame::read(self.waiting()) {
                Ok(Some((frame, len))) => {
                    self.taken += len;
                    return self.checked(frame);
                }
                Ok(None) => {}
                Err(rule) => return Seen::Broken(rule.to_owned()),
            }
            if let Err(seen) = self.fill(deadline) {
                return seen;
            }
        }
    }

    fn checked(&self, frame: Frame) -> Seen {
        let claimed = if self.window.is_some() && frame.opcode != CONTINUATION { RSV1 } else { 0 };
        match frame.rsv & !claimed {
            0 => Seen::Frame(frame),
            _ => Seen::Broken(format!("a reserved bit that nothing claims: {frame}")),
        }
    }

    /// Reads one whole data message; nothing else may come between.
    pub(crate) fn message(&mut self) -> Result<Message, Miss> {
        let mut message: Option<Message> = None;
        loop {
            let frame = match self.next() {
                Seen::Frame(frame) if frame.opcode < CLOSE => frame,
                seen => return failed("a message", seen),
            };
            if (frame.opcode == CONTINUATION) != message.is_some() {
                return failed("fragments in their order (§5.4)", frame);
            }
            let (opcode, compressed) = (frame.opcode, frame.rsv == RSV1);
            let whole = message.get_or_insert(Message { opcode, payload: Vec::new(), compressed });
            whole.payload.extend(frame.payload);
            if let (true, Some(whole)) = (frame.fin, message.take_if(|_| frame.fin)) {
                return self.inflated(whole);
            }
        }
    }

    fn inflated(&mut self, mut message: Message) -> Result<Message, Miss> {
        let Some(window) = self.window.as_mut().filter(|_| message.compressed) else {
            return Ok(message);
        };
        if self.server_forgets {
            window.reset();
        }
        match window.inflate(&message.payload) {
            Ok(payload) => message.payload = payload,
            Err(fault) => return failed("a message that inflates within the agreed window", fault),
        }
        Ok(message)
    }

    /// The next message must be this one.
    pub(crate) fn expect_message(&mut self, opcode: u8, payload: &[u8]) -> Outcome {
        let expected = Frame { fin: true, rsv: 0, opcode, payload: payload.to_vec() };
        let message = match self.message() {
            Ok(message) => message,
            Err(Miss::Failed { seen, .. }) => return failed(expected.to_string(), seen),
            Err(miss) => return Err(miss),
        };
        if message.opcode == opcode && message.payload == payload {
            return Ok(());
        }
        let differs = payload.iter().zip(&message.payload).position(|(a, b)| a != b);
        let Message { opcode, payload, .. } = message;
        let seen = Frame { fin: true, rsv: 0, opcode, payload };
        let at = differs.map(|at| format!(", different from byte {at} on")).unwrap_or_default();
        failed(format!("the echo: {expected}"), format!("{seen}{at}"))
    }

    pub(crate) fn expect_text(&mut self, payload: impl AsRef<[u8]>) -> Outcome {
        self.expect_message(TEXT, payload.as_ref())
    }

    pub(crate) fn expect_binary(&mut self, payload: impl AsRef<[u8]>) -> Outcome {
        self.expect_message(BINARY, payload.as_ref())
    }

    pub(crate) fn expect_pong(&mut self, payload: impl AsRef<[u8]>) -> Outcome {
        let payload = payload.as_ref().to_vec();
        let expected = Frame { fin: true, rsv: 0, opcode: PONG, payload };
        match self.next() {
            Seen::Frame(frame) if frame == expected => Ok(()),
            seen => failed(expected.to_string(), seen),
        }
    }

    /// The next frame must be a Close with one of these codes.
    pub(crate) fn expect_close(&mut self, codes: &[u16]) -> Outcome {
        match self.next() {
            Seen::Frame(frame)
                if frame.opcode == CLOSE
                    && frame.close_code().is_some_and(|code| codes.contains(&code)) =>
            {
                Ok(())
            }
            seen => {
                let codes: Vec<String> = codes.iter().map(u16::to_string).collect();
                failed(format!("Close {}", codes.join(" or ")), seen)
            }
        }
    }

    /// The next frame must be a Close, whatever its code; the code is returned.
    pub(crate) fn expect_any_close(&mut self) -> Result<Option<u16>, Miss> {
        match self.next() {
            Seen::Frame(frame) if frame.opcode == CLOSE => Ok(frame.close_code()),
            seen => failed("a Close frame", seen),
        }
    }

    /// Nothing more may come but FIN.
    pub(crate) fn expect_fin(&mut self) -> Outcome {
        match self.next() {
            Seen::Fin if self.waiting().is_empty() => Ok(()),
            Seen::Fin => failed("FIN", format!("{} and FIN", excerpt(self.waiting()))),
            seen => failed("FIN", seen),
        }
    }

    /// The connection must end without another byte.
    pub(crate) fn expect_no_bytes(&mut self, expected: &str) -> Outcome {
        match self.take_when(|bytes| (!bytes.is_empty()).then_some(bytes.len())) {
            Err(Seen::Fin | Seen::Reset) => Ok(()),
            Err(seen) => failed("the end of the connection", seen),
            Ok(bytes) => failed(expected, excerpt(&bytes)),
        }
    }

    /// The connection must still work.
    pub(crate) fn expect_alive(&mut self) -> Outcome {
        self.send_frames(&[ping("still there?")]);
        self.expect_pong("still there?")
    }

    /// The bytes that came before the end, if any, and the end.
    pub(crate) fn describe_end(&self, seen: &Seen) -> String {
        match self.waiting() {
            [] => seen.to_string(),
            bytes => format!("{} and then {seen}", excerpt(bytes)),
        }
    }
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Frame(frame) => frame.fmt(f),
            Self::Broken(rule) => write!(f, "{rule}"),
            Self::Fin => write!(f, "FIN"),
            Self::Reset => write!(f, "RST"),
            Self::Silence(time) => write!(f, "nothing for {:.1} s", time.as_secs_f64()),
        }
    }
}
