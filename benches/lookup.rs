//! What a hello asks of the catalog, by the number of names in it.

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use sidegate::catalog::{self, Certificate, Entry, Lookup};
use sidegate::ident::{Name, Names};
use sidegate::pki::{Bundle, Chain, KeyType, Leaf, PrivateKey, SigningRequest};

fn certificate() -> Arc<Certificate> {
    let names = Names::new([Name::parse("example.com").expect("a name")]).expect("names");
    let key = PrivateKey::generate(KeyType::P256);
    let request = SigningRequest::new(&key, &names).expect("a request");
    let now = SystemTime::now();
    let der = request.self_sign(now, now + Duration::from_secs(86_400)).expect("signed");
    let chain = Chain::self_signed(Leaf::from_der(der.into()).expect("a certificate"));
    Certificate::new(&Bundle::join(key, chain, &names).expect("they fit"))
}

fn lookup(criterion: &mut Criterion) {
    let certificate = certificate();
    let mut group = criterion.benchmark_group("lookup");
    for count in [1, 100, 10_000, 100_000] {
        let (mut publisher, _, resolver, _) = catalog::open();
        let name = |number| Name::parse(&format!("site{number}.example.com")).expect("a name");
        let entry = || Some(Entry::Warm(Arc::clone(&certificate)));
        let wild = Name::parse("*.wild.example.com").expect("a name");
        publisher.publish((0..count).map(|number| (name(number), entry())).chain([(wild, entry())]));
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
