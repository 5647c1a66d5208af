//! Properties of every input; the functions are in `sockeye_http2::properties`.

use proptest::collection::vec;
use proptest::prelude::*;
use sockeye_http2::properties as hold;

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

proptest! {
    #![proptest_config(ProptestConfig { cases: 2048, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_frame_read_and_written_is_itself(script in script()) {
        let (head, payload) = hold::frame_from_script(&script);
        hold::frame_is_itself(head, payload);
    }
}
