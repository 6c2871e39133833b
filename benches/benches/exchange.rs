//! Whole exchanges without sockets: bytes in, the demo's own router and default layers, bytes out.

use criterion::{Criterion, Throughput};
use trilane_benches::{Scenario, Wire};

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    let mut group = criterion.benchmark_group("exchange");
    for scenario in Scenario::all() {
        let mut wire = match Wire::new(&scenario) {
            Ok(wire) => wire,
            Err(error) => panic!("{error}"),
        };
        group.throughput(Throughput::Elements(scenario.requests as u64));
        group.bench_function(scenario.name, |bencher| {
            bencher.iter(|| assert!(wire.turn(&scenario), "{scenario:?} is answered wrongly"));
        });
    }
    group.finish();
    criterion.final_summary();
}
