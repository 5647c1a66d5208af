//! nginx in between, with its virtues and its vices.

use std::sync::mpsc;
use std::time::{Duration, Instant};

use sockeye_client::websocket::Message;
use sockeye_client::{
    ConnectOptions, Error, EventSourceOptions, Network, OnBusy, OwnedMessage, Policy, WebSocket,
};

use crate::children::{House, Outcome};
use crate::events::{Told, number, numbers, read, read_while};
use crate::sockets::refusal;
use crate::verdict::{Verdict, holds, same};

pub(crate) fn run(mut house: House, verdict: &mut Verdict) -> Outcome {
    for path in ["/unbuffered/numbers", "/buffered/slow", "/gzip/numbers"] {
        let url = house.nginx.url("http", path);
        verdict.check(&format!("nginx: better-sse, {path}"), move || {
            let told = read(EventSourceOptions::new(&url)?, Network::default())?;
            numbers(&told)?;
            let coded = told.opened.iter().any(|it| it.header("content-encoding").is_some());
            holds("it is compressed, and nobody asked for that", !coded)
        });
    }
    let url = house.nginx.url("http", "/gzip/numbers");
    verdict.check("nginx: gzip that the caller asked for is refused", move || coded(&url));
    let url = house.nginx.url("http", "/impatient/silent");
    verdict.check("nginx: a timeout between, and the source comes back", move || impatient(&url));
    let url = house.nginx.url("ws", "/ws/takeover");
    verdict.check("nginx: ws, pings against a timeout of 5 s", move || pings(&url));
    let url = house.nginx.url("ws", "/ws/takeover");
    verdict.check("nginx: ws, a timeout is a lost connection", move || silence(&url));
    let url = house.nginx.url("ws", "/no-upgrade/plain");
    verdict.check("nginx: ws, no Upgrade passed on", move || {
        same("the status", &refusal(&url)?.status.code(), &426)
    });
    restart(&mut house, verdict)
}

fn coded(url: &str) -> Outcome {
    let mut options = EventSourceOptions::new(url)?;
    options.headers.push(("Accept-Encoding".to_owned(), "gzip".to_owned()));
    let told = read(options, Network::default())?;
    let Some(Error::Refused(refusal)) = told.error else { return Err("no refusal".into()) };
    same("the coding", &refusal.header("content-encoding"), &Some("gzip"))?;
    same("the events", &told.messages.len(), &0)
}

/// The server says one thing and then nothing; nginx cuts. Each time the source goes on from the last ID.
fn impatient(url: &str) -> Outcome {
    let enough = |told: &Told| told.messages.len() < 3;
    let mut options = EventSourceOptions::new(url)?;
    let on_busy = OnBusy::Reconnect;
    options.policy = Policy { reconnection_ms: 50, on_busy, ..options.policy };
    let told = read_while(options, Network::default(), enough)?;
    let ids: Vec<&str> = told.messages.iter().map(|message| &*message.last_event_id).collect();
    same("the IDs", &ids, &["1", "2", "3"])?;
    // On a busy machine the server may be late with its response, and nginx answers for it: 504.
    let is_late = |why: &&Error| matches!(why, Error::Refused(it) if it.status.code() == 504);
    // nginx does not end a chunked body that it gives up.
    let whys = told.lost.iter().map(|(why, _)| why).filter(|why| !is_late(why));
    let whys: Vec<&Error> = whys.collect();
    same("the reasons", &whys, &[&Error::Truncated, &Error::Truncated])
}

fn pings(url: &str) -> Outcome {
    let mut options = ConnectOptions::new(url)?;
    options.ping_ms = Some(500);
    let mut socket = WebSocket::with(options, Network::default())?;
    let none = socket.receive_until(Instant::now() + Duration::from_secs(6))?;
    same("a message", &none, &None)?;
    socket.send(Message::Text("still there"))?;
    let back = socket.receive()?;
    same("the echo", &back, &Some(OwnedMessage::Text("still there".to_owned())))
}

fn silence(url: &str) -> Outcome {
    let mut options = ConnectOptions::new(url)?;
    options.ping_ms = None;
    let mut socket = WebSocket::with(options, Network::default())?;
    same("the error", &socket.receive(), &Err::<Option<OwnedMessage>, _>(Error::Truncated))
}

/// The server goes and comes back; meanwhile nginx answers 502.
fn restart(house: &mut House, verdict: &mut Verdict) -> Outcome {
    let url = house.nginx.url("http", "/unbuffered/endless");
    let (sender, events) = mpsc::channel();
    let mut options = EventSourceOptions::new(&url)?;
    options.policy = Policy {
        reconnection_ms: 100,
        backoff_ms_max: 200,
        on_busy: OnBusy::Reconnect,
        ..options.policy
    };
    let reader = std::thread::spawn(move || {
        read_while(options, Network::default(), |told| {
            sender.send((told.messages.len(), told.lost.last().map(|it| it.0.clone()))).is_ok()
        })
    });
    let wait_for = |what: &str, wanted: &dyn Fn(usize, Option<Error>) -> bool| -> Outcome {
        let late = Instant::now() + Duration::from_secs(20);
        loop {
            let left = late.saturating_duration_since(Instant::now());
            let (count, lost) = events.recv_timeout(left).map_err(|_| what.to_owned())?;
            if wanted(count, lost) {
                return Ok(());
            }
        }
    };
    let is_502 = |error: &Error| matches!(error, Error::Refused(it) if it.status.code() == 502);
    wait_for("no first events", &|count, _| count >= 7)?;
    house.stop_better_sse();
    let seen = wait_for("no 502 was seen", &|_, lost| lost.is_some_and(|error| is_502(&error)));
    verdict.note("nginx: 502 is a loss where that is asked for", seen);
    let strict = EventSourceOptions::new(&url)?;
    verdict.check("nginx: 502 is the end where the standard rules", move || {
        let told = read(strict, Network::default())?;
        holds(&format!("{:?}", told.error), told.error.as_ref().is_some_and(is_502))
    });
    house.restart_better_sse()?;
    let back = wait_for("it does not come back", &|count, _| count >= 20);
    drop(events);
    let told = reader.join().map_err(|_| "the reader panics")??;
    let wanted: Vec<_> = (1..=told.messages.len()).map(number).collect();
    verdict.note(
        "nginx: after a restart it goes on from the last ID",
        back.and_then(|()| same("the events", &told.messages, &wanted)),
    );
    Ok(())
}
