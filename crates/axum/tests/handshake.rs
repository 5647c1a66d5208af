//! The answers to requests, as they stand on the wire.

use axum::Router;
use axum::http::{HeaderValue, Request};
use axum::routing::any;
use sockeye_axum::ws::rejection::WebSocketUpgradeRejection;
use sockeye_axum::ws::{ClientWindow, Origins, ServerConfig, WebSocketUpgrade};
use sockeye_handshake::Reject;

use crate::common::{ask, echo, run, serve, serve_sockets};

const KEY: &str = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n";

fn request(more: &str) -> String {
    format!(
        "GET /ws HTTP/1.1\r\nHost: hub.example\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n{KEY}{more}\r\n"
    )
}

#[test]
fn a_request_is_accepted_or_gets_its_status() {
    run(async {
        let address = serve_sockets(|ws| ws, echo).await;
        let answer = ask(address, &request("")).await;
        assert!(answer.starts_with("HTTP/1.1 101 "), "{answer}");
        assert!(answer.contains("\r\nsec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"));
        assert!(!answer.contains("sec-websocket-extensions"), "none was offered: {answer}");

        let table = [
            (request("").replace("GET", "POST"), 405, "allow: GET"),
            (request("").replace("Upgrade: websocket", "Upgrade: h2c"), 426, "upgrade: websocket"),
            (request("").replace("Connection: Upgrade", "A: b"), 426, "upgrade: websocket"),
            (request("").replace("Version: 13", "Version: 8"), 426, "sec-websocket-version: 13"),
            (request("").replace("Version: 13", "Version: x"), 400, "sec-websocket-version: 13"),
            (request("Sec-WebSocket-Key: eGhlIHNhbXBsZSBub25jZQ==\r\n"), 400, "content-type"),
            (request("").replace("dGhl", "x"), 400, "content-type"),
            (
                request("Content-Length: 1\r\n").replace("\r\n\r\n", "\r\n\r\nx"),
                400,
                "content-type",
            ),
            (request("Sec-WebSocket-Protocol: a, a\r\n"), 400, "content-type"),
            (request("Sec-WebSocket-Extensions: a; =\r\n"), 400, "content-type"),
            (request("").replace("Host: hub.example\r\n", ""), 400, "content-type"),
            (request("Host: hub.example\r\n"), 400, "content-type"),
            (request("").replace("hub.example", "a@b"), 400, "content-type"),
            (
                request("").replace("/ws", "http://a/ws").replace("Host: hub.example\r\n", ""),
                400,
                "content-type",
            ),
            (request("").replace("/ws", "ftp://hub.example/ws"), 400, "content-type"),
            (request("Origin: https://evil.example\r\n"), 403, "content-type"),
            (request("").replace("HTTP/1.1", "HTTP/1.0"), 426, "upgrade: websocket"),
        ];
        for (request, status, line) in table {
            let answer = ask(address, &request).await;
            let begin = format!(" {status} ");
            assert!(answer[8..].starts_with(&begin), "{request}: {answer}");
            assert!(answer.contains(&format!("\r\n{line}")), "{request}: {answer}");
            assert!(!answer.contains("sec-websocket-accept"), "{answer}");
        }
    });
}

#[test]
fn origins_are_the_applications_to_name() {
    run(async {
        let table = [
            (Origins::SameHost, "http://hub.example", 101),
            (Origins::SameHost, "http://app.example", 403),
            (Origins::List(&["http://app.example"]), "http://app.example", 101),
            (Origins::List(&["http://app.example"]), "http://hub.example", 403),
            (Origins::Any, "null", 101),
        ];
        for (origins, origin, status) in table {
            let address = serve_sockets(move |ws| ws.origins(origins), echo).await;
            let answer = ask(address, &request(&format!("Origin: {origin}\r\n"))).await;
            assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{origins:?}: {answer}");
        }
    });
}

#[test]
fn subprotocols_are_among_those_asked_for() {
    run(async {
        let ask_for = request("Sec-WebSocket-Protocol: a, b\r\nSec-WebSocket-Protocol: c\r\n");
        let chosen = serve_sockets(|ws| ws.protocols(["x", "c", "a"]), echo).await;
        let answer = ask(chosen, &ask_for).await;
        assert!(answer.contains("\r\nsec-websocket-protocol: c\r\n"), "{answer}");
        let answer = ask(chosen, &request("")).await;
        assert!(!answer.contains("sec-websocket-protocol"), "{answer}");

        for (name, selected) in [("b", true), ("x", false)] {
            let set = move |mut ws: WebSocketUpgrade| {
                ws.set_selected_protocol(HeaderValue::from_static(name));
                ws
            };
            let answer = ask(serve_sockets(set, echo).await, &ask_for).await;
            assert!(answer.starts_with("HTTP/1.1 101 "), "{answer}");
            assert_eq!(answer.contains("\r\nsec-websocket-protocol: b\r\n"), selected, "{answer}");
            assert_eq!(answer.contains("sec-websocket-protocol"), selected, "{answer}");
        }
    });
}

#[test]
fn compression_is_agreed_on_by_both() {
    run(async {
        let offer = request(
            "Sec-WebSocket-Extensions: x-other, permessage-deflate; server_max_window_bits=5\r\n\
             Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n",
        );
        let default = serve_sockets(|ws| ws, echo).await;
        let answer = ask(default, &offer).await;
        assert!(answer.contains("\r\nsec-websocket-extensions: permessage-deflate"), "{answer}");
        assert!(answer.contains("client_max_window_bits=12"), "{answer}");

        let mut rules = ServerConfig::DEFAULT;
        rules.server_no_context_takeover = true;
        rules.client_max_window_bits = ClientWindow::Prefer(sockeye_axum::ws::WindowBits::MAX);
        let set = serve_sockets(move |ws| ws.compression(Some(rules)), echo).await;
        assert!(ask(set, &offer).await.contains("server_no_context_takeover"));
        let off = serve_sockets(|ws| ws.compression(None), echo).await;
        assert!(!ask(off, &offer).await.contains("sec-websocket-extensions"));
    });
}

/// An application may answer a request that opens nothing in its own way.
#[test]
fn a_rejection_is_a_value() {
    run(async {
        let handler = |ws: Result<WebSocketUpgrade, WebSocketUpgradeRejection>| async move {
            match ws {
                Ok(ws) => ws.on_upgrade(echo),
                Err(rejection) => {
                    assert_eq!(rejection, WebSocketUpgradeRejection::Handshake(Reject::Upgrade));
                    axum::response::IntoResponse::into_response("a page for browsers")
                }
            }
        };
        let address = serve(Router::new().route("/ws", any(handler))).await;
        let answer = ask(address, "GET /ws HTTP/1.1\r\nHost: hub.example\r\n\r\n").await;
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        assert!(ask(address, &request("")).await.starts_with("HTTP/1.1 101 "));
    });
}

/// A request that did not come from a connection that hyper can hand over.
#[test]
fn a_request_without_a_connection_is_rejected() {
    run(async {
        use axum::extract::FromRequestParts;
        let request = Request::get("/ws")
            .header("host", "hub.example")
            .header("upgrade", "websocket")
            .header("connection", "upgrade")
            .header("sec-websocket-version", "13")
            .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==");
        let (mut parts, ()) = request.body(()).unwrap().into_parts();
        let rejected = WebSocketUpgrade::from_request_parts(&mut parts, &()).await.unwrap_err();
        assert_eq!(rejected, WebSocketUpgradeRejection::NotUpgradable);
        assert_eq!(rejected.status(), 426);
    });
}
