//! One event source on a loop of its own, and the reports of what it tells.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};
use std::time::Instant;

use mio::{Events, Poll, Token, Waker};
use serde::Deserialize;
use serde_json::{Value, json};
use sockeye_client::sans_io::{EventSource, SourceEvent};
use sockeye_client::{Comments, Driver, Entropy, EventSourceOptions, Limits, Url, UsageError};

use crate::http;

const SOURCE: Token = Token(0);
const ORDERS: Token = Token(1);

/// The tests' description of a stream.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Parameters {
    stream_url: String,
    callback_url: String,
    initial_delay_ms: Option<u64>,
    read_timeout_ms: Option<u64>,
    last_event_id: Option<String>,
    method: Option<String>,
    body: Option<String>,
    #[serde(default)]
    headers: BTreeMap<String, String>,
}

/// An order for an open stream.
pub(crate) enum Order {
    Restart,
    Close,
}

/// A stream under way on its thread, which ends with the source.
pub(crate) struct Stream {
    orders: Sender<Order>,
    waker: Arc<Waker>,
}

impl Stream {
    pub(crate) fn start(parameters: Parameters) -> io::Result<Self> {
        let callback = Url::parse(&parameters.callback_url).map_err(io::Error::other)?;
        let options = options(parameters).map_err(io::Error::other)?;
        let source = EventSource::new(options, Limits::DEFAULT, Entropy::system()?);
        let poll = Poll::new()?;
        let waker = Arc::new(Waker::new(poll.registry(), ORDERS)?);
        let source = source.map_err(io::Error::other)?;
        let driver = Driver::new(source, Limits::DEFAULT, poll.registry(), SOURCE)?;
        let (sender, orders) = mpsc::channel();
        let reports = Reports { callback, sent: 0 };
        std::thread::spawn(move || {
            if let Err(error) = run(driver, poll, &orders, reports) {
                eprintln!("sockeye-contract: {error}");
            }
        });
        Ok(Self { orders: sender, waker })
    }

    pub(crate) fn order(&self, order: Order) {
        // The source may have ended by itself.
        if self.orders.send(order).is_ok() {
            let _ = self.waker.wake();
        }
    }
}

fn options(parameters: Parameters) -> Result<EventSourceOptions, UsageError> {
    let mut options = EventSourceOptions::new(&parameters.stream_url)?;
    if let Some(ms) = parameters.initial_delay_ms {
        options.policy.reconnection_ms = ms;
    }
    if let Some(method) = parameters.method {
        options.method = method;
    }
    options.silence_ms = parameters.read_timeout_ms;
    options.last_event_id = parameters.last_event_id.unwrap_or_default();
    options.body = parameters.body.map(String::into_bytes);
    options.headers = parameters.headers.into_iter().collect();
    options.comments = Comments::Report;
    Ok(options)
}

/// The loop: orders and the network in, reports out.
fn run(
    mut driver: Driver<EventSource>,
    mut poll: Poll,
    orders: &Receiver<Order>,
    mut reports: Reports,
) -> io::Result<()> {
    let mut events = Events::with_capacity(8);
    while !driver.is_over() {
        for order in orders.try_iter() {
            driver.act(|source, _, _| match order {
                Order::Restart => source.restart(),
                Order::Close => source.close(),
            });
        }
        match driver.next(|event| message(&event)) {
            Ok(Some(Some(message))) => reports.send(&message)?,
            Ok(Some(None)) => {}
            Ok(None) => {
                let now = Instant::now();
                let wait = driver.deadline().map(|at| at.saturating_duration_since(now));
                poll.poll(&mut events, wait)?;
                for event in events.iter().filter(|event| event.token() == SOURCE) {
                    driver.on_event(event);
                }
            }
            Err(error) => {
                reports.send(&json!({ "kind": "error", "comment": error.to_string() }))?;
            }
        }
    }
    Ok(())
}

/// The report of an event; `None` for those that nobody asks for.
fn message(event: &SourceEvent<'_>) -> Option<Value> {
    match event {
        SourceEvent::Open(_) | SourceEvent::Retry(_) => None,
        SourceEvent::Message(message) => Some(json!({
            "kind": "event",
            "event": {
                "type": message.event_type,
                "data": message.data,
                "id": message.last_event_id,
            },
        })),
        SourceEvent::Comment(text) => Some(json!({ "kind": "comment", "comment": text })),
        SourceEvent::Lost { why, .. } => {
            Some(json!({ "kind": "error", "comment": why.to_string() }))
        }
    }
}

/// Where reports go, and how many have gone.
struct Reports {
    callback: Url,
    sent: u64,
}

impl Reports {
    fn send(&mut self, message: &Value) -> io::Result<()> {
        self.sent += 1;
        let path = self.callback.target().trim_end_matches('/');
        let url = self.callback.with_target(&format!("{path}/{}", self.sent));
        http::post(&url.map_err(io::Error::other)?, &message.to_string())
    }
}
