//! Servers on blocking sockets: one that is honest, and some that are not.
#![allow(unreachable_pub, reason = "a module of a test")]

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use sockeye_handshake::{Extensions, Policy, decide};
use sockeye_http1::{HeaderStorage, Limits, RequestHead};
use sockeye_websocket::{
    CloseCode, CloseFrame, Config, Connection, Event, Fin, Kind, Message, Piece,
};

/// What a server does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// Everything that it should.
    Honest,
    /// It cuts each echo into three frames, with a ping between two.
    Fragments,
    /// The fifth echo has another last byte.
    WrongByte,
    /// The fifth echo is a byte short.
    Short,
    /// The fifth echo is text where binary was sent.
    WrongKind,
    /// The fifth message is not echoed.
    Swallow,
    /// The fifth message is echoed twice.
    Twice,
    /// The fifth message is echoed once more when something else comes, be it a Close frame.
    Afterthought,
    /// The fifth message and what follows is not echoed.
    FallSilent,
    /// The fifth message is echoed 300 ms late, and everything behind it waits.
    Pause,
    /// The fifth message is answered by a Close frame.
    Close,
    /// After four messages the connection ends.
    Cut,
    /// The fifth echo is masked, which only clients may do.
    Masked,
    /// The fifth message is answered by the header of a frame of three gigabytes.
    Huge,
    /// The opening handshake is answered by 403.
    Refuse,
    /// The opening handshake is answered with a wrong key.
    WrongAccept,
    /// The opening handshake is not answered.
    Mute,
}

/// Starts a server that echoes, in its manner.
pub fn echo(manner: Manner) -> SocketAddr {
    serve(move |socket| {
        if let Some(socket) = open(socket, manner) {
            converse(socket, manner);
        }
    })
}

/// Starts a server without any protocol that sends back what it gets.
pub fn bare() -> SocketAddr {
    serve(|mut socket| {
        let mut buffer = [0; 4096];
        while let Ok(len @ 1..) = socket.read(&mut buffer) {
            if socket.write_all(&buffer[..len]).is_err() {
                return;
            }
        }
    })
}

/// Starts a server without any protocol that sends what one says to all others.
pub fn bare_broadcast() -> SocketAddr {
    let all: Arc<Mutex<Vec<TcpStream>>> = Arc::default();
    serve(move |mut socket| {
        let own = socket.peer_addr().expect("it was connected");
        all.lock().expect("no panic").push(socket.try_clone().expect("a descriptor"));
        let mut buffer = [0; 4096];
        while let Ok(len @ 1..) = socket.read(&mut buffer) {
            for other in all.lock().expect("no panic").iter_mut() {
                if other.peer_addr().is_ok_and(|addr| addr != own) {
                    // It may have gone.
                    let _ = other.write_all(&buffer[..len]);
                }
            }
        }
    })
}

/// Runs `serve_one` on a thread for each connection, until the test ends.
fn serve(serve_one: impl Fn(TcpStream) + Send + Sync + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let addr = listener.local_addr().expect("it is bound");
    let serve_one = Arc::new(serve_one);
    std::thread::spawn(move || {
        for socket in listener.incoming().flatten() {
            let serve_one = Arc::clone(&serve_one);
            std::thread::spawn(move || serve_one(socket));
        }
    });
    addr
}

/// The opening handshake.
fn open(mut socket: TcpStream, manner: Manner) -> Option<TcpStream> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        socket.read_exact(&mut byte).ok()?;
        head.extend_from_slice(&byte);
    }
    let mut storage = HeaderStorage::new();
    let head = RequestHead::parse(&head, &mut storage, &Limits::DEFAULT).expect("a legal head");
    let mut out = Vec::new();
    let accept = decide(&head, &Policy::default()).expect("a legal handshake");
    accept.write_response(&Extensions::new(), &[], &mut out).expect("a legal answer");
    match manner {
        Manner::Refuse => {
            out = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n".to_vec();
        }
        Manner::WrongAccept => {
            let text = String::from_utf8(out).expect("text");
            out = text.replace("Accept: ", "Accept: A").into_bytes();
        }
        Manner::Mute => {
            // Until the client gives up.
            let _ = socket.read(&mut byte);
            return None;
        }
        _ => {}
    }
    socket.write_all(&out).ok()?;
    Some(socket)
}

fn converse(mut socket: TcpStream, manner: Manner) {
    let mut protocol = Connection::server(&Config::default());
    let (mut buffer, mut out, mut count) = (vec![0; 64 * 1024], Vec::new(), 0);
    let (mut whole, mut later) = (Vec::new(), Vec::new());
    loop {
        let Ok(len @ 1..) = socket.read(&mut buffer) else { return };
        let mut input = &mut buffer[..len];
        out.append(&mut later);
        while let Some(event) = protocol.receive(&mut input, &mut out).expect("a legal client") {
            let kind = match event {
                Event::Message(message) => {
                    whole.extend_from_slice(message.as_bytes());
                    message.kind()
                }
                Event::Piece(Piece { kind, last, payload, .. }) => {
                    whole.extend_from_slice(payload);
                    if !last {
                        continue;
                    }
                    kind
                }
                Event::Ping(_) | Event::Pong(_) | Event::Close(_) => continue,
            };
            count += 1;
            if manner == Manner::Cut && count == 5 {
                return;
            }
            if manner != Manner::FallSilent || count < 5 {
                let manner =
                    if count == 5 || manner == Manner::Fragments { manner } else { Manner::Honest };
                answer(&mut protocol, manner, kind, &mut whole, &mut out);
            }
            if manner == Manner::Afterthought && count == 5 {
                answer(&mut protocol, manner, kind, &mut whole, &mut later);
            }
            whole.clear();
        }
        if socket.write_all(&out).is_err() {
            return;
        }
        out.clear();
    }
}

fn answer(
    protocol: &mut Connection,
    manner: Manner,
    kind: Kind,
    whole: &mut Vec<u8>,
    out: &mut Vec<u8>,
) {
    let mut kind = kind;
    match manner {
        Manner::Swallow => return,
        Manner::Fragments => {
            let third = whole.len() / 3;
            let ends = [
                (0..third, Fin::More),
                (third..third, Fin::More),
                (third..whole.len(), Fin::Final),
            ];
            for (part, fin) in ends {
                let part = &whole[part];
                let start = protocol.begin(kind, part.len() as u64, fin).expect("it is open");
                out.extend_from_slice(start.header());
                out.extend_from_slice(part);
                if fin == Fin::More {
                    protocol.ping(b"well?", out).expect("it is open");
                }
            }
            return;
        }
        Manner::Pause => std::thread::sleep(std::time::Duration::from_millis(300)),
        Manner::WrongByte => *whole.last_mut().expect("a byte") ^= 1,
        Manner::Short => drop(whole.pop()),
        Manner::WrongKind => kind = Kind::Text,
        Manner::Close => {
            let frame = CloseFrame::new(CloseCode::GOING_AWAY, "no more").expect("a legal frame");
            protocol.close(Some(frame), out).expect("it is open");
            return;
        }
        Manner::Masked => return out.extend_from_slice(&[0x82, 0x81, 1, 2, 3, 4, 5]),
        Manner::Huge => return out.extend_from_slice(&[0x82, 127, 0, 0, 0, 0, 0xC0, 0, 0, 0]),
        _ => {}
    }
    let times = if manner == Manner::Twice { 2 } else { 1 };
    for _ in 0..times {
        let message = match kind {
            Kind::Text => Message::Text(core::str::from_utf8(whole).unwrap_or("text")),
            Kind::Binary => Message::Binary(whole),
        };
        protocol.send(message, out).expect("it is open");
    }
}

/// What a server does that sends each message to everybody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spread {
    Honest,
    /// Publication 20 and those after it do not reach one of the listeners.
    Forget,
    /// Publication 20 reaches one of the listeners twice.
    Repeat,
    /// Publication 20 is damaged for one of the listeners.
    Damage,
    /// Nobody gets anything.
    Nothing,
}

/// Starts a server that sends each message to all connections.
pub fn broadcast(spread: Spread) -> SocketAddr {
    let all: Arc<Mutex<Vec<TcpStream>>> = Arc::default();
    serve(move |socket| {
        let Some(mut socket) = open(socket, Manner::Honest) else { return };
        let sender = socket.peer_addr().expect("it was connected");
        all.lock().expect("no panic").push(socket.try_clone().expect("a descriptor"));
        let mut protocol = Connection::server(&Config::default());
        let (mut buffer, mut out) = (vec![0; 64 * 1024], Vec::new());
        loop {
            let Ok(len @ 1..) = socket.read(&mut buffer) else { return };
            let mut input = &mut buffer[..len];
            while let Some(event) = protocol.receive(&mut input, &mut out).expect("a legal client")
            {
                if let Event::Message(message) = event {
                    spread_to_all(&mut all.lock().expect("no panic"), spread, sender, message);
                }
            }
        }
    })
}

fn spread_to_all(all: &mut [TcpStream], spread: Spread, sender: SocketAddr, message: Message<'_>) {
    let mut frame = Vec::new();
    let config = Config::default();
    Connection::server(&config).send(message, &mut frame).expect("it is open");
    // Connections come in any order; who sends does not look at what it gets.
    let listener = all.iter().position(|socket| socket.peer_addr().is_ok_and(|at| at != sender));
    for (at, socket) in all.iter_mut().enumerate() {
        let mut wire = frame.clone();
        if Some(at) == listener {
            let number = publication(message.as_bytes());
            match spread {
                Spread::Forget if number >= Some(20) => wire.clear(),
                Spread::Repeat if number == Some(20) => wire.extend_from_slice(&frame),
                Spread::Damage if number == Some(20) => *wire.last_mut().expect("a byte") ^= 1,
                _ => {}
            }
        }
        if spread != Spread::Nothing {
            // It may have gone.
            let _ = socket.write_all(&wire);
        }
    }
}

/// The number of a publication: `~`, eight digits of the run, ten of the number, `~`.
fn publication(payload: &[u8]) -> Option<u64> {
    let digits = payload.get(9..20)?.strip_suffix(b"~")?;
    u64::from_str_radix(core::str::from_utf8(digits).ok()?, 16).ok()
}
