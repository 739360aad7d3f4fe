//! The data plane: bytes from clients to the app and back.
//!
//! A connection is accepted ([`listener`]), shaken hands with ([`tls`]), told apart by protocol ([`session`]) and
//! served as HTTP ([`http`]); each request finds its upstream in the [`route`] table and is exchanged with it by
//! [`upstream`], inside the request's own future. Nothing here waits for a disk, for the control plane or for
//! another worker. Certificates are seen through [`Resolver`](crate::catalog::Resolver) only; this room does not
//! know where they come from.
//!
//! One [`Proxy`] is shared by all workers. Each worker is a thread with a runtime of its own and calls
//! [`Proxy::serve`] once; connections and idle upstream connections never leave their worker.

use std::io;
use std::net::TcpListener;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

mod access;
mod conn;
pub mod drain;
mod error;
mod http;
mod limits;
mod listener;
mod path;
mod route;
mod scratch;
mod session;
mod status;
mod tls;
mod upstream;
pub mod wire;

use crate::catalog::Resolver;

use access::Lines;
use limits::Limits;
use listener::Door;
use route::{Routes, View};
use tls::Tls;
use upstream::Pools;

pub use access::{AccessLog, Batch};
pub use drain::{Drain, Watcher};
pub use route::{RouteTable, Site};
pub use status::Status;
pub use tls::SetupError;
pub use upstream::{Roots, Target, TargetError};

/// Everything the workers share.
pub struct Proxy {
    options: Options,
    resolver: Resolver,
    routes: Routes,
    access: AccessLog,
    tls: Tls,
    limits: Limits,
}

/// What a worker has for itself.
struct Worker {
    proxy: Arc<Proxy>,
    routes: View,
    access: Lines,
    pools: Pools,
}

/// The bound sockets of one worker.
#[derive(Debug, Default)]
pub struct Listeners {
    /// Where challenges are answered and everything else is sent on to https.
    pub http: Vec<TcpListener>,
    /// Where apps are served.
    pub https: Vec<TcpListener>,
}

impl Proxy {
    /// A proxy that serves nothing yet.
    ///
    /// # Errors
    ///
    /// [`SetupError`] if TLS cannot be set up with the cryptography at hand.
    pub fn new(
        options: Options,
        resolver: Resolver,
        routes: RouteTable,
        access: AccessLog,
    ) -> Result<Arc<Self>, SetupError> {
        Ok(Arc::new(Self {
            tls: Tls::new(resolver.clone(), options.handshake)?,
            limits: Limits::new(options.max_connections),
            routes: Routes::new(routes),
            options,
            resolver,
            access,
        }))
    }

    /// Requests that come from now on are routed by this table; those under way keep theirs.
    pub fn replace_routes(&self, routes: RouteTable) {
        self.routes.replace(routes);
    }

    /// A window for those who only look.
    #[must_use]
    pub fn status(self: &Arc<Self>) -> Status {
        Status::new(Arc::clone(self))
    }

    /// Serves these listeners on this thread until the drain is over. Each worker calls it once, within a
    /// [`LocalRuntime`](tokio::runtime::LocalRuntime) of its own.
    ///
    /// When the drain begins, the connections in the listeners' queues are still accepted, then the listeners are
    /// closed; open connections end with the exchange they are in, or when the grace is over.
    ///
    /// # Errors
    ///
    /// What the system said if a listener cannot be used; nothing is served then.
    pub async fn serve(self: Arc<Self>, listeners: Listeners, mut watcher: Watcher) -> io::Result<()> {
        let worker = Rc::new(Worker {
            routes: View::of(&self.routes),
            access: self.access.lines(),
            pools: Pools::new(&self.options),
            proxy: self,
        });
        // A drain of this worker's own: what its connections look at is shared with no other thread.
        let (inner, holder) = drain::channel();
        for (door, sockets) in [(Door::Http, listeners.http), (Door::Https, listeners.https)] {
            for socket in sockets {
                listener::start(&worker, socket, door, holder.clone())?;
            }
        }
        let mut outer = watcher.clone();
        let ended = async {
            outer.begun().await;
            drop(holder);
            inner.finished().await;
        };
        tokio::select! {
            () = ended => {}
            () = watcher.relay(&inner) => {}
            () = worker.access.hand_over_in_time() => {}
        }
        Ok(())
    }
}

/// How the proxy treats clients and upstreams. Durations are upper bounds, never delays.
#[derive(Debug, Clone)]
pub struct Options {
    /// For a whole TLS handshake, the wait for a certificate included.
    pub handshake: Duration,
    /// From the first byte of a request's head to its last.
    pub head: Duration,
    /// Between two requests of a client, and before its first.
    pub idle: Duration,
    /// Before the first request of a client whose connection was accepted at the last moment before a stop.
    pub newcomer: Duration,
    /// For a connection to an upstream on this machine.
    pub connect_near: Duration,
    /// For a connection to any other upstream, its TLS handshake included.
    pub connect: Duration,
    /// For a WebSocket on which neither side says anything.
    pub tunnel_idle: Duration,
    /// For a client that takes none of the bytes it is sent.
    pub stall: Duration,
    /// Client connections at one time, over all workers.
    pub max_connections: usize,
    /// How long a request waits for an upstream that does not listen yet; zero answers at once.
    pub hold: Duration,
    /// The port clients reach us on with https; named in redirects if it is not 443.
    pub https_port: u16,
    /// Whom to believe when an upstream speaks TLS.
    pub upstream_roots: Roots,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            handshake: Duration::from_secs(10),
            head: Duration::from_secs(10),
            // Longer than the 60 s of the usual load balancer, so that it closes first.
            idle: Duration::from_secs(75),
            newcomer: Duration::from_secs(1),
            connect_near: Duration::from_secs(1),
            connect: Duration::from_secs(3),
            tunnel_idle: Duration::from_secs(3600),
            stall: Duration::from_secs(60),
            max_connections: 10_000,
            hold: Duration::ZERO,
            https_port: 443,
            upstream_roots: Roots::default(),
        }
    }
}
