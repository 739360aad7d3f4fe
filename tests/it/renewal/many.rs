//! With very many names nobody waits for more than a listing of the pointers and the item of the name that was asked
//! for.

use std::sync::Arc;
use std::time::Duration;

use sidegate::catalog::{self, Lookup};
use sidegate::ident::{ItemId, Name, Provider};
use sidegate::manager::{Desired, Manager, Wish};
use sidegate::store::engine::Expect;
use sidegate::store::{Family, Store, layout};
use tokio_util::sync::CancellationToken;

use super::world::{CA, World, names, start};
use crate::house::faults::{Faulty, Trouble};
use crate::house::tool::commit;

const NAMES: usize = 2000;
const ASKED: usize = 1200;

fn name(number: usize) -> String {
    format!("n{number}.example.com")
}

#[tokio::test]
async fn a_hello_that_waits_is_answered_although_no_other_item_can_be_read() {
    let world = World::new();
    let (store, engine) = (world.store(), Arc::clone(&world.engine));
    let (item, bundle) = commit(&store, &[&name(ASKED)], Provider::Letsencrypt, Some(CA)).await;
    let mut other = item.clone();
    for number in (0..NAMES).filter(|number| *number != ASKED) {
        other = ItemId::next(start(), Some(&other));
        let name = Name::parse(&name(number)).expect("a name");
        for family in Family::of(Provider::Letsencrypt) {
            let pointer = layout::pointer(family, &name);
            engine.point(&pointer, &layout::item(&other), Expect::Absent).await.expect("pointed");
        }
    }
    let (all, asked) = (layout::items(), layout::item(&item));
    let trouble = move |place: &_| {
        let other = all != *place && all.holds(place.as_str()) && *place != asked;
        other.then_some(Trouble::Hangs)
    };
    let store = Store::new(Faulty::troubled(engine, trouble), world.clock.clone());
    let wishes = (0..NAMES).map(|number| Wish::acme(names(&[&name(number)]), CA)).collect();
    let desired = Desired { wishes, ..Desired::default() };

    let answered = async {
        let (publisher, _, resolver, misses) = catalog::open();
        let (mut manager, _commands, _status) =
            Manager::new(world.options(desired), world.place(store), publisher, misses);
        // From here on anybody may connect.
        manager.prepare().await.expect("prepared");
        let Lookup::Cold(waiting) = resolver.lookup(Some(&name(ASKED))) else {
            panic!("it is there, and unread")
        };
        let end = CancellationToken::new();
        let running = tokio::spawn(manager.run(end.clone()));
        let shown = resolver.wait(waiting).await.expect("a certificate");
        assert_eq!(shown.certified_key().cert[0], *bundle.leaf().der());
        running.abort();
    };
    tokio::time::timeout(Duration::from_secs(60), answered).await.expect("nothing else was waited for");
}
