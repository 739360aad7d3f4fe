//! What a hello asks of the catalog, by the number of names in it.

mod house;

use std::hint::black_box;
use std::sync::Arc;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use sidegate::catalog::{self, Entry, Lookup};

use house::{certificate, name};

fn lookup(criterion: &mut Criterion) {
    let certificate = certificate();
    let mut group = criterion.benchmark_group("lookup");
    for count in [1, 100, 10_000, 100_000] {
        let (mut publisher, _, resolver, _) = catalog::open();
        let site = |number| name(&format!("site{number}.example.com"));
        let entry = || Some(Entry::Warm(Arc::clone(&certificate)));
        let wild = name("*.wild.example.com");
        publisher.publish((0..count).map(|number| (site(number), entry())).chain([(wild, entry())]));
        let middle = format!("site{}.example.com", count / 2);
        for (kind, host) in [
            ("exact", middle.as_str()),
            ("wildcard", "a.wild.example.com"),
            ("unknown", "nobody.example.org"),
        ] {
            let known = matches!(resolver.lookup(Some(host)), Lookup::Warm(_));
            assert_eq!(known, kind != "unknown");
            group.bench_with_input(BenchmarkId::new(kind, count), host, |bencher, host| {
                bencher.iter(|| resolver.lookup(black_box(Some(host))));
            });
        }
    }
    group.finish();
}

criterion_group!(benches, lookup);
criterion_main!(benches);
