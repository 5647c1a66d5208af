//! Masked frames in, messages out.

use std::hint::black_box;
use std::io::Read;

use futures_executor::block_on;
use futures_util::StreamExt;
use sockeye_frame::{Decoder, MaskKey, Role, Rsv, Rules, apply_mask};
use sockeye_websocket::{Assembler, Config, Connection, Event, Limits};

use crate::inputs::recording;
use crate::replay::Replay;
use crate::{Group, each};

/// The receive buffer of the server.
const READ_BYTES: usize = 128 * 1024;
const MESSAGE_BYTES_MAX: usize = 16 << 20;

pub(super) fn groups() -> Vec<Group> {
    [16, 125, 1024, 64 << 10, 1 << 20].map(group).into()
}

fn group(len: usize) -> Group {
    let bytes = recording(len);
    let socket = || Replay::new(&bytes);
    let group = Group::new(format!("decode and unmask {len} B"), len)
        .row("sockeye-frame", frame(socket()))
        .row("sockeye-websocket", websocket(socket()))
        .row("sockeye-websocket, whole messages", assembled(socket(), len))
        .row("tungstenite", tungstenite(socket(), len))
        .row("fastwebsockets", fastwebsockets(socket(), len))
        .row("tokio-websockets", tokio_websockets(socket(), len))
        .row("floor: copy and XOR", floor(socket(), len));
    match len {
        16 | 125 => group.target("sockeye-frame", &["tungstenite"], 3.0).target(
            "sockeye-websocket",
            &["tungstenite"],
            3.0,
        ),
        65_536 | 1_048_576 => group.target("sockeye-frame", &["floor: copy and XOR"], 0.85).target(
            "sockeye-websocket",
            &["floor: copy and XOR"],
            0.85,
        ),
        _ => group,
    }
}

/// A loop's receive buffer, and what is left to do in it.
struct Reader {
    socket: Replay,
    buffer: Vec<u8>,
}

impl Reader {
    fn new(socket: Replay) -> Self {
        Self { socket, buffer: vec![0; READ_BYTES] }
    }

    fn read(&mut self) -> &mut [u8] {
        let len = self.socket.read(&mut self.buffer).expect("it reads from memory");
        &mut self.buffer[..len]
    }
}

/// Runs until `units` messages have ended; what follows them in the last read is decoded too, and
/// counted with the next call's.
struct Counter(u64);

impl Counter {
    fn run(&mut self, units: u64, mut read: impl FnMut() -> u64) {
        while self.0 < units {
            self.0 += read();
        }
        self.0 -= units;
    }
}

fn frame(socket: Replay) -> impl FnMut(u64) {
    let rules = Rules { role: Role::Server, rsv: Rsv::NONE, payload_len_max: 16 << 20 };
    let mut decoder = Decoder::new(rules);
    let mut reader = Reader::new(socket);
    let mut counter = Counter(0);
    move |units| {
        counter.run(units, || {
            let mut input = reader.read();
            let mut ended = 0;
            while let Some(chunk) = decoder.next(&mut input).expect("legal frames") {
                ended += u64::from(chunk.is_last());
                black_box(chunk.payload);
            }
            ended
        });
    }
}

fn config() -> Config {
    let bytes_max = MESSAGE_BYTES_MAX as u64;
    let mut limits = Limits::DEFAULT;
    limits.frame_bytes_max = bytes_max;
    limits.message_bytes_max = bytes_max;
    Config { limits, ..Config::default() }
}

/// `ended` says how many messages an event ends.
fn received(socket: Replay, mut ended: impl FnMut(Event<'_>) -> u64) -> impl FnMut(u64) {
    let mut connection = Connection::server(&config());
    let mut reader = Reader::new(socket);
    let mut out = Vec::new();
    let mut counter = Counter(0);
    move |units| {
        counter.run(units, || {
            let mut input = reader.read();
            let mut count = 0;
            while let Some(event) = connection.receive(&mut input, &mut out).expect("legal frames")
            {
                count += ended(event);
            }
            count
        });
    }
}

fn websocket(socket: Replay) -> impl FnMut(u64) {
    received(socket, |event| match event {
        Event::Message(message) => {
            black_box(message.as_bytes());
            1
        }
        Event::Piece(piece) => {
            black_box(piece.payload);
            u64::from(piece.last)
        }
        Event::Ping(_) | Event::Pong(_) | Event::Close(_) => unreachable!("not recorded"),
    })
}

fn assembled(socket: Replay, len: usize) -> impl FnMut(u64) {
    let mut assembler = Assembler::new(MESSAGE_BYTES_MAX as u64);
    received(socket, move |event| {
        let message = match event {
            Event::Message(message) => Some(message),
            Event::Piece(piece) => assembler.push(piece, None).expect("within the limits"),
            Event::Ping(_) | Event::Pong(_) | Event::Close(_) => unreachable!("not recorded"),
        };
        let Some(message) = message else { return 0 };
        assert_eq!(black_box(message.as_bytes()).len(), len);
        1
    })
}

fn tungstenite(socket: Replay, len: usize) -> impl FnMut(u64) {
    use tungstenite::protocol::{Role, WebSocket, WebSocketConfig};
    let config = WebSocketConfig::default().max_message_size(None).max_frame_size(None);
    let mut websocket = WebSocket::from_raw_socket(socket, Role::Server, Some(config));
    each(move || {
        let message = websocket.read().expect("legal frames").into_data();
        assert_eq!(black_box(&message[..]).len(), len);
    })
}

fn fastwebsockets(socket: Replay, len: usize) -> impl FnMut(u64) {
    use fastwebsockets::{FragmentCollector, Role, WebSocket};
    let mut websocket = WebSocket::after_handshake(socket, Role::Server);
    websocket.set_max_message_size(MESSAGE_BYTES_MAX);
    let mut websocket = FragmentCollector::new(websocket);
    move |units| {
        block_on(async {
            for _ in 0..units {
                let frame = websocket.read_frame().await.expect("legal frames");
                assert_eq!(black_box(&frame.payload[..]).len(), len);
            }
        });
    }
}

fn tokio_websockets(socket: Replay, len: usize) -> impl FnMut(u64) {
    use tokio_websockets::{Limits, ServerBuilder};
    let mut websocket = ServerBuilder::new().limits(Limits::unlimited()).serve(socket);
    move |units| {
        block_on(async {
            for _ in 0..units {
                let message = websocket.next().await.expect("no end").expect("legal frames");
                assert_eq!(black_box(&message.as_payload()[..]).len(), len);
            }
        });
    }
}

/// The same bytes read and XORed, headers and all.
fn floor(socket: Replay, len: usize) -> impl FnMut(u64) {
    let frame_len = crate::masked_frame(sockeye_frame::Opcode::Binary, &vec![0; len]).len();
    let key = MaskKey::new([0x37, 0xFA, 0x21, 0x3D]);
    let mut reader = Reader::new(socket);
    let mut done = 0;
    move |units| {
        let wanted = usize::try_from(units).expect("64 bits") * frame_len;
        while done < wanted {
            let bytes = reader.read();
            apply_mask(bytes, key, 0);
            done += black_box(bytes).len();
        }
        done -= wanted;
    }
}
