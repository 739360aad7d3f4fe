//! The program, and what it takes.

use std::fs;
use std::io::Write;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, RootCertStore};
use sidegate::pki::crypto;

use crate::storage::{self, Storage};

/// No start takes this long.
const PATIENCE: Duration = Duration::from_secs(120);
/// Who does nothing for so long has nothing to do.
const QUIET: Duration = Duration::from_secs(3);

/// A process that serves a storage. Dropping it ends it.
pub(crate) struct Program {
    child: Child,
    at: SocketAddr,
    began: Instant,
    client: Arc<ClientConfig>,
    config: PathBuf,
}

/// A process at a moment, counted from its start.
#[derive(Clone, Copy)]
pub(crate) struct Seen {
    pub(crate) wall: Duration,
    /// What all its threads have used.
    pub(crate) cpu: Duration,
    /// Its pages, with those that are shared divided among those who share them.
    pub(crate) memory: u64,
}

impl Program {
    pub(crate) fn start(storage: &Storage) -> Self {
        let at = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a port");
        let config = storage.root().with_extension("toml");
        configure(&config, storage, at);
        let began = Instant::now();
        let child = Command::new(env!("CARGO_BIN_EXE_sidegate"))
            .args(["serve", "-c"])
            .arg(&config)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the program");
        Self { child, at, began, client: client(storage), config }
    }

    /// Shakes hands for a name as soon as that is possible.
    pub(crate) fn first(&self, number: usize) -> Seen {
        while TcpStream::connect(self.at).is_err() {
            assert!(self.began.elapsed() < PATIENCE, "it does not listen");
            thread::sleep(Duration::from_millis(1));
        }
        self.shake(number);
        self.seen()
    }

    /// Shakes hands for a name. Only its own certificate is good enough.
    pub(crate) fn shake(&self, number: usize) {
        let name = ServerName::try_from(storage::name(number)).expect("a name");
        let mut io = TcpStream::connect(self.at).expect("it listens");
        io.set_nodelay(true).expect("a socket");
        io.set_read_timeout(Some(PATIENCE)).expect("a socket");
        let mut tls = ClientConnection::new(Arc::clone(&self.client), name).expect("a client");
        while tls.is_handshaking() {
            tls.complete_io(&mut io).expect("a handshake");
        }
    }

    /// Waits until it rests.
    pub(crate) fn settled(&self) -> Seen {
        let (mut last, mut since) = (self.seen(), Instant::now());
        while since.elapsed() < QUIET {
            thread::sleep(Duration::from_millis(50));
            let now = self.seen();
            // Looking at the clock now and then is no work.
            if now.cpu > last.cpu + Duration::from_millis(10) {
                (last, since) = (now, Instant::now());
            }
        }
        Seen { memory: self.seen().memory, ..last }
    }

    fn seen(&self) -> Seen {
        let process = format!("/proc/{}", self.child.id());
        let read = |file: &str| fs::read_to_string(format!("{process}/{file}")).expect("it runs");
        // Nanoseconds of each of its threads.
        let threads = fs::read_dir(format!("{process}/task")).expect("it runs").flatten();
        let cpu = threads.filter_map(|thread| {
            let text = fs::read_to_string(thread.path().join("schedstat")).ok()?;
            text.split(' ').next()?.parse().ok().map(Duration::from_nanos)
        });
        let cpu = cpu.sum();
        let pages = read("smaps_rollup");
        let kilobytes = |line: &str| line.split_whitespace().nth(1)?.parse::<u64>().ok();
        let pss = pages.lines().find(|line| line.starts_with("Pss:")).and_then(kilobytes).expect("a size");
        Seen { wall: self.began.elapsed(), cpu, memory: pss * 1024 }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_file(&self.config);
    }
}

/// Writes what an operator would write: a site for each name.
fn configure(path: &PathBuf, storage: &Storage, at: SocketAddr) {
    let mut file = std::io::BufWriter::new(fs::File::create(path).expect("a file"));
    let head = format!(
        "storage = {:?}\nworkers = 1\n[listen]\nhttp = \"off\"\nhttps = \"{at}\"\nhealth = \"off\"\n[log]\nlevel = \"error\"\n\
         access = \"off\"\n[acme]\ndirectory = {:?}\n",
        storage.root(),
        storage::CA
    );
    file.write_all(head.as_bytes()).expect("written");
    for number in 0..storage.names() {
        writeln!(file, "[[site]]\ndomains = [{:?}]\nto = 3000", storage::name(number)).expect("written");
    }
    file.flush().expect("written");
}

/// A client that trusts the storage's CA, and never takes a session up again.
fn client(storage: &Storage) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(storage.root_certificate()).expect("a root");
    let mut config = ClientConfig::builder_with_provider(crypto::provider())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("a version")
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.resumption = rustls::client::Resumption::disabled();
    Arc::new(config)
}
