//! Debian's Pebble, a real ACME server, started for one test.
//!
//! Every test gets a CA of its own: Pebble keeps nothing on disk, so a restart is a new CA with a new root.
//! `pebble-challtestsrv` answers every DNS question with 127.0.0.1, so any name leads to the ports the test
//! listens on. Without Pebble installed the test fails and says what to do.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use sidegate::pki::{Leaf, pem};

use super::daemon::{Process, mortal, program};
use super::heard::holds;
use super::port;
use super::process::PATIENCE;
use super::test_ca::{self, TestCa};

/// What can differ from one Pebble to the next.
#[derive(Clone)]
pub(crate) struct Settings {
    /// Where validation by http-01 knocks.
    pub(crate) http_port: u16,
    /// Where validation by tls-alpn-01 knocks.
    pub(crate) tls_port: u16,
    /// How many of a hundred good nonces are refused.
    pub(crate) nonce_reject: u8,
    /// How many of a hundred orders may reuse a valid authorization.
    pub(crate) authz_reuse: u8,
    /// Names that Pebble refuses to sign (`rejectedIdentifier`).
    pub(crate) blocklist: Vec<String>,
    /// How long a certificate is valid.
    pub(crate) validity: Duration,
    /// The one customer it has, by the name of the key it has given him and the key in base64url; without one,
    /// everybody.
    pub(crate) customer: Option<(&'static str, &'static str)>,
    /// The domains that mean it in CAA records; only the newer Pebble tells them.
    pub(crate) identities: Vec<String>,
    /// How many more chains it has for each certificate.
    pub(crate) alternate_roots: u8,
    /// Whether it is the newer Pebble, which has ARI, instead of Debian's.
    pub(crate) newer: bool,
    /// The port of a DNS server of the test's own, which is asked instead.
    pub(crate) dns: Option<u16>,
}

/// A running Pebble. Dropping it ends its processes.
pub(crate) struct Pebble {
    settings: Settings,
    directory: tempfile::TempDir,
    api_ca: TestCa,
    listen: u16,
    management: u16,
    ca: Process,
    _dns: Option<Process>,
    dns_port: u16,
    issuance_root: Vec<u8>,
}

/// What Let's Encrypt gives under its profile of the same name.
const SHORT_LIFE: Duration = Duration::from_secs(160 * 3600);

impl Settings {
    /// Pebble as the tests want it: 15 of 100 nonces refused, no authorization reused, five years valid.
    pub(crate) fn new(http_port: u16, tls_port: u16) -> Self {
        Self {
            http_port,
            tls_port,
            nonce_reject: 15,
            authz_reuse: 0,
            blocklist: Vec::new(),
            validity: Duration::from_secs(157_766_400),
            customer: None,
            identities: Vec::new(),
            alternate_roots: 0,
            newer: false,
            dns: None,
        }
    }
}

impl Pebble {
    /// Starts a CA with settings of one's own, and waits until it answers.
    pub(crate) async fn start(settings: Settings) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let api_ca = TestCa::new("Pebble's API");
        let (certificate, key) = api_ca.sign(&["localhost", "127.0.0.1"]);
        write(&directory.path().join("api.crt"), certificate.as_bytes());
        write(&directory.path().join("api.key"), key.as_bytes());

        let (dns, dns_port) = match settings.dns {
            Some(port) => (None, port),
            None => {
                let (dns, port) = start_dns().await;
                (Some(dns), port)
            }
        };
        let (ca, listen, management) =
            start_ca(&settings, directory.path(), dns_port, (port::free(), port::free())).await;
        let mut pebble = Self {
            settings,
            directory,
            api_ca,
            listen,
            management,
            ca,
            _dns: dns,
            dns_port,
            issuance_root: Vec::new(),
        };
        pebble.issuance_root = pebble.management_get("/roots/0").await;
        pebble
    }

    /// The URL of the ACME directory.
    pub(crate) fn directory(&self) -> String {
        format!("https://127.0.0.1:{}/dir", self.listen)
    }

    /// Where the ACME server listens, on 127.0.0.1.
    pub(crate) fn port(&self) -> u16 {
        self.listen
    }

    /// The root to trust when talking to the directory, as PEM.
    pub(crate) fn api_root(&self) -> Vec<u8> {
        self.api_ca.root_pem().as_bytes().to_vec()
    }

    /// The CA that signed Pebble's own HTTPS certificate.
    pub(crate) fn api_ca(&self) -> &TestCa {
        &self.api_ca
    }

    /// The root that issued certificates lead to, as PEM. A restart makes another one.
    pub(crate) fn issuance_root(&self) -> Vec<u8> {
        self.issuance_root.clone()
    }

    /// The name of the root of a chain: of the first one that it sends, or of another.
    pub(crate) async fn root_name(&self, chain: u8) -> String {
        let root = self.management_get(&format!("/roots/{chain}")).await;
        let root = pem::certificates(&root).expect("PEM").remove(0);
        Leaf::from_der(root).expect("a certificate").issuer().to_owned()
    }

    /// All lines of the log since it was last started.
    pub(crate) fn log(&self) -> Vec<String> {
        self.ca.heard.lines()
    }

    /// How many lines of the log contain all of `words`.
    pub(crate) fn count(&self, words: &[&str]) -> usize {
        self.ca.heard.count(words)
    }

    /// How many certificates this CA has issued since it was last started.
    pub(crate) fn issued(&self) -> usize {
        self.count(&["Issued certificate serial"])
    }

    /// How many orders were placed since it was last started.
    pub(crate) fn orders(&self) -> usize {
        self.count(&["Added order"])
    }

    /// How many accounts were registered since it was last started.
    pub(crate) fn accounts(&self) -> usize {
        self.count(&["There are now", "accounts in memory"])
    }

    /// Waits until a line of the log contains all of `words`.
    pub(crate) async fn wait_for_line(&self, words: &[&str]) {
        self.wait_for_lines(1, words).await;
    }

    /// Waits until it has issued so many.
    pub(crate) async fn wait_until_issued(&self, count: usize) {
        self.wait_for_lines(count, &["Issued certificate serial"]).await;
    }

    async fn wait_for_lines(&self, count: usize, words: &[&str]) {
        let enough = |lines: &[String]| lines.iter().filter(|line| holds(line, words)).count() >= count;
        let came = tokio::time::timeout(PATIENCE, self.ca.heard.until(enough)).await;
        assert!(matches!(came, Ok(true)), "not {count} lines with {words:?} in {:#?}", self.log());
    }

    /// Ends the CA; connections are refused from now on.
    pub(crate) fn stop(&mut self) {
        self.ca.end();
    }

    /// Starts the CA again at the same address: it has forgotten everything, and signs with a new root.
    pub(crate) async fn restart(&mut self) {
        self.ca.end();
        let ports = (self.listen, self.management);
        let (ca, listen, management) =
            start_ca(&self.settings, self.directory.path(), self.dns_port, ports).await;
        assert_eq!((listen, management), ports, "Pebble came back at another port");
        self.ca = ca;
        self.issuance_root = self.management_get("/roots/0").await;
    }

    /// What it says of the certificate with this serial number, in hexadecimal: `Valid`, or `Revoked` with the code of the reason.
    pub(crate) async fn status_of(&self, serial: &str) -> (String, Option<u64>) {
        let said = self.management_get(&format!("/cert-status-by-serial/{serial}")).await;
        let said: serde_json::Value = serde_json::from_slice(&said).expect("JSON");
        (said["Status"].as_str().expect("a status").to_owned(), said["Reason"].as_u64())
    }

    async fn management_get(&self, path: &str) -> Vec<u8> {
        let (status, body) = test_ca::https_get(self.management, path, &self.api_ca).await;
        assert_eq!(status, 200, "Pebble's management interface refuses {path}");
        body
    }
}

async fn start_ca(
    settings: &Settings,
    directory: &Path,
    dns_port: u16,
    ports: (u16, u16),
) -> (Process, u16, u16) {
    let (mut listen, mut management) = ports;
    for _ in 0..5 {
        let config = directory.join("pebble.json");
        write(&config, config_json(settings, directory, listen, management).as_bytes());
        let mut command = if settings.newer { newer_pebble() } else { program("pebble") };
        command
            .arg("-strict")
            .arg("-config")
            .arg(&config)
            .arg("-dnsserver")
            .arg(format!("127.0.0.1:{dns_port}"))
            .env("PEBBLE_VA_NOSLEEP", "1")
            .env("PEBBLE_WFE_NONCEREJECT", settings.nonce_reject.to_string())
            .env("PEBBLE_ALTERNATE_ROOTS", settings.alternate_roots.to_string())
            .env("PEBBLE_AUTHZREUSE", settings.authz_reuse.to_string());
        let mut process = Process::start(command);
        if process.listens(listen).await && process.listens(management).await {
            return (process, listen, management);
        }
        eprintln!("pebble did not start: {:?}", process.heard.lines());
        (listen, management) = (port::free(), port::free());
    }
    panic!("pebble does not start; its last words are above");
}

async fn start_dns() -> (Process, u16) {
    for _ in 0..5 {
        let (dns, management) = (port::free(), port::free());
        let mut command = program("pebble-challtestsrv");
        command
            .args(["-http01", "", "-https01", "", "-tlsalpn01", ""])
            .args(["-defaultIPv4", "127.0.0.1", "-defaultIPv6", ""])
            .args(["-dns01", &format!("127.0.0.1:{dns}")])
            .args(["-management", &format!("127.0.0.1:{management}")]);
        let mut process = Process::start(command);
        // The DNS server listens on TCP as well as UDP.
        if process.listens(dns).await && process.listens(management).await {
            return (process, dns);
        }
        eprintln!("pebble-challtestsrv did not start: {:?}", process.heard.lines());
    }
    panic!("pebble-challtestsrv does not start; its last words are above");
}

fn config_json(settings: &Settings, directory: &Path, listen: u16, management: u16) -> String {
    // An order that names no profile gets any of them.
    let short_life = settings.validity.min(SHORT_LIFE);
    serde_json::json!({ "pebble": {
        "listenAddress": format!("127.0.0.1:{listen}"),
        "managementListenAddress": format!("127.0.0.1:{management}"),
        "certificate": directory.join("api.crt"),
        "privateKey": directory.join("api.key"),
        "httpPort": settings.http_port,
        "tlsPort": settings.tls_port,
        "ocspResponderURL": "",
        "externalAccountBindingRequired": settings.customer.is_some(),
        "externalAccountMACKeys": settings.customer.iter().copied().collect::<BTreeMap<_, _>>(),
        "domainBlocklist": settings.blocklist,
        "caaIdentities": settings.identities,
        // The one is read by the older Pebble, the other two by the newer one.
        "certificateValidityPeriod": settings.validity.as_secs(),
        "profiles": {
            "default": { "description": "", "validityPeriod": settings.validity.as_secs() },
            "shortlived": { "description": "", "validityPeriod": short_life.as_secs() },
        },
        "retryAfter": { "authz": 1, "order": 1 },
    }})
    .to_string()
}

/// The Pebble that `tests/setup.sh` has put beside the system.
fn newer_pebble() -> Command {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/pebble/usr/bin/pebble");
    assert!(path.is_file(), "{} is missing; run `sh tests/setup.sh`, which fetches it", path.display());
    mortal(&path)
}

fn write(path: &Path, content: &[u8]) {
    std::fs::write(path, content).expect("a file in the temporary directory");
}
