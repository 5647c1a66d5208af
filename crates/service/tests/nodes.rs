//! `GET /v1/nodes`: who shares the log.

use serde_json::json;
use sockeye_auth::{Identity, Keys, Limits};
use sockeye_hub::Epoch;
use sockeye_service::Access;
use sockeye_service::sequencing::{Health, LogNode, Outcome};

use crate::common::{Scripted, TicketsOf, ask, guarded_by, start};

const KEY: &str = "an_operator_s_key_of_a_good_length_1";
const OTHER: &str = "a_back_end_s_key_of_a_good_length_02";

fn guard() -> Access {
    let mut keys = Keys::new(Limits::default());
    for (name, key, nodes) in [("operator", KEY, true), ("other", OTHER, false)] {
        let allows = Identity { nodes, disconnect: true, ..Identity::anonymous() };
        keys.add_text(name, key, allows).expect("a good key");
    }
    Access::Guarded(Box::new(guarded_by(keys, Identity::anonymous())))
}

fn node(number: u64, until_ms: u64) -> LogNode {
    LogNode {
        node: number,
        name: format!("host \"{number}\"").into(),
        release: (number != 2).then(|| "0.1.0".into()),
        entries: 3,
        rules: (number != 2).then_some(0xabc),
        head: 70,
        lag_entries: 2,
        until_ms,
        is_own: number == 1,
    }
}

/// [service:nodes]
#[test]
fn an_operator_sees_the_nodes_whose_leases_are_good() {
    let backbone = Scripted::new(TicketsOf::Log);
    let theirs = backbone.clone();
    let server = start(|setup| {
        setup.access = Some(guard());
        setup.prepare = Some(Box::new(|service| service.with_backbone(Box::new(theirs))));
    });
    backbone.say(&server, [Outcome::Epoch(Epoch(8)), Outcome::Health(Health::Good)]);
    let hour_ms = 3_600_000;
    backbone.show(vec![node(1, hour_ms), node(2, hour_ms), node(3, 1)]);
    let with = |key: &str| format!("Authorization: ApiKey {key}\r\n");
    let asked = ask(server.addr, "GET", "/v1/nodes", &with(KEY), "");
    assert_eq!(asked.status, 200, "{asked:?}");
    let mut said = asked.json();
    for node in said["nodes"].as_array_mut().expect("a list") {
        let lease_ms = node["lease_ms"].take().as_u64().expect("a number");
        assert!((1..hour_ms).contains(&lease_ms), "{lease_ms}");
    }
    let own = json!({
        "node": "0000000000000001", "name": "host \"1\"", "release": "0.1.0", "entries": 3,
        "rules": "0000000000000abc", "head": 77, "lag": 5, "lease_ms": null, "own": true,
    });
    let other = json!({
        "node": "0000000000000002", "name": "host \"2\"", "entries": 3, "head": 70, "lag": 2,
        "lease_ms": null, "own": false,
    });
    assert_eq!(said, json!({ "nodes": [own, other] }));
    for (method, path, headers, status) in [
        ("GET", "/v1/nodes", with(OTHER), 403),
        ("GET", "/v1/nodes", String::new(), 401),
        ("GET", "/v1/nodes?all=1", with(KEY), 400),
        ("POST", "/v1/nodes", with(KEY), 405),
    ] {
        let answered = ask(server.addr, method, path, &headers, "");
        assert_eq!(answered.status, status, "{method} {path} {}", answered.body);
        let names = answered.body.contains("allow that: it takes an API key with nodes = true");
        assert_eq!(names, status == 403, "{}", answered.body);
    }
}

/// [service:nodes]
#[test]
fn a_server_whose_log_is_its_own_has_no_nodes() {
    let server = start(|_| ());
    let asked = ask(server.addr, "GET", "/v1/nodes", "", "");
    assert_eq!((asked.status, &*asked.body), (200, r#"{"nodes":[]}"#));
}
