//! The static binary needs nothing but the kernel: it serves from a directory in which there is nothing else.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::house::port;

/// Builds it, or finds that it has been built; `make test` has done so before.
fn build() -> PathBuf {
    let make = Command::new("make")
        .args(["--no-print-directory", "--silent", "static-debug"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .stderr(Stdio::inherit())
        .output()
        .expect("make");
    assert!(make.status.success(), "make static-debug failed");
    let said = String::from_utf8(make.stdout).expect("text");
    Path::new(env!("CARGO_MANIFEST_DIR")).join(said.lines().last().expect("a path"))
}

/// A command that runs `/sidegate` with `root` as its root directory.
fn in_root(root: &Path) -> Command {
    let is_root = rustix::process::geteuid().is_root();
    let mut command = Command::new(if is_root { "/usr/sbin/chroot" } else { "/usr/bin/unshare" });
    match is_root {
        true => command.arg(root),
        // Whoever may not change roots may do so in a user namespace of their own.
        false => command.args(["--map-root-user", "--root"]).arg(root),
    };
    command.arg("/sidegate").env_clear();
    command
}

struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn it_serves_from_an_empty_root() {
    let root = tempfile::tempdir().expect("a directory");
    fs::copy(build(), root.path().join("sidegate")).expect("copied");

    let version = in_root(root.path()).arg("--version").output().expect("started");
    assert!(version.status.success(), "{version:?}");

    let port = port::free();
    let mut command = in_root(root.path());
    command.args(["--http-port", "0", "--https-port", &port.to_string()]);
    command.env("TLS_DOMAIN", "localhost").env("TARGET", "127.0.0.1:9").env("STORAGE_PATH", "/data");
    command.env("HEALTH_ADDR", "off").stdout(Stdio::null());
    let mut process = Killed(command.spawn().expect("started"));

    // Nobody listens on port 9, so the answer is ours: what counts is that there is one, over TLS.
    let url = format!("https://localhost:{port}/");
    let asked_since = Instant::now();
    let status = loop {
        let curl = Command::new("curl").args(["-sk", "-o", "/dev/null", "-w", "%{http_code}", &url]).output();
        let curl = curl.expect("curl");
        if curl.status.success() {
            break String::from_utf8(curl.stdout).expect("text");
        }
        assert!(process.0.try_wait().expect("a child").is_none(), "it ended");
        assert!(asked_since.elapsed() < Duration::from_secs(60), "no answer: {curl:?}");
        thread::sleep(Duration::from_millis(20));
    };
    assert_eq!(status, "502");

    let pid = rustix::process::Pid::from_child(&process.0);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("alive");
    assert!(process.0.wait().expect("ended").success());
    let mut left: Vec<String> = fs::read_dir(root.path())
        .expect("a directory")
        .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
        .collect();
    left.sort();
    assert_eq!(left, ["data", "sidegate"]);
}
