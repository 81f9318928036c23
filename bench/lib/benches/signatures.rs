//! Each case by itself, with criterion's statistics. The ratios come from `src/main.rs`, whose cases
//! take turns.

use bench_lib::cases;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

fn signatures(criterion: &mut Criterion) {
    for mut case in cases() {
        let mut group = criterion.benchmark_group(case.group);
        group.throughput(Throughput::Elements(1));
        group.bench_function(case.name, |bencher| bencher.iter(|| (case.run)()));
        group.finish();
    }
}

criterion_group!(benches, signatures);
criterion_main!(benches);
