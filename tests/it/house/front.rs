//! The proxy on loopback: its own thread, a catalog the test writes, and an access log it reads.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::thread::JoinHandle;
use std::time::Duration;

use sidegate::catalog::{self, Certificate, Challenges, Entry, Misses, Publisher};
use sidegate::clock::Clock;
use sidegate::ident::{Name, Provider};
use sidegate::pki::{Bundle, KeyType, PrivateKey, SigningRequest};
use sidegate::proxy::{AccessLog, Batch, Drain, Listeners, Options, Proxy, RouteTable, Site, Target, drain};
use tokio::runtime::{Builder, LocalOptions};

use super::issued::{answer, lineage, names};

/// A proxy with one worker.
pub(crate) struct Front {
    pub(crate) http: SocketAddr,
    pub(crate) https: SocketAddr,
    pub(crate) proxy: Arc<Proxy>,
    pub(crate) publisher: Publisher,
    pub(crate) challenges: Challenges,
    pub(crate) misses: Misses,
    batches: Receiver<Batch>,
    lines: RefCell<VecDeque<serde_json::Value>>,
    drain: Option<Drain>,
    worker: Option<JoinHandle<()>>,
}

impl Front {
    /// Serves these sites with a self-signed certificate for each of them, the first one also for clients that
    /// send no name.
    pub(crate) fn start(options: Options, sites: &[Site]) -> Self {
        let mut front = Self::without_certificates(options, sites.to_vec());
        for site in sites {
            let names: Vec<String> = site.names.iter().map(ToString::to_string).collect();
            front.publish(&names.iter().map(String::as_str).collect::<Vec<_>>());
        }
        front.publisher.set_unnamed(sites.first().map(|site| site.names[0].clone()));
        front
    }

    /// The same with an empty catalog.
    pub(crate) fn without_certificates(options: Options, sites: Vec<Site>) -> Self {
        let (publisher, challenges, resolver, misses) = catalog::open();
        let (access, batches) = AccessLog::channel(Duration::ZERO, Clock::system());
        let proxy = Proxy::new(options, resolver, RouteTable::new(sites), access).expect("TLS is set up");
        let bind = || TcpListener::bind("127.0.0.1:0").expect("a port");
        let (http, https) = (bind(), bind());
        let address = |listener: &TcpListener| listener.local_addr().expect("an address");
        let (http_at, https_at) = (address(&http), address(&https));
        let (drain, watcher) = drain::channel();
        let serving = Arc::clone(&proxy);
        let worker = std::thread::spawn(move || {
            let runtime = Builder::new_current_thread()
                .enable_all()
                .build_local(LocalOptions::default())
                .expect("a runtime");
            let listeners = Listeners { http: vec![http], https: vec![https] };
            runtime.block_on(serving.serve(listeners, watcher)).expect("the listeners can be used");
        });
        Self {
            http: http_at,
            https: https_at,
            proxy,
            publisher,
            challenges,
            misses,
            batches,
            lines: RefCell::default(),
            drain: Some(drain),
            worker: Some(worker),
        }
    }

    /// Makes a new self-signed certificate for these names and shows it from now on. Returns what it published.
    pub(crate) fn publish(&mut self, list: &[&str]) -> Bundle {
        let bundle = bundle(list);
        let certificate = Certificate::new(&bundle);
        let entries = bundle.leaf().names().iter().cloned();
        self.publisher.publish(entries.map(|name| (name, Some(Entry::Warm(Arc::clone(&certificate))))));
        bundle
    }

    /// The next access line, as JSON.
    pub(crate) fn line(&self) -> serde_json::Value {
        let mut lines = self.lines.borrow_mut();
        if lines.is_empty() {
            let batch = self.batches.recv_timeout(Duration::from_secs(60)).expect("a line");
            lines.extend(parsed(&batch));
        }
        lines.pop_front().expect("a batch is not empty")
    }

    /// How many lines have not been looked at.
    pub(crate) fn lines(&self) -> usize {
        let mut lines = self.lines.borrow_mut();
        lines.extend(self.batches.try_iter().flat_map(|batch| parsed(&batch)));
        lines.len()
    }

    pub(crate) fn drain(&self) -> &Drain {
        self.drain.as_ref().expect("it has not ended")
    }

    /// Returns when the drain is over, and the worker with it.
    pub(crate) async fn ended(&mut self) {
        self.drain().finished().await;
        let worker = self.worker.take().expect("it has not ended");
        tokio::task::spawn_blocking(|| worker.join()).await.expect("joined").expect("the worker is well");
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        // A drain that goes cuts.
        self.drain.take();
        if let Some(worker) = self.worker.take() {
            let ended = worker.join();
            assert!(ended.is_ok() || std::thread::panicking(), "the worker is well");
        }
    }
}

fn parsed(batch: &Batch) -> Vec<serde_json::Value> {
    let lines = batch.as_ref().split_inclusive(|&byte| byte == b'\n');
    lines.map(|line| serde_json::from_slice(line).expect("a line is JSON")).collect()
}

/// A self-signed certificate for these names, with its key.
pub(crate) fn bundle(list: &[&str]) -> Bundle {
    let lineage = lineage(list, Provider::Selfsigned);
    let key = PrivateKey::generate(KeyType::P256);
    let request = SigningRequest::new(&key, lineage.names()).expect("a request");
    answer(&lineage, &key, &request)
}

/// A site whose every path leads to one app.
pub(crate) fn site(list: &[&str], app: SocketAddr) -> Site {
    let target = Target::parse(&app.to_string()).expect("a target");
    Site {
        names: names(list).iter().cloned().collect(),
        routes: vec![("/".into(), target)],
        redirect: Vec::new(),
        http01: true,
        max_body: None,
    }
}

/// A name without a certificate in memory.
pub(crate) fn cold(name: &str) -> (Name, Option<Entry>) {
    (Name::parse(name).expect("a name"), Some(Entry::Cold))
}
