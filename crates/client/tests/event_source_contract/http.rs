//! Requests, and answers that are no stream.

use std::sync::{Arc, Mutex};

use crate::common::{Client, Server, header};
use crate::event_source_contract::{NO_MORE, Told, data, options, read};

/// A server that keeps the requests that it gets, and answers each as `answer` says.
fn keeping(
    answer: impl Fn(usize, &mut Client) -> std::io::Result<()> + Send + Sync + 'static,
) -> (Server, Arc<Mutex<Vec<String>>>) {
    let kept = Arc::new(Mutex::new(Vec::new()));
    let requests = Arc::clone(&kept);
    let server = Server::new(move |number, client| {
        let mut request = client.read_request()?;
        if let Some(length) = header(&request, "Content-Length") {
            let body = client.read(length.parse().expect("a number"))?;
            request.push_str(&String::from_utf8(body).expect("text"));
        }
        requests.lock().expect("nobody panics here").push(request);
        answer(number, client)
    });
    (server, kept)
}

#[test]
fn the_default_request_and_an_end_that_is_obeyed() {
    let (server, requests) = keeping(|_, client| client.send(NO_MORE));
    assert_eq!(read(options(&server)), [Told::Failed(Some(204))]);
    let requests = requests.lock().expect("nobody panics here");
    let [request] = requests.as_slice() else { panic!("one request: {requests:?}") };
    assert!(request.starts_with("GET /stream HTTP/1.1\r\n"), "{request}");
    assert_eq!(header(request, "Accept"), Some("text/event-stream"));
    assert_eq!(header(request, "Cache-Control"), Some("no-cache"));
    assert_eq!(header(request, "Last-Event-ID"), None);
}

#[test]
fn redirects_lead_to_the_stream() {
    for status in [301, 302, 303, 307, 308] {
        let (server, requests) = keeping(move |number, client| match number {
            0 => client.send(
                format!("HTTP/1.1 {status} Moved\r\nLocation: /there\r\nContent-Length: 0\r\n\r\n")
                    .as_bytes(),
            ),
            1 => client
                .send(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: hello\n\n"),
            _ => client.send(NO_MORE),
        });
        let told = read(options(&server));
        assert_eq!((told.len(), &told[0]), (3, &data("hello")), "{status}: {told:?}");
        let requests = requests.lock().expect("nobody panics here");
        let targets = requests.iter().map(|request| request.split(' ').nth(1).expect("a target"));
        assert_eq!(targets.collect::<Vec<_>>(), ["/stream", "/there", "/stream"], "{status}");
    }
}

/// Neither a loop nor silence: it is told, and what follows is a wait, or nothing.
#[test]
fn redirects_to_nowhere_are_told() {
    use sockeye_client::Error;
    for status in [301, 307] {
        for location in ["Location:\r\n", "Location: gopher://x\r\n", ""] {
            let (server, _) = keeping(move |number, client| {
                let head =
                    format!("HTTP/1.1 {status} Moved\r\n{location}Content-Length: 0\r\n\r\n");
                client.send(if number == 0 { head.as_bytes() } else { NO_MORE })
            });
            let told = read(options(&server));
            let expected = if location.is_empty() {
                vec![Told::Failed(Some(status))]
            } else {
                vec![Told::Lost(Error::Redirect), Told::Failed(Some(204))]
            };
            assert_eq!(told, expected, "{status} {location:?}");
        }
    }
}

#[test]
fn headers_methods_bodies_and_an_id_to_begin_with() {
    for (method, has_body) in [("GET", false), ("POST", true), ("REPORT", true)] {
        let (server, requests) = keeping(|number, client| match number {
            0 => client.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"),
            _ => client.send(NO_MORE),
        });
        let mut options = options(&server);
        options.method = method.to_owned();
        options.body = has_body.then(|| r#"{"ask":"é"}"#.as_bytes().to_vec());
        options.headers.push(("Content-Type".to_owned(), "application/json".to_owned()));
        options.headers.push(("x-one".to_owned(), "1".to_owned()));
        options.last_event_id = "begin".to_owned();
        read(options);
        let requests = requests.lock().expect("nobody panics here");
        assert_eq!(requests.len(), 2);
        for request in requests.iter() {
            assert!(request.starts_with(&format!("{method} ")), "{request}");
            assert_eq!(header(request, "content-type"), Some("application/json"));
            assert_eq!(header(request, "x-one"), Some("1"));
            assert_eq!(header(request, "last-event-id"), Some("begin"));
            assert_eq!(request.ends_with(r#"{"ask":"é"}"#), has_body, "{request}");
        }
    }
}
