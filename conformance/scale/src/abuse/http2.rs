//! Abuse of HTTP/2 (RFC 9113 §10.5): each ends its own connection, with the right code and within bounds.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use super::Stage;
use crate::Failure;
use crate::checks::Checks;
use crate::frames::{
    ACK, CONTINUATION, DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, PING, PREFACE, PRIORITY,
    RST_STREAM, SETTINGS, WINDOW_UPDATE, fields, frame,
};

/// Memory by which a server may grow for one connection that is abused: its tables, a read, and what the
/// allocator likes to keep.
const MEMORY_KIB_MAX: u64 = 1_024;

/// Bytes of a flood that are sent at a time, and the frame that passes them.
const PART_BYTES: usize = 2_048;

/// The bytes that the server has read.
const RECEIVED: &str = "sockeye_bytes_received_total";

/// How long the server may take for the end of a connection.
const PATIENCE: Duration = Duration::from_secs(20);

/// ENHANCE_YOUR_CALM and SETTINGS_TIMEOUT.
const CALM: u32 = 11;
const SETTINGS_TIMEOUT: u32 = 4;

/// The fields of a request: method, path, and nothing in the table of the other end.
fn request(method: &str, path: &str) -> Vec<u8> {
    let rest = fields(&[(":method", method), (":path", path), (":authority", "localhost")]);
    [&[0x86][..], &rest].concat()
}

fn post(stream: u32) -> Vec<u8> {
    frame(HEADERS, END_HEADERS, stream, &request("POST", "/v1/channels/abuse"))
}

fn get(stream: u32, path: &str) -> Vec<u8> {
    frame(HEADERS, END_HEADERS | END_STREAM, stream, &request("GET", path))
}

fn cancel(stream: u32) -> Vec<u8> {
    frame(RST_STREAM, 0, stream, &[0, 0, 0, 8])
}

/// A client of few lines, whose bytes may be wrong.
struct Attacker {
    stream: TcpStream,
    got: Vec<u8>,
    sent: usize,
    /// Frames of each kind that came.
    frames: [usize; 10],
    /// The code of the server's GOAWAY.
    goaway: Option<u32>,
    is_over: bool,
}

impl Attacker {
    fn new(stage: &Stage, settings: &[u8]) -> Result<Self, Failure> {
        let stream = TcpStream::connect(stage.server.addr)?;
        stream.set_nonblocking(true)?;
        let mut it = Self {
            stream,
            got: Vec::new(),
            sent: 0,
            frames: [0; 10],
            goaway: None,
            is_over: false,
        };
        let hello = [PREFACE, &frame(SETTINGS, 0, 0, settings), &frame(SETTINGS, ACK, 0, &[])];
        it.stream.write_all(&hello.concat())?;
        Ok(it)
    }

    /// Sends bytes as far as the server takes them, and looks at what comes.
    fn send(&mut self, stage: &mut Stage, bytes: &[u8]) -> Result<(), Failure> {
        let began = Instant::now();
        let mut rest = bytes;
        while !rest.is_empty() && !self.is_over && began.elapsed() < PATIENCE {
            match self.stream.write(rest) {
                Ok(len) => (rest, self.sent) = (&rest[len..], self.sent + len),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    stage.world.run_for(1)?;
                }
                // The server has closed: its last words may still be here.
                Err(_) => rest = &[],
            }
            self.read()?;
        }
        Ok(stage.world.poll()?)
    }

    /// The same, and waits until the server has read them or ends the connection. Otherwise the buffers of the
    /// system would take far more.
    fn send_and_wait(&mut self, stage: &mut Stage, bytes: &[u8]) -> Result<(), Failure> {
        let before = stage.server.metric(RECEIVED)?;
        self.send(stage, bytes)?;
        let (began, len) = (Instant::now(), bytes.len() as u64);
        while !self.is_over
            && stage.server.metric(RECEIVED)? < before + len
            && began.elapsed() < PATIENCE
        {
            stage.world.run_for(1)?;
            self.read()?;
        }
        self.read()
    }

    fn read(&mut self) -> Result<(), Failure> {
        let mut buffer = [0; 64 * 1024];
        loop {
            match self.stream.read(&mut buffer) {
                Ok(0) => self.is_over = true,
                Ok(len) => {
                    self.got.extend_from_slice(&buffer[..len]);
                    continue;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) if error.kind() == ErrorKind::ConnectionReset => self.is_over = true,
                Err(error) => return Err(error.into()),
            }
            break;
        }
        let mut at = 0;
        while let [a, b, c, kind, _, _, _, _, _, rest @ ..] = &self.got[at..] {
            let len = u32::from_be_bytes([0, *a, *b, *c]) as usize;
            let Some(payload) = rest.get(..len) else { break };
            if let Some(count) = self.frames.get_mut(usize::from(*kind)) {
                *count += 1;
            }
            if let (GOAWAY, [_, _, _, _, code @ ..]) = (*kind, payload) {
                self.goaway = code.first_chunk().map(|code| u32::from_be_bytes(*code));
            }
            at += 9 + len;
        }
        self.got.drain(..at);
        self.is_over |= self.goaway.is_some();
        Ok(())
    }

    /// Waits until `is` holds.
    fn wait(&mut self, stage: &mut Stage, is: impl Fn(&Self) -> bool) -> Result<bool, Failure> {
        let began = Instant::now();
        while !is(self) && began.elapsed() < PATIENCE {
            stage.world.run_for(5)?;
            self.read()?;
        }
        Ok(is(self))
    }
}

/// A flood: what it begins with, what it repeats, and how much of it the server takes.
struct Flood {
    name: &'static str,
    first: Vec<u8>,
    again: fn(u32) -> Vec<u8>,
    bytes_max: usize,
}

fn floods() -> Vec<Flood> {
    let flood = |name, first: &[u8], again, bytes_max| {
        let first = first.to_vec();
        Flood { name, first, again, bytes_max }
    };
    // A head of one indexed field, which does not end.
    let open = frame(HEADERS, END_STREAM, 1, &[0x82]);
    vec![
        flood("rapid reset", &[], |at| [post(2 * at + 1), cancel(2 * at + 1)].concat(), 128 << 10),
        flood(
            "rapid reset of answers",
            &[],
            |at| [get(2 * at + 1, "/healthz"), cancel(2 * at + 1)].concat(),
            128 << 10,
        ),
        flood(
            "rapid reset of event streams",
            &[],
            |at| [get(2 * at + 1, super::EVENTS), cancel(2 * at + 1)].concat(),
            128 << 10,
        ),
        flood(
            "made you reset",
            &[],
            |at| {
                let overflow = frame(WINDOW_UPDATE, 0, 2 * at + 1, &[0x7f, 0xff, 0xff, 0xff]);
                [post(2 * at + 1), overflow].concat()
            },
            128 << 10,
        ),
        flood("empty CONTINUATION", &open, |_| frame(CONTINUATION, 0, 1, &[]), 8 << 10),
        flood("long CONTINUATION", &open, |_| frame(CONTINUATION, 0, 1, &[0x82; 16_384]), 64 << 10),
        flood("references", &[], references, 64 << 10),
        flood("short references", &[], few_references, 1 << 20),
        flood("empty DATA", &post(1), |_| frame(DATA, 0, 1, &[]), 16 << 10),
        flood("PING", &[], |_| frame(PING, 0, 0, &[7; 8]), 16 << 10),
        flood("SETTINGS", &[], |_| frame(SETTINGS, 0, 0, &[]), 8 << 10),
        flood("PRIORITY", &[], |_| frame(PRIORITY, 0, 9, &[0, 0, 0, 0, 1]), 64 << 10),
        flood("WINDOW_UPDATE", &[], |_| frame(WINDOW_UPDATE, 0, 0, &[0, 0, 0, 1]), 64 << 10),
        flood("unknown frames", &[], |_| frame(0xee, 0, 1, &[]), 64 << 10),
    ]
}

/// A field of 4,000 bytes for the table, and references of one byte to it: far more bytes than they take.
fn references(at: u32) -> Vec<u8> {
    bomb(2 * at + 1, 10_000)
}

/// The same with as many references as a head over its bounds may have. Each is answered with 431.
fn few_references(at: u32) -> Vec<u8> {
    bomb(2 * at + 1, 60)
}

fn bomb(stream: u32, count: usize) -> Vec<u8> {
    let mut block = request("GET", "/");
    block.extend([0x40, 1, b'x', 0x7f, 0xa1, 0x1e]);
    block.extend([b'v'; 4_000]);
    block.extend(vec![0xbe; count]);
    frame(HEADERS, END_HEADERS | END_STREAM, stream, &block)
}

pub(super) fn run(stage: &mut Stage, checks: &mut Checks) -> Result<(), Failure> {
    for flood in floods() {
        let name = flood.name;
        let (since, before) = (stage.published(), stage.server.memory_kib()?);
        let mut attacker = Attacker::new(stage, &[])?;
        attacker.send(stage, &flood.first)?;
        let mut at = 0;
        while !attacker.is_over && attacker.sent < 4 * flood.bytes_max {
            let mut part = Vec::new();
            while part.len() < PART_BYTES {
                part.extend((flood.again)(at));
                at += 1;
            }
            attacker.send_and_wait(stage, &part)?;
        }
        let is_over = attacker.wait(stage, |it| it.is_over)?;
        let grown = stage.server.memory_kib()?.saturating_sub(before);
        let (sent, code) = (attacker.sent, attacker.goaway);
        // 431 for each ends nothing: such heads cost their bytes, and leave nothing behind.
        let is_calm = code == Some(CALM) || name == "short references" && code.is_none();
        checks
            .that(is_calm, format_args!("{name}: the code of GOAWAY is {code:?}, over: {is_over}"));
        checks.that(
            sent <= flood.bytes_max || code.is_none(),
            format_args!("{name}: {sent} bytes are taken, {} at the most", flood.bytes_max),
        );
        checks.that(
            grown <= MEMORY_KIB_MAX,
            format_args!("{name}: memory grew by {grown} KiB, {MEMORY_KIB_MAX} at the most"),
        );
        drop(attacker);
        stage.went_on(since, name, checks)?;
    }
    shut_windows(stage, checks)?;
    incomplete_contents(stage, checks)?;
    slow_preface(stage, checks)?;
    bursts(stage, checks)
}

/// Windows of zero bytes, and requests for pages: answers that nobody takes.
fn shut_windows(stage: &mut Stage, checks: &mut Checks) -> Result<(), Failure> {
    const KIB_MAX: u64 = 4 * 1_024;
    let (since, before) = (stage.published(), stage.server.memory_kib()?);
    let mut attacker = Attacker::new(stage, &[0, 4, 0, 0, 0, 0])?;
    for at in 0..5_000 {
        attacker.send(stage, &get(2 * at + 1, "/"))?;
    }
    stage.world.run_for(500)?;
    attacker.read()?;
    let grown = stage.server.memory_kib()?.saturating_sub(before);
    let (heads, resets) =
        (attacker.frames[usize::from(HEADERS)], attacker.frames[usize::from(RST_STREAM)]);
    println!("        5000 pages with shut windows: {heads} begun, {resets} refused");
    checks.that(heads > 0 && heads < 1_000, format_args!("shut windows: {heads} answers wait"));
    checks.that(
        grown <= KIB_MAX,
        format_args!("shut windows: memory grew by {grown} KiB, {KIB_MAX} at the most"),
    );
    drop(attacker);
    stage.went_on(since, "shut windows", checks)
}

/// Requests whose content never ends.
fn incomplete_contents(stage: &mut Stage, checks: &mut Checks) -> Result<(), Failure> {
    const KIB_MAX: u64 = 3 * 1_024;
    let (since, before) = (stage.published(), stage.server.memory_kib()?);
    let mut attacker = Attacker::new(stage, &[])?;
    for at in 0..250 {
        attacker.send(stage, &post(2 * at + 1))?;
        for _ in 0..3 {
            attacker.send(stage, &frame(DATA, 0, 2 * at + 1, &[b'x'; 16_000]))?;
        }
    }
    let is_refused = |it: &Attacker| it.frames[usize::from(RST_STREAM)] > 200 || it.is_over;
    attacker.wait(stage, is_refused)?;
    let grown = stage.server.memory_kib()?.saturating_sub(before);
    let resets = attacker.frames[usize::from(RST_STREAM)];
    checks.that(resets > 200, format_args!("contents without end: {resets} of 250 are refused"));
    checks.that(
        grown <= KIB_MAX,
        format_args!("contents without end: memory grew by {grown} KiB, {KIB_MAX} at the most"),
    );
    drop(attacker);
    stage.went_on(since, "contents without end", checks)
}

/// The preface, and nothing behind it.
fn slow_preface(stage: &mut Stage, checks: &mut Checks) -> Result<(), Failure> {
    let since = stage.published();
    let mut attacker = Attacker::new(stage, &[])?;
    let stream = TcpStream::connect(stage.server.addr)?;
    stream.set_nonblocking(true)?;
    attacker.stream = stream;
    (attacker.frames, attacker.goaway, attacker.is_over) = ([0; 10], None, false);
    attacker.got.clear();
    attacker.send(stage, PREFACE)?;
    attacker.wait(stage, |it| it.goaway.is_some())?;
    let code = attacker.goaway;
    checks.that(
        code == Some(SETTINGS_TIMEOUT),
        format_args!("a preface without SETTINGS: the code of GOAWAY is {code:?}"),
    );
    stage.went_on(since, "a preface without SETTINGS", checks)
}

/// Bursts as browsers make them are served.
fn bursts(stage: &mut Stage, checks: &mut Checks) -> Result<(), Failure> {
    let since = stage.published();
    let mut browser = Attacker::new(stage, &[])?;
    // Firefox opens 400: some are refused, and nothing else happens.
    let mut bytes: Vec<u8> = (0..400).flat_map(|at| get(2 * at + 1, super::EVENTS)).collect();
    browser.send(stage, &bytes)?;
    let answered =
        |it: &Attacker| it.frames[usize::from(HEADERS)] + it.frames[usize::from(RST_STREAM)] >= 400;
    let is_answered = browser.wait(stage, answered)?;
    let heads = browser.frames[usize::from(HEADERS)];
    checks.that(is_answered && heads == 256, format_args!("400 opens at once: {heads} are open"));
    // All are closed at once.
    bytes = (0..256).flat_map(|at| cancel(2 * at + 1)).collect();
    browser.send(stage, &bytes)?;
    // A body in frames of one byte.
    let body = br#"{"small":"frames"}"#;
    bytes = post(1_001);
    for (at, byte) in body.iter().enumerate() {
        let flags = if at + 1 == body.len() { END_STREAM } else { 0 };
        bytes.extend(frame(DATA, flags, 1_001, &[*byte]));
    }
    browser.send(stage, &bytes)?;
    let is_served = browser.wait(stage, |it| it.frames[usize::from(HEADERS)] > 256)?;
    checks.that(
        is_served && browser.goaway.is_none(),
        format_args!("256 closes at once and frames of one byte: {:?}", browser.goaway),
    );
    drop(browser);
    stage.went_on(since, "bursts of a browser", checks)
}
