use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

use sidegate::ident::Provider;

use super::{Call, Hook};
use crate::going_back::{from_ca, history};
use crate::house::process::{Place, Sidegate};
use crate::house::shop::shop;
use crate::house::tool::{commit_until, store_at};
use crate::status::{localhost, tell};

const NAME: &str = "shop.example.com";

/// What is told in two ways is the same, and no key is in it.
fn assert_whole(call: &Call) {
    assert_eq!(call.variable("SIDEGATE_EVENT"), call.event);
    assert_eq!(call.variable("SIDEGATE_LINE"), call.line.to_string());
    for (field, value) in call.object.as_object().expect("an object") {
        let told = match value {
            serde_json::Value::String(text) => text.clone(),
            serde_json::Value::Array(all) => {
                all.iter().filter_map(|value| value.as_str()).collect::<Vec<_>>().join(" ")
            }
            other => other.to_string(),
        };
        if field != "version" {
            assert_eq!(call.variable(&format!("SIDEGATE_{}", field.to_uppercase())), told, "{field}");
        }
    }
    let all = format!("{:?} {}", call.variables, call.object);
    assert!(!all.contains("PRIVATE"), "{all}");
}

fn of<'a>(calls: &'a [Call], event: &str) -> Vec<&'a Call> {
    calls.iter().filter(|call| call.event == event).collect()
}

#[tokio::test]
async fn a_script_is_told_what_happens_with_paths_that_lead_to_the_certificate() {
    let (place, _pebble, config) = shop().await;
    let hook = Hook::new(&place, "");
    hook.configure(&config, "");
    let sidegate = Sidegate::serve(&config).await;
    sidegate.logged(&["the hook was told", "hook=issued"]).await;
    sidegate.logged(&["the hook was told", "hook=served"]).await;
    assert_eq!(tell(&config, &["renew", NAME, "--force"]).code, Some(0));
    sidegate.logged(&["the hook was told", "hook=renewed"]).await;
    let [(_, first), (_, second)] = from_ca(&history(&config)).try_into().expect("two certificates");
    assert_eq!(tell(&config, &["revoke", &first, "--reason", "superseded", "--yes"]).code, Some(0));
    sidegate.logged(&["the hook was told", "hook=revoked"]).await;
    sidegate.stop().await;

    let calls = hook.calls();
    calls.iter().for_each(assert_whole);
    let (issued, renewed) = (of(&calls, "issued"), of(&calls, "renewed"));
    let [issued, renewed] = [issued[..].try_into(), renewed[..].try_into()]
        .map(|one: Result<[&Call; 1], _>| one.expect("each is told once; a stand-in is not")[0]);
    assert_eq!((issued.variable("SIDEGATE_NAME"), issued.variable("SIDEGATE_NAMES")), (NAME, NAME));
    assert_eq!(issued.variable("SIDEGATE_PROVIDER"), "letsencrypt");
    assert_eq!((issued.variable("SIDEGATE_ITEM"), renewed.variable("SIDEGATE_ITEM")), (&*first, &*second));
    assert_eq!(renewed.variable("SIDEGATE_REPLACES"), first);
    let item = place.storage().join("database/items").join(&second);
    for (variable, file) in [("SIDEGATE_CERTIFICATE", "crt+chain.pem"), ("SIDEGATE_KEY", "key.pem")] {
        assert_eq!(Path::new(renewed.variable(variable)), item.join(file));
        assert!(item.join(file).is_file());
    }
    assert_eq!(Path::new(renewed.variable("SIDEGATE_STORAGE")), place.storage());
    let revoked = of(&calls, "revoked");
    assert_eq!((revoked[0].variable("SIDEGATE_ITEM"), revoked.len()), (&*first, 1));
    assert_eq!(revoked[0].variable("SIDEGATE_REASON"), "superseded");
    let served = of(&calls, "served");
    assert!(served.iter().any(|call| call.variable("SIDEGATE_ITEM") == first));
    assert!(served.iter().all(|call| !call.variable("SIDEGATE_SERIAL").is_empty()));

    let story = tell(&config, &["explain", NAME]).out;
    assert!(story.contains("told the hook: issued") && story.contains("told the hook: revoked"), "{story}");
}

#[tokio::test]
async fn a_failure_is_told_each_time_and_a_certificate_that_nears_its_end_once() {
    let (place, directory) = (Place::new(), "https://127.0.0.1:1/dir");
    let now = SystemTime::now();
    let store = store_at(&place.storage(), now - Duration::from_secs(3600));
    let end = now + Duration::from_secs(86_400);
    let item = commit_until(&store, &[NAME], Provider::Letsencrypt, Some(directory), end).await;
    let hook = Hook::new(&place, "");
    let acme = format!("directory = {directory:?}\nretry = [\"1h\"]");
    let config = place.configure(&acme, &format!("[[site]]\ndomains = [{NAME:?}]\nto = 3000\n"));
    hook.configure(&config, "events = [\"expiring\", \"failed\"]");
    let sidegate = Sidegate::serve(&config).await;
    sidegate.logged(&["the hook was told", "hook=expiring"]).await;
    sidegate.logged(&["the hook was told", "hook=failed"]).await;
    sidegate.stop().await;

    let sidegate = Sidegate::serve(&config).await;
    sidegate.logged(&["nears its end and could not be renewed"]).await;
    assert_eq!(tell(&config, &["renew", NAME, "--force"]).code, Some(1));
    sidegate.logged(&["the hook was told", "hook=failed"]).await;
    sidegate.stop().await;
    let calls = hook.calls();
    calls.iter().for_each(assert_whole);
    let (expiring, failed) = (of(&calls, "expiring"), of(&calls, "failed"));
    assert_eq!((expiring.len(), expiring[0].variable("SIDEGATE_ITEM")), (1, item.as_str()));
    assert_eq!(failed.len(), 2);
    assert_eq!(failed[0].variable("SIDEGATE_CA"), directory);
    assert_eq!(failed[1].variable("SIDEGATE_FAILURES"), "2");
    assert!(failed[0].variable("SIDEGATE_ERROR").contains(directory));
    assert!(failed[0].variable("SIDEGATE_AGAIN").starts_with("20"));
    assert_eq!((failed[0].variable("SIDEGATE_ITEM"), failed[0].variable("SIDEGATE_KEY")), ("", ""));
}

#[tokio::test]
async fn what_we_sign_ourselves_is_told_as_well_and_only_what_was_asked_for() {
    let place = Place::new();
    let hook = Hook::new(&place, "");
    let config = localhost(&place);
    hook.configure(&config, "events = [\"renewed\"]");
    let sidegate = Sidegate::serve(&config).await;
    sidegate.logged(&["serving", "item="]).await;
    assert_eq!(tell(&config, &["renew", "localhost", "--force"]).code, Some(0));
    sidegate.logged(&["the hook was told"]).await;
    sidegate.stop().await;
    assert_eq!(hook.events(), [("renewed".to_owned(), 1)]);
    let checked =
        crate::house::tool::sidegate(&["fsck", "--storage", place.storage().to_str().expect("text")]);
    assert_eq!(checked.code, Some(0), "{checked:?}");
    assert!(place.storage().join("state/hooks.json").is_file());
}

#[tokio::test]
async fn a_hook_may_call_us() {
    let place = Place::new();
    let line = format!("{:?} list --storage \"$SIDEGATE_STORAGE\" > listed", env!("CARGO_BIN_EXE_sidegate"));
    let hook = Hook::new(&place, &line);
    let config = localhost(&place);
    hook.configure(&config, "");
    let sidegate = Sidegate::serve(&config).await;
    sidegate.logged(&["the hook was told", "hook=issued"]).await;
    let listed = fs::read_to_string(hook.path("listed")).expect("listed");
    assert!(listed.contains("localhost"), "{listed}");
    sidegate.stop().await;
}
