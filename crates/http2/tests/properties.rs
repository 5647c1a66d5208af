//! Properties of every input; the functions are in `sockeye_http2::properties`.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use sockeye_http2::{Role, properties as hold};

/// A frame of a known type on a low stream, or any bytes.
fn script() -> impl Strategy<Value = Vec<u8>> {
    let noise = vec(any::<u8>(), 0..64);
    let known = (0..11_u8, any::<u8>(), 0..3_u8, vec(any::<u8>(), 0..24)).prop_map(
        |(kind, flags, stream, payload)| {
            let mut script = vec![0, 0, 0, kind, flags, 0, 0, 0, stream];
            script.extend(payload);
            script
        },
    );
    prop_oneof![1 => noise, 4 => known]
}

fn role() -> impl Strategy<Value = Role> {
    prop_oneof![Just(Role::Server), Just(Role::Client)]
}

/// Frames that mostly keep to the rules, some with a byte that is wrong, the last perhaps cut off.
fn wire() -> impl Strategy<Value = (Role, Vec<u8>)> {
    let script = vec((any::<u8>(), any::<u8>(), any::<u8>()), 0..14);
    (role(), script, any::<prop::sample::Index>(), 0..10_u8, any::<u8>()).prop_map(
        |(role, script, at, change, byte)| {
            let script: Vec<u8> = script.into_iter().flat_map(|(a, b, c)| [a, b, c]).collect();
            let mut wire = hold::wire_from_script(role, &script);
            let at = at.index(wire.len());
            match change {
                0 => wire[at] = byte,
                1 => wire.truncate(at),
                _ => {}
            }
            (role, wire)
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2048, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_frame_read_and_written_is_itself(script in script()) {
        let (head, payload) = hold::frame_from_script(&script);
        hold::frame_is_itself(head, payload);
    }

    #[test]
    fn any_split_gives_the_same_conversation((role, bytes) in wire(), cuts in vec(1..40_u8, 1..8)) {
        hold::split_changes_nothing(role, &bytes, &cuts);
    }

    #[test]
    fn limits_hold_for_any_input((role, bytes) in wire()) {
        hold::limits_hold(role, &bytes);
    }

    #[test]
    fn a_client_and_a_server_agree(script in vec(any::<u8>(), 2..400)) {
        hold::two_ends_agree(&script);
    }
}

/// The scripts reach every kind of end and event, so that the properties above say something.
#[test]
fn scripts_reach_what_they_should() {
    let mut ends = std::collections::BTreeMap::<_, u32>::new();
    let mut events = std::collections::BTreeMap::<_, u32>::new();
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    for _ in 0..6000 {
        let (role, bytes) = wire().new_tree(&mut runner).expect("a case").current();
        let outcome = hold::converse(role, &bytes, &[]);
        let code = outcome.error.map(|error| error.code().to_string());
        *ends.entry((role == Role::Server, code.unwrap_or_default())).or_default() += 1;
        for event in outcome.heard {
            let name = event.split(['(', ' ']).next().unwrap_or_default().to_owned();
            *events.entry(name).or_default() += 1;
        }
    }
    for code in [
        "",
        "PROTOCOL_ERROR",
        "COMPRESSION_ERROR",
        "FRAME_SIZE_ERROR",
        "ENHANCE_YOUR_CALM",
        "STREAM_CLOSED",
        "FLOW_CONTROL_ERROR",
    ] {
        let times = ends.get(&(true, code.to_owned())).copied().unwrap_or_default();
        assert!(times > 5, "{code:?}: {ends:?}");
    }
    for event in [
        "Request",
        "Response",
        "Trailers",
        "Reset",
        "content",
        "end",
        "HeadTooLarge",
        "Interim",
        "Goaway",
        "Pong",
        "Settings",
    ] {
        let times = events.get(event).copied().unwrap_or_default();
        assert!(times > 20, "{event}: {events:?}");
    }
}
