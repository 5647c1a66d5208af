//! WebSocket servers that harm.

use std::io::ErrorKind;

use sockeye_client::websocket::{CloseCode, Limits as SocketLimits, Message, Role};
use sockeye_client::websocket::{MessageCodec as _, MessageError, ProtocolError};
use sockeye_client::{ConnectOptions, Deadline, Error, UsageError, WebSocket};
use sockeye_deflate::{Engine, EngineConfig, Params, Session};
use sockeye_handshake::VerifyError;

use super::{LIMITS, SOON_MS, Server, in_time, read_socket, socket, socket_error};
use crate::common::switching;

type FrameError = sockeye_client::websocket::FrameError;

fn accepting_with(headers: &'static str) -> Server {
    Server::new(move |_, client| client.accept_socket(headers))
}

#[test]
fn answers_that_are_not_to_our_key() {
    for (answer, why) in [
        (switching("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", ""), VerifyError::AcceptMismatch),
        (switching("", ""), VerifyError::AcceptMismatch),
        (
            switching("x", "").replace("Sec-WebSocket-Accept", "X-Accept"),
            VerifyError::AcceptMissing,
        ),
        (switching("x", "Sec-WebSocket-Accept: y\r\n"), VerifyError::AcceptRepeated),
        (switching("x", "").replace("Upgrade: websocket", "Upgrade: h2c"), VerifyError::Upgrade),
        (
            switching("x", "").replace("Connection: Upgrade", "Connection: close"),
            VerifyError::Connection,
        ),
        (switching("x", "").replace("HTTP/1.1", "HTTP/1.0"), VerifyError::HttpVersion),
    ] {
        assert_eq!(socket_error(&Server::answering(&*answer)), Error::Handshake(why), "{answer}");
    }
}

#[test]
fn what_was_not_asked_for() {
    for (headers, why) in [
        ("Sec-WebSocket-Extensions: x-steal\r\n", VerifyError::ExtensionNotRequested),
        ("Sec-WebSocket-Extensions: permessage-deflate, x\r\n", VerifyError::ExtensionNotRequested),
        ("Sec-WebSocket-Protocol: chat\r\n", VerifyError::SubprotocolNotRequested),
        ("Sec-WebSocket-Extensions: =\r\n", VerifyError::ExtensionsMalformed),
    ] {
        assert_eq!(socket_error(&accepting_with(headers)), Error::Handshake(why), "{headers}");
    }
    let server = accepting_with("Sec-WebSocket-Extensions: permessage-deflate\r\n");
    let mut options = socket(&server);
    options.compression = None;
    let why = Error::Handshake(VerifyError::ExtensionNotRequested);
    assert_eq!(read_socket(options, LIMITS), Some(why));
}

#[test]
fn compression_that_does_not_answer_the_offer() {
    for headers in [
        "Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=99\r\n",
        "Sec-WebSocket-Extensions: permessage-deflate; nothing=1\r\n",
        "Sec-WebSocket-Extensions: permessage-deflate, permessage-deflate\r\n",
    ] {
        assert_eq!(socket_error(&accepting_with(headers)), Error::Compression, "{headers}");
    }
}

/// The error of a server that sends these bytes behind the handshake, and that the Close frame has its code.
fn after_frames(bytes: &'static [u8], code: CloseCode) -> Error {
    let (sender, close_frame) = std::sync::mpsc::channel();
    let sender = std::sync::Mutex::new(sender);
    let server = Server::of_sockets(move |client| {
        client.send(bytes)?;
        let frame = client.read(8)?;
        let code = [frame[6] ^ frame[2], frame[7] ^ frame[3]];
        sender.lock().expect("no one panics").send((frame[0], u16::from_be_bytes(code))).ok();
        client.finish()
    });
    let error = socket_error(&server);
    assert_eq!(close_frame.recv(), Ok((0x88, code.to_u16())), "{bytes:?}");
    error
}

#[test]
fn frames_that_break_rules() {
    for (bytes, why) in [
        (&b"\x81\x81\x01\x02\x03\x04a"[..], FrameError::MaskUnexpected),
        (b"\x89\x80\x01\x02\x03\x04", FrameError::MaskUnexpected),
        (b"\xC1\x01a", FrameError::ReservedBits),
        (b"\xA1\x01a", FrameError::ReservedBits),
        (b"\x91\x01a", FrameError::ReservedBits),
        (b"\x83\x00", FrameError::UnknownOpcode),
        (b"\x8F\x00", FrameError::UnknownOpcode),
        (b"\x09\x00", FrameError::ControlFragmented),
        (b"\x89\x7E\x00\x7E", FrameError::ControlTooLong),
        (b"\x82\x7E\x00\x01", FrameError::LengthNotMinimal),
        (b"\x82\x7F\x80\x00\x00\x00\x00\x00\x00\x00", FrameError::LengthOverflow),
        (b"\x82\x7F\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF", FrameError::LengthOverflow),
        (b"\x82\x7F\x7F\xFF\xFF\xFF\xFF\xFF\xFF\xFF", FrameError::FrameTooBig),
        // 3 GiB, and not a byte of them.
        (b"\x82\x7F\x00\x00\x00\x00\xC0\x00\x00\x00", FrameError::FrameTooBig),
        (b"\x88\x01\x03", FrameError::CloseCodeTruncated),
        (b"\x88\x02\x03\xED", FrameError::CloseCodeInvalid),
        (b"\x88\x03\x03\xE8\xFF", FrameError::InvalidUtf8),
        // HTTP behind the handshake.
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", FrameError::ReservedBits),
    ] {
        let found = after_frames(bytes, why.close_code());
        assert_eq!(found, Error::WebSocket(ProtocolError::Frame(why)), "{bytes:?}");
    }
}

#[test]
fn messages_that_break_rules() {
    for (bytes, why) in [
        (&b"\x80\x01a"[..], ProtocolError::NothingToContinue),
        (b"\x01\x01a\x81\x01b", ProtocolError::MessageInterrupted),
        (b"\x81\x01\xFF", ProtocolError::InvalidUtf8),
        (b"\x01\x02\xED\xA0", ProtocolError::InvalidUtf8),
    ] {
        assert_eq!(after_frames(bytes, why.close_code()), Error::WebSocket(why), "{bytes:?}");
    }
}

#[test]
fn messages_without_end() {
    for (first, then, why) in [
        (&b"\x01\x01a"[..], &b"\x00\x01a"[..], ProtocolError::TooManyFragments),
        (b"\x01\x00", b"\x00\x00", ProtocolError::TooManyFragments),
        (b"\x02\x00", &[0; 128], ProtocolError::TooManyFragments),
    ] {
        let server = Server::of_sockets(move |client| {
            client.send(first)?;
            client.send_for_ever(then)
        });
        let mut options = socket(&server);
        options.close_ms = SOON_MS;
        let error = read_socket(options, LIMITS);
        assert_eq!(error, Some(Error::WebSocket(why)), "{first:?}, then {then:?}");
    }
    let server = Server::of_sockets(|client| {
        client.send(b"\x02\x7E\x80\x00")?;
        client.send(&[0; 0x8000])?;
        let part = [&b"\x00\x7E\x80\x00"[..], &[0; 0x8000]].concat();
        client.send_for_ever(&part)
    });
    let mut options = socket(&server);
    options.close_ms = SOON_MS;
    let why = Error::WebSocket(ProtocolError::MessageTooBig);
    assert_eq!(read_socket(options, LIMITS), Some(why));
}

/// A megabyte and a half of nothing in a kilobyte and a half.
fn bomb() -> Vec<u8> {
    let mut payload = Vec::new();
    let mut engine = Engine::new(EngineConfig::default());
    let mut windows = Session::new(Role::Server, Params::default());
    assert!(windows.codec(&mut engine).compress(&[0; 3 << 19], &mut payload));
    let len = u16::try_from(payload.len()).expect("it is a bomb");
    [&b"\xC2\x7E"[..], &len.to_be_bytes(), &payload].concat()
}

fn compressing(frames: Vec<u8>) -> Server {
    Server::new(move |_, client| {
        client.accept_socket("Sec-WebSocket-Extensions: permessage-deflate\r\n")?;
        client.send(&frames)?;
        client.read(8)?;
        client.finish()
    })
}

#[test]
fn a_bomb() {
    assert_eq!(socket_error(&compressing(bomb())), Error::Message(MessageError::TooBig));
}

#[test]
fn compressed_data_that_is_none() {
    let corrupt = b"\xC2\x04\xFF\xFF\xFF\xFF".to_vec();
    assert_eq!(socket_error(&compressing(corrupt)), Error::Message(MessageError::Corrupt));
    // 0xFF in a stored block.
    let no_text = b"\xC1\x07\x00\x01\x00\xFE\xFF\xFF\x00".to_vec();
    assert_eq!(socket_error(&compressing(no_text)), Error::Message(MessageError::InvalidUtf8));
}

#[test]
fn an_end_without_a_close_frame() {
    let server = Server::of_sockets(|client| client.send(b"\x81\x01a\x81\x05b"));
    assert_eq!(socket_error(&server), Error::Truncated);
}

#[test]
fn a_reset_in_the_middle() {
    let server = Server::of_sockets(|client| {
        client.send(b"\x81\x01a\x89\x00")?;
        // The answer to the Ping begins, and is not read: so the end is a reset.
        client.read(1)?;
        client.send(b"\x81\x05b")
    });
    assert_eq!(socket_error(&server), Error::Transport(ErrorKind::ConnectionReset));
}

#[test]
fn half_open_silence() {
    let server = Server::of_sockets(|client| client.read_to_end());
    let mut options = socket(&server);
    (options.ping_ms, options.pong_ms) = (Some(SOON_MS), SOON_MS);
    assert_eq!(read_socket(options, LIMITS), Some(Error::TimedOut(Deadline::Pong)));
}

fn closing(options: ConnectOptions) -> Result<u16, Error> {
    in_time(move || {
        let mut socket = WebSocket::with(options, LIMITS.into())?;
        socket.close(CloseCode::NORMAL, "bye").map(|closed| closed.code.to_u16())
    })
}

#[test]
fn a_close_frame_that_is_never_answered() {
    for data in [&b""[..], b"\x82\x01x"] {
        let server = Server::of_sockets(move |client| match data {
            b"" => client.read_to_end(),
            _ => client.send_for_ever(data),
        });
        let mut options = socket(&server);
        options.close_ms = SOON_MS;
        assert_eq!(closing(options), Err(Error::TimedOut(Deadline::Close)), "{data:?}");
    }
}

/// The server answers the Close frame and then does not end the connection: we do.
#[test]
fn an_end_that_does_not_come() {
    let server = Server::of_sockets(|client| {
        client.send(b"\x88\x02\x03\xE8")?;
        client.read_to_end()
    });
    let mut options = socket(&server);
    options.close_ms = SOON_MS;
    assert_eq!(closing(options), Ok(1000));
}

/// What comes behind the Close frame is not looked at.
#[test]
fn frames_behind_the_close_frame() {
    let server = Server::of_sockets(|client| {
        client.send(b"\x88\x02\x03\xE8\xFF\xFF\x81\x01a")?;
        client.read(8)?;
        client.finish()
    });
    assert_eq!(read_socket(socket(&server), LIMITS), None);
}

/// A server that asks for pongs and takes none: they are not heaped up, and the connection goes on.
#[test]
fn pings_without_end() {
    let server = Server::of_sockets(|client| {
        let pings = b"\x89\x7D".iter().chain(&[0; 125]).copied().collect::<Vec<u8>>().repeat(500);
        for _ in 0..500 {
            client.send(&pings)?;
        }
        client.send(b"\x81\x04done")?;
        client.finish()
    });
    in_time(move || {
        let mut socket = WebSocket::with(socket(&server), LIMITS.into()).expect("it is accepted");
        let message = socket.receive().expect("pings are no crime").expect("a message");
        assert_eq!(message.as_message(), Message::Text("done"));
    });
}

/// A server that sends and does not read: what it sends is held up to a bound, and we give up in time.
#[test]
fn a_server_that_does_not_read() {
    let server = Server::of_sockets(|client| client.send_for_ever(b"\x82\x01x"));
    let error = in_time(move || {
        let mut limits = LIMITS;
        limits.send_ms = SOON_MS;
        limits.inbox_bytes_max = 100_000;
        let mut options = socket(&server);
        options.limits = SocketLimits::DEFAULT;
        options.limits.message_bytes_max = 1 << 26;
        let mut socket = WebSocket::with(options, limits.into()).expect("it is accepted");
        let big = vec![0; 1 << 20];
        loop {
            if let Err(error) = socket.send(Message::Binary(&big)) {
                return error;
            }
        }
    });
    assert_eq!(error, Error::TimedOut(Deadline::Send));
}

/// After the end all calls are harmless.
#[test]
fn calls_after_the_end() {
    let server = Server::of_sockets(|client| client.send(b"\x81\x05b"));
    in_time(move || {
        let mut socket = WebSocket::with(socket(&server), LIMITS.into()).expect("it is accepted");
        assert_eq!(socket.receive(), Err(Error::Truncated));
        let refused = Err(Error::Usage(UsageError::NotOpen));
        assert_eq!(socket.send(Message::Text("a")), refused);
        assert_eq!(socket.ping(b""), refused);
        assert_eq!(socket.receive(), Ok(None));
        assert!(socket.close(CloseCode::NORMAL, "").is_err());
        assert!(socket.is_over());
    });
}
