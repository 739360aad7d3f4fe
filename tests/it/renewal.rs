//! The control plane against a scripted CA, a store in memory and a clock that is moved by hand: stand-in, issue, renew,
//! fail, come back.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use sidegate::catalog::{self, Lookup, Resolver};
use sidegate::clock::{Clock, Hand};
use sidegate::ident::{Name, Names, Provider};
use sidegate::issuer::{
    IssueError, IssueJob, Issuer, Issuers, OrderNote, Progress, SelfsignedIssuer, Window,
};
use sidegate::manager::{Commands, Desired, Ladder, Manager, Options, Status, Wish};
use sidegate::pki::{Chain, Leaf, Roots};
use sidegate::store::memory::MemoryEngine;
use sidegate::store::{Engine, Store};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

const CA: &str = "https://ca.test/directory";
const DAY: Duration = Duration::from_secs(86_400);

fn start() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000)
}

fn names(list: &[&str]) -> Names {
    Names::new(list.iter().map(|text| Name::parse(text).expect("a name"))).expect("names")
}

/// A CA that answers as it was told, and tells of each order.
struct Scripted {
    root: CertifiedIssuer<'static, KeyPair>,
    clock: Clock,
    faults: Mutex<VecDeque<Fault>>,
    orders: mpsc::UnboundedSender<Order>,
}

enum Fault {
    Unreachable,
    LimitedUntil(SystemTime),
    Refused,
    Nonce,
    /// Notes the order and never answers: the process dies meanwhile.
    Hang,
}

#[derive(Debug, PartialEq)]
struct Order {
    names: String,
    at: SystemTime,
    resumed: bool,
}

#[async_trait]
impl Issuer for Scripted {
    fn provider(&self) -> Provider {
        Provider::Letsencrypt
    }

    async fn issue(&self, job: IssueJob<'_>, progress: &dyn Progress) -> Result<Chain, IssueError> {
        let names = job.request.names();
        let order =
            Order { names: names.to_string(), at: self.clock.now(), resumed: progress.order().is_some() };
        let note = OrderNote {
            directory: CA.into(),
            account: format!("{CA}/account"),
            order: format!("{CA}/order"),
        };
        progress.note_order(&note).await?;
        self.orders.send(order).expect("the test listens");
        let directory = CA.to_owned();
        let fault = self.faults.lock().expect("no panic").pop_front();
        match fault {
            Some(Fault::Unreachable) => {
                Err(IssueError::Unreachable { directory, source: "connection refused".into(), until: None })
            }
            Some(Fault::LimitedUntil(until)) => {
                Err(IssueError::Limited { directory, detail: "too many".into(), until: Some(until) })
            }
            Some(Fault::Refused) => {
                Err(IssueError::Refused { directory, detail: "rejectedIdentifier".into(), for_good: true })
            }
            Some(Fault::Nonce) => Err(IssueError::Nonce { directory }),
            Some(Fault::Hang) => std::future::pending().await,
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

    async fn advise(&self, _: &Leaf) -> Option<Window> {
        None
    }
}

fn roots(root: &CertifiedIssuer<'static, KeyPair>) -> Roots {
    Roots::with_pem(root.pem().as_bytes()).expect("a root")
}

/// A store, a clock and a CA that outlive the managers running on them.
struct World {
    engine: Arc<dyn Engine>,
    clock: Clock,
    hand: Hand,
    ca: Arc<Scripted>,
    orders: mpsc::UnboundedReceiver<Order>,
}

/// One run of the control plane.
struct Run {
    resolver: Resolver,
    status: Status,
    commands: Commands,
    end: CancellationToken,
    task: tokio::task::JoinHandle<()>,
}

impl World {
    fn new() -> Self {
        let (clock, hand) = Clock::manual(start());
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "scripted root");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let root = CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("a root");
        let (sender, orders) = mpsc::unbounded_channel();
        let ca = Scripted { root, clock: clock.clone(), faults: Mutex::default(), orders: sender };
        Self { engine: Arc::new(MemoryEngine::new()), clock, hand, ca: Arc::new(ca), orders }
    }

    fn script(&self, faults: impl IntoIterator<Item = Fault>) {
        self.ca.faults.lock().expect("no panic").extend(faults);
    }

    fn options(&self, desired: Desired) -> Options {
        let letsencrypt: Arc<dyn Issuer> = Arc::clone(&self.ca) as _;
        let selfsigned = Arc::new(SelfsignedIssuer::new(self.clock.clone()));
        Options {
            desired,
            issuers: Issuers { selfsigned, letsencrypt: Some(letsencrypt) },
            ladder: Ladder::default(),
            warm: Options::WARM,
        }
    }

    fn store(&self) -> Store {
        Store::new(Arc::clone(&self.engine), self.clock.clone())
    }

    async fn run(&self, desired: Desired) -> Run {
        let (publisher, _, resolver, misses) = catalog::open();
        let (mut manager, commands, status) =
            Manager::new(self.options(desired), self.store(), self.clock.clone(), publisher, misses);
        manager.prepare().await.expect("prepared");
        let end = CancellationToken::new();
        let task = tokio::spawn(manager.run(end.clone()));
        Run { resolver, status, commands, end, task }
    }

    async fn order(&mut self) -> Order {
        tokio::time::timeout(Duration::from_secs(20), self.orders.recv())
            .await
            .expect("in time")
            .expect("an order")
    }
}

impl Run {
    /// Who signed what `host` is shown.
    fn shown(&self, host: &str) -> Option<Leaf> {
        match self.resolver.lookup(Some(host)) {
            Lookup::Warm(certificate) => {
                let der = certificate.certified_key().cert[0].clone();
                Some(Leaf::from_der(der).expect("a leaf"))
            }
            Lookup::Cold(_) | Lookup::Unknown => None,
        }
    }

    /// Waits until the first certificate's picture is as wanted.
    async fn until(&mut self, wanted: impl Fn(&sidegate::manager::Row) -> bool) {
        let look = async {
            while !wanted(&self.status.rows()[0]) {
                self.status.changed().await;
            }
        };
        if tokio::time::timeout(Duration::from_secs(20), look).await.is_err() {
            panic!("never became so; it is {:?}", self.status.rows());
        }
    }

    async fn stop(self) {
        self.end.cancel();
        self.task.await.expect("it ended");
    }
}

fn wish(list: &[&str]) -> Desired {
    Desired { wishes: vec![Wish::acme(names(list), CA)], ..Desired::default() }
}

fn issued(row: &sidegate::manager::Row) -> bool {
    row.served.as_ref().is_some_and(|served| served.by == "letsencrypt")
}

#[tokio::test]
async fn selfsigned_is_served_first_then_the_cas_and_a_restart_orders_nothing() {
    let mut world = World::new();
    let (publisher, _, resolver, misses) = catalog::open();
    let desired = wish(&["example.com", "www.example.com"]);
    let (mut manager, _commands, _status) =
        Manager::new(world.options(desired.clone()), world.store(), world.clock.clone(), publisher, misses);
    manager.prepare().await.expect("prepared");
    assert!(matches!(resolver.lookup(Some("www.example.com")), Lookup::Warm(_)), "before anything ran");
    assert!(world.orders.try_recv().is_err(), "no CA is asked before the listeners accept");
    drop(manager);

    let mut run = world.run(desired.clone()).await;
    assert_eq!(run.shown("example.com").expect("shown").issuer(), "sidegate self-signed");
    run.until(issued).await;
    assert_eq!(world.order().await.names, "example.com www.example.com");
    for name in ["example.com", "www.example.com"] {
        assert_eq!(run.shown(name).expect("shown").issuer(), "scripted root");
    }
    let serial = run.shown("example.com").expect("shown").serial();
    run.stop().await;

    let mut run = world.run(desired).await;
    assert_eq!(
        run.shown("example.com").expect("shown").serial(),
        serial,
        "the same certificate, from the store"
    );
    run.until(|row| row.next == "renew").await;
    world.hand.advance(DAY);
    run.stop().await;
    assert!(world.orders.try_recv().is_err(), "the second start placed no order");
}

#[tokio::test]
async fn a_certificate_is_renewed_when_a_third_of_its_life_is_left() {
    let mut world = World::new();
    let mut run = world.run(wish(&["example.com"])).await;
    world.order().await;
    run.until(issued).await;
    let first = run.shown("example.com").expect("shown");
    let due = run.status.rows()[0].next_at.expect("a moment");
    assert!(due > start() + DAY * 57 && due <= start() + DAY * 60, "{due:?}");
    world.hand.set(due - Duration::from_secs(1));
    assert!(world.orders.try_recv().is_err());
    world.hand.set(due);
    assert_eq!(world.order().await.at, due);
    run.until(|row| row.next_at.is_some_and(|at| at > due)).await;
    assert_ne!(run.shown("example.com").expect("shown").serial(), first.serial());
    run.stop().await;
}

#[tokio::test]
async fn failures_climb_the_ladder_and_a_restart_does_not_forget_them() {
    let mut world = World::new();
    world.script([Fault::Unreachable, Fault::Unreachable, Fault::Unreachable]);
    let mut run = world.run(wish(&["example.com"])).await;
    let mut last = world.order().await.at;
    for minutes in [1, 10] {
        run.until(|row| row.next_at.is_some_and(|at| at > last)).await;
        let row = run.status.rows()[0].clone();
        assert!(row.last_error.is_some_and(|error| error.contains("connection refused")));
        let next = row.next_at.expect("a moment");
        let waited = next.duration_since(last).expect("later").as_secs();
        assert!((minutes * 60..=minutes * 66).contains(&waited), "{waited} s instead of {minutes} min");
        world.hand.set(next);
        last = world.order().await.at;
    }
    run.until(|row| row.next_at.is_some_and(|at| at > last + Duration::from_secs(3600))).await;
    assert_eq!(run.shown("example.com").expect("shown").issuer(), "sidegate self-signed");
    run.stop().await;

    let mut run = world.run(wish(&["example.com"])).await;
    let next = run.status.rows()[0].next_at.expect("a moment");
    let waited = next.duration_since(last).expect("later").as_secs();
    assert!((6000..=6600).contains(&waited), "the third step, also after a restart: {waited}");
    world.hand.set(next - Duration::from_secs(1));
    assert!(world.orders.try_recv().is_err());
    world.hand.set(next);
    world.order().await;
    run.until(issued).await;
    assert_eq!(run.status.rows()[0].last_error, None, "a success forgets");
    run.stop().await;
}

#[tokio::test]
async fn a_moment_named_by_the_ca_is_waited_for() {
    let mut world = World::new();
    let until = start() + Duration::from_secs(7 * 3600);
    world.script([Fault::LimitedUntil(until)]);
    let mut run = world.run(wish(&["example.com"])).await;
    world.order().await;
    run.until(|row| row.next_at == Some(until)).await;
    run.stop().await;
}

#[tokio::test]
async fn a_bad_nonce_does_not_climb() {
    let mut world = World::new();
    world.script([Fault::Nonce, Fault::Nonce, Fault::Unreachable]);
    let mut run = world.run(wish(&["example.com"])).await;
    for _ in 0..2 {
        let last = world.order().await.at;
        run.until(|row| row.next_at.is_some_and(|at| at > last)).await;
        let next = run.status.rows()[0].next_at.expect("a moment");
        assert!(next <= last + Duration::from_secs(1));
        world.hand.set(next);
    }
    let last = world.order().await.at;
    run.until(|row| row.next_at.is_some_and(|at| at > last + Duration::from_secs(2))).await;
    let waited = run.status.rows()[0].next_at.expect("a moment").duration_since(last).expect("later");
    assert!(waited <= Duration::from_secs(66), "the first step of the ladder: {waited:?}");
    run.stop().await;
}

#[tokio::test]
async fn a_refusal_rests_until_the_configuration_changes() {
    let mut world = World::new();
    world.script([Fault::Refused]);
    let mut run = world.run(wish(&["example.com"])).await;
    world.order().await;
    run.until(|row| row.next.contains("until the configuration changes")).await;
    world.hand.advance(DAY * 2);
    assert!(world.orders.try_recv().is_err());
    run.commands.configure(world.options(wish(&["example.com"]))).await;
    world.order().await;
    run.until(issued).await;
    run.stop().await;
}

#[tokio::test]
async fn being_stopped_in_the_middle_is_no_failure_and_the_order_is_gone_on_with() {
    let mut world = World::new();
    world.script([Fault::Hang]);
    let run = world.run(wish(&["example.com"])).await;
    assert!(!world.order().await.resumed);
    run.stop().await;

    let mut run = world.run(wish(&["example.com"])).await;
    assert_eq!(world.order().await, Order { names: "example.com".into(), at: start(), resumed: true });
    run.until(issued).await;
    run.stop().await;
}

#[tokio::test]
async fn a_second_process_follows_and_takes_over() {
    let mut world = World::new();
    let mut first = world.run(wish(&["example.com"])).await;
    world.order().await;
    first.until(issued).await;

    let mut second = world.run(wish(&["example.com"])).await;
    assert_eq!(second.shown("example.com").expect("shown").issuer(), "scripted root");
    let due = first.status.rows()[0].next_at.expect("a moment");
    world.hand.set(due);
    world.order().await;
    first.until(|row| row.next_at.is_some_and(|at| at > due)).await;
    let renewed = first.shown("example.com").expect("shown").serial();
    second.until(|row| row.next_at.is_some_and(|at| at > due)).await;
    assert_eq!(
        second.shown("example.com").expect("shown").serial(),
        renewed,
        "what the first commits, both show"
    );
    assert!(world.orders.try_recv().is_err(), "one of them orders");

    first.stop().await;
    let due = second.status.rows()[0].next_at.expect("a moment");
    world.hand.set(due);
    world.order().await;
    second.stop().await;
}

#[tokio::test]
async fn a_name_that_leaves_the_configuration_is_not_shown_any_more() {
    let mut world = World::new();
    let mut run = world.run(wish(&["example.com", "www.example.com"])).await;
    world.order().await;
    run.until(issued).await;
    run.commands.configure(world.options(wish(&["example.com"]))).await;
    assert_eq!(world.order().await.names, "example.com");
    run.until(|row| row.names.len() == 1 && row.next == "renew").await;
    assert!(run.shown("example.com").is_some());
    assert!(run.shown("www.example.com").is_none());
    run.stop().await;
}
