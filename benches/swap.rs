//! Swapping one certificate among many, and what readers notice of it.

mod house;

use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use sidegate::catalog::{self, Certificate, Entry, Lookup, Publisher, Resolver};
use sidegate::ident::Name;

use house::{certificate, name};

fn site(number: u32) -> Name {
    name(&format!("site{number}.example.com"))
}

fn filled(count: u32, certificate: &Arc<Certificate>) -> (Publisher, Resolver) {
    let (mut publisher, _, resolver, _) = catalog::open();
    publisher.publish((0..count).map(|number| (site(number), Some(Entry::Warm(Arc::clone(certificate))))));
    (publisher, resolver)
}

fn swap(criterion: &mut Criterion) {
    let sides = [certificate(), certificate()];
    let mut group = criterion.benchmark_group("swap");
    for count in [1, 100, 10_000, 1_000_000] {
        let (mut publisher, _resolver) = filled(count, &sides[0]);
        let mut turn = 0;
        group.bench_function(BenchmarkId::new("one of", count), |bencher| {
            bencher.iter(|| {
                turn += 1;
                let next = Arc::clone(&sides[turn % 2]);
                publisher.publish([(site(black_box(count / 2)), Some(Entry::Warm(next)))]);
            });
        });
    }
    let (mut publisher, resolver) = filled(10_000, &sides[0]);
    let stop = Arc::new(AtomicBool::new(false));
    let writer = std::thread::spawn({
        let stop = Arc::clone(&stop);
        move || {
            for turn in 0_usize.. {
                if stop.load(Ordering::Relaxed) {
                    break;
                }
                publisher.publish([(site(5000), Some(Entry::Warm(Arc::clone(&sides[turn % 2]))))]);
            }
        }
    });
    group.bench_function("lookup while another thread swaps without pause", |bencher| {
        bencher.iter(|| assert!(matches!(resolver.lookup(Some("site5000.example.com")), Lookup::Warm(_))));
    });
    stop.store(true, Ordering::Relaxed);
    writer.join().expect("the writer ended");
    group.finish();
}

criterion_group!(benches, swap);
criterion_main!(benches);
