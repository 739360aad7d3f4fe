//! Wiring: the only room that sees every other one.
//!
//! [`start`] builds each room from its part of the settings, in an order in which nothing has to wait for what comes
//! later: sockets first (they may fail, and nothing has changed yet), then the storage, then the certificates, then
//! the workers. [`Running`] is what came of it; it stops in the opposite order.
//!
//! ```text
//!   main's thread ── signals        control ── manager, probes        worker-0 … worker-N ── connections
//! ```

mod build;
mod cas;
mod demo;
mod examination;
mod explain;
mod hooks;
mod operator;
mod preflight;
mod prover;
mod pruning;
mod running;
mod storage;
mod tools;

pub use crate::admin::{
    AccountReport, Certificate, Health, HistoryReport, Hook, ItemReport, Process, PruneReport, PruneRequest,
    Reason, Removed, Renewal, RenewalRequest, Report, RevocationRequest, RollbackRequest, RolloverReport,
    RolloverRequest, Tokens, Tried,
};
pub use crate::clock::rfc3339;
pub use crate::ident::Name;
pub use crate::manager::{NotOurs, Outlook};
pub use crate::store::journal::Entry;
pub use crate::story::with_causes;
pub use demo::Demo;
pub use examination::examine;
pub use explain::{Story, concerns, is_about};
pub use operator::{Operator, OperatorError};
pub use pruning::prune;
pub use running::{Addrs, Running};
pub use tools::{backup, export, import, restore};

use std::io;
use std::net::TcpListener;
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use thiserror::Error;
use tokio::runtime::{Builder, LocalOptions, LocalRuntime};
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, info, warn};

use build::Kit;
use hooks::Hooks;
use prover::Loopback;

use crate::admin::{self, Desk, Sources, View};
use crate::catalog;
use crate::clock::Clock;
use crate::config::{Listen, Settings, Storage};
use crate::host::{self, BindError, ControlSocket, Listening};
use crate::issuer::BoxError;
use crate::manager::{Manager, Past, Place};
use crate::ops::OpsError;
use crate::proxy::{AccessLog, Listeners, Proxy, Roots, Watcher, drain};
use crate::store::{Store, StoreError};
use crate::story::{Event, Text};

/// Why nothing was started. Nothing has been changed by then but, at most, empty directories made.
#[derive(Debug, Error)]
pub enum AppError {
    /// A port could not be obtained.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// The storage could not be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// What an operator asked for was not done.
    #[error(transparent)]
    Ops(#[from] OpsError),
    /// A part could not be set up.
    #[error("{what}")]
    Setup {
        /// What.
        what: String,
        /// Why.
        #[source]
        source: BoxError,
    },
}

impl AppError {
    fn setup<E: Into<BoxError>>(what: &str) -> impl FnOnce(E) -> Self {
        let what = what.to_owned();
        move |source| Self::Setup { what, source: source.into() }
    }
}

/// Starts everything. When this returns, connections are accepted and every configured name has a certificate to show.
///
/// No CA is asked before that, and none can delay it.
///
/// # Errors
///
/// [`AppError`]; nothing runs then.
pub async fn start(settings: &Settings) -> Result<Running, AppError> {
    let files = host::limits::raise();
    let sockets = Sockets::bind(&settings.listen, settings.workers)?;
    let addrs = sockets.addrs();
    let clock = Clock::system();
    let opened = storage::open(&settings.storage)?;
    opened.tell();
    let (kept, told) = watch::channel(());
    let recorder = opened.journal(&clock, move || kept.send_replace(()))?;
    let (read_only, storage) = (opened.is_read_only(), opened.path);
    let (version, place) = (Text::from(env!("CARGO_PKG_VERSION")), Text::of(storage.display()));
    recorder.tell([], Event::Started { version, storage: place });
    let store = Store::new(opened.engine, clock.clone());
    let Storage { expected, force, .. } = settings.storage;
    if !read_only && let Err(error) = store.ledger().begin(expected, force, clock.now()).await {
        warn!(%error, "whether the storage was lost cannot be told");
    }

    let (publisher, challenges, resolver, misses) = catalog::open();
    let kit = Kit { store, storage: storage.clone(), challenges, clock, recorder, roots: Roots::default() };
    let options = build::manager(settings, &kit)?;
    let hooks = Hooks::start(settings.hooks.clone(), &kit, told).await;
    let place = Place {
        store: kit.store.clone(),
        clock: kit.clock.clone(),
        recorder: kit.recorder.clone(),
        prover: Some(Arc::new(Loopback::new(addrs.https))),
    };
    let (manager, commands, status) = Manager::new(options, place, publisher, misses);
    let past = Past::new(status.clone(), kit.store.clone());
    let sources = Sources { status: status.clone(), past, calls: hooks.calls() };
    let desk = Desk::of_process(sources, commands.clone(), kit.clock.clone(), storage.clone());
    let view = View::new(status, kit.clock.clone());
    let control_socket = if read_only { None } else { control_socket(&storage) };

    let proxy_options = build::proxy(settings, files.connections(), addrs.https.port(), &kit.roots);
    let (access, scribe) = access_log(settings)?;
    let proxy = Proxy::new(proxy_options, resolver, build::routes(settings, &kit.roots), access)
        .map_err(AppError::setup("TLS cannot be set up"))?;
    let (drain, watcher) = drain::channel();
    let (died, deaths) = mpsc::unbounded_channel();

    let end = CancellationToken::new();
    let mut threads = Vec::with_capacity(settings.workers + 1);
    let (prepared, is_prepared) = oneshot::channel();
    let (accepting, accepts) = oneshot::channel();
    threads.push(spawn("control", died.clone(), {
        let (end, view) = (end.clone(), view.clone());
        let windows = Windows { health: sockets.health, view, control: control_socket, desk };
        move || control(manager, windows, (prepared, accepts), end)
    })?);
    is_prepared.await.map_err(AppError::setup("the control plane did not start"))??;

    for (index, listeners) in sockets.workers.into_iter().enumerate() {
        let (proxy, watcher) = (Arc::clone(&proxy), watcher.clone());
        let name = format!("worker-{index}");
        threads.push(spawn(&name, died.clone(), move || worker(proxy, listeners, watcher))?);
    }
    drop(watcher);
    info!(https = %addrs.https, http = addrs.http.map(tracing::field::display), health = ?addrs.health,
        workers = settings.workers, connections = files.connections(), "listening");
    // A control plane that has gone is told of elsewhere.
    let _ = accepting.send(());
    let settings = settings.clone();
    Ok(Running { addrs, settings, kit, proxy, drain, view, commands, hooks, end, threads, scribe, deaths })
}

/// What a thread of this program runs its tasks on; it stays in the thread that has made it.
///
/// # Errors
///
/// What the system says if it has no means for one.
pub fn runtime() -> io::Result<LocalRuntime> {
    // Runtimes of one thread only: without the other kind libm is not needed, which is 3 % of the memory at rest.
    Builder::new_current_thread().enable_all().build_local(LocalOptions::default())
}

/// All that was bound, dealt out.
struct Sockets {
    workers: Vec<Listeners>,
    health: Vec<TcpListener>,
    addrs: Addrs,
}

impl Sockets {
    fn bind(listen: &Listen, workers: usize) -> Result<Self, BindError> {
        let https = host::sockets::listen("https", listen.https, workers)?;
        let http = listen.http.map(|at| host::sockets::listen("http", at, workers)).transpose()?;
        // Probes are a convenience: a port that is taken does not keep sites from being served.
        let health = host::sockets::listen_all("health", &listen.health).unwrap_or_else(|error| {
            warn!(%error, "no probes will be answered");
            Vec::new()
        });
        let addrs = Addrs {
            https: https.addr,
            http: http.as_ref().map(|listening| listening.addr),
            health: health.iter().map(|listening| listening.addr).collect(),
        };
        let mut http = http.into_iter().flat_map(|listening| listening.sockets);
        let workers = https
            .sockets
            .into_iter()
            .map(|socket| Listeners { http: http.next().into_iter().collect(), https: vec![socket] })
            .collect();
        let health = health.into_iter().flat_map(|Listening { sockets, .. }| sockets).collect();
        Ok(Self { workers, health, addrs })
    }

    fn addrs(&self) -> Addrs {
        self.addrs.clone()
    }
}

/// The access log, and the thread at its far end if there is one.
fn access_log(settings: &Settings) -> Result<(AccessLog, Option<thread::JoinHandle<()>>), AppError> {
    /// Short enough for somebody who watches, and ten wake-ups a second when there is much to write.
    const DELAY: Duration = Duration::from_millis(100);
    if !settings.access {
        return Ok((AccessLog::off(), None));
    }
    let (log, batches) = AccessLog::channel(DELAY, Clock::system());
    // The thread ends by itself once the last worker is gone and the last line is out.
    let scribe = host::access::write(batches, log.dropped())
        .map_err(AppError::setup("the access log has no thread"))?;
    Ok((log, Some(scribe)))
}

/// A thread that tells when it ends, however it ends.
fn spawn(
    name: &str,
    died: mpsc::UnboundedSender<String>,
    work: impl FnOnce() -> io::Result<()> + Send + 'static,
) -> Result<thread::JoinHandle<()>, AppError> {
    struct Obituary(mpsc::UnboundedSender<String>, String);
    impl Drop for Obituary {
        fn drop(&mut self) {
            // Nobody listens once everything stops.
            let _ = self.0.send(std::mem::take(&mut self.1));
        }
    }
    let obituary = Obituary(died, name.to_owned());
    thread::Builder::new()
        .name(name.to_owned())
        .spawn(move || {
            let obituary = obituary;
            if let Err(error) = work() {
                error!(thread = obituary.1, %error, "cannot go on");
            }
        })
        .map_err(AppError::setup(&format!("the thread {name} cannot be started")))
}

/// What an operator looks through, and what there is to see.
struct Windows {
    health: Vec<TcpListener>,
    view: View,
    control: Option<ControlSocket>,
    desk: Desk,
}

impl Windows {
    /// Opens them; the socket is there as long as what is returned.
    fn open(self) -> Option<ControlSocket> {
        for listener in self.health {
            tokio::spawn(admin::serve(listener, self.view.clone()));
        }
        match self.control.as_ref().map(ControlSocket::listener) {
            Some(Ok(listener)) => drop(tokio::spawn(admin::control(listener, self.desk))),
            Some(Err(error)) => warn!(%error, "tools cannot ask this process"),
            None => {}
        }
        self.control
    }
}

/// The socket for tools. They are a convenience: without it they look into the storage.
fn control_socket(storage: &Path) -> Option<ControlSocket> {
    match ControlSocket::open(&operator::folder(storage)) {
        Ok(socket) => {
            debug!(socket = %socket.path().display(), "tools may ask");
            Some(socket)
        }
        Err(error) => {
            warn!(%error, "no control socket; tools look into the storage instead");
            None
        }
    }
}

fn control(
    mut manager: Manager,
    windows: Windows,
    (prepared, accepts): (oneshot::Sender<Result<(), StoreError>>, oneshot::Receiver<()>),
    end: CancellationToken,
) -> io::Result<()> {
    let runtime = runtime()?;
    runtime.block_on(async {
        let outcome = manager.prepare().await;
        let go_on = outcome.is_ok();
        if prepared.send(outcome).is_err() || !go_on {
            return;
        }
        let _socket = windows.open();
        // What is read behind is in nobody's way before there is somebody to be served.
        if accepts.await.is_ok() {
            manager.run(end).await;
        }
    });
    Ok(())
}

fn worker(proxy: Arc<Proxy>, listeners: Listeners, watcher: Watcher) -> io::Result<()> {
    let runtime = runtime()?;
    runtime.block_on(proxy.serve(listeners, watcher))
}
