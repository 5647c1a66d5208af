//! Plain publishes and a plain pull consumer of the crate `async-nats`.

use core::future::{IntoFuture as _, poll_fn};
use core::pin::Pin;
use std::collections::VecDeque;
use std::thread;
use std::time::{Duration, Instant};

use async_nats::jetstream::consumer::AckPolicy;
use async_nats::jetstream::consumer::pull::{self, Config};
use async_nats::jetstream::context::PublishAckFuture;
use async_nats::jetstream::message::PublishMessage;
use async_nats::jetstream::{self, Context, stream};
use futures_core::Stream as _;
use sockeye_backbone::Engine;
use sockeye_nats::{NatsConfig, NatsEngine};
use tokio::runtime;

use super::{ENTRY_BYTES, SAMPLES, Ways};
use crate::nats::NatsServer;
use crate::server::LogServer as _;

/// The messages that wait for their acknowledgements, and those of one batch: as many as the engine has.
const FLIGHT: usize = 2_048;
const BATCH: usize = 4_096;

impl Ways for NatsServer {
    const PLAIN: &'static str = "publishes and a pull consumer of the crate `async-nats`";

    fn process_id(&self) -> String {
        self.process_id()
    }

    fn delete(&self, log: &str) {
        self.api(&format!("STREAM.DELETE.{log}"), "");
    }

    fn engine(&self, log: &str) -> Box<dyn Engine> {
        let config = NatsConfig::from_url(&format!("{}?stream={log}", self.url())).expect("a URL");
        Box::new(NatsEngine::open(config).expect("a thread"))
    }

    /// A publisher and a reader, each on a connection and a thread of its own.
    fn plain(&self, log: &str, entries: usize) {
        self.set_stream("CREATE", log, "");
        thread::scope(|scope| {
            scope.spawn(|| {
                on_connection(&self.url(), async |context| {
                    let mut acks = VecDeque::new();
                    for _ in 0..entries {
                        if acks.len() == FLIGHT {
                            land(&mut acks).await;
                        }
                        acks.push_back(publish(&context, log).await);
                    }
                    while !acks.is_empty() {
                        land(&mut acks).await;
                    }
                });
            });
            on_connection(&self.url(), async |context| {
                let mut reader = Reader::open(&context, log).await;
                for _ in 0..entries {
                    reader.read().await;
                }
            });
        });
    }

    fn plain_latency(&self, log: &str, in_flight: usize) -> Vec<Duration> {
        self.set_stream("CREATE", log, "");
        on_connection(&self.url(), async |context| {
            let mut reader = Reader::open(&context, log).await;
            let (mut acks, mut sent) = (VecDeque::new(), VecDeque::new());
            let mut times = Vec::with_capacity(SAMPLES);
            while times.len() < SAMPLES {
                while sent.len() < in_flight {
                    acks.push_back(publish(&context, log).await);
                    sent.push_back(Instant::now());
                }
                reader.read().await;
                times.push(sent.pop_front().expect("it was sent").elapsed());
                land(&mut acks).await;
            }
            times
        })
    }
}

/// Runs something on a connection and a runtime of its own.
fn on_connection<T>(url: &str, run: impl AsyncFnOnce(Context) -> T) -> T {
    let runtime = runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(async {
        let client = async_nats::connect(url).await.expect("the server is there");
        run(jetstream::new(client)).await
    })
}

async fn publish(context: &Context, log: &str) -> PublishAckFuture {
    let message = PublishMessage::build().payload(vec![b'x'; ENTRY_BYTES].into());
    let sent = context.send_publish(format!("{log}.log.1"), message).await;
    sent.expect("the connection is there")
}

/// Waits for the oldest acknowledgement.
async fn land(acks: &mut VecDeque<PublishAckFuture>) {
    let ack = acks.pop_front().expect("something is on its way");
    ack.into_future().await.expect("it is kept");
}

/// A consumer without acknowledgements, in memory.
struct Reader(pull::Stream);

impl Reader {
    async fn open(context: &Context, log: &str) -> Self {
        let stream: stream::Stream = context.get_stream(log).await.expect("a stream");
        let config =
            Config { ack_policy: AckPolicy::None, memory_storage: true, ..Config::default() };
        let consumer = stream.create_consumer(config).await.expect("a consumer");
        let messages = consumer.stream().max_messages_per_batch(BATCH).messages().await;
        Self(messages.expect("messages"))
    }

    async fn read(&mut self) {
        let message = poll_fn(|context| Pin::new(&mut self.0).poll_next(context)).await;
        let message = message.expect("the stream goes on").expect("a message");
        assert_eq!(message.payload.len(), ENTRY_BYTES);
    }
}
