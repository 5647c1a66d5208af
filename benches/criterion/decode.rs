//! Masked frames in, messages out. What each row includes stands in `sockeye_benches::rows`.

use criterion::{Criterion, criterion_group, criterion_main};

fn decode(criterion: &mut Criterion) {
    support::bench(criterion, "decode");
}

criterion_group!(benches, decode);
criterion_main!(benches);

#[path = "support.rs"]
mod support;
