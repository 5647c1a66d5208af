//! The memory of connections and streams.

use std::mem::size_of;

use sockeye_http2::{Connection, ConnectionError, StreamError, UsageError};

use crate::common::{Rig, get, post, settings};

#[test]
fn a_connection_is_small() {
    assert_eq!(size_of::<Connection>(), 432);
    assert!(size_of::<ConnectionError>() <= 4);
    assert!(size_of::<StreamError>() <= 2 && size_of::<UsageError>() == 1);
}

#[test]
fn an_idle_connection_has_nothing_on_the_heap() {
    let mut rig = Rig::server();
    rig.feed(settings(&[]));
    assert_eq!(rig.connection.memory_bytes(), 0);
}

#[test]
fn a_stream_takes_64_bytes_at_most() {
    let mut rig = Rig::server_with(|limits| limits.concurrent_streams_max = 4096);
    for stream in 0..4096 {
        rig.feed(get(stream * 2 + 1));
    }
    let per_stream = rig.connection.memory_bytes() / 4096;
    assert!(per_stream <= 64, "{per_stream}");
}

/// Content leaves nothing behind, and neither does a frame that came in parts.
#[test]
fn content_takes_no_memory() {
    let mut rig = Rig::server();
    rig.feed(post(1));
    let before = rig.connection.memory_bytes();
    for chunk in crate::common::data(1, false, &[0; 16_384]).chunks(1000) {
        rig.feed(chunk.to_vec());
        assert_eq!(rig.connection.memory_bytes(), before);
    }
    let request = get(3);
    for byte in &request {
        rig.feed(vec![*byte]);
    }
    assert!(rig.connection.memory_bytes() <= before + 200);
}

#[test]
fn what_crosses_threads_may() {
    fn is_send<T: Send>() {}
    is_send::<Connection>();
}
