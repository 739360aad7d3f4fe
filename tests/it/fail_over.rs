//! Two real CAs and the real program: the second one issues while the first cannot, and only then.

use std::time::Duration;

use crate::house::front_of_ca::{Fault, FrontOfCa};
use crate::house::pebble::{Pebble, Settings};
use crate::house::process::{Place, Sidegate};
use crate::renewing::asked;

/// `[acme]` with the CA behind the front, and the second one where that cannot issue.
fn both(place: &Place, (front, first): (&FrontOfCa, &Pebble), second: &Pebble) -> String {
    let write = |name: &str, pem: Vec<u8>| {
        std::fs::write(place.path(name), pem).expect("written");
        place.path(name)
    };
    format!(
        "directory = {:?}\napi_root = {:?}\nissuance_root = {:?}\nchallenges = [\"tls-alpn-01\"]\nretry = [\"1s\"]\n\
         [[acme.fallback]]\ndirectory = {:?}\napi_root = {:?}\nissuance_root = {:?}",
        front.directory(),
        write("first-api.pem", front.api_root()),
        write("first.pem", first.issuance_root()),
        second.directory(),
        write("second-api.pem", second.api_root()),
        write("second.pem", second.issuance_root()),
    )
}

const SITE: &str = "[[site]]\ndomains = [\"shop.example.com\"]\nto = 1";

#[tokio::test]
async fn another_ca_issues_while_the_first_is_down_limits_us_or_refuses_until_it_comes_back() {
    let place = Place::new();
    let mut settings = Settings::new(place.http, place.https);
    // A renewal every few seconds.
    settings.validity = Duration::from_secs(8);
    let (first, second) = (Pebble::start(settings.clone()).await, Pebble::start(settings).await);
    let front = FrontOfCa::start(&first).await;
    front.plan("/dir", 1, Fault::Drop);
    front.plan("/dir", 1, Fault::html(503));
    front.plan("/order-plz", 1, Fault::problem(429, "rateLimited", "too many certificates"));
    front.plan("/order-plz", 1, Fault::problem(403, "rejectedIdentifier", "not here"));

    let acme = both(&place, (&front, &first), &second);
    let config = place.configure(&acme, SITE);
    let sidegate = Sidegate::serve(&config).await;
    for why in ["gave no usable answer", "503", "limits our rate"] {
        let directory = format!("directory=\"{}\"", front.directory());
        sidegate.logged(&["not issued", &directory, why]).await;
    }
    // What was refused is not asked for again before long.
    sidegate.logged(&["not issued", "refuses"]).await;
    second.wait_until_issued(4).await;
    assert_eq!(first.issued(), 0);
    sidegate.stop().await;

    let state = place.storage().join("state/lineages");
    let state = std::fs::read_dir(state).expect("states").map(|state| state.expect("a state").path());
    let states: Vec<String> = state.map(|path| std::fs::read_to_string(path).expect("a state")).collect();
    assert!(states.iter().any(|state| state.contains(&front.directory())), "{states:?}");
    // As if its wait were over.
    let again = place.storage().join("state/lineages");
    std::fs::remove_dir_all(&again).expect("removed");
    std::fs::create_dir(&again).expect("made");
    let sidegate = Sidegate::serve(&config).await;
    first.wait_until_issued(2).await;
    sidegate.stop().await;
    let accounts = place.storage().join("letsencrypt-account");
    let accounts = std::fs::read_dir(accounts).expect("accounts");
    let keys =
        accounts.filter(|account| account.as_ref().expect("an entry").path().join("account.json").exists());
    assert_eq!(keys.count(), 3, "one at each CA, and `current` leads to one of them");
}

#[tokio::test]
async fn an_operator_is_told_what_came_of_the_last_ca_that_could_issue() {
    let place = Place::new();
    let settings = Settings::new(place.http, place.https);
    let (first, mut second) = (Pebble::start(settings.clone()).await, Pebble::start(settings).await);
    let front = FrontOfCa::start(&first).await;
    let acme = both(&place, (&front, &first), &second).replace("retry = [\"1s\"]", "retry = [\"1h\"]");
    let config = place.configure(&acme, SITE);
    let sidegate = Sidegate::issued(&config).await;
    assert_eq!((first.issued(), second.issued()), (1, 0));

    // It is not due, so nothing but the command has the second one asked.
    front.plan("/order-plz", 1, Fault::problem(429, "rateLimited", "too many certificates"));
    let told = asked(&config, &["renew", "shop.example.com", "--force"]).await;
    assert_eq!(told.code, Some(0), "{}", told.err);
    assert!(told.out.starts_with("renewed: "), "{}", told.out);
    assert_eq!((first.issued(), second.issued()), (1, 1));

    // For one who insists the first one is asked too, though it has failed only just.
    second.stop();
    front.plan("/order-plz", 1, Fault::problem(429, "rateLimited", "too many certificates"));
    let told = asked(&config, &["renew", "shop.example.com", "--force"]).await;
    assert_eq!((told.code, told.out.as_str()), (Some(1), ""), "{}", told.err);
    assert!(told.err.contains("not issued: "), "{}", told.err);
    for (directory, why) in [(front.directory(), "limits our rate"), (second.directory(), "gave no usable")] {
        assert!(told.err.contains(&format!("{directory} {why}")), "{}", told.err);
    }
    let told = asked(&config, &["renew", "shop.example.com", "--force"]).await;
    assert_eq!(told.code, Some(0), "{}", told.err);
    assert_eq!((first.issued(), second.issued()), (2, 1));
    sidegate.stop().await;
}
