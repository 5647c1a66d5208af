//! The properties over generated choices: these shrink.

use proptest::collection::vec;
use proptest::prelude::*;
use sockeye_hub::properties;

proptest! {
    #[test]
    fn keeps_the_promise(choices in vec(any::<u8>(), 0..800)) {
        properties::keeps_the_promise(&choices);
    }

    #[test]
    fn cursors_round_trip(epoch: u64, seq: u64, text in "1?[0-9a-zA-Z~.-]{0,30}") {
        properties::cursors_round_trip(epoch, seq, &text);
    }
}
