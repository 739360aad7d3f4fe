//! The accept loop: a connection, then a permit, then a task.
//!
//! Whoever has been accepted waits for a permit, and while one waits nobody else is accepted: the others stay in the
//! kernel's queue. A machine that is out of descriptors or memory is waited for; no error of `accept` ends a listener.
//! When the drain begins, whoever waits in the queue is still served.

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
///
/// # Errors
///
/// What the system said if the listener cannot be used.
pub(in crate::proxy) fn start(
    worker: &Rc<Worker>,
    listener: std::net::TcpListener,
    door: Door,
    drain: Watcher,
) -> io::Result<()> {
    listener.set_nonblocking(true)?;
    let listener = TcpListener::from_std(listener)?;
    let accepting = Loop { worker: Rc::clone(worker), listener, door, drain };
    spawn(accepting.run());
    Ok(())
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
}

impl Loop {
    async fn run(self) {
        let (mut drain, mut distress) = (self.drain.clone(), Distress::default());
        loop {
            let accepted = tokio::select! {
                biased;
                () = drain.begun() => break,
                accepted = self.listener.accept() => accepted,
            };
            self.handle(accepted, &mut distress).await;
        }
        // Those in the queue have connected and cannot know that they are late.
        loop {
            let accepted = tokio::select! {
                biased;
                () = drain.cut() => return,
                accepted = self.listener.accept() => accepted,
                () = settled() => return,
            };
            self.handle(accepted, &mut distress).await;
        }
    }

    /// Deals with one result of accept. Whoever is accepted is served, as soon as there is a permit and unless the
    /// drain is over before that.
    async fn handle(&self, accepted: io::Result<(TcpStream, SocketAddr)>, distress: &mut Distress) {
        let (tcp, client) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => return distress.after(&error).await,
        };
        let mut drain = self.drain.clone();
        tokio::select! {
            biased;
            permit = self.worker.proxy.limits.connection() => self.admit(permit, tcp, client),
            () = drain.cut() => {}
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

/// Returns after the reactor has looked at the sockets once more: an accept that is still pending then has nobody to
/// accept.
async fn settled() {
    // A timer is the reactor's own; a task that merely yields may run again before the reactor is asked.
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
