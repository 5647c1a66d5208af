//! The rows under criterion. What each includes stands in `sockeye_benches::rows`.

use std::time::Instant;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use sockeye_benches::rows::CONCERNS;

fn rows(criterion: &mut Criterion) {
    for (concern, _, groups) in CONCERNS {
        for group in groups() {
            let mut bench = criterion.benchmark_group(format!("{concern}: {}", group.name));
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
}

criterion_group!(benches, rows);
criterion_main!(benches);
