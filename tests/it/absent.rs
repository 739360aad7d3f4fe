//! A storage that is not there: whoever only asks about it makes none, and says so.

use std::fs;
use std::path::Path;

use crate::house::tool::{Ran, sidegate};

fn at(storage: &Path, words: &[&str]) -> Ran {
    sidegate(&[words, &["--storage", storage.to_str().expect("text")]].concat())
}

#[test]
fn a_name_that_is_misspelt_is_no_storage_of_which_all_is_well() {
    let home = tempfile::tempdir().expect("a directory");
    let (storage, archive) = (home.path().join("misspelt"), home.path().join("backup.tar"));
    let restore = ["restore", archive.to_str().expect("text")];
    for (words, code) in [
        (&["status"][..], 3),
        (&["list"], 1),
        (&["history", "a.example"], 1),
        (&["renew", "a.example"], 1),
        (&["rollback", "a.example"], 1),
        (&["account", "rollover"], 1),
        (&["prune"], 1),
        (&["prune", "--dry-run"], 1),
        (&restore, 1),
    ] {
        let said = at(&storage, words);
        assert_eq!(said.code, Some(code), "{words:?}: {said:?}");
        assert!(said.err.contains("No such file or directory"), "{words:?}: {said:?}");
        assert!(!storage.exists(), "{words:?} made it");
    }
}

#[test]
fn a_file_is_no_storage_of_a_process() {
    let home = tempfile::tempdir().expect("a directory");
    let file = home.path().join("file");
    fs::write(&file, "").expect("written");
    let said = at(&file, &["status"]);
    assert_eq!(said.code, Some(3), "{said:?}");
    assert!(said.err.contains("something that is not a directory stands there"), "{said:?}");
}
