//! An issuer, a CA, and the two listeners at which the CA looks for answers.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use async_trait::async_trait;
use sidegate::catalog::{self, Challenges, Misses, Publisher, Resolver};
use sidegate::clock::{Clock, Epoch};
use sidegate::ident::Names;
use sidegate::issuer::{
    AcmeIssuer, ChallengeKind, IssueError, IssueJob, Issuer, NoteError, Options, OrderNote, Predecessor,
    Profile, Progress, Replacing,
};
use sidegate::pki::{Bundle, Chain, KeyType, PrivateKey, SigningRequest};
use sidegate::store::memory::MemoryEngine;
use sidegate::store::{Account, Accounts, Store};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use crate::house::front_of_ca::FrontOfCa;
use crate::house::pebble::{Pebble, Settings};

/// A CA and everything it looks at.
pub(super) struct Rig {
    pub(super) pebble: Pebble,
    pub(super) accounts: Accounts,
    pub(super) store: Store,
    pub(super) resolver: Resolver,
    challenges: Challenges,
    /// The tokens that were asked for by http-01.
    tokens: Tokens,
    /// End with the rig.
    responders: JoinSet<()>,
    _rest: (Publisher, Misses),
}

type Tokens = Arc<Mutex<Vec<String>>>;

/// What is to be issued, and what was noted of it so far.
pub(super) struct Wish {
    pub(super) key: PrivateKey,
    pub(super) names: Names,
    pub(super) notes: Notes,
    /// The certificate that is to be replaced.
    pub(super) predecessor: Option<Predecessor>,
    pub(super) urgent: bool,
    pub(super) rehearse: bool,
    pub(super) profile: Option<Profile>,
}

/// A progress that keeps its note in memory and tells who waits for it.
pub(super) struct Notes {
    order: Mutex<Option<OrderNote>>,
    noted: watch::Sender<usize>,
    refuse: AtomicBool,
}

impl Rig {
    /// A CA that finds its answers.
    pub(super) async fn new() -> Self {
        Self::with(|_| {}).await
    }

    /// A CA that takes every nonce, for tests that count requests or lose a certain one.
    pub(super) async fn exact() -> Self {
        Self::with(|settings| settings.nonce_reject = 0).await
    }

    /// The same with other settings of the CA.
    pub(super) async fn with(change: impl FnOnce(&mut Settings)) -> Self {
        let (publisher, challenges, resolver, misses) = catalog::open();
        let mut responders = JoinSet::new();
        let http = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let tls = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let mut settings = Settings::new(port_of(&http), port_of(&tls));
        let tokens = Tokens::default();
        responders.spawn(answer_http01(http, resolver.clone(), Arc::clone(&tokens)));
        responders.spawn(answer_tls_alpn01(tls, resolver.clone()));
        change(&mut settings);
        let store = Store::new(Arc::new(MemoryEngine::new()), Clock::system());
        Self {
            pebble: Pebble::start(settings).await,
            accounts: store.accounts(),
            store,
            resolver,
            challenges,
            tokens,
            responders,
            _rest: (publisher, misses),
        }
    }

    /// Starts on another storage, as a process does.
    pub(super) async fn start_on(&mut self, engine: MemoryEngine, expected: bool, force: bool) {
        self.store = Store::new(Arc::new(engine), Clock::system());
        self.accounts = self.store.accounts();
        self.store.ledger().begin(expected, force, Clock::system().now()).await.expect("begun");
    }

    /// Begins to answer http-01 at this port.
    pub(super) async fn answer_http01_at(&mut self, port: u16) {
        let listener = TcpListener::bind(("127.0.0.1", port)).await.expect("the port is free");
        self.responders.spawn(answer_http01(listener, self.resolver.clone(), Arc::clone(&self.tokens)));
    }

    /// The token that was asked for last by http-01.
    pub(super) fn token(&self) -> String {
        self.tokens.lock().expect("no test panicked here").last().expect("somebody has looked").clone()
    }

    /// The account at the CA, as it is kept.
    pub(super) async fn account(&self) -> Account {
        self.account_at(&self.pebble.directory()).await
    }

    /// The account at this directory, as it is kept.
    pub(super) async fn account_at(&self, directory: &str) -> Account {
        self.accounts.find(directory).await.expect("the store reads").expect("there is an account")
    }

    /// How many failed validations of this name the ledger knows of; each is forgotten after twelve minutes.
    pub(super) async fn failures(&self, options: &Options, name: &str) -> u32 {
        let now = SystemTime::now();
        let looked = self.store.ledger().look(&options.directory, now).await;
        let (page, _) = looked.expect("the ledger reads");
        let account = self.account_at(&options.directory).await.url.expect("it is registered");
        let full_at = page.full_at.get(&format!("failures {account} {name}"));
        let left = full_at.and_then(|full_at| full_at.duration_since(now).ok()).unwrap_or_default();
        left.as_secs().div_ceil(12 * 60) as u32
    }

    /// Options that lead straight to the CA.
    pub(super) fn options(&self) -> Options {
        let mut options = Options::new(self.pebble.directory());
        options.api_root = Some(self.pebble.api_root());
        options.issuance_root = Some(self.pebble.issuance_root());
        options
    }

    /// Options that lead to the CA through this front.
    pub(super) fn options_through(&self, front: &FrontOfCa) -> Options {
        let mut options = self.options();
        options.directory = front.directory();
        options.api_root = Some(front.api_root());
        options
    }

    /// An issuer as a newly started process has it: nothing in memory, the accounts as they are in the store.
    pub(super) fn issuer(&self, options: &Options) -> AcmeIssuer {
        self.issuer_by_clock(options, Clock::system())
    }

    /// The same by a clock of one's own.
    pub(super) fn issuer_by_clock(&self, options: &Options, clock: Clock) -> AcmeIssuer {
        AcmeIssuer::new(options, self.accounts.clone(), self.store.ledger(), &self.challenges, clock)
            .expect("valid options")
    }

    /// The same on another storage.
    pub(super) fn issuer_with(&self, options: &Options, store: &Store) -> AcmeIssuer {
        let (accounts, ledger) = (store.accounts(), store.ledger());
        AcmeIssuer::new(options, accounts, ledger, &self.challenges, Clock::system()).expect("valid options")
    }

    /// An issuer that may use this kind of challenge only.
    pub(super) fn issuer_by(&self, kind: ChallengeKind) -> AcmeIssuer {
        let mut options = self.options();
        options.challenges = vec![kind];
        self.issuer(&options)
    }
}

impl Wish {
    /// A new key for these names, separated by spaces.
    pub(super) fn new(names: &str) -> Self {
        Self {
            key: PrivateKey::generate(KeyType::P256),
            names: Names::parse_domain_list(names).expect("names"),
            notes: Notes {
                order: Mutex::default(),
                noted: watch::Sender::new(0),
                refuse: AtomicBool::new(false),
            },
            predecessor: None,
            urgent: false,
            rehearse: false,
            profile: None,
        }
    }

    /// Asks the issuer once, and joins what it gives with the key.
    pub(super) async fn ask(&self, issuer: &dyn Issuer) -> Result<Bundle, IssueError> {
        let chain = self.chain_from(issuer).await?;
        Ok(Bundle::join(self.key.clone(), chain, &self.names).expect("the certificate is the one asked for"))
    }

    /// Asks the issuer once.
    pub(super) async fn chain_from(&self, issuer: &dyn Issuer) -> Result<Chain, IssueError> {
        let request = SigningRequest::new(&self.key, &self.names).expect("a request");
        let job = IssueJob::new(&request, "a test wants it", Epoch::default());
        let job = IssueJob {
            predecessor: self.predecessor.as_ref(),
            urgent: self.urgent,
            rehearse: self.rehearse,
            profile: self.profile.as_ref(),
            ..job
        };
        issuer.issue(job, &self.notes).await
    }
}

impl Wish {
    /// What the order says about the certificate it replaces, as it was noted.
    pub(super) fn replacing(&self) -> Replacing {
        self.notes.order_now().expect("an order is noted").replacing
    }
}

impl Notes {
    /// What is noted now.
    pub(super) fn order_now(&self) -> Option<OrderNote> {
        self.order.lock().expect("no test panicked here").clone()
    }

    /// Replaces what is noted.
    pub(super) fn set(&self, note: OrderNote) {
        *self.order.lock().expect("no test panicked here") = Some(note);
    }

    /// From here on nothing can be kept.
    pub(super) fn refuse(&self) {
        self.refuse.store(true, Ordering::Relaxed);
    }

    /// Waits until an order is noted.
    pub(super) async fn wait(&self) {
        self.noted.subscribe().wait_for(|count| *count > 0).await.expect("the sender is here");
    }
}

#[async_trait]
impl Progress for Notes {
    fn order(&self) -> Option<OrderNote> {
        self.order_now()
    }

    async fn note_order(&self, order: &OrderNote) -> Result<(), NoteError> {
        if self.refuse.load(Ordering::Relaxed) {
            return Err(NoteError("no space left".to_owned()));
        }
        self.set(order.clone());
        self.noted.send_modify(|count| *count += 1);
        Ok(())
    }
}

fn port_of(listener: &TcpListener) -> u16 {
    listener.local_addr().expect("it is bound").port()
}

/// Port 80 of the names: answers what is posted, and 404 for the rest.
async fn answer_http01(listener: TcpListener, resolver: Resolver, tokens: Tokens) {
    loop {
        let (mut stream, _) = listener.accept().await.expect("the listener stays");
        let mut head = Vec::new();
        while !head.windows(4).any(|window| window == b"\r\n\r\n") {
            if stream.read_buf(&mut head).await.unwrap_or(0) == 0 {
                break;
            }
        }
        let head = String::from_utf8_lossy(&head).into_owned();
        let path = head.split(' ').nth(1).unwrap_or_default();
        let token = path.strip_prefix("/.well-known/acme-challenge/");
        tokens.lock().expect("no test panicked here").extend(token.map(str::to_owned));
        let answer = match token.and_then(|token| resolver.http01(token)) {
            Some(text) => format!("HTTP/1.0 200 OK\r\nContent-Length: {}\r\n\r\n{text}", text.len()),
            None => "HTTP/1.0 404 Not Found\r\nContent-Length: 0\r\n\r\n".to_owned(),
        };
        // A validator that has gone does not matter.
        stream.write_all(answer.as_bytes()).await.ok();
    }
}

/// Port 443 of the names, for `acme-tls/1` only.
async fn answer_tls_alpn01(listener: TcpListener, resolver: Resolver) {
    let mut config = rustls::ServerConfig::builder_with_provider(sidegate::pki::crypto::provider())
        .with_safe_default_protocol_versions()
        .expect("the provider has them")
        .with_no_client_auth()
        .with_cert_resolver(resolver.challenges());
    config.alpn_protocols = vec![b"acme-tls/1".to_vec()];
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let mut handshakes = JoinSet::new();
    loop {
        let (stream, _): (TcpStream, _) = listener.accept().await.expect("the listener stays");
        let accepting = acceptor.accept(stream);
        handshakes.spawn(async move {
            if let Ok(mut stream) = accepting.await {
                stream.shutdown().await.ok();
            }
        });
    }
}
