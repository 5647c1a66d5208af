//! Every future is dropped at every await, in an order that a seed decides: no message is lost, cut or doubled.

use std::collections::VecDeque;
use std::future::Future;

use sockeye_tokio::{
    CloseCode, Error, Fin, Message, MessageRef, Part, Receiver, Sender, Settings, WebSocket,
};
use tokio::io::{AsyncRead, AsyncWrite, duplex};

use crate::common::{Choppy, Random, client_on, cut, run, server_on};

const MESSAGES: u64 = 40;
const SEEDS: u64 = 60;

/// The text of a message says which it is, and has a length of its own.
fn text(n: u64) -> String {
    let len = usize::try_from(n * 37 % 210).unwrap();
    format!("{n} {}", "x".repeat(len))
}

/// Sends a message by futures that are dropped; `queued` tells whether one has taken it. What comes meanwhile goes to
/// `inbox`, or two ends that only send would wait for each other.
async fn send<S: AsyncRead + AsyncWrite + Unpin>(
    socket: &mut WebSocket<S>,
    random: &mut Random,
    message: MessageRef<'_>,
    inbox: &mut VecDeque<Message>,
) {
    let before = socket.queued();
    while socket.queued() == before {
        match random.below(3) {
            0 => _ = cut(random, socket.send(message)).await.transpose().unwrap(),
            1 => {
                if let Some(ready) = cut(random, socket.ready()).await {
                    ready.unwrap();
                    socket.queue(message).unwrap();
                }
            }
            _ => {
                let message = cut(random, socket.receive()).await.flatten();
                inbox.extend(message.transpose().unwrap());
            }
        }
    }
    assert_eq!(socket.queued(), before + 1);
}

async fn echo<S: AsyncRead + AsyncWrite + Unpin>(mut socket: WebSocket<S>, mut random: Random) {
    let mut inbox = VecDeque::new();
    while socket.closed().is_none() {
        let message = cut(&mut random, socket.receive()).await.flatten();
        inbox.extend(message.transpose().unwrap());
        while let Some(message) = inbox.pop_front() {
            send(&mut socket, &mut random, message.as_message(), &mut inbox).await;
        }
        // The peer may have closed meanwhile.
        let _ = cut(&mut random, socket.flush()).await;
        let _ = cut(&mut random, socket.ping(b"?")).await;
    }
    assert!(socket.closed().unwrap().clean);
}

async fn converse<S: AsyncRead + AsyncWrite + Unpin>(mut socket: WebSocket<S>, mut random: Random) {
    let mut inbox = VecDeque::new();
    for n in 0..MESSAGES {
        send(&mut socket, &mut random, MessageRef::Text(&text(n)), &mut inbox).await;
    }
    while u64::try_from(inbox.len()).unwrap() < MESSAGES {
        let message = cut(&mut random, socket.receive()).await.flatten();
        inbox.extend(message.transpose().unwrap());
    }
    assert!(inbox.into_iter().eq((0..MESSAGES).map(|n| Message::Text(text(n)))));
    let closed = loop {
        if let Some(closed) = cut(&mut random, socket.close(CloseCode::NORMAL, "done")).await {
            break closed.unwrap();
        }
    };
    assert!(closed.clean && closed.code == CloseCode::NORMAL, "{closed:?}");
}

async fn both<A: Future, B: Future>(a: A, b: B) -> (A::Output, B::Output) {
    tokio::join!(a, b)
}

#[test]
fn no_message_is_lost_or_doubled() {
    for seed in 0..SEEDS {
        run(async {
            let (ours, theirs) = duplex(16 + usize::try_from(seed).unwrap() % 200);
            let mut settings = Settings::default();
            settings.unsent_bytes_max = 100;
            let client = client_on(Choppy::new(ours, 3 * seed), settings);
            let server = server_on(Choppy::new(theirs, 3 * seed + 1), settings);
            let client = converse(client, Random::new(seed ^ 0xabcd));
            both(client, echo(server, Random::new(seed ^ 0x1234))).await;
        });
    }
}

/// The same for halves on tasks of their own.
#[test]
fn no_message_of_a_half_is_lost_or_doubled() {
    async fn say<S: AsyncRead + AsyncWrite + Unpin>(mut half: Sender<S>, mut random: Random) {
        for n in 0..MESSAGES {
            let (before, text) = (half.queued(), text(n));
            while half.queued() == before {
                let _ = cut(&mut random, half.send(&text)).await.transpose().unwrap();
                let _ = cut(&mut random, half.ping(b"!")).await.transpose().unwrap();
            }
            let _ = cut(&mut random, half.ready()).await.transpose().unwrap();
        }
        while cut(&mut random, half.flush()).await.transpose().unwrap().is_none() {}
        while cut(&mut random, half.close(CloseCode::NORMAL, "")).await.is_none() {}
    }
    async fn hear<S: AsyncRead + AsyncWrite + Unpin>(
        mut half: Receiver<S>,
        mut random: Random,
    ) -> Vec<Message> {
        let mut heard = Vec::new();
        while half.closed().is_none() {
            match cut(&mut random, half.receive()).await {
                None | Some(None) => {}
                Some(Some(message)) => heard.push(message.unwrap()),
            }
        }
        heard
    }
    for seed in 0..SEEDS {
        run(async {
            let (ours, theirs) = duplex(16 + usize::try_from(seed).unwrap() % 200);
            let mut settings = Settings::default();
            settings.unsent_bytes_max = 64;
            let client = client_on(Choppy::new(ours, 5 * seed), settings);
            let server = server_on(Choppy::new(theirs, 5 * seed + 1), settings);
            let (receiver, sender) = client.split();
            let client = tokio::spawn(both(
                say(sender, Random::new(seed ^ 0x77)),
                hear(receiver, Random::new(seed ^ 0x99)),
            ));
            let heard = hear(server.split().0, Random::new(seed ^ 0x55)).await;
            let expected: Vec<_> = (0..MESSAGES).map(|n| Message::Text(text(n))).collect();
            assert_eq!(heard, expected, "seed {seed}");
            assert_eq!(client.await.unwrap().1, []);
        });
    }
}

/// Parts keep their order and their bytes, whoever gives up waiting.
#[test]
fn no_part_is_lost_or_doubled() {
    for seed in 0..SEEDS {
        run(async {
            let (ours, theirs) = duplex(50);
            let mut client = client_on(Choppy::new(ours, 7 * seed), Settings::default());
            let mut server = server_on(Choppy::new(theirs, 7 * seed + 1), Settings::default());
            let mut random = Random::new(seed ^ 0x4242);
            let mut random_of_server = Random::new(seed ^ 0x2424);
            let sending = async move {
                for n in 0..10_u8 {
                    let part = [n; 30];
                    let fin = if n == 9 { Fin::Final } else { Fin::More };
                    // A dropped `send_part` may have queued the part, so the part is queued when there is room for it.
                    while cut(&mut random, client.ready()).await.transpose().unwrap().is_none() {}
                    client.send_part(&part[..], fin).await.unwrap();
                }
                while cut(&mut random, client.close(CloseCode::NORMAL, "")).await.is_none() {}
            };
            let receiving = async {
                let (mut bytes, mut lasts) = (Vec::new(), 0);
                while server.closed().is_none() {
                    let part = cut(&mut random_of_server, server.receive_part()).await;
                    if let Some(Some(part)) = part {
                        let Part { payload, first, last, .. } = part.unwrap();
                        assert_eq!(first, bytes.is_empty());
                        bytes.extend(payload);
                        lasts += u32::from(last);
                    }
                }
                let expected: Vec<u8> = (0..10_u8).flat_map(|n| [n; 30]).collect();
                assert_eq!((bytes, lasts), (expected, 1), "seed {seed}");
            };
            both(sending, receiving).await;
        });
    }
}

/// A dropped `send` has queued the message as a whole, or not at all.
#[test]
fn a_full_queue_takes_nothing() {
    run(async {
        let mut settings = Settings::default();
        settings.unsent_bytes_max = 10;
        let (_peer, mut socket) = crate::common::pair(1, settings);
        socket.queue("more than ten").unwrap();
        assert_eq!(socket.queue("x"), Err(Error::Full));
        let send = tokio::time::timeout(std::time::Duration::from_secs(1), socket.send("x")).await;
        assert!(send.is_err());
        assert_eq!(socket.queued(), 1);
    });
}
