//! Any split of the input gives the same messages.

use proptest::prelude::*;
use sockeye_tokio::{CloseCode, Error, Fin, Message, MessageRef, Settings, WebSocket};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

use crate::common::{Choppy, client_on, run, server_on};

#[derive(Clone, Debug)]
enum Step {
    Send(Message),
    Parts(Vec<Vec<u8>>),
    Ping,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let bytes = || prop::collection::vec(any::<u8>(), 0..200);
    let step = prop_oneof![
        ".{0,60}".prop_map(|text| Step::Send(Message::Text(text))),
        bytes().prop_map(|bytes| Step::Send(Message::Binary(bytes))),
        prop::collection::vec(bytes(), 1..5).prop_map(Step::Parts),
        Just(Step::Ping),
    ];
    prop::collection::vec(step, 0..20)
}

fn expected(steps: &[Step]) -> Vec<Message> {
    let messages = steps.iter().filter_map(|step| match step {
        Step::Send(message) => Some(message.clone()),
        Step::Parts(parts) => Some(Message::Binary(parts.concat())),
        Step::Ping => None,
    });
    messages.collect()
}

async fn play(socket: &mut WebSocket<DuplexStream>, steps: &[Step]) {
    for step in steps {
        match step {
            Step::Send(message) => socket.send(message).await.unwrap(),
            Step::Ping => socket.ping(b"?").await.unwrap(),
            Step::Parts(parts) => {
                for (n, part) in parts.iter().enumerate() {
                    let fin = if n + 1 == parts.len() { Fin::Final } else { Fin::More };
                    socket.send_part(MessageRef::Binary(part), fin).await.unwrap();
                }
            }
        }
    }
}

/// The bytes of a client that plays the steps, and closes.
async fn recorded(steps: &[Step]) -> Vec<u8> {
    let (ours, mut theirs) = duplex(1 << 20);
    let mut socket = client_on(ours, Settings::default());
    play(&mut socket, steps).await;
    let (_receiver, mut sender) = socket.split();
    sender.close(CloseCode::NORMAL, "").await.unwrap();
    drop((_receiver, sender));
    let mut bytes = Vec::new();
    theirs.read_to_end(&mut bytes).await.unwrap();
    bytes
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_split_gives_the_same_messages(steps in steps(), seed in any::<u64>()) {
        run(async {
            let bytes = recorded(&steps).await;
            for step in [1, 2, 3, 7, bytes.len()] {
                let (mut ours, theirs) = duplex(step);
                let mut server = server_on(Choppy::new(theirs, seed), Settings::default());
                let bytes = bytes.clone();
                let writing = tokio::spawn(async move {
                    ours.write_all(&bytes).await.unwrap();
                    ours.shutdown().await.unwrap();
                    let mut answers = Vec::new();
                    ours.read_to_end(&mut answers).await.unwrap();
                    answers
                });
                let mut heard = Vec::new();
                while let Some(message) = server.receive().await {
                    heard.push(message.unwrap());
                }
                assert_eq!(heard, expected(&steps));
                assert!(server.closed().unwrap().clean);
                drop(server);
                let answers = writing.await.unwrap();
                let pings = steps.iter().filter(|step| matches!(step, Step::Ping)).count();
                // A Pong of one byte for each Ping, and the Close frame.
                assert_eq!(answers, [&[0x8a, 1, b'?'].repeat(pings)[..], &[0x88, 2, 3, 0xe8]].concat());
            }
        });
    }
}

/// Large messages are read into buffers of their own, whatever a read brings, and small ones in between are none the worse.
#[test]
fn large_messages_in_any_pieces() {
    let mixed = "é字😀a".repeat(30_000);
    let lens =
        [20, 20_000, 20_000, 70_000, 70_000, 5, 300_000, 300_000, 299_000, 65_536, 20_000, 0];
    let messages: Vec<Message> = lens
        .iter()
        .flat_map(|len| {
            let text = Message::Text(mixed[..len / 10 * 10].to_owned());
            [text, Message::Text("b".repeat(*len)), Message::Binary(vec![7; *len])]
        })
        .collect();
    let steps: Vec<Step> = messages.iter().cloned().map(Step::Send).collect();
    for piece in [1_448, 16_384, 16_390, 100_000, 1 << 20] {
        run(async {
            let (ours, theirs) = duplex(piece);
            let mut server = server_on(theirs, Settings::default());
            let mut client = client_on(ours, Settings::default());
            let sent = steps.clone();
            let writing = tokio::spawn(async move {
                play(&mut client, &sent).await;
                client.close(CloseCode::NORMAL, "").await
            });
            for message in &messages {
                assert!(server.receive().await == Some(Ok(message.clone())), "pieces of {piece}");
            }
            assert_eq!(server.receive().await, None);
            assert!(writing.await.unwrap().unwrap().clean);
        });
    }
}

/// What came behind the handshake is the beginning of the connection.
#[test]
fn early_bytes_are_received_first() {
    run(async {
        let bytes = recorded(&[Step::Send("early".into()), Step::Send("late".into())]).await;
        for cut in 0..bytes.len() {
            let (mut ours, theirs) = duplex(1024);
            let (early, late) = bytes.split_at(cut);
            let role = sockeye_tokio::Role::Server;
            let early = early.to_vec();
            let mut server = WebSocket::after_handshake(theirs, role, early, Settings::default());
            ours.write_all(late).await.unwrap();
            drop(ours);
            assert_eq!(server.receive().await, Some(Ok("early".into())));
            assert_eq!(server.receive().await, Some(Ok("late".into())));
            assert_eq!(server.receive().await, None);
        }
    });
}

/// The end of a stream in the middle is an error, once.
#[test]
fn a_cut_stream_is_an_error() {
    run(async {
        let bytes = recorded(&[Step::Send("whole".into())]).await;
        for cut in 0..bytes.len() - 6 - 2 {
            let (mut ours, theirs) = duplex(1024);
            let mut server = server_on(theirs, Settings::default());
            ours.write_all(&bytes[..cut]).await.unwrap();
            drop(ours);
            let first = server.receive().await;
            if first == Some(Ok("whole".into())) {
                assert_eq!(server.receive().await, Some(Err(Error::Ended)));
            } else {
                assert_eq!(first, Some(Err(Error::Ended)));
            }
            assert_eq!(server.receive().await, None);
            assert_eq!(server.closed().unwrap().code, CloseCode::ABNORMAL);
        }
    });
}
