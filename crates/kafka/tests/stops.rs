//! A source that is to end while it waits for a server.

use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use sockeye_kafka::{KafkaSource, KafkaSourceConfig};
use sockeye_source::Bus as _;

/// An hour, in milliseconds: the test would not end.
const PATIENCE_MS: u64 = 3_600_000;

#[test]
fn a_source_that_waits_ends_when_it_is_to() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = listener.local_addr().expect("it is bound").port();
    let is_stopping = Arc::new(AtomicBool::new(false));
    let config = KafkaSourceConfig::from_url(&format!("kafka://127.0.0.1:{port}?topic=a"));
    let config = config.expect("a URL").with_patience_ms(PATIENCE_MS);
    let mut source = KafkaSource::new(config.with_stop(Arc::clone(&is_stopping)));
    let opening = std::thread::spawn(move || source.open());
    // It is connected, and gets no answer.
    let connection = listener.accept().expect("the source connects");
    is_stopping.store(true, Ordering::Release);
    let opened = opening.join().expect("no panic");
    assert_eq!(&*opened.expect_err("nobody answers").text, "the source ends");
    drop(connection);
}
