//! Hands the rows of a concern to criterion.

use std::time::Instant;

use criterion::{Criterion, Throughput};
use sockeye_benches::rows;

pub(crate) fn bench(criterion: &mut Criterion, concern: &str) {
    for group in rows::groups(concern) {
        let mut bench = criterion.benchmark_group(&group.name);
        bench.throughput(Throughput::Bytes(group.unit_bytes));
        for mut row in group.rows {
            bench.bench_function(row.name, |bencher| {
                bencher.iter_custom(|units| {
                    let start = Instant::now();
                    (row.run)(units);
                    start.elapsed()
                });
            });
        }
    }
}
