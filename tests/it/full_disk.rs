//! A filesystem that is full: what is there is served, and what nobody needs can go.

use std::fs;
use std::path::Path;
use std::process::Command;

use sidegate::ident::Provider;

use crate::house::client::Client;
use crate::house::process::{Place, Sidegate};
use crate::house::tool::{commit, ran, store};
use crate::status::localhost;

/// Has a filesystem of its own in the place of the storage, on which no file can be made any more, and becomes the program.
const FULL: &str = r#"
    mount -t tmpfs -o nr_inodes=200 full "$0" && cp -a "$0.kept/." "$0" || exit 9
    number=0
    while mkdir "$0/quarantine/$number" 2>/dev/null; do number=$((number + 1)); done
    exec "$@"
"#;

/// Who may mount something: those who are not root may be one in a world of their own. `None` where nobody may.
fn world() -> Option<&'static [&'static str]> {
    let worlds = [&["--mount"][..], &["--mount", "--map-root-user"]];
    let found = worlds
        .into_iter()
        .find(|world| ran(Command::new("unshare").args(*world).arg("true")).code == Some(0));
    if found.is_none() {
        eprintln!("nobody may mount anything here: a full filesystem is not looked at");
    }
    found
}

/// What is in the storage now is on a full filesystem for whoever is told this command.
fn on_a_full_disk(world: &[&str], storage: &Path) -> Command {
    fs::rename(storage, storage.with_extension("kept")).expect("moved");
    fs::create_dir(storage).expect("made");
    let mut command = Command::new("unshare");
    command.args(world).args(["sh", "-c", FULL]).arg(storage);
    command
}

#[tokio::test]
async fn what_is_there_is_served() {
    let Some(world) = world() else { return };
    let place = Place::new();
    let config = localhost(&place);
    let shown = async || {
        let client = Client::offering(&["http/1.1"]);
        client.hello(place.tls(), Some("localhost")).await.expect("a handshake").leaf.serial()
    };
    let sidegate = Sidegate::serve(&config).await;
    sidegate.logged(&["serving", "item="]).await;
    let before = shown().await;
    sidegate.stop().await;

    let mut command = on_a_full_disk(world, &place.storage());
    command.arg(env!("CARGO_BIN_EXE_sidegate")).arg("serve").arg("-c").arg(&config);
    let sidegate = Sidegate::by(command);
    sidegate.logged(&["No space left on device"]).await;
    sidegate.logged(&["listening"]).await;
    assert_eq!(shown().await, before);
    sidegate.stop().await;
}

#[tokio::test]
async fn what_nobody_needs_makes_room() {
    let Some(world) = world() else { return };
    let place = Place::new();
    let config = localhost(&place);
    let (item, _) = commit(&store(&place.storage()), &["old.localhost"], Provider::Selfsigned, None).await;

    let mut command = on_a_full_disk(world, &place.storage());
    let prune = r#""$@" && mkdir "$0/quarantine/room""#;
    command.args(["sh", "-c", prune]).arg(place.storage()).arg(env!("CARGO_BIN_EXE_sidegate"));
    let said = ran(command.args(["prune", "--unconfigured", "-c"]).arg(&config)).good();
    assert!(said.contains(&format!("removed  {item}")), "{said}");
}
