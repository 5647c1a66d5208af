//! Servers and streams whose settings cannot keep the promise.

use std::collections::BTreeSet;
use std::sync::Arc;

use sockeye_backbone::{Rejection, TroubleKind};

use super::{NatsServer, beginning, config, node, node_with};
use crate::common::assert_same;
use crate::faults::{Check, refusal};
use crate::node::Node;
use crate::server::LogServer as _;

pub(super) const CHECKS: &[Check] = &[
    ("nats: streams of other settings are refused", streams),
    ("nats: the stream that is created has the right settings", created),
    ("nats: a stream that is set right is taken, and one that is set wrong is left", set_right),
    ("nats: a server without JetStream is refused", no_jetstream),
    ("nats: too few copies are refused", too_few_copies),
    ("nats: an entry above the bound of the server or the stream is too large", too_large),
    ("nats: full storage rejects by name, and every entry counts", full_storage),
];

fn streams() {
    let server = NatsServer::start();
    for (number, (settings, advice)) in [
        ("\"storage\":\"memory\"", "storage is memory"),
        ("\"retention\":\"workqueue\"", "retention is not limits"),
        ("\"retention\":\"interest\"", "retention is not limits"),
        ("\"discard\":\"old\";\"max_msgs\":1000", "set max_msgs to -1"),
        ("\"discard\":\"new\";\"max_bytes\":100000", "set max_bytes to -1"),
        ("\"max_age\":60000000000", "set max_age to 0"),
        ("\"max_msgs_per_subject\":5", "set max_msgs_per_subject to -1"),
        ("\"deny_purge\":true", "deny_purge"),
        ("\"no_ack\":true", "no_ack"),
        ("\"allow_rollup_hdrs\":true", "set allow_rollup_hdrs to false"),
        ("\"subjects\":[\"other.*\"]", "other.*"),
    ]
    .into_iter()
    .enumerate()
    {
        let name = format!("log-{number}");
        let settings = settings.replace("other.*", &format!("other.{number}.*"));
        server.set_stream("CREATE", &name, &settings);
        let trouble = refusal(&mut node("a", &format!("{}?stream={name}", server.url())));
        assert_eq!(trouble.kind, TroubleKind::Settings, "{trouble}");
        let advice = advice.replace("other.*", &format!("other.{number}.*"));
        assert!(trouble.text.contains(&advice), "{trouble}");
        assert!(trouble.text.contains(&format!("has a stream \"{name}\" that ")), "{trouble}");
    }
    // These do no harm.
    let settings = "\"discard\":\"old\";\"deny_delete\":true";
    server.set_stream("CREATE", "sockeye", settings);
    let mut node = beginning("a", &server.url());
    node.offer(10);
    node.settle();
}

fn created() {
    let server = NatsServer::start();
    beginning("a", &server.url());
    let info = server.api("STREAM.INFO.sockeye", "");
    for setting in [
        "\"subjects\":[\"sockeye.log.",
        "\"retention\":\"limits\"",
        "\"storage\":\"file\"",
        "\"discard\":\"new\"",
        "\"max_msgs\":-1",
        "\"max_bytes\":-1",
        "\"max_age\":0",
        "\"num_replicas\":1",
    ] {
        assert!(info.contains(setting), "{setting}: {info}");
    }
}

fn set_right() {
    let server = NatsServer::start();
    server.set_stream("CREATE", "sockeye", "\"max_age\":60000000000");
    let mut node = node("a", &server.url());
    refusal(&mut node);
    server.set_stream("UPDATE", "sockeye", "");
    node.begin();
    assert!(node.is_up());
    server.set_stream("UPDATE", "sockeye", "\"max_age\":60000000000");
    node.wait("it is left", |it| it.trouble().is_some());
    assert_eq!(node.trouble().map(|it| it.kind), Some(TroubleKind::Settings));
}

fn no_jetstream() {
    let server = NatsServer::start_with("# no jetstream\n", "");
    let trouble = refusal(&mut node("a", &server.url()));
    assert_eq!(trouble.kind, TroubleKind::Settings, "{trouble}");
    assert!(trouble.text.contains("start nats-server with -js"), "{trouble}");
}

fn too_few_copies() {
    let server = NatsServer::start();
    beginning("a", &server.url());
    let trouble = refusal(&mut node_with("b", config(&server.url()).with_replicas(3)));
    let (kind, why) = if server.is_too_old_for_copies() {
        (TroubleKind::Version, "2.9.18 is needed")
    } else {
        (TroubleKind::Settings, "has 1 of the 3 copies")
    };
    assert_eq!(trouble.kind, kind, "{trouble}");
    assert!(trouble.text.contains(why), "{trouble}");
}

fn too_large() {
    let server = NatsServer::start_with("max_payload: 10000\n", "");
    server.set_stream("CREATE", "small", "\"max_msg_size\":1000");
    for (stream, bound) in [("sockeye", 10_000), ("small", 1_000)] {
        let mut node = beginning("a", &format!("{}?stream={stream}", server.url()));
        let largest = node.engine.capabilities().entry_bytes_max;
        assert!((bound - 256..bound).contains(&largest), "{largest} of {bound}");
        let entry = |bytes| Arc::from(vec![b'x'; bytes]);
        node.engine.append(0, &[entry(largest)]).expect("little waits");
        node.wait("the largest one is read", |it| it.read.len() == 2);
        node.engine.append(0, &[entry(largest + 1)]).expect("little waits");
        node.wait("a larger one is dropped", |it| !it.rejections.is_empty());
        assert_eq!(node.rejections, [Rejection::TooLarge]);
        assert_eq!(node.ups, 1, "the connection goes on");
    }
}

/// Offers until the log is full, makes room, and looks whether everything counts.
fn fill(server: &NatsServer, node: &mut Node, why: &str, make_room: impl FnOnce()) {
    while node.rejections.is_empty() {
        assert!(node.offered < 1_000_000, "the log does not become full");
        node.offer(100);
        node.pass();
    }
    let Rejection::Full(trouble) = &node.rejections[0] else { panic!("{:?}", node.rejections) };
    assert_eq!(trouble.kind, TroubleKind::Full);
    assert!(trouble.text.contains(why), "{trouble}");
    assert_eq!(node.ups, 1, "the connection goes on");
    make_room();
    node.settle();
    let distinct: BTreeSet<&String> = node.applied.iter().collect();
    assert_eq!(distinct.len() as u64, node.offered, "every entry counts, in order");
    assert_eq!(node.holes, []);
    assert_same(server, node);
}

fn full_storage() {
    let settings = "jetstream { store_dir: \"STORE\", max_file_store: 1000000 }\n";
    let server = NatsServer::start_with(settings, "");
    // Another stream has the rest, and is deleted.
    server.set_stream("CREATE", "other", "\"max_bytes\":-1");
    let text = "x".repeat(50_000);
    (0..18).for_each(|_| server.publish("other", &text));
    let mut node = beginning("a", &server.url());
    fill(&server, &mut node, "resource", || {
        server.api("STREAM.DELETE.other", "");
    });
}
