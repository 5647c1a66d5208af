//! Properties of every input; the functions are in `sockeye_websocket::properties`.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use sockeye_websocket::Role;
use sockeye_websocket::properties as hold;

fn role() -> impl Strategy<Value = Role> {
    prop_oneof![Just(Role::Server), Just(Role::Client)]
}

/// Bytes as they come, and frames that mostly keep to the rules, the last perhaps cut off.
fn wire() -> impl Strategy<Value = (Role, Vec<u8>)> {
    let noise = (role(), vec(any::<u8>(), 0..64));
    let frames = (role(), vec(any::<u8>(), 0..120), 0..20_usize).prop_map(|(role, script, cut)| {
        let mut wire = hold::wire_from_script(role, &script);
        wire.truncate(wire.len().saturating_sub(cut.saturating_sub(10)));
        (role, wire)
    });
    prop_oneof![1 => noise, 9 => frames]
}

fn cuts() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![vec(1..8_u8, 1..8), vec(any::<u8>(), 1..8)]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_split_gives_the_same_conversation(
        (role, bytes) in wire(), closing: bool, cuts in cuts()
    ) {
        hold::split_changes_nothing(role, closing, &bytes, &cuts);
    }

    #[test]
    fn the_connection_agrees_with_the_oracle((role, bytes) in wire()) {
        hold::agrees_with_oracle(role, &bytes);
    }

    #[test]
    fn memory_follows_the_input((role, bytes) in wire(), cuts in cuts()) {
        hold::memory_follows_input(role, &bytes, &cuts);
    }

    #[test]
    fn what_one_end_sends_the_other_hears(
        role in role(), script in vec(any::<u8>(), 0..40), cuts in cuts()
    ) {
        hold::conversation_survives(role, &script, &cuts);
    }
}

/// The scripts reach every kind of end, so that the properties above say something.
#[test]
fn scripts_reach_what_they_should() {
    let mut codes = std::collections::BTreeMap::<_, u32>::new();
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let mut messages = 0;
    for _ in 0..4000 {
        let (role, bytes) = wire().new_tree(&mut runner).expect("a case").current();
        let end = hold::connection(role, &hold::CONFIG);
        let outcome = hold::converse(end, &bytes, &[]);
        let is_message = |heard: &&_| matches!(heard, hold::Heard::Message { .. });
        messages += outcome.heard.iter().filter(is_message).count();
        let code = outcome.error.map(|error| error.close_code().to_u16());
        *codes.entry((code, outcome.closed.clean)).or_default() += 1;
    }
    for code in [None, Some(1002), Some(1007), Some(1008), Some(1009)] {
        let times = codes.get(&(code, false)).copied().unwrap_or_default();
        assert!(times > 20, "{code:?}: {times} times of {codes:?}");
    }
    assert!(codes[&(None, true)] > 20 && messages > 4000, "{codes:?}, {messages} messages");
}
