//! A start on a filesystem that is full: what is there is served.

use std::fs;
use std::process::Command;

use crate::house::client::Client;
use crate::house::process::{Place, Sidegate};
use crate::house::tool::ran;
use crate::status::localhost;

/// Has a filesystem of its own in the place of the storage, on which no file can be made any more, and becomes the program.
const FULL: &str = r#"
    mount -t tmpfs -o nr_inodes=200 full "$0" && cp -a "$0.kept/." "$0" || exit 9
    number=0
    while mkdir "$0/quarantine/$number" 2>/dev/null; do number=$((number + 1)); done
    exec "$@"
"#;

#[tokio::test]
async fn what_is_there_is_served() {
    // Those who are not root may be one in a world of their own.
    let worlds = [&["--mount"][..], &["--mount", "--map-root-user"]];
    let can = |world: &&&[&str]| ran(Command::new("unshare").args(**world).arg("true")).code == Some(0);
    let Some(world) = worlds.iter().find(can) else {
        return eprintln!("nobody may mount anything here: a full filesystem is not looked at");
    };
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

    fs::rename(place.storage(), place.path("storage.kept")).expect("moved");
    fs::create_dir(place.storage()).expect("made");
    let mut command = Command::new("unshare");
    command.args(*world).args(["sh", "-c", FULL]).arg(place.storage());
    command.arg(env!("CARGO_BIN_EXE_sidegate")).arg("serve").arg("-c").arg(&config);
    let sidegate = Sidegate::by(command);
    sidegate.logged(&["No space left on device"]).await;
    sidegate.logged(&["listening"]).await;
    assert_eq!(shown().await, before);
    sidegate.stop().await;
}
