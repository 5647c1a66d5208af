//! The accept key and the request head. What each row includes stands in `sockeye_benches::rows`.

use criterion::{Criterion, criterion_group, criterion_main};

fn handshake(criterion: &mut Criterion) {
    support::bench(criterion, "handshake");
}

criterion_group!(benches, handshake);
criterion_main!(benches);

#[path = "support.rs"]
mod support;
