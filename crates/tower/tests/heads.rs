//! What an intermediary changes, and what it leaves as it is.

use crate::common::{in_memory, request};

#[tokio::test]
async fn fields_of_the_connection_end_at_the_server_in_front() {
    let (_hub, host) = in_memory().await;
    // `X-Named` belongs to the connection, too; a chunked body comes as one with a length or in chunks of its own.
    let fields = "Connection: x-named\r\nX-Named: 1\r\nKeep-Alive: 5\r\nTE: trailers\r\n\
                  Expect: 100-continue\r\nTransfer-Encoding: chunked\r\n";
    let body = "5\r\nhello\r\n0\r\n\r\n";
    let mut client = crate::common::Client::connect(host).await;
    use tokio::io::AsyncWriteExt as _;
    let text = format!("POST /v1/channels/news HTTP/1.1\r\nHost: {host}\r\n{fields}\r\n{body}");
    client.socket.write_all(text.as_bytes()).await.expect("it reads");
    let answer = client.until("\"seq\":1").await;
    assert!(answer.contains("HTTP/1.1 200 OK"), "{answer}");
    assert!(!answer.to_ascii_lowercase().contains("keep-alive"), "{answer}");
}

#[tokio::test]
async fn refusals_are_those_of_the_hub() {
    let (_hub, host) = in_memory().await;
    let missing = request(host, "GET /v1/sse", "", "").await;
    assert!(missing.starts_with("HTTP/1.1 400 "), "{missing}");
    let foreign =
        request(host, "GET /v1/poll?channel=a", "Origin: http://evil.example\r\n", "").await;
    assert!(foreign.starts_with("HTTP/1.1 403 "), "{foreign}");
    let unknown = request(host, "GET /v1/nothing", "", "").await;
    assert!(unknown.starts_with("HTTP/1.1 404 "), "{unknown}");
}
