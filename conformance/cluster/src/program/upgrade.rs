//! A rolling upgrade, by the steps of docs/cluster.md.
//!
//! A node of the former release is one that is held at the version of the entries that it had: it writes, says and reads no
//! more than that release did.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread;

use super::import::Directory;
use super::{Event, Follower, Node, Publisher, users, wait};
use crate::server::LogServer;

/// The configuration of all nodes, behind what one release has.
const ACCESS: &str = "[access]\nsubscribe = [\">\"]\npublish = [\">\"]\n[[access.api_keys]]\nname = \"shop\"\n\
                      key_file = \"shop.key\"\ndisconnect = true\nnodes = true\n";

impl Node {
    /// Ends it in order, and starts it again with another configuration.
    fn replace(&mut self, config: &str) {
        let process = self.process.as_mut().expect("it runs");
        let told = Command::new("kill").arg(process.id().to_string()).status();
        assert!(told.is_ok_and(|status| status.success()), "it is there");
        let ended = process.wait().expect("it is ours");
        assert!(ended.success(), "it ends in order: {ended}");
        let at = self.arguments.iter().position(|it| it == "--config").expect("it has one");
        self.arguments[at + 1] = config.into();
        self.run();
    }
}

fn config(files: &Directory, name: &str, release: &str) -> String {
    let path = files.path(name);
    fs::write(&path, format!("{release}{ACCESS}")).expect("a file of our own");
    path
}

pub(super) fn upgraded(program: &Path, server: &dyn LogServer) {
    let files = Directory::new();
    fs::write(files.path("shop.key"), users::KEY).expect("a file of our own");
    let former = config(&files, "former.toml", "[backbone]\nentry_version = 1\n");
    let present = config(&files, "present.toml", "");
    let mut nodes = [(); 3].map(|()| Node::start(program, server, &["--config", &former]));
    let ports = nodes.each_ref().map(|node| node.port);
    let mut followers =
        [0, 1, 2].map(|at| Follower::new([ports[at], ports[(at + 1) % 3], ports[(at + 2) % 3]]));
    let mut publisher = Publisher::new(ports);
    publisher.publish_to(20);
    for (at, last) in [(0, 60), (1, 100), (2, 140)] {
        // The kinds of entries since the former release wait for its last node.
        let refused = users::post(ports[(at + 2) % 3], "/v1/users/ann/disconnect", "");
        assert!(refused.status == 503 && refused.body.contains("unavailable"), "{}", refused.body);
        thread::scope(|scope| {
            let (node, present) = (&mut nodes[at], &present);
            let replaced = scope.spawn(move || node.replace(present));
            publisher.publish_to(last - 10);
            replaced.join().expect("it was replaced");
        });
        publisher.publish_to(last);
        for follower in &mut followers {
            follower.wait_for(last);
        }
    }
    wait("what came since is taken", || {
        ports.iter().all(|port| users::post(*port, "/v1/users/ann/disconnect", "").status == 200)
    });
    publisher.publish_to(160);
    for follower in &mut followers {
        let events = follower.wait_for(160);
        assert_whole(&events, 160);
        assert!(follower.moves > 0, "its node was replaced");
    }
    for port in ports {
        let shown = users::shown(program, port);
        assert!(
            shown.len() == 3 && shown.iter().all(|it| it.contains("\"entries\":5")),
            "{shown:?}"
        );
    }
    // The way back is closed: something of the present release is in the log.
    let said = super::fails(program, server, &["--config", &former]);
    assert!(said.contains("set entry_version"), "{said}");
}

/// Each number came once and in order, in one epoch and without a gap.
fn assert_whole(events: &[Event], last: u32) {
    let messages: Vec<&Event> = events.iter().filter(|event| event.is_message()).collect();
    let numbers: Vec<u32> = messages.iter().filter_map(|event| event.data.parse().ok()).collect();
    assert_eq!(numbers, (1..=last).collect::<Vec<_>>(), "each message once and in order");
    let gap = events.iter().find(|event| event.kind.contains("gap"));
    assert_eq!(gap, None, "nothing is missing");
    let mut epochs: Vec<_> = messages.iter().filter_map(|it| it.id.split('-').next()).collect();
    epochs.dedup();
    assert_eq!(epochs.len(), 1, "one epoch");
}
