//! Two ends that only exchange bytes.

use sockeye_endpoint::opening::{self, Opening};
use sockeye_endpoint::{
    Address, CloseCode, ConnectOptions, Dropped, Endpoint, Error, Fin, Incoming, Kind, Message,
    MessageRef, OpenError, Output, Part, Policy, RequestHead, ServerConfig, State, UsageError,
};
use sockeye_http1::{HeaderStorage, Limits};
use sockeye_websocket::MessageError;

/// Both ends of an opened connection: the client, and the server.
fn pair(options: &ConnectOptions, policy: &Policy<'_>) -> Result<(Endpoint, Endpoint), OpenError> {
    let opening = Opening::new(&Address::parse("ws://hub.example/chat")?, options)?;
    let (mut request, mut answer) = (Vec::new(), Vec::new());
    opening.write(&mut request)?;
    let mut storage = HeaderStorage::new();
    let head = RequestHead::parse(&request, &mut storage, &Limits::DEFAULT)?;
    assert_eq!((head.path(), head.authority()), ("/chat", Some("hub.example")));
    let decided = opening::decide(&head, policy, &[], &mut answer);
    let read = opening.read(&answer);
    if let Err(OpenError::Reject(reject)) = &decided {
        let status = format!("HTTP/1.1 {} ", reject.status().code());
        assert!(answer.starts_with(status.as_bytes()) && read.is_err(), "{answer:?}");
    }
    let server = Endpoint::new(decided?, &policy.settings);
    let client = Endpoint::new(read?.expect("a final answer"), &options.settings);
    Ok((client, server))
}

/// All that an end hears in some bytes.
fn hear(endpoint: &mut Endpoint, bytes: &mut [u8], out: &mut Vec<u8>) -> Vec<Incoming> {
    let mut input = bytes;
    std::iter::from_fn(|| endpoint.receive(&mut input, out)).collect()
}

#[test]
fn messages_and_control_frames_in_order() {
    let mut policy = Policy::default();
    policy.subprotocols = &["chat"];
    let mut options = ConnectOptions::default();
    options.subprotocols = vec!["chat".to_owned()];
    let (mut client, mut server) = pair(&options, &policy).unwrap();
    assert_eq!((client.subprotocol(), server.subprotocol()), (Some("chat"), Some("chat")));
    assert!(client.is_compressed() && server.is_compressed());

    let (mut out, mut back) = (Vec::new(), Vec::new());
    let long = "the salmon leaps. ".repeat(1000);
    client.send(MessageRef::Text(&long), &mut out).unwrap();
    assert!(out.len() < long.len() / 10, "it is compressed");
    client.ping(b"1", &mut out).unwrap();
    client.pong(b"2", &mut out).unwrap();
    client.send_part(MessageRef::Binary(b"ab"), Fin::More, &mut out).unwrap();
    let refused = client.send(MessageRef::Text("x"), &mut out);
    assert_eq!(refused, Err(UsageError::MessageUnderWay));
    client.send_part(MessageRef::Binary(b"c"), Fin::Final, &mut out).unwrap();
    assert_eq!(client.close(CloseCode::new(4000), "bye", &mut out), Ok(true));
    assert_eq!(client.close(CloseCode::new(4000), "bye", &mut out), Ok(false));

    let heard = hear(&mut server, &mut out, &mut back);
    let [text, ping, pong, bytes, Incoming::Close(Some(reason))] = &heard[..] else {
        panic!("{heard:?}")
    };
    assert_eq!(*text, Incoming::Message(Message::Text(long)));
    let payload = |frame: &Incoming| match frame {
        Incoming::Ping(payload) | Incoming::Pong(payload) => payload.to_vec(),
        other => panic!("{other:?}"),
    };
    assert_eq!((payload(ping), payload(pong)), (b"1".to_vec(), b"2".to_vec()));
    assert_eq!(*bytes, Incoming::Message(Message::Binary(b"abc".to_vec())));
    assert_eq!((reason.code(), reason.text()), (CloseCode::new(4000), "bye"));
    assert!(server.expects_eof() && !client.expects_eof());

    let heard = hear(&mut client, &mut back, &mut out);
    assert!(matches!(heard[..], [Incoming::Pong(_), Incoming::Close(Some(_))]), "{heard:?}");
    assert_eq!(client.state(), State::Closed);
    assert!(client.end().clean && server.end().clean);
}

/// Around the length from which a message is not copied, a message that is handed over is the frame that a lent one is.
#[test]
fn what_is_handed_over_is_sent_as_what_is_lent() {
    for compression in [None, Some(ServerConfig::DEFAULT)] {
        let mut policy = Policy::default();
        policy.compression = compression;
        let (mut client, mut server) = pair(&ConnectOptions::default(), &policy).unwrap();
        for len in [0, 1, 8_191, 8_192, 8_193, 100_000] {
            let text = "salmon leap ".repeat(len / 12 + 1)[..len].to_owned();
            let (mut output, mut lent) = (Output::default(), Vec::new());
            server.ping(b"before", output.end()).unwrap();
            server.send_outgoing(text.clone().into(), &mut output).unwrap();
            server.pong(b"behind", output.end()).unwrap();
            let (_, mut other) = pair(&ConnectOptions::default(), &policy).unwrap();
            other.ping(b"before", &mut lent).unwrap();
            other.send(MessageRef::Text(&text), &mut lent).unwrap();
            other.pong(b"behind", &mut lent).unwrap();
            let mut sent = Vec::new();
            while !output.is_empty() {
                let next = output.unsent().to_vec();
                sent.extend_from_slice(&next);
                output.advance(next.len());
            }
            if compression.is_none() {
                assert!(sent == lent, "{len}");
            }
            let heard = hear(&mut client, &mut sent, &mut Vec::new());
            assert!(heard.contains(&Incoming::Message(Message::Text(text.clone()))), "{len}");
            assert_eq!(heard.len(), 3);
            // A client masks it in its own buffer.
            client.send_outgoing(text.clone().into_bytes().into(), &mut output).unwrap();
            let mut sent = [output.unsent(), &[]].concat();
            output.advance(sent.len());
            sent.extend_from_slice(output.unsent());
            let heard = hear(&mut server, &mut sent, &mut Vec::new());
            assert!(heard == [Incoming::Message(Message::Binary(text.into_bytes()))], "{len}");
        }
    }
}

/// A message of several reads is read into the buffer that is handed over, which never has room for more than has come.
#[test]
fn a_large_message_is_read_into_its_own_buffer() {
    let mut policy = Policy::default();
    policy.compression = None;
    for len in [40_000, 65_536, 700_000] {
        for read_bytes_max in [16_384, 30_000, 1 << 20] {
            let (mut client, mut server) = pair(&ConnectOptions::default(), &policy).unwrap();
            let text = "salmon leap ".repeat(len / 12 + 1)[..len].to_owned();
            let (mut wire, mut out) = (Vec::new(), Vec::new());
            client.send(MessageRef::Text(&text), &mut wire).unwrap();
            client.ping(b"behind", &mut wire).unwrap();
            let mut rest = &wire[..];
            let mut first = rest.split_off(..17_000).unwrap().to_vec();
            assert_eq!(server.receive_owned::<Incoming>(&mut first, &mut out), None);
            assert!(first.is_empty());
            let mut heard = None;
            while let Some(mut partial) = server.partial(read_bytes_max) {
                let (come, room) = (partial.bytes().len(), partial.room());
                assert!(room >= 16_384 && room <= come.min(read_bytes_max));
                let capacity = partial.bytes().capacity();
                assert!(capacity <= 2 * come, "{capacity} for {come}");
                // A read may bring nothing at all, or less than there is room for.
                assert_eq!(server.receive_partial::<Incoming>(partial, &mut out), None);
                let mut partial = server.partial(read_bytes_max).unwrap();
                let brought = rest.split_off(..partial.room().min(11_111)).unwrap();
                partial.bytes().extend_from_slice(brought);
                heard = server.receive_partial(partial, &mut out);
            }
            let mut more = hear(&mut server, &mut rest.to_vec(), &mut out);
            assert!(matches!(more.pop(), Some(Incoming::Ping(_))));
            heard = heard.or_else(|| more.pop());
            assert!(heard == Some(Incoming::Message(Message::Text(text))) && more.is_empty());
            assert_eq!(server.message_len(), len);
        }
    }
}

/// A message of which little has come gets no room of its own: there is none for what a frame only declares.
#[test]
fn what_has_not_come_takes_no_room() {
    let mut policy = Policy::default();
    policy.compression = None;
    for first in [0, 1, 16_383] {
        let (_, mut server) = pair(&ConnectOptions::default(), &policy).unwrap();
        let mut wire = vec![0x02, 0xfe, 0, 0, 0, 0, 0, 0];
        wire[2..4].copy_from_slice(&u16::try_from(first).unwrap().to_be_bytes());
        if first < 126 {
            wire.drain(2..4);
            wire[1] = 0x80 | u8::try_from(first).unwrap();
        }
        wire.resize(wire.len() + first, 7);
        // A continuation of 100,000 bytes, none of which is here.
        wire.extend_from_slice(&[0x80, 0xff, 0, 0, 0, 0, 0, 1, 0x86, 0xa0, 0, 0, 0, 0]);
        assert_eq!(hear(&mut server, &mut wire, &mut Vec::new()), []);
        assert!(server.partial(1 << 20).is_none(), "{first} bytes");
        let rest = hear(&mut server, &mut [7; 100_000], &mut Vec::new());
        assert!(rest == [Incoming::Message(Message::Binary(vec![7; first + 100_000]))]);
    }
}

/// Parts, and the rest of a message that began in parts, are left where they are.
#[test]
fn parts_are_not_put_together() {
    let mut policy = Policy::default();
    policy.compression = None;
    let (mut client, mut server) = pair(&ConnectOptions::default(), &policy).unwrap();
    let (mut wire, mut out) = (Vec::new(), Vec::new());
    client.send(MessageRef::Binary(&[1; 60_000]), &mut wire).unwrap();
    let mut rest = wire.split_off(20_000);
    assert_eq!(server.receive_owned::<Part>(&mut wire, &mut out), None);
    let part: Option<Part> = server.receive(&mut &mut wire[..], &mut out);
    assert!(part.is_some_and(|part| part.first && !part.last));
    assert!(server.partial(1 << 20).is_none());
    let part: Option<Part> = server.receive(&mut &mut rest[..], &mut out);
    assert!(part.is_some_and(|part| part.last));
}

/// Text that cannot be valid any more fails the connection with the read that brings it, and longer messages than the application
/// takes, too.
#[test]
fn a_large_message_fails_while_it_arrives() {
    let mut policy = Policy::default();
    policy.compression = None;
    policy.settings.whole_bytes_max = 50_000;
    for (bad, code) in [(0xff, 1007_u16), (b'a', 1009)] {
        let (mut client, mut server) = pair(&ConnectOptions::default(), &policy).unwrap();
        let (mut wire, mut out) = (Vec::new(), Vec::new());
        let text = "a".repeat(200_000);
        client.send(MessageRef::Text(&text), &mut wire).unwrap();
        let mut rest = wire.split_off(40_000);
        // The mask of a byte is what it was XORed with.
        rest[5] ^= b'a' ^ bad;
        assert_eq!(server.receive_owned::<Incoming>(&mut wire, &mut out), None);
        let mut partial = server.partial(1 << 20).unwrap();
        partial.bytes().extend_from_slice(&rest[..20_000]);
        assert_eq!(server.receive_partial::<Incoming>(partial, &mut out), None);
        assert_eq!((server.state(), &out[2..4]), (State::Failed, &code.to_be_bytes()[..]));
        assert!(server.partial(1 << 20).is_none() && server.failure().is_some());
    }
}

/// A message that lies whole in one read has the same bound as one that comes in pieces.
#[test]
fn a_message_that_comes_whole_is_bounded() {
    let mut policy = Policy::default();
    policy.compression = None;
    policy.settings.whole_bytes_max = 50_000;
    let received = |len: usize, is_owned: bool| {
        let (mut client, mut server) = pair(&ConnectOptions::default(), &policy).unwrap();
        let (mut wire, mut out) = (Vec::new(), Vec::new());
        client.send(MessageRef::Binary(&vec![1; len]), &mut wire).unwrap();
        let taken: Option<Incoming> = match is_owned {
            true => server.receive_owned(&mut wire, &mut out),
            false => server.receive(&mut &mut wire[..], &mut out),
        };
        (taken.is_some(), server.failure(), out)
    };
    for is_owned in [false, true] {
        assert_eq!(received(50_000, is_owned), (true, None, vec![]));
        let (is_taken, failure, out) = received(50_001, is_owned);
        assert_eq!((is_taken, &out[2..4]), (false, &1009_u16.to_be_bytes()[..]));
        assert_eq!(failure, Some(Error::Message(MessageError::TooBig)));
    }
    let (mut client, mut server) = pair(&ConnectOptions::default(), &policy).unwrap();
    let (mut wire, mut out) = (Vec::new(), Vec::new());
    client.send(MessageRef::Binary(&[1; 50_001]), &mut wire).unwrap();
    let part = server.receive::<Part>(&mut &mut wire[..], &mut out);
    assert!(part.is_some() && server.failure().is_none(), "a part has no such bound");
}

#[test]
fn a_message_that_is_handed_over_waits_for_the_parts_of_another() {
    let mut policy = Policy::default();
    policy.compression = None;
    let (mut client, _) = pair(&ConnectOptions::default(), &policy).unwrap();
    let mut output = Output::default();
    client.send_part(MessageRef::Binary(b"ab"), Fin::More, output.end()).unwrap();
    let before = output.unsent_len();
    let refused = client.send_outgoing(vec![0; 100_000].into(), &mut output);
    assert_eq!((refused, output.unsent_len()), (Err(UsageError::MessageUnderWay), before));
}

#[test]
fn parts_come_as_they_are_and_unwanted_ones_not_at_all() {
    let mut options = ConnectOptions::default();
    options.compression = None;
    let (mut client, mut server) = pair(&options, &Policy::default()).unwrap();
    assert!(!server.is_compressed());
    let (mut out, mut back) = (Vec::new(), Vec::new());
    client.send(MessageRef::Text("four"), &mut out).unwrap();
    let (front, behind) = out.split_at_mut(8);
    let mut parts: Vec<Part> = Vec::new();
    for mut piece in [front, behind] {
        parts.extend(std::iter::from_fn(|| server.receive(&mut piece, &mut back)));
    }
    let payloads: Vec<_> = parts.iter().map(|part| &part.payload[..]).collect();
    assert_eq!(payloads, [&b"fo"[..], b"ur"]);
    assert_eq!((parts[0].first, parts[0].last, parts[0].kind), (true, false, Kind::Text));

    out.clear();
    client.send(MessageRef::Text("one"), &mut out).unwrap();
    client.send(MessageRef::Text("two"), &mut out).unwrap();
    let mut input = &mut out[..];
    assert_eq!(server.receive(&mut input, &mut back), Some(Dropped));
    assert_eq!(server.receive(&mut input, &mut back), Some(Message::from("two")));
}

#[test]
fn a_violation_fails_with_its_code() {
    let (mut client, mut server) = pair(&ConnectOptions::default(), &Policy::default()).unwrap();
    let (mut back, mut out) = (Vec::new(), Vec::new());
    // A frame without a mask.
    assert_eq!(hear(&mut server, &mut b"\x81\x01x".to_owned(), &mut back), []);
    assert!(matches!(server.failure(), Some(Error::Protocol(_))) && server.expects_eof());
    let heard = hear(&mut client, &mut back, &mut out);
    let [Incoming::Close(Some(reason))] = heard[..] else { panic!("{heard:?}") };
    assert_eq!(reason.code(), CloseCode::PROTOCOL_ERROR);
}

#[test]
fn a_refusal_is_an_answer() {
    let mut options = ConnectOptions::default();
    options.origin = Some("https://evil.example".to_owned());
    assert!(matches!(pair(&options, &Policy::default()), Err(OpenError::Reject(_))));
    options.headers = vec![("X".to_owned(), "a\r\nb".to_owned())];
    assert!(matches!(pair(&options, &Policy::default()), Err(OpenError::Usage(_))));
}
