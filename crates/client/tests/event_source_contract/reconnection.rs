//! Streams that end, and what the next request says.

use std::sync::{Arc, Mutex, mpsc};
use std::time::Instant;

use sockeye_client::sans_io::{self, SourceEvent};
use sockeye_client::{Deadline, Driver, Entropy, Error, EventSource, Limits, Network};

use crate::common::{Server, header, in_time};
use crate::event_source_contract::{NO_MORE, Told, data, event, options, read, told};

/// A server whose connections get these streams in turn, and the IDs that were asked for.
fn streams(streams: &'static [&'static [u8]]) -> (Server, Arc<Mutex<Vec<Option<String>>>>) {
    let kept = Arc::new(Mutex::new(Vec::new()));
    let ids = Arc::clone(&kept);
    let server = Server::new(move |number, client| {
        let request = client.read_request()?;
        let id = header(&request, "Last-Event-ID").map(str::to_owned);
        ids.lock().expect("nobody panics here").push(id);
        match streams.get(number) {
            Some(stream) => {
                client.send(crate::event_source_contract::STREAM.as_bytes())?;
                // Broken off where a chunk should follow.
                client.piece(stream)
            }
            None => client.send(NO_MORE),
        }
    });
    (server, kept)
}

fn check(all: &'static [&'static [u8]], expected: &[Told], ids: &[Option<&str>]) {
    let (server, asked) = streams(all);
    let mut told = read(options(&server));
    told.retain(|told| !matches!(told, Told::Lost(Error::Truncated) | Told::Failed(Some(204))));
    assert_eq!(told, expected);
    let asked = asked.lock().expect("nobody panics here");
    assert_eq!(asked.iter().map(Option::as_deref).collect::<Vec<_>>(), ids);
}

#[test]
fn the_next_request_says_the_last_id() {
    let id = |data: &str, id: &str| event("message", data, id);
    check(
        &[b"id: 7\ndata: a\n\n", b"id: 8\ndata: b\n\n"],
        &[id("a", "7"), id("b", "8")],
        &[None, Some("7"), Some("8")],
    );
    check(&[b"id: 7\ndata: a\n\ndata: b\n\n"], &[id("a", "7"), id("b", "7")], &[None, Some("7")]);
    check(&[b"id: 7\ndata: a\n\nid:\ndata: b\n\n"], &[id("a", "7"), data("b")], &[None, None]);
    check(&[b"id: 7\n\n"], &[], &[None, Some("7")]);
}

#[test]
fn what_was_not_finished_is_forgotten() {
    check(
        &[b"id: 7\ndata: a\n\nid: 8\nevent: x\ndata: cut", b"data: b\n\n"],
        &[event("message", "a", "7"), event("message", "b", "7")],
        &[None, Some("7"), Some("7")],
    );
}

/// A stream that falls silent is left, and asked for again.
#[test]
fn silence() {
    let server = Server::new(|number, client| {
        if number > 0 {
            client.read_request()?;
            return client.send(NO_MORE);
        }
        client.open_stream()?;
        client.piece(b"data: a\n\n")?;
        // Until the source hangs up.
        client.read_to_end()
    });
    let mut options = options(&server);
    options.silence_ms = Some(1_500);
    let silent = Told::Lost(Error::TimedOut(Deadline::Silence));
    assert_eq!(read(options), [data("a"), silent, Told::Failed(Some(204))]);
}

/// An event is told when its blank line ends, with a CR, too: the server sends nothing more before it was.
#[test]
fn an_event_does_not_wait_for_another_byte() {
    let (seen, wait) = mpsc::channel::<()>();
    let wait = Mutex::new(wait);
    let server = Server::new(move |_, client| {
        client.open_stream()?;
        for text in ["data: a\r\r", ":b\r", "data: c\n\n", "data: d\r\n\r"] {
            client.piece(text.as_bytes())?;
            let wait = wait.lock().expect("nobody panics here");
            wait.recv_timeout(crate::common::PATIENCE).expect("it is told");
        }
        client.end_stream()
    });
    let options = options(&server);
    let all = in_time(move || {
        let mut source = EventSource::with(options, Network::default()).expect("a poller");
        let mut all = Vec::new();
        while all.len() < 4 {
            let event = source.next().expect("it goes on");
            if let Some(told) = told(event) {
                all.push(told);
                seen.send(()).expect("the server waits");
            }
        }
        all
    });
    assert_eq!(all, [data("a"), Told::Comment("b".into()), data("c"), data("d")]);
}

/// The caller may ask for another connection at any time, and for none at all.
#[test]
fn restart_and_close() {
    let (server, ids) = {
        let kept = Arc::new(Mutex::new(Vec::new()));
        let ids = Arc::clone(&kept);
        let server = Server::new(move |number, client| {
            let request = client.open_stream()?;
            let id = header(&request, "Last-Event-ID").map(str::to_owned);
            ids.lock().expect("nobody panics here").push(id);
            client.piece(format!("id: {number}\ndata: from {number}\n\n").as_bytes())?;
            client.read_to_end()
        });
        (server, kept)
    };
    let options = options(&server);
    let rest = in_time(move || {
        let mut source = EventSource::with(options, Network::default()).expect("a poller");
        for number in 0..3 {
            let found = source.by_ref().find_map(told);
            assert_eq!(
                found,
                Some(event("message", format!("from {number}"), &number.to_string()))
            );
            if number < 2 {
                source.restart();
            }
        }
        source.close();
        let late = source.next_until(Instant::now());
        assert_eq!((late, source.last_event_id()), (Ok(None), "2"));
        source.filter_map(told).collect::<Vec<_>>()
    });
    assert_eq!(rest, []);
    let ids = ids.lock().expect("nobody panics here");
    assert_eq!(*ids, [None, Some("0".to_owned()), Some("1".to_owned())]);
}

/// On a loop of the caller's, who acts and then waits: what is to be done is done at once, not with the next byte.
#[test]
fn orders_on_a_loop_of_the_callers() {
    let server = Server::new(|number, client| {
        client.open_stream()?;
        client.piece(format!("id: {number}\ndata\n\n").as_bytes())?;
        client.read_to_end()
    });
    let options = options(&server);
    in_time(move || {
        let entropy = Entropy::system().expect("entropy");
        let source = sans_io::EventSource::new(options, Limits::DEFAULT, entropy).expect("it fits");
        let mut poll = mio::Poll::new().expect("a poller");
        let mut events = mio::Events::with_capacity(4);
        let token = mio::Token(7);
        let mut driver = Driver::new(source, Limits::DEFAULT, poll.registry(), token)
            .expect("the registry can be shared");
        while !driver.is_over() {
            let now = Instant::now();
            let wait = driver.deadline().map(|at| at.saturating_duration_since(now));
            poll.poll(&mut events, wait).expect("it polls");
            events.iter().for_each(|event| driver.on_event(event));
            let mut id = None;
            while let Some(found) = driver.next(|event| match event {
                SourceEvent::Message(message) => Some(message.last_event_id.to_owned()),
                _ => None,
            })? {
                id = found.or(id);
            }
            match id.as_deref() {
                Some("0") => driver.act(|source, _, _| source.restart()),
                Some(_) => driver.act(|source, _, _| source.close()),
                None => {}
            }
        }
        Ok::<(), Error>(())
    })
    .expect("no failure");
    assert_eq!(server.accepted(), 2);
}
