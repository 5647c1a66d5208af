//! WebSockets: npm `ws`, and Python's `websockets`.

use sockeye_client::sans_io::SocketEvent;
use sockeye_client::websocket::{CloseCode, Fin, Limits, Message};
use sockeye_client::{ConnectOptions, Delivery, Error, Network, OwnedMessage, Refusal, WebSocket};

use crate::children::{House, Outcome};
use crate::verdict::{Verdict, holds, same};

type Found<T> = Result<T, Box<dyn core::error::Error + Send + Sync>>;

/// Around every length of a frame's header, and larger than what is read at a time.
const SIZES: [usize; 9] = [0, 1, 125, 126, 4096, 65_535, 65_536, 300_000, 1 << 20];

pub(crate) fn run(house: &House, verdict: &mut Verdict) {
    let at = |path: &str| house.ws.url("ws", path);
    for path in ["/plain", "/takeover", "/no-takeover", "/small-windows"] {
        let url = at(path);
        verdict.check(&format!("ws: echo of every size, {path}"), move || {
            echo(&url, path != "/plain")
        });
    }
    let url = at("/second");
    verdict.check("ws: the subprotocol that the server chooses", move || {
        subprotocol(&url, &["first", "second"], Some("second"))
    });
    let url = at("/plain");
    verdict.check("ws: a subprotocol that is first", move || {
        subprotocol(&url, &["only"], Some("only"))
    });
    let url = at("/headers");
    verdict.check("ws: headers of the caller's", move || headers(&url));
    for path in ["/fragments", "/fragments-deflated"] {
        let url = at(path);
        verdict
            .check(&format!("ws: 200 fragments of 64 KiB, whole, {path}"), move || fragments(&url));
    }
    let url = at("/fragments");
    verdict.check("ws: 200 fragments of 64 KiB, in pieces", move || pieces(&url));
    let url = at("/fragments");
    verdict.check("ws: a message over the limit", move || too_big(&url));
    let url = at("/plain");
    verdict.check("ws: a message that is sent in parts", move || parts(&url));
    closes(house, verdict);
    let url = at("/ping");
    verdict.check("ws: pings both ways", move || pings(&url, "pong "));
    let url = at("/terminate");
    verdict.check("ws: a connection that is cut", move || cut(&url));
    let url = at("");
    verdict.check("ws: refusals are the caller's", move || refusals(&url));
    of_python(house, verdict);
}

fn of_python(house: &House, verdict: &mut Verdict) {
    let at = |path: &str| house.websockets.url("ws", path);
    let url = at("/echo");
    verdict.check("websockets: echo of every size", move || echo(&url, true));
    let url = at("/fragments");
    verdict.check("websockets: fragments of a generator", move || {
        let mut socket = WebSocket::connect(&url)?;
        let wanted: String = (0..500).map(|i| format!("{i} ")).collect();
        let found = ask(&mut socket, "500")?;
        same("the message", &found, &OwnedMessage::Text(wanted))
    });
    let url = at("/ping");
    verdict.check("websockets: pings both ways", move || pings(&url, "answered True"));
    let url = at("/subprotocol");
    verdict.check("websockets: the subprotocol that the server prefers", move || {
        subprotocol(&url, &["v1", "v2"], Some("v2"))
    });
    let url = at("/close");
    for code in [1000, 1001, 1011, 3000, 4999] {
        let url = url.clone();
        verdict.check(&format!("websockets: closes with {code}"), move || closed_by(&url, code));
    }
    let (waiting, asking) = (at("/wait"), at("/closed"));
    verdict.check("websockets: is closed with a code", move || {
        is_closed(&waiting, &asking, (4321, "bye 鮭"), "4321 bye 鮭")
    });
}

fn closes(house: &House, verdict: &mut Verdict) {
    for code in [1000, 1001, 1008, 1011, 3000, 4999] {
        let url = house.ws.url("ws", "/close");
        verdict.check(&format!("ws: closes with {code}"), move || closed_by(&url, code));
    }
    let url = house.ws.url("ws", "/close");
    verdict.check("ws: closes without a code", move || {
        let mut socket = WebSocket::connect(&url)?;
        socket.send(Message::Text("none"))?;
        same("the message", &socket.receive()?, &None::<OwnedMessage>)?;
        let closed = socket.closed().ok_or("it is not closed")?;
        same("the code", &closed.code, &CloseCode::NO_STATUS)
    });
    for (number, reason) in [(1000, ""), (4321, "bye 鮭"), (1005, "")] {
        let (plain, asking) = (house.ws.url("ws", "/plain"), house.ws.url("ws", "/closed"));
        verdict.check(&format!("ws: is closed with {number}"), move || {
            let wanted = format!(r#"{{"code":{number},"reason":"{reason}"}}"#);
            is_closed(&plain, &asking, (number, reason), &wanted)
        });
    }
}

/// Closes a connection, and asks on another one how the server was closed: it answers once it was.
fn is_closed(url: &str, asking: &str, (number, reason): (u16, &str), wanted: &str) -> Outcome {
    let closed = WebSocket::connect(url)?.close(code(number), reason)?;
    holds("the close is not clean", closed.clean)?;
    let told = ask(&mut WebSocket::connect(asking)?, "how?")?;
    same("what the server saw", &told, &OwnedMessage::Text(wanted.to_owned()))
}

fn code(number: u16) -> CloseCode {
    CloseCode::new(number)
}

/// Sends a text, and gives the next message.
fn ask(socket: &mut WebSocket, text: &str) -> Found<OwnedMessage> {
    socket.send(Message::Text(text))?;
    Ok(socket.receive()?.ok_or("it was closed")?)
}

/// Bytes that compress, but not to nothing.
fn bytes(len: usize) -> Vec<u8> {
    (0..len).map(|i| u8::try_from((i * i / 7 + i / 100) % 61).expect("below 61")).collect()
}

/// Texts and bytes of every size twice, so that windows are used; then several at a time.
fn echo(url: &str, compressed: bool) -> Outcome {
    let mut socket = WebSocket::connect(url)?;
    same("compression", &socket.opened().compressed, &compressed)?;
    for len in SIZES.into_iter().chain(SIZES) {
        let text: String = "wild 鮭 ".chars().cycle().take(len / 2).collect();
        for message in [OwnedMessage::Binary(bytes(len)), OwnedMessage::Text(text)] {
            socket.send(message.as_message())?;
            let back = socket.receive()?.ok_or("it was closed")?;
            same(&format!("the echo of {len}"), &back, &message)?;
        }
    }
    for i in 0..300 {
        socket.send(Message::Text(&format!("one of many: {i}")))?;
    }
    for i in 0..300 {
        let back = socket.receive()?.ok_or("it was closed")?;
        same("the echo", &back, &OwnedMessage::Text(format!("one of many: {i}")))?;
    }
    let closed = socket.close(CloseCode::NORMAL, "")?;
    same("the code", &closed.code, &CloseCode::NORMAL)
}

fn subprotocol(url: &str, asked: &[&str], wanted: Option<&str>) -> Outcome {
    let mut options = ConnectOptions::new(url)?;
    options.subprotocols = asked.iter().map(|&one| one.to_owned()).collect();
    let socket = WebSocket::with(options, Network::default())?;
    same("the subprotocol", &socket.opened().subprotocol.as_deref(), &wanted)
}

fn headers(url: &str) -> Outcome {
    let mut options = ConnectOptions::new(url)?;
    options.headers.push(("Authorization".to_owned(), "Bearer roe".to_owned()));
    options.headers.push(("Cookie".to_owned(), "a=b; c=d".to_owned()));
    options.origin = Some("https://page.example".to_owned());
    let mut socket = WebSocket::with(options, Network::default())?;
    let OwnedMessage::Text(told) = ask(&mut socket, "what did I say?")? else {
        return Err("no text".into());
    };
    for wanted in [
        r#""authorization":"Bearer roe""#,
        r#""cookie":"a=b; c=d""#,
        r#""origin":"https://page.example""#,
        r#""sec-websocket-version":"13""#,
    ] {
        holds(&format!("{wanted} is not in {told}"), told.contains(wanted))?;
    }
    Ok(())
}

/// What `/fragments` sends for 200.
fn fragments_wanted() -> Vec<u8> {
    (0..200).flat_map(|i| [i; 65_536]).collect()
}

fn fragments(url: &str) -> Outcome {
    let mut options = ConnectOptions::new(url)?;
    options.limits = Limits::DEFAULT;
    options.limits.message_bytes_max = 16 << 20;
    let mut socket = WebSocket::with(options, Network::default())?;
    let message = ask(&mut socket, "200")?;
    same("the message", &message, &OwnedMessage::Binary(fragments_wanted()))
}

fn pieces(url: &str) -> Outcome {
    let mut options = ConnectOptions::new(url)?;
    options.limits = Limits::DEFAULT;
    options.limits.message_bytes_max = 16 << 20;
    options.delivery = Delivery::Pieces;
    let mut socket = WebSocket::with(options, Network::default())?;
    socket.send(Message::Text("200"))?;
    let (mut whole, mut over) = (Vec::new(), false);
    while !over {
        let more = socket.receive_with(|event| {
            if let SocketEvent::Piece(piece) = event {
                whole.extend_from_slice(piece.payload);
                over = piece.last;
            }
        })?;
        more.ok_or("it was closed")?;
    }
    same("the message", &whole, &fragments_wanted())
}

fn too_big(url: &str) -> Outcome {
    let mut socket = WebSocket::connect(url)?;
    match ask(&mut socket, "200") {
        Ok(_) => Err("13 MiB came through a limit of one".into()),
        Err(error) => {
            let wanted = sockeye_client::websocket::ProtocolError::MessageTooBig;
            same("the error", &error.downcast_ref(), &Some(&Error::WebSocket(wanted)))
        }
    }
}

fn parts(url: &str) -> Outcome {
    let mut socket = WebSocket::connect(url)?;
    let whole = bytes(900_000);
    let mut left = whole.chunks(70_000).peekable();
    while let Some(part) = left.next() {
        let fin = if left.peek().is_some() { Fin::More } else { Fin::Final };
        socket.send_part(Message::Binary(part), fin)?;
        // A ping fits between the parts.
        socket.ping(b"between")?;
    }
    let back = socket.receive()?.ok_or("it was closed")?;
    same("the echo", &back, &OwnedMessage::Binary(whole))
}

fn closed_by(url: &str, number: u16) -> Outcome {
    let mut socket = WebSocket::connect(url)?;
    socket.send(Message::Text(&format!("{number} good bye 鮭")))?;
    let mut said = None;
    while socket.receive_with(|event| {
        if let SocketEvent::Close(Some(reason)) = event {
            said = Some((reason.code(), reason.text().to_owned()));
        }
    })? == Some(())
    {}
    same("the Close frame", &said, &Some((code(number), "good bye 鮭".to_owned())))?;
    let closed = socket.closed().ok_or("it is not closed")?;
    holds("the close is not clean", closed.clean)?;
    same("the code", &closed.code, &code(number))
}

/// The server's Ping is answered without our doing, and ours by the server.
fn pings(url: &str, wanted: &str) -> Outcome {
    let mut socket = WebSocket::connect(url)?;
    let told = ask(&mut socket, "payload 7")?;
    let OwnedMessage::Text(told) = told else { return Err("no text".into()) };
    holds(&format!("the server says {told}"), told.starts_with(wanted))?;
    socket.ping(b"ours")?;
    let mut payload = Vec::new();
    while payload.is_empty() {
        let more = socket.receive_with(|event| {
            if let SocketEvent::Pong(pong) = event {
                payload = pong.to_vec();
            }
        })?;
        more.ok_or("it was closed")?;
    }
    same("the Pong", &payload, b"ours")
}

fn cut(url: &str) -> Outcome {
    let mut socket = WebSocket::connect(url)?;
    socket.send(Message::Text("cut me"))?;
    match socket.receive() {
        Err(Error::Truncated | Error::Transport(_)) => Ok(()),
        other => Err(format!("it gives {other:?}").into()),
    }
}

/// The answer to a handshake that was refused.
pub(crate) fn refusal(url: &str) -> Found<Refusal> {
    match WebSocket::connect(url) {
        Err(Error::Refused(refusal)) => Ok(*refusal),
        other => Err(format!("it gives {other:?}").into()),
    }
}

fn refusals(base: &str) -> Outcome {
    let unauthorized = refusal(&format!("{base}/unauthorized"))?;
    same("the status", &unauthorized.status.code(), &401)?;
    same("the header", &unauthorized.header("www-authenticate"), &Some("Bearer"))?;
    same("the body", &unauthorized.body, b"who is it")?;
    let moved = refusal(&format!("{base}/moved"))?;
    same("the status", &moved.status.code(), &302)?;
    same("the header", &moved.header("location"), &Some("/plain"))?;
    same("the status", &refusal(&format!("{base}/nothing"))?.status.code(), &404)
}
