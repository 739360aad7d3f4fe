//! Answering HTTP/1.1: probes on a port, tools on a socket.

mod control;
mod probes;

pub use control::control;
pub use probes::serve;

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tracing::{debug, warn};

/// A client that has not said what it wants by then wants nothing.
const HEAD: Duration = Duration::from_secs(5);

type Reply = Response<Full<Bytes>>;

/// How much is done for those who ask.
struct Limits {
    /// At most this many are heard at once; more wait in the listener's queue.
    at_once: usize,
    /// A request and its answer take no longer.
    longest: Duration,
}

/// Where somebody may knock.
trait Door {
    type Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static;

    fn open(&self) -> impl Future<Output = io::Result<Self::Stream>> + Send;
}

impl Door for TcpListener {
    type Stream = TcpStream;

    async fn open(&self) -> io::Result<TcpStream> {
        self.accept().await.map(|(stream, _)| stream)
    }
}

impl Door for UnixListener {
    type Stream = UnixStream;

    async fn open(&self) -> io::Result<UnixStream> {
        self.accept().await.map(|(stream, _)| stream)
    }
}

/// Answers one request of each connection, until it is dropped.
async fn answer<F>(
    door: impl Door,
    limits: Limits,
    reply: impl Fn(Request<Incoming>) -> F + Clone + Send + 'static,
) where
    F: Future<Output = Reply> + Send + 'static,
{
    let permits = Arc::new(Semaphore::new(limits.at_once));
    loop {
        let Ok(permit) = Arc::clone(&permits).acquire_owned().await else { return };
        let stream = match door.open().await {
            Ok(stream) => stream,
            Err(error) => {
                warn!(%error, "a connection of an operator could not be accepted");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let reply = reply.clone();
        tokio::spawn(async move {
            let answer = service_fn(move |request| {
                let reply = reply(request);
                async move { Ok::<_, Infallible>(reply.await) }
            });
            let mut server = http1::Builder::new();
            server.timer(TokioTimer::new()).header_read_timeout(HEAD).keep_alive(false);
            match timeout(limits.longest, server.serve_connection(TokioIo::new(stream), answer)).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => debug!(%error, "whoever asked went away"),
                Err(_) => debug!("whoever asked took too long"),
            }
            drop(permit);
        });
    }
}
