//! Clients on connections of HTTP/2: requests move to other connections, and nobody notices.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::thread::JoinHandle;

use sockeye_client::{
    ConnectOptions, Error, EventSource, EventSourceOptions, Http2Error, HttpVersions, Network,
    OwnedSourceEvent, Reconnect, WebSocket,
};
use sockeye_http::{HeaderName, HeaderValue, Status};
use sockeye_http2::{
    Config, ConnectProtocol, Connection, EndStream, ErrorCode, Event, FieldBlock, FieldReader,
};

/// The way in which a server treats the request on one connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Manner {
    /// An event stream of one event.
    Answer,
    /// REFUSED_STREAM.
    Refuse,
    /// GOAWAY, and the request is not processed.
    Leave,
    /// It has no extended CONNECT, and waits for the end.
    NoSockets,
    /// It answers over HTTP/1.1 that there is no WebSocket.
    Http1,
    /// It breaks the protocol.
    Lie,
}

fn network() -> Network {
    Network::default().with_versions(HttpVersions::Http2)
}

/// A server with a manner for each of its connections, and its address.
fn serve(manners: &'static [Manner]) -> (String, JoinHandle<Vec<Manner>>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("the loopback interface is there");
    let addr = listener.local_addr().expect("it is bound").to_string();
    let serving = std::thread::spawn(move || {
        let serve_one = |manner: &Manner| {
            let (socket, _) = listener.accept().expect("it connects");
            speak(*manner, socket);
            *manner
        };
        manners.iter().map(serve_one).collect()
    });
    (addr, serving)
}

/// Speaks until the client goes.
fn speak(manner: Manner, mut socket: TcpStream) {
    let mut buffer = [0; 4096];
    if manner == Manner::Http1 {
        let len = socket.read(&mut buffer).expect("a request");
        assert!(buffer[..len].starts_with(b"GET /ws HTTP/1.1\r\n"), "one of HTTP/1.1");
        let answer = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n";
        socket.write_all(answer).expect("it listens");
        return;
    }
    let refused = manner == Manner::NoSockets;
    let connect_protocol =
        if refused { ConnectProtocol::Refused } else { ConnectProtocol::Accepted };
    let config = Arc::new(Config { connect_protocol, ..Config::default() });
    let (mut out, mut reader) = (Vec::new(), FieldReader::new(()));
    let mut server = Connection::server(&config, &mut out);
    loop {
        if socket.write_all(&out).is_err() {
            return;
        }
        out.clear();
        let Ok(len @ 1..) = socket.read(&mut buffer) else { return };
        let mut input = &mut buffer[..len];
        while let Some(event) = server.receive(&mut input, &mut reader, &mut out).expect("no fault")
        {
            let Event::Request { stream, .. } = event else { continue };
            match manner {
                Manner::Answer => {
                    let name = HeaderName::from_static("Content-Type");
                    let value = HeaderValue::from_static("text/event-stream");
                    let fields = FieldBlock::new().field(name, value);
                    let responded =
                        server.respond(stream, Status::OK, &fields, EndStream::No, &mut out);
                    responded.expect("it is asked");
                    let event = b"data: x\n\n";
                    let headed =
                        server.write_data_head(stream, event.len(), EndStream::Yes, &mut out);
                    headed.expect("there is room");
                    out.extend_from_slice(event);
                }
                Manner::Refuse => {
                    server.reset(stream, ErrorCode::REFUSED_STREAM, &mut out).expect("it lives");
                }
                // GOAWAY with the last stream 0.
                Manner::Leave => out.extend_from_slice(b"\0\0\x08\x07\0\0\0\0\0\0\0\0\0\0\0\0\0"),
                // DATA on stream 0.
                Manner::Lie => out.extend_from_slice(b"\0\0\0\0\0\0\0\0\0"),
                Manner::NoSockets | Manner::Http1 => unreachable!("no stream is opened"),
            }
        }
    }
}

fn source(addr: &str) -> EventSource {
    let mut options = EventSourceOptions::new(&format!("http://{addr}/events")).expect("a URL");
    options.reconnect = Reconnect::Never;
    EventSource::with(options, network()).expect("good options")
}

/// [client:http2-refused-stream], [client:http2-goaway]
#[test]
fn a_request_that_is_not_processed_goes_to_another_connection() {
    let (addr, serving) = serve(&[Manner::Leave, Manner::Refuse, Manner::Answer]);
    let mut source = source(&addr);
    assert!(matches!(source.next(), Some(Ok(OwnedSourceEvent::Open(_)))));
    let Some(Ok(OwnedSourceEvent::Message(message))) = source.next() else { panic!("no message") };
    assert_eq!(message.data, "x");
    assert!(source.next().is_none(), "the stream ends in order");
    assert_eq!(serving.join().expect("no panic").len(), 3);
}

#[test]
fn attempts_are_bounded() {
    let (addr, serving) = serve(&[Manner::Refuse, Manner::Leave, Manner::Refuse, Manner::Leave]);
    let told = source(&addr).next();
    assert_eq!(told.and_then(Result::err), Some(Error::Http2(Http2Error::Goaway)));
    assert_eq!(serving.join().expect("no panic").len(), 4);
}

/// [client:http2-websocket-fallback]
#[test]
fn a_web_socket_falls_back() {
    let (addr, serving) = serve(&[Manner::NoSockets, Manner::Http1]);
    let options = ConnectOptions::new(&format!("ws://{addr}/ws")).expect("a URL");
    let refused = WebSocket::with(options, network()).err();
    let Some(Error::Refused(refusal)) = refused else { panic!("{refused:?}") };
    assert_eq!(refusal.status, Status::NOT_FOUND);
    assert_eq!(serving.join().expect("no panic").len(), 2);
}

#[test]
fn a_violation_is_an_error() {
    let (addr, _serving) = serve(&[Manner::Lie]);
    let told = source(&addr).next().and_then(Result::err);
    assert!(matches!(told, Some(Error::Http2(Http2Error::Violation(_)))), "{told:?}");
}

#[test]
fn a_server_of_http1_is_told_apart() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("the loopback interface is there");
    let addr = listener.local_addr().expect("it is bound").to_string();
    let serving = std::thread::spawn(move || {
        let (mut socket, _) = listener.accept().expect("it connects");
        let _ = socket.read(&mut [0; 100]);
        socket.write_all(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
    });
    let told = source(&addr).next().and_then(Result::err);
    assert_eq!(told, Some(Error::Http2(Http2Error::NotSpoken)));
    let _ = serving.join();
}
