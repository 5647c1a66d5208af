//! The properties, with bytes from seeds.

use sockeye_simnet::{Random, each_seed};
use sockeye_tls::properties::{conversation, garbage};

fn bytes(seed: u64, max: usize) -> Vec<u8> {
    let mut random = Random::new(seed);
    let len = random.below(max);
    (0..len).map(|_| random.below(256).to_le_bytes()[0]).collect()
}

/// One byte at a time, or none for a while, in either direction. [tls:close-notify]
#[test]
fn both_ends_understand_each_other_however_the_line_is_cut() {
    each_seed(300, |seed| conversation(&bytes(seed, 600)), |()| {});
}

#[test]
fn noise_ends_in_good_order() {
    each_seed(1_000, |seed| garbage(&bytes(seed, 300)), |()| {});
    // Heads of records, of which rustls expects more.
    for head in [[0x16, 3, 1, 0, 200], [0x16, 3, 3, 0xFF, 0xFF], [0x80, 0x2E, 1, 3, 1]] {
        for len in 0..300 {
            let mut data = vec![255];
            data.extend(head);
            data.resize(data.len() + len, 1);
            garbage(&data);
        }
    }
}
