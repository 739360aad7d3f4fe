//! Requests on their [`Errand`], with a real client, our own front before it, and a backend that says
//! exactly what the test says.

mod duplex;
mod failures;
mod framing;
mod h2c;
mod h2c_trust;
mod reuse;

use std::cell::RefCell;
use std::future::Future;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::spawn_local;
use tokio::time::timeout;

use super::super::interim::Interim;
use super::super::message::Request;
use super::super::{Terms, h1, h2};
use super::Errand;
use crate::proxy::Options;
use crate::proxy::access::{AccessLog, Trace};
use crate::proxy::conn::{Alpn, Conn, ConnFacts, Stream, address};
use crate::proxy::drain;
use crate::proxy::upstream::{Pools, Target, Upstream};

/// An answer whose connection is kept for a minute.
pub(in crate::proxy::http) const OK: &str =
    "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nKeep-Alive: timeout=60\r\n\r\nok";

/// What is said about each request when it is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::proxy::http) struct Said {
    pub(in crate::proxy::http) reason: Option<&'static str>,
    pub(in crate::proxy::http) conn: Option<&'static str>,
    pub(in crate::proxy::http) tried: Vec<String>,
}

impl Said {
    fn of(trace: &Trace) -> Self {
        let tried = trace.tried.iter().map(ToString::to_string).collect();
        Self { reason: trace.reason, conn: trace.upstream_conn, tried }
    }
}

/// A front that forwards everything to one target.
#[derive(Clone)]
pub(in crate::proxy::http) struct Front {
    pub(in crate::proxy::http) address: SocketAddr,
    said: Rc<RefCell<Vec<Said>>>,
}

impl Front {
    /// Forwards to `target`, over one version of HTTP or the other.
    pub(in crate::proxy::http) async fn start(target: &str, options: Options) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let said = Rc::new(RefCell::new(Vec::new()));
        let front = Self { address, said };
        let upstream = Upstream::new(Target::parse(target).expect("a target"));
        let shared = Rc::new((Pools::new(&options), upstream, options));
        let serving = front.clone();
        spawn_local(async move {
            while let Ok((io, client)) = listener.accept().await {
                spawn_local(serving.clone().serve(io, client, Rc::clone(&shared)));
            }
        });
        front
    }

    async fn serve(self, io: TcpStream, client: SocketAddr, shared: Rc<(Pools, Upstream, Options)>) {
        let mut preface = [0; 3];
        let is_h2 = io.peek(&mut preface).await.is_ok() && preface == *b"PRI";
        let facts = Rc::new(facts(client));
        let exchange = async |request: Request, trace: &mut Trace, interim: &Interim| {
            let response = Errand::new(&shared.0, &shared.1, request, &facts).run(trace, interim).await;
            self.said.borrow_mut().push(Said::of(trace));
            response
        };
        let alpn = if is_h2 { Alpn::H2 } else { Alpn::Absent };
        let conn = Conn { io: Stream::Clear(io), facts: Rc::clone(&facts), alpn };
        let terms = Terms { options: &shared.2, access: &AccessLog::off().lines() };
        let (_drain, watcher) = drain::channel();
        let _ = match alpn {
            Alpn::H2 => h2::serve(terms, conn, watcher, exchange).await,
            Alpn::Http11 | Alpn::Absent => h1::serve(terms, conn, watcher, exchange).await,
        };
    }

    /// A raw connection to the front.
    pub(in crate::proxy::http) async fn connect(&self) -> Wire {
        Wire::new(TcpStream::connect(self.address).await.expect("the front accepts"))
    }

    /// What was said about the last request, and how many there were.
    pub(in crate::proxy::http) fn said(&self) -> (Said, usize) {
        let said = self.said.borrow();
        (said.last().expect("a request is over").clone(), said.len())
    }

    /// How the connection of each request so far came about.
    pub(in crate::proxy::http) fn conns(&self) -> Vec<&'static str> {
        self.said.borrow().iter().filter_map(|said| said.conn).collect()
    }
}

#[derive(Clone, Copy)]
pub(in crate::proxy::http) struct Local;

impl<F: Future<Output: 'static> + 'static> hyper::rt::Executor<F> for Local {
    fn execute(&self, future: F) {
        spawn_local(future);
    }
}

/// What is known about a client that came through TLS.
pub(in crate::proxy::http) fn facts(client: SocketAddr) -> ConnFacts {
    ConnFacts {
        client: address(client),
        secure: true,
        server_name: None,
        certificate: None,
        tls_version: Some("1.3"),
        cut: std::cell::Cell::default(),
    }
}

/// A backend on 127.0.0.1 that says only what it is told to.
pub(in crate::proxy::http) struct Backend {
    listener: TcpListener,
    pub(in crate::proxy::http) target: String,
}

impl Backend {
    pub(in crate::proxy::http) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let target = listener.local_addr().expect("an address").to_string();
        Self { listener, target }
    }

    /// The next connection.
    pub(in crate::proxy::http) async fn accept(&self) -> Wire {
        Wire::new(self.listener.accept().await.expect("a connection").0)
    }
}

/// One end of a connection, in bytes.
pub(in crate::proxy::http) struct Wire {
    io: TcpStream,
    inbox: Vec<u8>,
}

impl Wire {
    fn new(io: TcpStream) -> Self {
        io.set_nodelay(true).expect("a TCP socket");
        Self { io, inbox: Vec::new() }
    }

    pub(in crate::proxy::http) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.io.write_all(bytes.as_ref()).await.expect("the other side reads");
    }

    /// Everything up to and with `end`, which is waited for.
    pub(in crate::proxy::http) async fn until(&mut self, end: &str) -> String {
        loop {
            if let Some(at) = self.inbox.windows(end.len()).position(|w| w == end.as_bytes()) {
                let rest = self.inbox.split_off(at + end.len());
                return text(std::mem::replace(&mut self.inbox, rest));
            }
            let read = self.io.read_buf(&mut self.inbox).await.expect("bytes");
            assert!(read > 0, "ended before {end:?}: {:?}", text(self.inbox.clone()));
        }
    }

    /// A whole head, in lower case.
    pub(in crate::proxy::http) async fn head(&mut self) -> String {
        self.until("\r\n\r\n").await.to_ascii_lowercase()
    }

    /// Exactly this many bytes.
    pub(in crate::proxy::http) async fn exactly(&mut self, length: usize) -> String {
        while self.inbox.len() < length {
            let read = self.io.read_buf(&mut self.inbox).await.expect("bytes");
            assert!(read > 0, "ended after {} of {length} bytes", self.inbox.len());
        }
        let rest = self.inbox.split_off(length);
        text(std::mem::replace(&mut self.inbox, rest))
    }

    /// Everything until the other side ends, however it does.
    pub(in crate::proxy::http) async fn rest(&mut self) -> String {
        text(self.rest_in_bytes().await)
    }

    /// The same, whatever it means.
    pub(in crate::proxy::http) async fn rest_in_bytes(&mut self) -> Vec<u8> {
        while matches!(self.io.read_buf(&mut self.inbox).await, Ok(1..)) {}
        std::mem::take(&mut self.inbox)
    }

    /// Says that nothing more will come, and goes on reading.
    pub(in crate::proxy::http) async fn end(&mut self) {
        self.io.shutdown().await.expect("an open connection");
    }

    /// Ends the connection with a reset.
    pub(in crate::proxy::http) fn reset(self) {
        self.io.set_zero_linger().expect("a TCP socket");
    }
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).expect("text")
}

/// Runs a test on a worker's runtime. One that waits for what never comes fails.
pub(in crate::proxy::http) fn run(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build_local(Default::default())
        .expect("a runtime");
    runtime
        .block_on(async { timeout(Duration::from_secs(120), test).await.expect("the test waits in vain") });
}

/// A front before a backend that has not been connected to yet.
pub(in crate::proxy::http) async fn house() -> (Front, Backend) {
    let backend = Backend::start().await;
    let front = Front::start(&backend.target, Options::default()).await;
    (front, backend)
}
