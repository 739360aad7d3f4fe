//! Programs that a test writes itself.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

/// Writes a program that can be run at once.
///
/// What any process has open for writing cannot be run. Another process writes it, since each of ours that is started
/// at the same moment by another test has all of our files open until it has become its program.
pub(crate) fn write(path: &Path, text: &str) {
    let mut install = Command::new("install")
        .args(["-m", "755", "/dev/stdin"])
        .arg(path)
        .stdin(Stdio::piped())
        .spawn()
        .expect("install (coreutils)");
    install.stdin.take().expect("piped").write_all(text.as_bytes()).expect("it reads");
    assert!(install.wait().expect("a child").success(), "{} is not written", path.display());
}
