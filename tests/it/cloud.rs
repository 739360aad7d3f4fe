//! dns-01 by the interfaces of providers, with a real ACME CA and the real program.

use std::path::PathBuf;

use crate::house::cloud::{Cloud, Seen, TOKEN};
use crate::house::named::Named;
use crate::house::pebble::Pebble;
use crate::house::process::{Place, Sidegate};
use crate::wildcard::{BOTH, DNS01, assert_served, configure, pebble};

/// The program with an account at this provider, whose requests meet the stand-in.
async fn serve(place: &Place, pebble: &Pebble, named: &Named, cloud: &Cloud, account: [&str; 2]) -> Sidegate {
    let [provider, credentials] = account;
    let write = |name: &str, text: &str| -> PathBuf {
        let path = place.path(name);
        std::fs::write(&path, text).expect("written");
        path
    };
    write("credentials", credentials);
    let dns = format!(
        "provider = {provider:?}\ncredentials = \"credentials\"\nnameservers = [\"{}\"]",
        named.server()
    );
    let config = configure(place, pebble, DNS01, &dns, &[BOTH]);
    let (proxy, roots) = (cloud.proxy(), write("providers.pem", cloud.root_pem()));
    let variables = [("HTTPS_PROXY", proxy.as_str()), ("SSL_CERT_FILE", roots.to_str().expect("text"))];
    let words = ["serve", "--config", config.to_str().expect("text")];
    let sidegate = Sidegate::start_with(&words, &variables);
    sidegate.logged(&["listening"]).await;
    sidegate
}

#[tokio::test]
async fn a_wildcard_and_its_base_are_had_from_cloudflare() {
    let (place, named) = (Place::new(), Named::start().await);
    let (pebble, cloud) = (pebble(&place, &named).await, Cloud::start(&named).await);
    let account = ["cloudflare", &format!("# Zone.DNS:Edit\ntoken={TOKEN}\n")];
    let sidegate = serve(&place, &pebble, &named, &cloud, account).await;
    assert_served(&place, &named, &pebble, &sidegate).await;
    assert_eq!(cloud.records(), 0, "the records are gone");
    let of = |method: &str| cloud.seen().iter().filter(|seen| seen.line.starts_with(method)).count();
    assert_eq!((of("POST"), of("DELETE")), (2, 2));
    assert!(sidegate.log().iter().all(|line| !line.contains(TOKEN)), "the log tells the token");
    sidegate.stop().await;
}

#[tokio::test]
async fn a_provider_that_does_not_know_us_is_told_of_and_the_secret_is_not() {
    let named = Named::start().await;
    let cloud = Cloud::start(&named).await;
    // Each with the host that is asked, and a field in which the secret arrives there.
    for (provider, credentials, host, field) in [
        ("cloudflare", "token=s3cret-s3cret", "api.cloudflare.com", "Bearer s3cret-s3cret"),
        ("digitalocean", "token=s3cret-s3cret", "api.digitalocean.com", "Bearer s3cret-s3cret"),
        ("gandi", "token=s3cret-s3cret", "api.gandi.net", "Bearer s3cret-s3cret"),
        ("godaddy", "key=k secret=s3cret-s3cret", "api.godaddy.com", "sso-key k:s3cret-s3cret"),
        ("hetzner", "token=s3cret-s3cret", "api.hetzner.cloud", "Bearer s3cret-s3cret"),
        ("vultr", "key=s3cret-s3cret", "api.vultr.com", "Bearer s3cret-s3cret"),
    ] {
        let place = Place::new();
        let pebble = pebble(&place, &named).await;
        let sidegate = serve(&place, &pebble, &named, &cloud, [provider, credentials]).await;
        let said = sidegate.logged(&["cannot be set", &format!("{provider} does not accept the cre")]).await;
        let asked = |seen: &Seen| seen.host == host && seen.fields.contains(field);
        assert!(cloud.seen().iter().any(asked), "{said}\n{:#?}", cloud.seen());
        assert!(
            sidegate.log().iter().all(|line| !line.contains("s3cret-s3cret")),
            "the log tells the secret"
        );
        sidegate.stop().await;
    }
}
