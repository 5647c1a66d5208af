//! Messages in, a server's frames out. What each row includes stands in `sockeye_benches::rows`.

use criterion::{Criterion, criterion_group, criterion_main};

fn encode(criterion: &mut Criterion) {
    support::bench(criterion, "encode");
}

criterion_group!(benches, encode);
criterion_main!(benches);

#[path = "support.rs"]
mod support;
