//! Debian's BIND, a real DNS server, with one zone that can be changed, started for one test.
//!
//! Every name in the zone leads to 127.0.0.1. A second zone holds what the test wants it to hold. Without `named` installed the test fails and says what to do.

use std::path::Path;

use rustix::process::{Signal, kill_process};
use sidegate::dns::{Key, Server};

use super::daemon::{Process, program};
use super::heard::holds;
use super::port;
use super::process::PATIENCE;

/// A running `named`. Dropping it ends it.
pub(crate) struct Named {
    port: u16,
    process: Process,
    directory: tempfile::TempDir,
    /// Of the second zone.
    serial: u32,
}

/// The zone of which the server may be asked to change TXT records.
pub(crate) const ZONE: &str = "example.com";
/// The one name in it whose TXT records the key must not touch.
pub(crate) const FORBIDDEN: &str = "_acme-challenge.forbidden.example.com";
/// A name in it that leads to [`ALIAS_TO`].
pub(crate) const ALIAS: &str = "_acme-challenge.alias.example.com";
/// Where that name leads.
pub(crate) const ALIAS_TO: &str = "alias.acme.example.com";
/// The zone that holds what a test wants.
pub(crate) const SECOND: &str = "test";
/// The name of its key.
pub(crate) const KEY: &str = "sidegate";
/// The secret of its key, in base64.
pub(crate) const SECRET: &str = "YSBzZWNyZXQgdGhhdCBpcyBub3QgYSBzZWNyZXQgYXQgYWxs";

impl Named {
    /// A server whose key signs with `hmac-sha256`.
    pub(crate) async fn start() -> Self {
        Self::signing_with("hmac-sha256").await
    }

    /// A server with these records in its second zone, whose key signs with `hmac-sha256`.
    pub(crate) async fn holding(records: &str) -> Self {
        Self::with("hmac-sha256", records).await
    }

    /// A server whose key signs with this algorithm.
    pub(crate) async fn signing_with(algorithm: &str) -> Self {
        Self::with(algorithm, "").await
    }

    async fn with(algorithm: &str, records: &str) -> Self {
        for _ in 0..5 {
            let directory = tempfile::tempdir().expect("a temporary directory");
            let port = port::free();
            write(directory.path(), algorithm, port);
            write_second(directory.path(), 1, records);
            let mut command = program("named");
            command.args(["-g", "-n", "1", "-p", &port.to_string(), "-c"]);
            command.arg(directory.path().join("named.conf")).current_dir(directory.path());
            let mut process = Process::start(command);
            if process.listens(port).await {
                return Self { port, process, directory, serial: 1 };
            }
            eprintln!("named did not start: {:#?}", process.heard.lines());
        }
        panic!("named does not start; its last words are above");
    }

    /// Has these records in its second zone from now on.
    pub(crate) async fn hold(&mut self, records: &str) {
        self.serial += 1;
        write_second(self.directory.path(), self.serial, records);
        kill_process(self.process.pid(), Signal::HUP).expect("it is ours");
        let loaded = format!("zone {SECOND}/IN: loaded serial {}", self.serial);
        assert_eq!(self.says(1, &[&loaded]).await.len(), 1, "the zone is not loaded: {:#?}", self.said(&[]));
    }

    /// Where it listens, on 127.0.0.1, over UDP and TCP.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// The same as an address.
    pub(crate) fn server(&self) -> Server {
        Server::parse(&format!("127.0.0.1:{}", self.port)).expect("an address")
    }

    /// The lines of its log that hold all of these words.
    pub(crate) fn said(&self, words: &[&str]) -> Vec<String> {
        let mut lines = self.process.heard.lines();
        lines.retain(|line| holds(line, words));
        lines
    }

    /// The same once there are so many of them: what it has done is logged a moment later.
    pub(crate) async fn says(&self, count: usize, words: &[&str]) -> Vec<String> {
        let has_them = |lines: &[String]| lines.iter().filter(|line| holds(line, words)).count() >= count;
        // Whoever expects more than come is told by what there is.
        let _ = tokio::time::timeout(PATIENCE, self.process.heard.until(has_them)).await;
        self.said(words)
    }
}

/// A key as `nsupdate -y` takes it.
pub(crate) fn key(algorithm: &str) -> Key {
    Key::parse(&format!("{algorithm}:{KEY}:{SECRET}")).expect("a key")
}

fn write(directory: &Path, algorithm: &str, port: u16) {
    let config = format!(
        "key \"{KEY}\" {{ algorithm {algorithm}; secret \"{SECRET}\"; }};\n\
         options {{\n\
           directory \"{0}\"; pid-file none; session-keyfile none; lock-file none;\n\
           listen-on port {port} {{ 127.0.0.1; }}; listen-on-v6 {{ none; }};\n\
           recursion no; dnssec-validation no; notify no;\n\
         }};\n\
         controls {{ }};\n\
         zone \"{ZONE}\" {{\n\
           type primary; file \"zone\";\n\
           update-policy {{ deny {KEY} name {FORBIDDEN}. TXT; grant {KEY} zonesub TXT; }};\n\
         }};\n\
         zone \"{SECOND}\" {{ type primary; file \"second\"; }};\n",
        directory.display(),
    );
    let zone = format!(
        "$TTL 60\n\
         @ SOA ns.{ZONE}. ops.{ZONE}. 1 3600 600 86400 60\n\
         @ NS ns.{ZONE}.\n\
         @ A 127.0.0.1\n\
         ns A 127.0.0.1\n\
         * A 127.0.0.1\n\
         {ALIAS}. CNAME {ALIAS_TO}.\n",
    );
    for (name, content) in [("named.conf", config), ("zone", zone)] {
        std::fs::write(directory.join(name), content).expect("a file in the temporary directory");
    }
}

fn write_second(directory: &Path, serial: u32, records: &str) {
    let head = format!("$TTL 60\n@ SOA ns ops {serial} 3600 600 86400 60\n@ NS ns\nns A 127.0.0.1\n");
    std::fs::write(directory.join("second"), head + records).expect("a file in the temporary directory");
}
