//! Queues whose settings cannot keep the promise, and servers that take no more.

use std::collections::BTreeSet;
use std::sync::Arc;

use sockeye_backbone::{Rejection, TroubleKind};

use super::{RabbitServer, beginning, node};
use crate::common::assert_same;
use crate::faults::{Check, refusal};
use crate::server::LogServer as _;

pub(super) const CHECKS: &[Check] = &[
    ("rabbit: full memory rejects by name, and every entry counts", full),
    ("rabbit: queues of other settings are refused in one line", refused),
    ("rabbit: streams whose settings do no harm are taken", taken),
    ("rabbit: an entry above the bound of the server is too large", too_large),
];

fn refused() {
    let server = RabbitServer::shared();
    let stream = "\"x-queue-type\":\"stream\"";
    for (arguments, options, what) in [
        ("\"x-queue-type\":\"classic\"", "", "is no durable stream (x-queue-type is classic)"),
        ("\"x-queue-type\":\"quorum\"", "", "is no durable stream (x-queue-type is quorum)"),
        (&format!("{stream},\"x-max-age\":\"1h\""), "", "forgets old entries (x-max-age is 1h)"),
        (&format!("{stream},\"x-max-length-bytes\":1000000"), "", "x-max-length-bytes is 1000000"),
        (stream, "&keep_bytes=200000000", "x-max-length-bytes is not set"),
        (&format!("{stream},\"x-initial-cluster-size\":1"), "&replicas=3", "the 3 copies"),
        (stream, "&replicas=3", "x-initial-cluster-size is not set"),
    ] {
        let server = RabbitServer::shared();
        server.client().declare(server.stream(), arguments);
        let trouble = refusal(&mut node("a", &format!("{}{options}", server.url())));
        assert_eq!(trouble.kind, TroubleKind::Settings, "{trouble}");
        assert!(trouble.text.contains(what), "{trouble}");
        assert!(trouble.text.contains(&format!("has a queue {:?} that ", server.stream())));
        server.client().delete(server.stream());
    }
    drop(server);
}

fn taken() {
    let server = RabbitServer::shared();
    let arguments = "\"x-queue-type\":\"stream\",\"x-initial-cluster-size\":1,\
                     \"x-stream-max-segment-size-bytes\":1000000,\"x-queue-leader-locator\":\"client-local\"";
    server.client().declare(server.stream(), arguments);
    // It waits for a stream without entries, as behind a start of the server.
    let mut node = beginning("a", &server.url());
    node.offer(10);
    node.settle();
    assert_same(&server, &node);
    // The stream that is created keeps what the URL says.
    let server = RabbitServer::shared();
    let url = format!("{}&keep_bytes=200000000&replicas=1", server.url());
    let mut node = beginning("a", &url);
    node.offer(10);
    node.settle();
    let trouble = refusal(&mut super::node("b", &server.url()));
    assert!(trouble.text.contains("x-max-length-bytes is 200000000"), "{trouble}");
}

fn full() {
    let server = RabbitServer::start_with("");
    let mut node = beginning("a", &server.url());
    node.offer(100);
    node.settle();
    server.control(&["set_vm_memory_high_watermark", "absolute", "1MB"]);
    while node.rejections.is_empty() {
        assert!(node.offered < 1_000_000, "the server does not become full");
        node.offer(1);
        node.pass();
    }
    let Rejection::Full(trouble) = &node.rejections[0] else { panic!("{:?}", node.rejections) };
    assert_eq!(trouble.kind, TroubleKind::Full);
    assert!(trouble.text.contains("takes no entries until it has more memory"), "{trouble}");
    assert_eq!(node.ups, 1, "the connection goes on");
    server.control(&["set_vm_memory_high_watermark", "absolute", "1GB"]);
    node.settle();
    let distinct: BTreeSet<&String> = node.applied.iter().collect();
    assert_eq!(distinct.len() as u64, node.offered, "every entry counts, in order");
    assert_eq!((&node.holes[..], node.ups), (&[][..], 1));
    assert_same(&server, &node);
}

fn too_large() {
    let server = RabbitServer::start_with("max_message_size = 10000\n");
    let mut node = beginning("a", &server.url());
    let entry = |bytes| Arc::from(vec![b'x'; bytes]);
    node.engine.append(0, &[entry(10_000)]).expect("little waits");
    node.wait("the largest one is read", |it| it.read.len() == 2);
    node.engine.append(0, &[entry(10_001)]).expect("little waits");
    node.wait("a larger one is dropped", |it| !it.rejections.is_empty());
    assert_eq!(node.rejections, [Rejection::TooLarge]);
    node.engine.append(0, &[entry(5)]).expect("little waits");
    node.wait("the next one is read", |it| it.read.len() == 3);
    assert_eq!(node.ups, 1, "the connection goes on");
}
