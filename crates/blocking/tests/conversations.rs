//! Both ends are ours.

use std::time::Duration;

use sockeye_blocking::{CloseCode, ConnectOptions, Fin, Incoming, Message, MessageRef, Policy};

use crate::common::{client, echo, serve};

#[test]
fn messages_of_all_sizes_come_back() {
    for compressed in [true, false] {
        let (address, serving) = serve(Policy::default(), echo);
        let mut options = ConnectOptions::default();
        if !compressed {
            options.compression = None;
        }
        let mut socket = client(address, &options);
        assert_eq!(socket.is_compressed(), compressed);
        for len in [0, 1, 125, 126, 65_535, 65_536, 1 << 20] {
            let text = "salmon leap ".repeat(len / 12 + 1)[..len].to_owned();
            socket.send(&text).unwrap();
            assert_eq!(socket.read_message().unwrap(), Some(Message::Text(text)));
            let bytes = vec![0xff; len];
            socket.send(&bytes).unwrap();
            assert_eq!(socket.read_message().unwrap(), Some(Message::Binary(bytes)));
        }
        let closed = socket.close(CloseCode::NORMAL, "thanks").unwrap();
        assert!(closed.clean);
        let server = serving.join().unwrap();
        assert_eq!(server.close_reason().unwrap().text(), "thanks");
        assert!(server.closed().unwrap().clean);
    }
}

#[test]
fn queued_messages_go_out_before_a_read() {
    let (address, serving) = serve(Policy::default(), echo);
    let mut socket = client(address, &ConnectOptions::default());
    for n in 0..100 {
        socket.queue(n.to_string()).unwrap();
    }
    assert!(socket.unsent_bytes() > 0);
    for n in 0..100 {
        assert_eq!(socket.read_message().unwrap(), Some(n.to_string().into()));
    }
    assert_eq!(socket.unsent_bytes(), 0);
    socket.close(CloseCode::NORMAL, "").unwrap();
    drop(serving.join().unwrap());
}

#[test]
fn pings_are_answered_and_shown_to_who_asks() {
    let (address, serving) = serve(Policy::default(), |mut socket| {
        let mut seen = Vec::new();
        while let Some(incoming) = socket.read_any().unwrap() {
            match incoming {
                Incoming::Ping(payload) => seen.push(payload.to_vec()),
                Incoming::Close(None) => seen.push(b"close".to_vec()),
                other => panic!("{other:?}"),
            }
        }
        seen
    });
    let mut socket = client(address, &ConnectOptions::default());
    socket.ping(b"one").unwrap();
    let Some(Incoming::Pong(payload)) = socket.read_any().unwrap() else { panic!("no Pong") };
    assert_eq!(*payload, *b"one");
    assert!(socket.close(CloseCode::NO_STATUS, "").unwrap().clean);
    assert_eq!(serving.join().unwrap(), [b"one".to_vec(), b"close".to_vec()]);
}

/// 32 MiB are sent and received with the memory of a part.
#[test]
fn a_message_larger_than_what_is_held() {
    const PARTS: usize = 256;
    let mut policy = Policy::default();
    policy.settings.limits.message_bytes_max = 32 << 20;
    policy.settings.whole_bytes_max = 1000;
    let (address, serving) = serve(policy, |mut socket| {
        let (mut len, mut ended) = (0, false);
        while let Some(part) = socket.read_part().unwrap() {
            assert!(part.payload.len() <= 16 * 1024 && !ended);
            assert_eq!(part.first, len == 0);
            len += part.payload.len();
            ended = part.last;
        }
        (len, ended)
    });
    let mut socket = client(address, &ConnectOptions::default());
    let part = vec![7; (32 << 20) / PARTS];
    for n in 1..=PARTS {
        let fin = if n == PARTS { Fin::Final } else { Fin::More };
        socket.send_part(MessageRef::Binary(&part), fin).unwrap();
    }
    assert!(socket.close(CloseCode::NORMAL, "").unwrap().clean);
    assert_eq!(serving.join().unwrap(), (32 << 20, true));
}

#[test]
fn a_stream_of_another_kind() {
    use sockeye_blocking::{client, server};
    use std::net::Shutdown;
    use std::os::unix::net::UnixStream;

    let (ours, theirs) = UnixStream::pair().unwrap();
    theirs.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let serving = std::thread::spawn(move || {
        let socket = server(theirs, &Policy::default()).unwrap();
        let mut socket = socket.with_half_close(|stream| stream.shutdown(Shutdown::Write));
        while let Some(message) = socket.read_message().unwrap() {
            socket.send(&message).unwrap();
        }
        socket.closed().unwrap()
    });
    let mut socket = client(ours, "wss://hub.example/", &ConnectOptions::default()).unwrap();
    socket.send("hello").unwrap();
    assert_eq!(socket.read_message().unwrap(), Some("hello".into()));
    assert!(socket.close(CloseCode::GOING_AWAY, "").unwrap().clean);
    drop(socket);
    assert_eq!(serving.join().unwrap().code, CloseCode::GOING_AWAY);
}
