//! The small-message paths allocate nothing, however long they run.
//!
//! What is counted is this thread's calls of the allocator, so what the tests do around the
//! measured part does not matter, nor what other tests do meanwhile.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use allocation_counter::{AllocationInfo, measure};
use futures_executor::block_on;
use sockeye_benches::masked_frame;
use sockeye_deflate::{Engine, EngineConfig, Level, Params, Session, WindowBits};
use sockeye_frame::Opcode;
use sockeye_sse::{Item, Parser};
use sockeye_tokio::{Settings, WebSocket};
use sockeye_websocket::{Config, Connection, Event, MessageCodec, Role};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

const COUNTS: [usize; 2] = [10_000, 1_000_000];

/// Whether nothing was asked of the allocator, and nothing held grew.
fn nothing(info: AllocationInfo) -> bool {
    (info.count_total, info.bytes_current) == (0, 0)
}

/// Fails if the counter does not count, and with it every test here.
#[test]
fn the_counter_counts() {
    let info = measure(|| {
        std::hint::black_box(Vec::<u8>::with_capacity(100));
    });
    assert_eq!((info.count_total, info.bytes_max), (1, 100));
}

#[test]
fn receive_and_echo_allocate_nothing() {
    for payload in [&b"sixteen bytes ok"[..], &[b'x'; 125]] {
        let frame = masked_frame(Opcode::Text, payload);
        let mut connection = Connection::server(&Config::default());
        let (mut buffer, mut out) = (frame.clone(), Vec::with_capacity(256));
        for count in COUNTS {
            let info = measure(|| {
                for _ in 0..count {
                    buffer.copy_from_slice(&frame);
                    echo(&mut connection, &mut buffer, &mut out);
                }
            });
            assert!(nothing(info), "{count} messages of {} bytes: {info:?}", payload.len());
        }
    }
}

/// Gives the same frames with each read, and swallows what is written.
struct Loop(Vec<u8>);

impl AsyncRead for Loop {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        buffer.put_slice(&self.0);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Loop {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// An echo allocates only the message that it hands over, whether a read brings one message or many.
#[test]
fn an_echo_under_tokio_allocates_its_message_alone() {
    for in_flight in [1, 32] {
        let frames = Loop(masked_frame(Opcode::Text, b"sixteen bytes ok").repeat(in_flight));
        let (role, settings) = (Role::Server, Settings::default());
        let mut socket = WebSocket::after_handshake(frames, role, Vec::new(), settings);
        let mut echo = |count: usize| {
            block_on(async {
                for _ in 0..count {
                    let message = socket.receive().await.expect("no end").expect("legal frames");
                    socket.queue(&message).expect("there is room");
                }
            });
        };
        // The buffers of the connection and of the thread.
        echo(100);
        for count in COUNTS {
            let info = measure(|| echo(count));
            assert_eq!((info.count_total, info.bytes_current), (count as u64, 0), "{in_flight}");
        }
    }
}

/// Also where each frame comes in two reads, and with a ping to answer.
#[test]
fn cut_frames_and_pings_allocate_nothing() {
    let text = masked_frame(Opcode::Text, b"cut anywhere");
    let recording = [text.clone(), masked_frame(Opcode::Ping, b"?"), text].concat();
    let mut connection = Connection::server(&Config::default());
    let (mut buffer, mut out) = (recording.clone(), Vec::with_capacity(256));
    let info = measure(|| {
        for round in 0..COUNTS[0] {
            buffer.copy_from_slice(&recording);
            // Inside the first text, anywhere.
            let (first, second) = buffer.split_at_mut(1 + round % 17);
            echo(&mut connection, first, &mut out);
            echo(&mut connection, second, &mut out);
        }
    });
    assert!(nothing(info), "{info:?}");
}

fn echo(connection: &mut Connection, mut input: &mut [u8], out: &mut Vec<u8>) {
    out.clear();
    while let Some(event) = connection.receive(&mut input, out).expect("legal frames") {
        if let Event::Message(message) = event {
            connection.send(message, out).expect("the connection is open");
        }
    }
}

/// Events that lie whole in the input are lent from there.
#[test]
fn borrowed_events_allocate_nothing() {
    let stream = b"event: delta\ndata: {\"content\":\" token\"}\n\n".repeat(1000);
    let mut parser = Parser::default();
    for rounds in COUNTS.map(|count| count / 1000) {
        let mut events = 0;
        let info = measure(|| (0..rounds).for_each(|_| events += parse(&mut parser, &stream)));
        assert_eq!(events, rounds * 1000);
        assert!(nothing(info), "{events} events: {info:?}");
    }
}

/// Events that were cut wait in buffers which are used again.
#[test]
fn cut_events_allocate_nothing_once_warm() {
    let stream = b"id: 17\ndata: {\"content\":\" token\"}\n\n".repeat(1000);
    let mut parser = Parser::default();
    let mut run = || stream.chunks(1448).map(|chunk| parse(&mut parser, chunk)).sum::<usize>();
    run();
    let info = measure(|| assert_eq!((0..100).map(|_| run()).sum::<usize>(), 100_000));
    assert!(nothing(info), "{info:?}");
}

fn parse(parser: &mut Parser, mut input: &[u8]) -> usize {
    let mut events = 0;
    while let Some(item) = parser.next(&mut input).expect("within the limits") {
        if let Item::Event(event) = item {
            std::hint::black_box(event);
            events += 1;
        }
    }
    events
}

/// A compressed session holds its peer's window, 1 KiB of what it sent and nothing worth mentioning
/// beside them.
#[test]
fn a_compressed_session_holds_a_window_and_a_kilobyte() {
    const BESIDE_MAX: usize = 256;
    const SENT_MAX: usize = 1024;
    let mut engine = Engine::new(EngineConfig {
        level: Level::FASTEST,
        message_bytes_min: 0,
        ..EngineConfig::default()
    });
    for bits in [9, 12, 15] {
        let window = WindowBits::new(bits);
        let (server_max_window_bits, client_max_window_bits) = (window, window);
        let params = Params { server_max_window_bits, client_max_window_bits, ..Params::default() };
        // Warms the engine, whose parts all sessions share, and makes something to receive.
        let message = b"{\"river\":\"upstream\",\"leap\":1234567890}".repeat(2000);
        let (mut wire, mut out) = (Vec::new(), Vec::new());
        exchange(&mut Session::new(Role::Client, params), &mut engine, &message, &mut wire, None);
        let received = wire.clone();
        let mut session = None;
        exchange(
            &mut Session::new(Role::Server, params),
            &mut engine,
            &message,
            &mut wire,
            Some((&received, &mut out)),
        );
        let info = measure(|| {
            let session = session.insert(Box::new(Session::new(Role::Server, params)));
            exchange(session, &mut engine, &message, &mut wire, Some((&received, &mut out)));
        });
        let held = usize::try_from(info.bytes_current).expect("something is held");
        println!("window 2^{bits}: {held} bytes held per session");
        let full = (1 << bits) + SENT_MAX.min(1 << bits);
        assert!(held >= full, "both are full");
        assert!(held <= full + BESIDE_MAX, "window 2^{bits}: {held} bytes");
    }
}

/// Sends a message, and receives one if there is one.
fn exchange(
    session: &mut Session,
    engine: &mut Engine,
    message: &[u8],
    wire: &mut Vec<u8>,
    received: Option<(&[u8], &mut Vec<u8>)>,
) {
    wire.clear();
    assert!(session.codec(engine).compress(message, wire));
    if let Some((received, out)) = received {
        out.clear();
        session.codec(engine).decompress(received, u64::MAX, out).expect("valid");
    }
}
