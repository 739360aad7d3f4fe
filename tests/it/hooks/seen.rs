use std::fs;
use std::path::Path;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;

use super::Hook;
use crate::house::process::{PATIENCE, Place, Sidegate};
use crate::status::{Told, localhost, tell};

/// What is said of the hook, and the exit code.
fn told(config: &Path) -> (Option<i32>, Value) {
    let told = tell(config, &["status", "--json"]);
    (told.code, told.json()["hook"].clone())
}

/// Waits until `status` has something to say of the hook.
async fn in_trouble(config: &Path) -> Told {
    let waiting = async {
        loop {
            let told = tell(config, &["status"]);
            if told.code == Some(1) {
                return told;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(2 * PATIENCE, waiting).await.expect("it is told")
}

#[tokio::test]
async fn a_hook_that_failed_is_a_warning_until_it_has_done_it_or_somebody_has_looked() {
    let place = Place::new();
    let hook = Hook::new(&place, "test $SIDEGATE_EVENT != issued || { echo no such thing >&2; exit 4; }");
    let config = localhost(&place);
    hook.configure(&config, "");
    let sidegate = Sidegate::serve(&config).await;
    let first = in_trouble(&config).await;
    assert!(first.out.contains("\nwarning: the hook failed for issued of localhost at 20"), "{}", first.out);
    sidegate.logged(&["the hook failed", "attempt=3"]).await;
    let given_up = |hook: &Value| {
        let trouble = hook["trouble"][0].as_str().unwrap_or_default();
        hook["health"] == "warning" && trouble.contains("(given up): /") && trouble.ends_with("no such thing")
    };
    let (code, said) = told(&config);
    assert!(code == Some(1) && given_up(&said), "{code:?} {said}");
    let one = tell(&config, &["status", "localhost", "--json"]);
    assert_eq!((one.code, &one.json()["hook"]), (Some(0), &Value::Null), "the certificate is well");
    // What comes after it is told, and is no excuse.
    assert_eq!(tell(&config, &["renew", "localhost", "--force"]).code, Some(0));
    sidegate.logged(&["the hook was told", "hook=renewed"]).await;
    assert_eq!(told(&config).0, Some(1));
    sidegate.stop().await;
    let (code, said) = told(&config);
    assert!(code == Some(1) && given_up(&said), "without a process the journal tells it: {code:?} {said}");

    let sidegate = Sidegate::serve(&config).await;
    assert!(in_trouble(&config).await.out.contains("(given up)"), "a restart has not put it right");
    sidegate.signal(Signal::HUP);
    sidegate.logged(&["configured anew"]).await;
    assert_eq!(told(&config), (Some(0), Value::Null));
    sidegate.stop().await;
    assert_eq!(told(&config), (Some(0), Value::Null), "nor is it told later");
}

#[tokio::test]
async fn one_that_did_it_the_second_time_is_no_trouble_any_more() {
    let place = Place::new();
    let hook = Hook::new(&place, "until test -e go; do sleep 0.05; done; test $SIDEGATE_ATTEMPT = 2");
    let config = localhost(&place);
    hook.configure(&config, "events = [\"issued\"]\ntimeout = \"40s\"");
    let sidegate = Sidegate::serve(&config).await;
    hook.called(1).await;
    assert_eq!(told(&config), (Some(0), Value::Null), "it has time");
    let hangs = in_trouble(&config).await;
    assert!(
        hangs.out.contains("warning: the hook has been running since 20")
            && hangs.out.contains(" for issued of localhost, and all else waits for it"),
        "{}",
        hangs.out
    );
    fs::write(hook.path("go"), "").expect("written");
    sidegate.logged(&["the hook was told", "attempt=2"]).await;
    assert_eq!(told(&config), (Some(0), Value::Null));
    sidegate.stop().await;
}

#[tokio::test]
async fn lines_that_were_lost_to_it_are_a_warning() {
    let place = Place::new();
    let hook = Hook::new(&place, "sleep 600");
    let config = localhost(&place);
    hook.configure(&config, "events = [\"issued\"]\ntimeout = \"10m\"");
    let sidegate = Sidegate::serve(&config).await;
    hook.called(1).await;
    let journal = place.storage().join("state/journal/00000001.jsonl");
    sidegate.kill();
    let line = hook.calls()[0].line.to_string();
    let damaged = fs::read_to_string(&journal)
        .expect("a journal")
        .replace(&format!("{{\"n\":{line},"), &format!("{{\"n\":0{line},"));
    fs::write(&journal, damaged).expect("written");

    hook.change("");
    let sidegate = Sidegate::serve(&config).await;
    let lost = in_trouble(&config).await;
    assert!(lost.out.contains("warning: the hook was not told of 1 lines"), "{}", lost.out);
    sidegate.stop().await;
}
