//! Programs other people wrote, in the virtual environment that `tests/setup.sh` makes.

use std::path::{Path, PathBuf};

/// The interpreter that has the packages of `tests/setup.sh`.
pub(crate) fn interpreter() -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/test-env/bin/python");
    assert!(path.exists(), "{} is missing; run `sh tests/setup.sh`, which makes it", path.display());
    path
}

/// A script of `tests/interop`.
pub(crate) fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop").join(name)
}
