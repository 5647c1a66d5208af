//! A WebSocket client that checks every echo, and ends the connection in one of several ways.

use std::collections::VecDeque;

use sockeye_deflate::{ClientOffer, Engine, EngineConfig, Session};
use sockeye_frame::MaskKey;
use sockeye_http::Status;
use sockeye_http1::{HeadEnd, HeaderStorage, Limits as HeadLimits, ResponseHead};
use sockeye_server::{CloseCause, CloseCode};
use sockeye_simnet::{Peer, Random};
use sockeye_websocket::{
    Assembler, CloseFrame, Compression, Config, Connection, Event, Fin, Kind, Limits, Message,
    MessageCodec, Role,
};

use crate::simulation::{Client, World, app};

/// How the client means to leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    /// A Close frame, and waits for the answer.
    Close,
    /// Ends its direction without a Close frame; what it asked for must still come.
    HalfClose,
    /// Breaks the protocol; what it asked for before must still come, and then 1002.
    Violation,
    /// Breaks the protocol and goes on talking: the Close must reach it all the same.
    ViolationAndMore,
    /// Goes on until the server closes.
    ByServer,
    /// A Close frame once everybody else is done: at the same time as the server's, if it drains.
    Late,
}

pub(crate) struct Echo {
    peer: Peer,
    request: VecDeque<u8>,
    head: Vec<u8>,
    head_end: HeadEnd,
    open: Option<Open>,
    /// Messages left to send.
    script: usize,
    message_bytes_max: usize,
    ending: Ending,
    ended: bool,
    expected: VecDeque<(Kind, Vec<u8>)>,
    echoed: usize,
    close_code: Option<CloseCode>,
    /// The server's stream has ended, or the connection broke.
    over: bool,
    /// The server's stream ended in good order.
    ended_well: bool,
}

struct Open {
    protocol: Connection,
    assembler: Assembler,
    session: Option<Session>,
    engine: Engine,
}

impl Echo {
    pub(crate) fn new(
        peer: Peer,
        id: usize,
        message_bytes_max: usize,
        random: &mut Random,
    ) -> Self {
        let compressed = random.one_in(2);
        let extension = if compressed {
            "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n"
        } else {
            ""
        };
        let endings = [
            Ending::Close,
            Ending::HalfClose,
            Ending::Violation,
            Ending::ViolationAndMore,
            Ending::ByServer,
            Ending::Late,
        ];
        let ending = endings[random.below(endings.len())];
        let path = if ending == Ending::ByServer { "/closing" } else { "/echo" };
        let request = format!(
            "GET {path}?{id} HTTP/1.1\r\nHost: sim\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\
             {extension}\r\n"
        );
        let mut request = request.into_bytes();
        let mut expected = VecDeque::new();
        if random.one_in(3) {
            expected = early_messages(&mut request, random);
        }
        Self {
            peer,
            request: request.into(),
            head: Vec::new(),
            head_end: HeadEnd::for_response(),
            open: None,
            // What follows the server's Close has to be read before the answer to it, and some
            // servers here read a byte at a time.
            script: if ending == Ending::ByServer { 4 } else { random.below(12) },
            message_bytes_max: if ending == Ending::ByServer { 20 } else { message_bytes_max },
            ending,
            ended: false,
            expected,
            echoed: 0,
            close_code: None,
            over: false,
            ended_well: false,
        }
    }

    fn shake_hands(&mut self, mut bytes: Vec<u8>) {
        self.head.append(&mut bytes);
        let limits = HeadLimits::default();
        let found = self.head_end.find(&self.head, &limits).expect("a well-formed response");
        let Some(len) = found else { return };
        let behind = self.head.split_off(len);
        let mut storage = HeaderStorage::new();
        let response =
            ResponseHead::parse(&self.head, &mut storage, &limits).expect("a well-formed response");
        if response.status() == Status::REQUEST_TIMEOUT {
            self.over = true;
            return;
        }
        assert_eq!(response.status(), Status::SWITCHING_PROTOCOLS);
        let extensions = response.headers().single("Sec-WebSocket-Extensions").expect("one line");
        self.open = Some(Open::new(extensions));
        self.receive(behind);
    }

    fn receive(&mut self, mut bytes: Vec<u8>) {
        let Some(open) = &mut self.open else { return };
        let mut input = &mut bytes[..];
        let mut out = Vec::new();
        loop {
            match open.protocol.receive(&mut input, &mut out).expect("the server keeps the rules") {
                None => break,
                Some(Event::Message(message)) => {
                    check(&mut self.expected, &mut self.echoed, message);
                }
                Some(Event::Piece(piece)) => {
                    let mut codec = open.session.as_mut().map(|s| s.codec(&mut open.engine));
                    let codec = codec.as_mut().map(|codec| codec as &mut dyn MessageCodec);
                    if let Some(message) =
                        open.assembler.push(piece, codec).expect("a message that inflates")
                    {
                        check(&mut self.expected, &mut self.echoed, message);
                    }
                }
                Some(Event::Ping(_) | Event::Pong(_)) => {}
                Some(Event::Close(reason)) => {
                    self.close_code = Some(reason.map_or(CloseCode::NO_STATUS, |r| r.code()));
                }
            }
        }
        // Behind early frames that are not out yet.
        match self.request.is_empty() {
            true => self.peer.write(&out),
            false => self.request.extend(out),
        }
        if self.close_code.is_some() && open.protocol.expects_eof() {
            self.peer.shutdown();
        }
    }

    fn send_next(&mut self, random: &mut Random) {
        let Some(open) = &mut self.open else { return };
        let mut bytes = vec![0; random.skewed(self.message_bytes_max)];
        random.fill(&mut bytes[..]);
        let kind = if random.one_in(2) { Kind::Text } else { Kind::Binary };
        if kind == Kind::Text {
            bytes.iter_mut().for_each(|byte| *byte = b'a' + *byte % 16);
        }
        let mut out = Vec::new();
        let sent = open.send(kind, &bytes, random, &mut out);
        if sent {
            self.expected.push_back((kind, bytes));
        }
        self.peer.write(&out);
    }

    fn end(&mut self, random: &mut Random) {
        let Some(open) = &mut self.open else { return };
        self.ended = true;
        let mut out = Vec::new();
        match self.ending {
            Ending::ByServer => return,
            Ending::Close | Ending::Late => {
                let frame = CloseFrame::new(CloseCode::NORMAL, "done").expect("a short reason");
                let _ = open.protocol.close(Some(frame), &mut out);
            }
            Ending::HalfClose => {
                // The end comes in one report with the bytes before it.
                self.send_next(random);
                return self.peer.shutdown();
            }
            Ending::Violation => out.extend_from_slice(&[0x83]),
            Ending::ViolationAndMore => {
                out.extend_from_slice(&[0x83]);
                out.resize(1 + random.skewed(100_000), b'!');
            }
        }
        self.peer.write(&out);
    }
}

/// Messages behind the request that nobody has accepted yet.
fn early_messages(request: &mut Vec<u8>, random: &mut Random) -> VecDeque<(Kind, Vec<u8>)> {
    let mut open = Open::new(None);
    let mut expected = VecDeque::new();
    for _ in 0..1 + random.below(2) {
        let mut bytes = vec![0; random.skewed(2_000)];
        random.fill(&mut bytes);
        open.send(Kind::Binary, &bytes, random, request);
        expected.push_back((Kind::Binary, bytes));
    }
    expected
}

impl Open {
    fn new(extensions: Option<&str>) -> Self {
        let params = extensions.map(|line| {
            let params = line.split(';').skip(1).map(|param| match param.trim().split_once('=') {
                Some((name, value)) => (name, Some(value)),
                None => (param.trim(), None),
            });
            ClientOffer::default().accept_response(params).expect("an answer to our offer")
        });
        let compression =
            if params.is_some() { Compression::PerMessageDeflate } else { Compression::Off };
        let mut mask = 0u32;
        let masks = move || {
            mask = mask.wrapping_mul(0x915F_77F5).wrapping_add(0x1234_5677);
            MaskKey::new(mask.to_be_bytes())
        };
        let config = Config { limits: Limits::default(), compression };
        Self {
            protocol: Connection::client(&config, Box::new(masks)),
            assembler: Assembler::new(1 << 20),
            session: params.map(|params| Session::new(Role::Client, params)),
            engine: Engine::new(EngineConfig::default()),
        }
    }

    /// Sends a message whole, compressed, or in fragments with pings between them.
    fn send(&mut self, kind: Kind, bytes: &[u8], random: &mut Random, out: &mut Vec<u8>) -> bool {
        if let Some(session) = &mut self.session
            && random.one_in(2)
        {
            let mut deflated = Vec::new();
            if session.codec(&mut self.engine).compress(bytes, &mut deflated) {
                return self.protocol.send_compressed(kind, &deflated, out).is_ok();
            }
        }
        let mut rest = bytes;
        loop {
            let cut = if random.one_in(2) { rest.len() } else { random.below(rest.len() + 1) };
            let (part, after) = rest.split_at(cut);
            let fin = if after.is_empty() { Fin::Final } else { Fin::More };
            let Ok(frame) = self.protocol.begin(kind, part.len() as u64, fin) else { return false };
            out.extend_from_slice(frame.header());
            let start = out.len();
            out.extend_from_slice(part);
            frame.apply_mask(&mut out[start..], 0);
            if after.is_empty() {
                return true;
            }
            rest = after;
            if random.one_in(3) {
                let _ = self.protocol.ping(b"are you there", out);
            }
        }
    }
}

fn check(expected: &mut VecDeque<(Kind, Vec<u8>)>, echoed: &mut usize, message: Message<'_>) {
    let (kind, bytes) = expected.pop_front().expect("an echo of something");
    assert_eq!(message.kind(), kind, "the echo of message {echoed}");
    assert!(message.as_bytes() == bytes, "the echo of message {echoed} differs");
    *echoed += 1;
}

impl Client for Echo {
    fn step(&mut self, random: &mut Random) {
        if !self.request.is_empty() {
            let len = 1 + random.skewed(self.request.len() - 1);
            let part: Vec<u8> = self.request.drain(..len).collect();
            self.peer.write(&part);
        } else if self.open.is_some() && !self.ended && random.one_in(3) {
            match self.script.checked_sub(1) {
                Some(left) => {
                    self.script = left;
                    self.send_next(random);
                }
                // What arrives after our own Close is discarded (RFC 6455 §1.4 allows it).
                None if self.ending == Ending::Close && !self.expected.is_empty() => {}
                None if self.ending == Ending::Late => {}
                None => self.end(random),
            }
        }
        let most = 1 + random.skewed(100_000);
        self.read(most);
    }

    fn is_done(&self) -> bool {
        let patient = self.ending == Ending::Late && self.open.is_some();
        self.over || patient && self.script == 0 && self.expected.is_empty()
    }

    fn wind_down(&mut self) {
        if self.ending != Ending::Late {
            self.read(usize::MAX);
            self.peer.shutdown();
        } else if !self.ended && self.open.is_some() && !self.over {
            // Before anything else is read: the server's Close may be on its way.
            self.end(&mut Random::new(0));
        } else {
            self.read(usize::MAX);
            if self.open.is_none() {
                self.peer.shutdown();
            }
        }
    }

    fn judge(&mut self, cause: Option<CloseCause>, world: World) {
        if !world.calm {
            return;
        }
        let (ending, left) = (self.ending, self.expected.len());
        let cause = cause.expect("opened in a calm world");
        if ending == Ending::ByServer {
            assert_eq!(self.echoed as u64, app::ENOUGH);
            assert_eq!(cause, CloseCause::Local(CloseCode::new(app::HAD_ENOUGH)));
            assert_eq!(self.close_code, Some(CloseCode::new(app::HAD_ENOUGH)));
            assert!(self.ended_well, "the server ends its stream");
            return;
        }
        assert!(self.ended, "{ending:?}: done without an end");
        assert_eq!(left, 0, "{ending:?}: {left} messages were not echoed, {cause:?}");
        // Servers here that read a byte at a time cannot discard it all before their deadline.
        let well = self.ended_well || ending == Ending::ViolationAndMore;
        assert!(well, "{ending:?}: the server ends its stream");
        match ending {
            Ending::ByServer => {}
            Ending::Late => {
                let local = cause == CloseCause::Local(CloseCode::GOING_AWAY) && world.drained;
                assert!(local || cause == CloseCause::Remote(CloseCode::NORMAL), "{cause:?}");
                let code = if local { CloseCode::GOING_AWAY } else { CloseCode::NORMAL };
                assert_eq!(self.close_code, Some(code));
            }
            Ending::Close => {
                assert_eq!(cause, CloseCause::Remote(CloseCode::NORMAL));
                assert_eq!(self.close_code, Some(CloseCode::NORMAL));
            }
            Ending::HalfClose => assert_eq!(cause, CloseCause::Ended),
            Ending::Violation | Ending::ViolationAndMore => {
                assert!(matches!(cause, CloseCause::Failed(_)), "{cause:?}");
                assert_eq!(self.close_code, Some(CloseCode::PROTOCOL_ERROR));
            }
        }
    }
}

impl Echo {
    fn read(&mut self, most: usize) {
        match self.peer.read(most) {
            None => {
                self.over = true;
                self.ended_well = !self.peer.is_reset() && !self.peer.is_truncated();
            }
            Some(bytes) if bytes.is_empty() => {}
            Some(bytes) if self.open.is_some() => self.receive(bytes),
            Some(bytes) => self.shake_hands(bytes),
        }
    }
}
