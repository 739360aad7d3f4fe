//! The ways an archive may come and go.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use super::{Rig, contents, furnish};
use crate::house::tool::{Ran, ran, sidegate, store};

/// Runs a line of the shell in which `$1` is the program, `$2` the archive, and `$3` the storage to restore to.
fn shell(rig: &Rig, line: &str) -> Ran {
    let mut command = Command::new("sh");
    command.args(["-c", line, "sh", env!("CARGO_BIN_EXE_sidegate")]);
    ran(command.arg(rig.path("backup.tar")).arg(rig.path("new")))
}

fn backup_to(rig: &Rig, archive: &Path) -> Ran {
    let storage = rig.path("old");
    sidegate(&["backup".as_ref(), archive.as_os_str(), "--storage".as_ref(), storage.as_os_str()])
}

#[tokio::test]
async fn an_archive_comes_by_standard_input_and_by_a_pipe() {
    for line in [
        r#"cat "$2" | "$1" restore - --storage "$3""#,
        r#"cat "$2" | "$1" restore /dev/stdin --storage "$3""#,
    ] {
        let rig = Rig::new();
        furnish(&store(&rig.path("old"))).await;
        rig.backup("old").good();
        assert!(shell(&rig, line).good().starts_with("3 items restored"), "{line}");
    }
}

#[tokio::test]
async fn a_compressed_archive_is_told_and_no_storage_is_made_for_one_that_is_refused() {
    let rig = Rig::new();
    furnish(&store(&rig.path("old"))).await;
    rig.backup("old").good();
    let compressed = shell(&rig, r#"gzip "$2" && "$1" restore "$2.gz" --storage "$3""#).refused();
    assert!(compressed.contains("it is compressed: `gunzip -c FILE | sidegate restore -`"), "{compressed}");
    assert!(!rig.path("new").exists(), "no storage is made");
    shell(&rig, r#"gunzip -c "$2.gz" | "$1" restore - --storage "$3""#).good();

    let rig = Rig::new();
    fs::write(rig.path("backup.tar"), "\u{1b}[2Jno archive".repeat(100)).expect("written");
    let refused = rig.restore("new").refused();
    assert!(!refused.trim_end().contains(char::is_control), "{refused:?}");
    assert!(!rig.path("new").exists(), "no storage is made");
    assert_eq!(contents(&rig.path("new")), BTreeMap::new());
}

#[tokio::test]
async fn no_archive_is_put_into_the_storage_itself() {
    let rig = Rig::new();
    furnish(&store(&rig.path("old"))).await;
    let before = contents(&rig.path("old"));
    for place in ["old/backup.tar", "old/state/backup.tar", "old/../old/backup.tar"] {
        let refused = backup_to(&rig, &rig.path(place)).refused();
        assert!(refused.contains("lies in the storage itself"), "{refused}");
    }
    assert_eq!(contents(&rig.path("old")), before);
}
