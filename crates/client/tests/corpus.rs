//! The committed inputs of the fuzz targets, replayed.

#[path = "../../../fuzz/replay.rs"]
mod replay;

#[test]
fn committed_inputs_hold() {
    replay::replay(sockeye_client::properties::fuzz::TARGETS);
}
