//! The committed inputs of the fuzz targets, replayed.

use crate::replay;

#[test]
fn committed_inputs_hold() {
    replay::replay(sockeye_tls::properties::fuzz::TARGETS);
}
