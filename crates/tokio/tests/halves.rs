//! Two halves on two tasks, over streams that remember one waiting task.

use std::time::Duration;

use sockeye_tokio::{CloseCode, Error, Message, Settings, WebSocket};
use tokio::io::{AsyncRead, AsyncWrite, duplex};
use tokio::task::JoinHandle;

use crate::common::{Choppy, client_on, pair, run, server_on};

/// Sends and receives side by side; gives what was heard.
fn busy<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    socket: WebSocket<S>,
    messages: usize,
) -> JoinHandle<Vec<Message>> {
    let (mut receiver, mut sender) = socket.split();
    tokio::spawn(async move {
        let sending = tokio::spawn(async move {
            for n in 0..messages {
                sender.send(&format!("{n} {}", "x".repeat(n % 300))).await.unwrap();
                if n % 5 == 0 {
                    sender.ping(&[b'p'; 100]).await.unwrap();
                }
            }
            sender
        });
        let mut heard = Vec::new();
        while heard.len() < messages {
            heard.push(receiver.receive().await.unwrap().unwrap());
        }
        let mut sender = sending.await.unwrap();
        sender.close(CloseCode::NORMAL, "").await.unwrap();
        assert_eq!(receiver.receive().await, None);
        assert!(WebSocket::unite(receiver, sender).unwrap().closed().unwrap().clean);
        heard
    })
}

/// Both ends send more than the pipe holds, both answer Pings, and every task is woken. On several threads, with real time:
/// a lost wake is a hang, which ends the test.
#[test]
fn both_directions_at_once_never_stall() {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    let runtime = builder.enable_all().worker_threads(2).build().unwrap();
    runtime.block_on(async {
        for seed in 0..20 {
            let (ours, theirs) = duplex(64 + usize::try_from(seed).unwrap() * 13);
            let mut settings = Settings::default();
            settings.unsent_bytes_max = 256;
            let client = busy(client_on(Choppy::new(ours, seed), settings), 200);
            let server = busy(server_on(theirs, settings), 200);
            let expected: Vec<_> =
                (0..200).map(|n| Message::Text(format!("{n} {}", "x".repeat(n % 300)))).collect();
            for heard in [client, server] {
                let heard = tokio::time::timeout(Duration::from_secs(60), heard).await;
                assert_eq!(heard.expect("no task waits for ever").unwrap(), expected);
            }
        }
    });
}

#[test]
fn a_sender_learns_of_the_end_while_it_waits() {
    run(async {
        let mut settings = Settings::default();
        settings.unsent_bytes_max = 10;
        let (client, server) = pair(16, settings);
        let (mut receiver, mut sender) = server.split();
        let sending = tokio::spawn(async move {
            loop {
                if let Err(error) = sender.send("more than sixteen bytes").await {
                    break error;
                }
            }
        });
        // Nobody reads at the other end, and it does not answer a Ping.
        let end = receiver.receive().await;
        assert!(matches!(end, Some(Err(Error::TimedOut(_)))), "{end:?}");
        assert!(matches!(sending.await.unwrap(), Error::Transport(_) | Error::Usage(_)));
        drop(client);
    });
}

#[test]
fn halves_of_two_sockets_are_not_united() {
    run(async {
        let (client, server) = pair(16, Settings::default());
        let ((receiver, _sender), (_receiver, sender)) = (client.split(), server.split());
        assert!(WebSocket::unite(receiver, sender).is_err());
    });
}
