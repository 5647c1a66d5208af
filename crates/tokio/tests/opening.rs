//! The opening handshake of both roles, on streams and on sockets.

use sockeye_tokio::{
    Answer, ConnectOptions, HeaderName, HeaderValue, OpenError, Origins, Policy, Status, Upgrade,
    accept, client, connect,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
use tokio::net::TcpListener;

use crate::common::run;

/// Gives the server's answer to a request, and the error that it reports.
async fn answer_to(request: &str, policy: &Policy<'_>) -> (String, Option<OpenError>) {
    let (mut ours, theirs) = duplex(1 << 16);
    ours.write_all(request.as_bytes()).await.unwrap();
    let reading = async {
        let mut answer = Vec::new();
        let mut piece = [0; 1024];
        while !answer.ends_with(b"\r\n\r\n") && !answer.ends_with(b".") {
            match ours.read(&mut piece).await.unwrap() {
                0 => break,
                len => answer.extend_from_slice(&piece[..len]),
            }
        }
        ours.shutdown().await.unwrap();
        String::from_utf8(answer).unwrap()
    };
    let (answer, accepted) = tokio::join!(reading, accept(theirs, policy));
    (answer, accepted.err())
}

const KEY: &str = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n";

fn request(more: &str) -> String {
    format!(
        "GET /chat HTTP/1.1\r\nHost: hub.example\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n{KEY}{more}\r\n"
    )
}

#[test]
fn requests_are_accepted_and_refused() {
    run(async {
        let mut policy = Policy::default();
        policy.subprotocols = &["b", "a"];
        policy.origins = Origins::List(&["https://app.example"]);
        let (answer, error) =
            answer_to(&request("Sec-WebSocket-Protocol: a, b\r\n"), &policy).await;
        assert!(answer.starts_with("HTTP/1.1 101 "), "{answer}");
        assert!(answer.contains("\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"));
        assert!(answer.contains("\r\nSec-WebSocket-Protocol: b\r\n") && error.is_none());

        let table = [
            (request("Origin: https://evil.example\r\n"), 403),
            (request("").replace("GET", "POST"), 405),
            (request("").replace("Version: 13", "Version: 8"), 426),
            (request("").replace("Host: hub.example\r\n", ""), 400),
            (request("Host: twice.example\r\n"), 400),
            ("\u{16}\u{3}\u{1}".to_owned(), 400),
            (request(&format!("X: {}\r\n", "x".repeat(9000))), 431),
        ];
        for (request, status) in table {
            let (answer, error) = answer_to(&request, &policy).await;
            assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{request}: {answer}");
            assert!(answer.contains("\r\nDate: ") && answer.contains("close"), "{answer}");
            assert!(matches!(error, Some(OpenError::Reject(_) | OpenError::Http(_))), "{error:?}");
        }
    });
}

#[test]
fn an_application_looks_at_the_request_first() {
    run(async {
        let policy = Policy::default();
        let headers = [(HeaderName::from_static("Set-Cookie"), HeaderValue::from_static("a=b"))];
        for (path, expected) in [("/chat", "HTTP/1.1 101 "), ("/other", "HTTP/1.1 404 ")] {
            let (mut ours, theirs) = duplex(1 << 16);
            ours.write_all(request("").replace("/chat", path).as_bytes()).await.unwrap();
            let serving = async {
                let request = Upgrade::read(theirs, &policy).await?;
                if request.with_head(|head| head.path() == "/chat") {
                    request.accept(&policy, &headers).await.map(drop)
                } else {
                    Err(request.refuse(Status::NOT_FOUND).await)
                }
            };
            let reading = async {
                let mut answer = String::new();
                ours.read_to_string(&mut answer).await.map(|_| answer)
            };
            let (served, answer) = tokio::join!(serving, reading);
            let answer = answer.unwrap();
            assert!(answer.starts_with(expected), "{answer}");
            assert_eq!(answer.contains("\r\nSet-Cookie: a=b\r\n"), path == "/chat");
            assert_eq!(served.is_ok(), path == "/chat");
        }
    });
}

#[test]
fn a_client_and_a_server_on_sockets() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let serving = tokio::spawn(async move {
            let mut policy = Policy::default();
            policy.subprotocols = &["chat"];
            let mut socket = accept(listener.accept().await.unwrap().0, &policy).await.unwrap();
            assert_eq!(socket.subprotocol(), Some("chat"));
            while let Some(message) = socket.receive().await {
                socket.send(&message.unwrap()).await.unwrap();
            }
            socket.close_reason().map(|reason| reason.text().to_owned())
        });
        let mut options = ConnectOptions::default();
        options.subprotocols = vec!["chat".to_owned()];
        let mut socket = connect(&format!("ws://{address}/?a=b"), &options).await.unwrap();
        assert_eq!(socket.subprotocol(), Some("chat"));
        assert_eq!(socket.stream().peer_addr().unwrap(), address);
        socket.send("hello").await.unwrap();
        assert_eq!(socket.receive().await, Some(Ok("hello".into())));
        let closed = socket.close(sockeye_tokio::CloseCode::NORMAL, "thanks").await.unwrap();
        assert!(closed.clean);
        assert_eq!(serving.await.unwrap().as_deref(), Some("thanks"));
        assert!(matches!(
            connect(&format!("ws://{address}/"), &options).await.err(),
            Some(OpenError::Transport(_))
        ));
    });
}

#[test]
fn answers_that_open_nothing() {
    run(async {
        let moved = "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 302 Found\r\nLocation: /new\r\nContent-Length: 0\r\n\r\n";
        let bad = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: x\r\n\r\n";
        let endless = "HTTP/1.1 100 Continue\r\n\r\n".repeat(20);
        let mut errors = Vec::new();
        for answer in [moved, bad, &endless, "SSH-2.0-OpenSSH\r\n", ""] {
            let (ours, mut theirs) = duplex(1 << 16);
            theirs.write_all(answer.as_bytes()).await.unwrap();
            theirs.shutdown().await.unwrap();
            let opened = client(ours, "wss://hub.example/", &ConnectOptions::default()).await;
            errors.push(opened.err().unwrap());
        }
        let OpenError::Answer(answer) = &errors[0] else { panic!("{errors:?}") };
        let Answer { status, headers, .. } = &**answer;
        assert_eq!(status.code(), 302);
        assert_eq!(headers[0], ("Location".to_owned(), "/new".to_owned()));
        assert!(matches!(errors[1], OpenError::Verify(_)), "{errors:?}");
        assert!(matches!(errors[2], OpenError::Http(_)), "{errors:?}");
        assert!(matches!(errors[3], OpenError::Http(_)), "{errors:?}");
        assert!(matches!(errors[4], OpenError::Ended), "{errors:?}");
    });
}

#[test]
fn mistakes_of_the_caller() {
    run(async {
        let mut options = ConnectOptions::default();
        assert_eq!(connect("wss://hub.example/", &options).await.err(), Some(OpenError::Tls));
        assert_eq!(connect("http://hub.example/", &options).await.err(), Some(OpenError::Url));
        options.headers = vec![("X".to_owned(), "a\r\nb".to_owned())];
        let (ours, _theirs) = duplex(64);
        let opened = client(ours, "ws://hub.example/", &options).await;
        assert!(matches!(opened.err(), Some(OpenError::Usage(_))));
    });
}
