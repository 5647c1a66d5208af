//! Large messages are taken together with the buffers in which they came.

use sockeye_websocket::{
    Assembler, Config, Connection, Event, Fin, Kind, MaskKey, Message, Owned, OwnedMessage,
    ProtocolError, Role, State,
};

const MIXED: &str = "é字😀a";

fn connection(role: Role) -> Connection {
    let config = Config::default();
    match role {
        Role::Server => Connection::server(&config),
        Role::Client => {
            Connection::client(&config, Box::new(|| MaskKey::new([0x37, 0xfa, 0x21, 0x3d])))
        }
    }
}

/// Both ends: the one that sends, and the one that receives.
fn pairs() -> [(Connection, Connection); 2] {
    [(Role::Client, Role::Server), (Role::Server, Role::Client)]
        .map(|(from, to)| (connection(from), connection(to)))
}

/// All messages of `bytes`, of which `cut` come first, in a vector of their own.
fn hear(
    end: &mut Connection,
    bytes: &[u8],
    cut: usize,
) -> Result<Vec<OwnedMessage>, ProtocolError> {
    let (mut assembler, mut out, mut heard) = (Assembler::new(1 << 20), Vec::new(), Vec::new());
    let (first, second) = bytes.split_at(cut.min(bytes.len()));
    for part in [first, second] {
        let mut input = part.to_vec();
        while let Some(owned) = end.receive_owned(&mut input, &mut out)? {
            match owned {
                Owned::Message(message) => heard.push(message),
                Owned::Part { bytes, appended } => {
                    heard.extend(assembler.put_back(bytes, appended, None).unwrap());
                }
            }
        }
        let mut rest = &mut input[..];
        while let Some(event) = end.receive(&mut rest, &mut out)? {
            match event {
                Event::Message(message) => heard.push(message.into()),
                Event::Piece(piece) => heard.extend(assembler.push_owned(piece, None).unwrap()),
                other => panic!("{other:?}"),
            }
        }
    }
    Ok(heard)
}

/// [rfc6455:5.3-mask-transform] However the bytes are cut, and whatever lies behind.
#[test]
fn every_cut_gives_the_same_messages() {
    let ascii = "salmon leap ".repeat(6_000);
    let mixed = MIXED.repeat(7_000);
    let texts = [8_170, 8_192, 8_193, 65_535, 65_536, 70_000];
    let messages = texts.iter().flat_map(|len| {
        let mixed = &mixed[..len / 10 * 10];
        [
            Message::Text(&ascii[..*len]),
            Message::Text(mixed),
            Message::Binary(&ascii.as_bytes()[..*len]),
        ]
    });
    for message in messages {
        for tail in ["", "short", &ascii[..8_000]] {
            for (mut from, _) in pairs() {
                let mut wire = Vec::new();
                from.send(message, &mut wire).unwrap();
                from.send(Message::Text(tail), &mut wire).unwrap();
                from.send(Message::Text("end"), &mut wire).unwrap();
                let expected = [message.into(), tail.into(), "end".into()];
                let len = wire.len();
                for cut in [len, 0, 1, 3, 13, 14, 15, 8_191, 8_192, 8_199, len / 2, len - 1] {
                    let to = if from.role() == Role::Client { Role::Server } else { Role::Client };
                    let heard = hear(&mut connection(to), &wire, cut);
                    assert!(
                        heard.as_deref() == Ok(&expected[..]),
                        "{message:?} {tail:?} cut at {cut}"
                    );
                }
            }
        }
    }
}

#[test]
fn the_buffer_is_the_message() {
    for text in ["salmon leap ".repeat(1_000), "salmon leap ".repeat(10_000)] {
        for (mut from, mut to) in pairs() {
            let mut input = Vec::with_capacity(200_000);
            from.send(Message::Text(&text), &mut input).unwrap();
            input.extend_from_slice(b"\x81");
            let at = input.as_ptr();
            let owned = to.receive_owned(&mut input, &mut Vec::new());
            let Ok(Some(Owned::Message(OwnedMessage::Text(taken)))) = owned else {
                panic!("{owned:?}")
            };
            assert!(taken == text && taken.as_ptr() == at);
            assert_eq!(input, b"\x81");
        }
    }
}

/// What is small beside what follows it, control frames, and what comes inside a message are left to `receive`.
#[test]
fn everything_else_is_left_alone() {
    let long = vec![7; 20_000];
    let (mut from, mut to) = pairs().into_iter().next().unwrap();
    let mut small = Vec::new();
    from.send(Message::Binary(&long[..9_000]), &mut small).unwrap();
    from.send(Message::Binary(&long), &mut small).unwrap();
    let mut ping = Vec::new();
    from.ping(b"?", &mut ping).unwrap();
    ping.extend_from_slice(&long);
    for bytes in [small, ping] {
        let mut input = bytes.clone();
        let owned = to.receive_owned(&mut input, &mut Vec::new());
        assert!(matches!(owned, Ok(None)) && input == bytes);
    }
    let mut wire = Vec::new();
    for fin in [Fin::More, Fin::Final] {
        let start = from.begin(Kind::Binary, long.len() as u64, fin).unwrap();
        wire.extend_from_slice(start.header());
        let at = wire.len();
        wire.extend_from_slice(&long);
        start.apply_mask(&mut wire[at..], 0);
    }
    let heard = hear(&mut to, &wire, wire.len());
    assert_eq!(heard, Ok(vec![OwnedMessage::Binary([&long[..], &long].concat())]));
}

/// [rfc6455:8.1-utf8-message] [rfc6455:8.1-utf8-fails]
#[test]
fn text_is_checked_as_far_as_it_has_come() {
    for at in [0, 5_000, 19_999] {
        for cut in [12_000, 20_008] {
            let (_, mut to) = pairs().into_iter().next().unwrap();
            let mut wire = vec![0x81, 0xfe, 0x4e, 0x20, 0, 0, 0, 0];
            wire.resize(20_008, b'a');
            wire[8 + at] = 0xff;
            let mut out = Vec::new();
            let mut input = wire[..cut].to_vec();
            let owned = to.receive_owned(&mut input, &mut out);
            if at < cut - 8 {
                assert_eq!(owned.err(), Some(ProtocolError::InvalidUtf8), "{at} {cut}");
                assert_eq!((to.state(), &out[..4]), (State::Failed, &[0x88, 2, 3, 0xef][..]));
                assert!(input.is_empty(), "nothing behind it is read");
            } else {
                assert!(matches!(owned, Ok(Some(Owned::Part { .. }))));
            }
        }
    }
}
