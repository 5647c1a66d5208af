//! The properties, on generated input that is close enough to valid to get deep.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use sockeye_http::properties;

proptest! {
    #[test]
    fn target_round_trip(text in prop_oneof!["/[!-~]{0,20}", "/.{0,9}", "[*/?a-z]{0,9}"]) {
        properties::target_round_trip(&text);
    }

    #[test]
    fn elements_match_oracle(values in vec(vec(select(&b"ab,,\" \t\\\xe4"[..]), 0..24), 0..4)) {
        let values: Vec<_> = values.iter().map(Vec::as_slice).collect();
        properties::elements_match_oracle(&values);
    }

    #[test]
    fn query_round_trip(pairs in vec((".{0,9}", ".{0,9}"), 0..6)) {
        let pairs: Vec<_> =
            pairs.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        properties::query_round_trip(&pairs);
    }

    #[test]
    fn query_is_bounded(query in prop_oneof!["[%&=+a0-9F]{0,24}", ".{0,24}"]) {
        properties::query_is_bounded(&query);
    }
}
