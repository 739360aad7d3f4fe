//! A store, a clock that is moved by hand, and a CA that answers as it was told.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use sidegate::catalog::{self, Lookup, Resolver};
use sidegate::clock::{Clock, Epoch, Hand};
use sidegate::ident::{Name, Names, Provider};
use sidegate::issuer::{
    Advice, ChallengeKind, IssueError, IssueJob, Issuer, Issuers, OrderNote, Progress, Replacing,
    SelfsignedIssuer,
};
use sidegate::manager::{Ca, Commands, Desired, Ladder, Manager, Options, Place, Status, Wish};
use sidegate::pki::{Chain, Leaf, Roots};
use sidegate::store::memory::MemoryEngine;
use sidegate::store::prune::Rule;
use sidegate::store::{Engine, Store};
use sidegate::story::Recorder;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use crate::house::process::PATIENCE;

pub(super) const CA: &str = "https://ca.test/directory";
pub(super) const OTHER_CA: &str = "https://other.test/directory";
pub(super) const DAY: Duration = Duration::from_secs(86_400);

pub(super) fn start() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000)
}

pub(super) fn names(list: &[&str]) -> Names {
    Names::new(list.iter().map(|text| Name::parse(text).expect("a name"))).expect("names")
}

/// What a CA says about renewals; where it cannot be asked, when it wants to be asked again, if it says so.
pub(super) type Said = Result<Option<Advice>, Option<SystemTime>>;

/// A CA that answers as it was told, and tells of each order.
pub(super) struct Scripted {
    directory: &'static str,
    root: CertifiedIssuer<'static, KeyPair>,
    clock: Clock,
    faults: Mutex<VecDeque<Fault>>,
    /// What time it is there, where that is not our time.
    time: Mutex<Option<SystemTime>>,
    advice: Mutex<Said>,
    orders: mpsc::UnboundedSender<Order>,
    /// The serial numbers it was asked about.
    asked: mpsc::UnboundedSender<String>,
    /// Whether an order was dropped, and nobody has tidied up since.
    untidy: Arc<AtomicBool>,
    tidied: mpsc::UnboundedSender<()>,
}

pub(super) enum Fault {
    Unreachable,
    LimitedUntil(SystemTime),
    /// Nothing is left of a limit before this moment.
    Spent(SystemTime),
    Refused,
    /// The same, once the test says so.
    RefusedAfter(oneshot::Receiver<()>),
    /// The first of the names could not be verified.
    Unverified,
    Nonce,
    /// A mistake of ours.
    Panic,
    /// Notes the order and never answers: the process dies meanwhile.
    Hang,
}

#[derive(Debug)]
pub(super) struct Order {
    /// The CA's directory.
    pub(super) directory: &'static str,
    pub(super) names: String,
    pub(super) at: SystemTime,
    pub(super) resumed: bool,
    /// The serial number of the certificate it replaces.
    pub(super) replaces: Option<String>,
    /// Whether the last of a limit may be spent on it.
    pub(super) urgent: bool,
    /// Whether it is to be tried out first.
    pub(super) rehearse: bool,
}

#[async_trait]
impl Issuer for Scripted {
    fn provider(&self) -> Provider {
        Provider::Letsencrypt
    }

    async fn issue(&self, job: IssueJob<'_>, progress: &dyn Progress) -> Result<Chain, IssueError> {
        self.check_clock(job.epoch)?;
        let names = job.request.names();
        let order = Order {
            directory: self.directory,
            names: names.to_string(),
            at: self.clock.now(),
            resumed: progress.order().is_some(),
            replaces: job.predecessor.map(|predecessor| predecessor.leaf.serial()),
            urgent: job.urgent,
            rehearse: job.rehearse,
        };
        let note = OrderNote {
            directory: self.directory.into(),
            account: format!("{}/account", self.directory),
            order: format!("{}/order", self.directory),
            replacing: Replacing::Nothing,
            profile: job.profile.map(|profile| profile.name.clone()),
        };
        progress.note_order(&note).await?;
        self.orders.send(order).expect("the test listens");
        let directory = self.directory.to_owned();
        let fault = self.faults.lock().expect("no panic").pop_front();
        match fault {
            Some(Fault::Unreachable) => {
                Err(IssueError::Unreachable { directory, source: "connection refused".into(), until: None })
            }
            Some(Fault::LimitedUntil(until)) => {
                Err(IssueError::Limited { directory, detail: "too many".into(), until: Some(until) })
            }
            Some(Fault::Spent(until)) => {
                Err(IssueError::Spent { directory, detail: "nothing left".into(), until })
            }
            Some(Fault::Refused) => Err(refused(directory)),
            Some(Fault::RefusedAfter(word)) => {
                word.await.expect("the test says so");
                Err(refused(directory))
            }
            Some(Fault::Unverified) => Err(IssueError::Unverified {
                name: names.primary().clone(),
                kind: ChallengeKind::Http01,
                detail: "connection refused".into(),
            }),
            Some(Fault::Nonce) => Err(IssueError::Nonce { directory }),
            Some(Fault::Panic) => panic!("as the test has it"),
            Some(Fault::Hang) => {
                let _left = Left(Arc::clone(&self.untidy));
                std::future::pending().await
            }
            None => {
                let csr = rcgen::CertificateSigningRequestParams::from_der(&job.request.csr_der().into());
                let mut csr = csr.expect("a request");
                csr.params.not_before = self.clock.now().into();
                csr.params.not_after = (self.clock.now() + DAY * 90).into();
                let leaf = csr.signed_by(&self.root).expect("a leaf");
                Ok(Chain::from_pem(leaf.pem().as_bytes(), &roots(&self.root)).expect("a chain"))
            }
        }
    }

    async fn advise(&self, leaf: &Leaf) -> Result<Option<Advice>, IssueError> {
        // What it says from the question on does not change any more.
        let said = self.advice.lock().expect("no panic").clone();
        self.asked.send(leaf.serial()).expect("the test listens");
        self.check_clock(self.clock.epoch())?;
        said.map_err(|until| IssueError::Unreachable {
            directory: self.directory.to_owned(),
            source: "connection refused".into(),
            until,
        })
    }

    async fn tidy(&self) {
        if self.untidy.swap(false, Ordering::SeqCst) {
            self.tidied.send(()).expect("the test listens");
        }
    }
}

/// What an order has left with others.
struct Left(Arc<AtomicBool>);

impl Drop for Left {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

impl Scripted {
    /// The next orders meet these faults.
    pub(super) fn script(&self, faults: impl IntoIterator<Item = Fault>) {
        self.faults.lock().expect("no panic").extend(faults);
    }

    fn check_clock(&self, since: Epoch) -> Result<(), IssueError> {
        let told = *self.time.lock().expect("no panic");
        match told.and_then(|told| self.clock.agree(told, since)) {
            Some(by) => Err(IssueError::Clock { directory: self.directory.to_owned(), by }),
            None => Ok(()),
        }
    }
}

fn refused(directory: String) -> IssueError {
    IssueError::Refused { directory, detail: "rejectedIdentifier".into(), for_good: true }
}

fn roots(root: &CertifiedIssuer<'static, KeyPair>) -> Roots {
    Roots::with_pem(root.pem().as_bytes()).expect("a root")
}

/// A store, a clock and a CA that outlive the managers running on them.
pub(super) struct World {
    pub(super) engine: Arc<dyn Engine>,
    pub(super) clock: Clock,
    pub(super) hand: Hand,
    pub(super) ca: Arc<Scripted>,
    /// Asked by those who wish for it.
    pub(super) other: Arc<Scripted>,
    pub(super) orders: mpsc::UnboundedReceiver<Order>,
    pub(super) asked: mpsc::UnboundedReceiver<String>,
    /// Each time a CA has tidied up after an order that was dropped.
    pub(super) tidied: mpsc::UnboundedReceiver<()>,
}

/// The control plane, with all on show and before anything runs.
pub(super) struct Prepared {
    pub(super) resolver: Resolver,
    status: Status,
    commands: Commands,
    manager: Manager,
}

/// One run of the control plane.
pub(super) struct Run {
    pub(super) resolver: Resolver,
    pub(super) status: Status,
    pub(super) commands: Commands,
    pub(super) end: CancellationToken,
    pub(super) task: tokio::task::JoinHandle<()>,
}

impl World {
    pub(super) fn new() -> Self {
        let (clock, hand) = Clock::manual(start());
        let (sender, orders) = mpsc::unbounded_channel();
        let (ask, asked) = mpsc::unbounded_channel();
        let (tidy, tidied) = mpsc::unbounded_channel();
        let ca = |directory, name| {
            let mut params = CertificateParams::default();
            params.distinguished_name.push(DnType::CommonName, name);
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            let key = KeyPair::generate().expect("a key");
            Arc::new(Scripted {
                directory,
                root: CertifiedIssuer::self_signed(params, key).expect("a root"),
                clock: clock.clone(),
                faults: Mutex::default(),
                time: Mutex::default(),
                advice: Mutex::new(Ok(None)),
                orders: sender.clone(),
                asked: ask.clone(),
                untidy: Arc::default(),
                tidied: tidy.clone(),
            })
        };
        let (ca, other) = (ca(CA, "scripted root"), ca(OTHER_CA, "other root"));
        Self { engine: Arc::new(MemoryEngine::new()), clock, hand, ca, other, orders, asked, tidied }
    }

    pub(super) fn script(&self, faults: impl IntoIterator<Item = Fault>) {
        self.ca.script(faults);
    }

    /// From now on it is this time at the CA, whatever our clock says.
    pub(super) fn ca_time(&self, time: SystemTime) {
        *self.ca.time.lock().expect("no panic") = Some(time);
    }

    /// From now on the CA says this.
    pub(super) fn advise(&self, said: Said) {
        *self.ca.advice.lock().expect("no panic") = said;
    }

    pub(super) fn options(&self, desired: Desired) -> Options {
        let issuer = |ca: &Arc<Scripted>| (ca.directory.to_owned(), Arc::clone(ca) as Arc<dyn Issuer>);
        let selfsigned = Arc::new(SelfsignedIssuer::new(self.clock.clone()));
        Options {
            desired,
            demand: None,
            issuers: Issuers { selfsigned, letsencrypt: [issuer(&self.ca), issuer(&self.other)].into() },
            ladder: Ladder::default(),
            warm: Options::WARM,
            prune: Rule { expired_for: None, ..Rule::default() },
        }
    }

    pub(super) fn store(&self) -> Store {
        Store::new(Arc::clone(&self.engine), self.clock.clone())
    }

    /// A manager's, with this store.
    pub(super) fn place(&self, store: Store) -> Place {
        Place { store, clock: self.clock.clone(), recorder: Recorder::default(), prover: None }
    }

    pub(super) async fn prepare(&self, desired: Desired) -> Prepared {
        let (publisher, _, resolver, misses) = catalog::open();
        let (mut manager, commands, status) =
            Manager::new(self.options(desired), self.place(self.store()), publisher, misses);
        manager.prepare().await.expect("prepared");
        Prepared { resolver, status, commands, manager }
    }

    pub(super) async fn run(&self, desired: Desired) -> Run {
        self.prepare(desired).await.run()
    }

    pub(super) async fn order(&mut self) -> Order {
        tokio::time::timeout(PATIENCE, self.orders.recv()).await.expect("in time").expect("an order")
    }

    /// Waits until the CA is asked when to renew, and says about which serial number.
    pub(super) async fn asked(&mut self) -> String {
        tokio::time::timeout(PATIENCE, self.asked.recv()).await.expect("in time").expect("a question")
    }
}

impl Prepared {
    pub(super) fn run(self) -> Run {
        let Self { resolver, status, commands, manager } = self;
        let end = CancellationToken::new();
        let task = tokio::spawn(manager.run(end.clone()));
        Run { resolver, status, commands, end, task }
    }
}

impl Run {
    /// Who signed what `host` is shown.
    pub(super) fn shown(&self, host: &str) -> Option<Leaf> {
        match self.resolver.lookup(Some(host)) {
            Lookup::Warm(certificate) => {
                let der = certificate.certified_key().cert[0].clone();
                Some(Leaf::from_der(der).expect("a leaf"))
            }
            Lookup::Cold(_) | Lookup::Stranger(_) | Lookup::Unknown => None,
        }
    }

    /// Waits until the first certificate's picture is as wanted.
    pub(super) async fn until(&mut self, wanted: impl Fn(&sidegate::manager::Row) -> bool) {
        self.until_some(1, wanted).await;
    }

    /// Waits until the pictures of all certificates are as wanted.
    pub(super) async fn until_all(&mut self, wanted: impl Fn(&sidegate::manager::Row) -> bool) {
        self.until_some(usize::MAX, wanted).await;
    }

    async fn until_some(&mut self, first: usize, wanted: impl Fn(&sidegate::manager::Row) -> bool) {
        let look = async {
            while !self.status.rows().iter().take(first).all(&wanted) {
                self.status.changed().await;
            }
        };
        if tokio::time::timeout(PATIENCE, look).await.is_err() {
            panic!("never became so; it is {:?}", self.status.rows());
        }
    }

    pub(super) async fn stop(self) {
        self.end.cancel();
        self.task.await.expect("it ended");
    }
}

pub(super) fn wish(list: &[&str]) -> Desired {
    Desired { wishes: vec![Wish::acme(names(list), CA)], ..Desired::default() }
}

/// A wish that may be fulfilled by the other CA as well.
pub(super) fn wish_of_either(list: &[&str]) -> Desired {
    let mut wish = Wish::acme(names(list), CA);
    wish.cas.push(Ca { directory: OTHER_CA.to_owned(), profile: None });
    Desired { wishes: vec![wish], ..Desired::default() }
}

pub(super) fn issued(row: &sidegate::manager::Row) -> bool {
    row.served.as_ref().is_some_and(|served| served.by == "letsencrypt")
}
