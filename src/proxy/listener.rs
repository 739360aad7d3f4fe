//! The accept loop: a permit, then a connection, then a task for it.
//!
//! Without a permit nobody accepts, and clients wait in the kernel's queue. A machine that is out of descriptors or
//! memory is waited for; no error of `accept` ends a listener. When the drain begins, what waits in the queue is
//! still served: those clients have connected and cannot know.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, sleep};
use tracing::{debug, warn};

use super::Worker;
use super::drain::Watcher;
use super::limits::Permit;
use super::session;

/// What a listener is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::proxy) enum Door {
    /// Port 80: challenge answers and redirects.
    Http,
    /// Port 443.
    Https,
}

/// How long a machine in distress is left alone.
const DISTRESS: Duration = Duration::from_millis(100);
/// How often distress is spoken of.
const WARN_EVERY: Duration = Duration::from_secs(10);

/// Starts to accept on this worker; connections and the loop itself hold clones of the watcher.
pub(in crate::proxy) fn start(worker: &Rc<Worker>, listener: TcpListener, door: Door, drain: Watcher) {
    let worker = Rc::clone(worker);
    spawn(async move { Loop { worker, listener, door, drain, distress: Distress::default() }.run().await });
}

/// Runs a future on this worker. It is not waited for: what has to be holds a [`Watcher`].
pub(in crate::proxy) fn spawn(future: impl Future<Output = ()> + 'static) {
    tokio::task::spawn_local(future);
}

struct Loop {
    worker: Rc<Worker>,
    listener: TcpListener,
    door: Door,
    drain: Watcher,
    distress: Distress,
}

impl Loop {
    async fn run(mut self) {
        let mut drain = self.drain.clone();
        loop {
            let accepted = tokio::select! {
                biased;
                () = drain.begun() => break,
                accepted = self.next() => accepted,
            };
            if let Some((permit, tcp, client)) = accepted {
                self.admit(permit, tcp, client);
            }
        }
        tokio::select! {
            () = drain.cut() => {}
            () = self.empty_queue() => {}
        }
    }

    /// The next connection; `None` after a failure that has been dealt with.
    async fn next(&mut self) -> Option<(Permit, TcpStream, SocketAddr)> {
        let permit = self.worker.proxy.limits.connection().await;
        match self.listener.accept().await {
            Ok((tcp, client)) => Some((permit, tcp, client)),
            Err(error) => {
                drop(permit);
                self.distress.after(&error).await;
                None
            }
        }
    }

    /// Accepts what is in the kernel's queue and nothing that comes later.
    async fn empty_queue(&mut self) {
        loop {
            let permit = self.worker.proxy.limits.connection().await;
            let accepted = tokio::select! {
                biased;
                accepted = self.listener.accept() => accepted,
                () = settled() => return,
            };
            match accepted {
                Ok((tcp, client)) => self.admit(permit, tcp, client),
                Err(error) => self.distress.after(&error).await,
            }
        }
    }

    fn admit(&self, permit: Permit, tcp: TcpStream, client: SocketAddr) {
        let (worker, door, drain) = (Rc::clone(&self.worker), self.door, self.drain.clone());
        spawn(async move {
            let _permit = permit;
            // Without it small writes may wait for an acknowledgement; the connection works all the same.
            let _ = tcp.set_nodelay(true);
            if let Err(error) = session::serve(&worker, tcp, client, door, drain).await {
                let cause = std::error::Error::source(&error).map(ToString::to_string);
                debug!(%client, fault = error.fault(), cause, "connection ended: {error}");
            }
        });
    }
}

/// Returns after the reactor has looked at the sockets once more. An accept that is ready only then was not in the
/// queue before.
async fn settled() {
    // A task that yields runs again before the reactor is asked; a timer is the reactor's own.
    sleep(Duration::from_millis(1)).await;
}

/// What the machine's troubles do to accepting.
#[derive(Default)]
struct Distress {
    warned: Option<Instant>,
    unsaid: u32,
}

impl Distress {
    /// Waits as long as the error asks for.
    async fn after(&mut self, error: &io::Error) {
        if is_clients(error) {
            return;
        }
        // EMFILE, ENFILE, ENOBUFS, ENOMEM: the connection stays in the queue and accept would fail again at once.
        self.unsaid += 1;
        if self.warned.is_none_or(|at| at.elapsed() >= WARN_EVERY) {
            warn!(%error, times = self.unsaid, "cannot accept connections; trying again");
            self.warned = Some(Instant::now());
            self.unsaid = 0;
        }
        sleep(DISTRESS).await;
    }
}

/// Errors of one connection that failed while it waited to be accepted (accept(2), «Error handling»).
fn is_clients(error: &io::Error) -> bool {
    use io::ErrorKind as Kind;
    matches!(
        error.kind(),
        Kind::ConnectionAborted
            | Kind::ConnectionReset
            | Kind::ConnectionRefused
            | Kind::HostUnreachable
            | Kind::NetworkDown
            | Kind::NetworkUnreachable
            | Kind::TimedOut
            | Kind::Interrupted
            | Kind::WouldBlock
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn only_the_machines_own_troubles_are_waited_for() {
        let mut distress = Distress::default();
        let mut wait = async |code| {
            let before = Instant::now();
            distress.after(&io::Error::from_raw_os_error(code)).await;
            before.elapsed()
        };
        // Linux: ECONNABORTED, EINTR; EMFILE, ENFILE, ENOBUFS, ENOMEM.
        for code in [103, 4] {
            assert_eq!(wait(code).await, Duration::ZERO, "{code}");
        }
        for code in [24, 23, 105, 12] {
            assert!(wait(code).await >= DISTRESS, "{code}");
        }
    }
}
