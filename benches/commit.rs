//! From draft to item, and back from item to something that can be served, per engine.

mod house;

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use criterion::{Criterion, criterion_group, criterion_main};
use sidegate::clock::Clock;
use sidegate::ident::{ItemId, Lineage, Names, Provider};
use sidegate::pki::{Bundle, Chain, KeyType, Leaf, PrivateKey, SigningRequest};
use sidegate::store::engine::{Engine, Expect};
use sidegate::store::fs::FsEngine;
use sidegate::store::memory::MemoryEngine;
use sidegate::store::{Family, Store, layout};
use tokio::runtime::Builder;

use house::name;

const NAMES: u32 = 10_000;

fn lineage(number: u64) -> Lineage {
    let names = [name(&format!("site{number}.example.com")), name(&format!("www.site{number}.example.com"))];
    Lineage::new(Names::new(names).expect("names"), Provider::Selfsigned)
}

/// A key and a self-signed certificate, valid today.
fn bundle(names: &Names) -> Bundle {
    let key = PrivateKey::generate(KeyType::P256);
    let request = SigningRequest::new(&key, names).expect("a request");
    let (day, now) = (Duration::from_secs(86_400), SystemTime::now());
    let der = request.self_sign(now - day, now + day).expect("a certificate");
    let chain = Chain::self_signed(Leaf::from_der(der.into()).expect("a certificate"));
    Bundle::join(key, chain, names).expect("what belongs together")
}

/// A commit of two names: twelve files, one rename, four pointers.
async fn commit(store: &Store, lineage: &Lineage, bundle: &Bundle) -> ItemId {
    let draft = store.spool().open(lineage).await.expect("a draft");
    draft.commit(bundle).await.expect("an item")
}

fn engines(root: &tempfile::TempDir) -> [(&'static str, Arc<dyn Engine>); 2] {
    let on_disk = FsEngine::open(root.path()).expect("a storage");
    [("memory", Arc::new(MemoryEngine::new())), ("filesystem", Arc::new(on_disk))]
}

fn benches(criterion: &mut Criterion) {
    let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
    let root = tempfile::tempdir().expect("a directory");
    for (name, engine) in engines(&root) {
        let store = Store::new(Arc::clone(&engine), Clock::system());
        let mut number = 0;
        criterion.bench_function(&format!("commit/{name}"), |bencher| {
            bencher.iter_custom(|rounds| {
                let prepared: Vec<_> = (number..number + rounds)
                    .map(|number| {
                        let lineage = lineage(number);
                        let bundle = bundle(lineage.names());
                        (lineage, bundle)
                    })
                    .collect();
                number += rounds;
                let began = Instant::now();
                for (lineage, bundle) in &prepared {
                    black_box(runtime.block_on(commit(&store, lineage, bundle)));
                }
                began.elapsed()
            });
        });

        let lineage = lineage(u64::MAX);
        let id = runtime.block_on(commit(&store, &lineage, &bundle(lineage.names())));
        let database = store.database();
        criterion.bench_function(&format!("read an item/{name}"), |bencher| {
            bencher.iter(|| runtime.block_on(database.item(black_box(&id))).expect("a whole item"));
        });

        runtime.block_on(async {
            for number in 0..NAMES {
                let name = house::name(&format!("n{number}.example.org"));
                let pointer = layout::pointer(Family::Letsencrypt, &name);
                engine.point(&pointer, &layout::item(&id), Expect::Any).await.expect("pointed");
            }
        });
        criterion.bench_function(&format!("index {NAMES} names/{name}"), |bencher| {
            bencher.iter(|| {
                let pointers = runtime.block_on(database.pointers(Family::Letsencrypt)).expect("pointers");
                assert_eq!(pointers.len(), NAMES as usize);
            });
        });
    }
}

criterion_group! {
    name = all;
    config = Criterion::default().sample_size(20).measurement_time(Duration::from_secs(5));
    targets = benches
}
criterion_main!(all);
