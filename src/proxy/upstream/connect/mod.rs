//! Dialling a target: which addresses, in which order, for how long.
//!
//! Names are looked up for each connection, so an app that moved is found at its next connection. What was tried
//! and what each address said is kept, since «connection refused» helps nobody who does not know who refused it.

mod stream;
mod tls;

use std::cell::Cell;
use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use thiserror::Error;
use tokio::net::{TcpStream, UnixStream, lookup_host};
use tokio::time::{Instant, sleep, timeout_at};

pub(in crate::proxy) use self::stream::Stream;
pub use self::tls::Roots;
use self::tls::{Host, Tls};
use super::target::{LOOPBACK, Place, Scheme, Target};
use super::tried::Tried;

/// How often an app that is not up yet is tried again.
const HOLD_STEP: Duration = Duration::from_millis(50);

/// When an app on another machine that says nothing is asked whether it is still there, how often again, and how many
/// times: it may think for as long as it likes, and a machine that is gone does not think.
const KEEPALIVE: TcpKeepalive = TcpKeepalive::new()
    .with_time(Duration::from_secs(60))
    .with_interval(Duration::from_secs(15))
    .with_retries(4);

/// Opens connections, under deadlines.
pub(in crate::proxy) struct Dialer {
    near: Duration,
    far: Duration,
    hold: Duration,
    tls: Tls,
}

/// Which loopback address answered last; the other one is tried second.
#[derive(Default)]
pub(in crate::proxy) struct Winner(Cell<Option<IpAddr>>);

impl Dialer {
    /// `near` and `far` bound one connection to this machine or to another, look-up and TLS included; `hold` is
    /// how long an upstream that refuses is asked again.
    pub(in crate::proxy) fn new(near: Duration, far: Duration, hold: Duration, roots: Roots) -> Self {
        Self { near, far, hold, tls: Tls::new(roots) }
    }

    /// Connects to `target`. Each address that was tried is in `tried` afterwards, the successful one last.
    ///
    /// # Errors
    ///
    /// [`ConnectError`] with what every address said. If the house holds requests for an app that is starting,
    /// a refusal is answered only when the hold is over.
    pub(in crate::proxy) async fn dial(
        &self,
        target: &Target,
        winner: &Winner,
        tried: &mut Tried,
    ) -> Result<(Stream, Arc<str>), ConnectError> {
        let began = Instant::now();
        loop {
            let error = match self.dial_once(target, winner, tried).await {
                Ok(connected) => return Ok(connected),
                Err(error) => error,
            };
            if self.hold.is_zero() || error.fault != Fault::Refused {
                return Err(error);
            }
            if began.elapsed() + HOLD_STEP > self.hold {
                return Err(ConnectError { fault: Fault::NotReady, ..error });
            }
            sleep(HOLD_STEP).await;
        }
    }

    async fn dial_once(
        &self,
        target: &Target,
        winner: &Winner,
        tried: &mut Tried,
    ) -> Result<(Stream, Arc<str>), ConnectError> {
        let limit = if target.is_near() { self.near } else { self.far };
        let deadline = Instant::now() + limit;
        let mut attempts = Attempts::default();
        let (addresses, host) = match target.place() {
            Place::Unix(path) => {
                let address = format!("unix:{}", path.display());
                let noted = tried.note_new(&address);
                let io = attempts.run(address, deadline, UnixStream::connect(path)).await;
                return io.map(|io| (Stream::Unix(io), noted)).ok_or_else(|| attempts.into_error(limit));
            }
            Place::Localhost(port) => (winner.order(*port), Host::Name("localhost")),
            Place::Ip(ip, port) => (vec![SocketAddr::new(*ip, *port)], Host::Ip(*ip)),
            Place::Name(name, port) => match attempts.look_up(name, *port, deadline).await {
                Some(addresses) => (addresses, Host::Name(name)),
                None => {
                    tried.note_new(&format!("{name}:{port}"));
                    return Err(attempts.into_name_error(limit));
                }
            },
        };
        let count = addresses.len();
        for (index, address) in addresses.into_iter().enumerate() {
            let noted = tried.note_new(&address.to_string());
            // An address that swallows packets must leave time for those behind it.
            let left = deadline.saturating_duration_since(Instant::now());
            let share = u32::try_from(count - index).unwrap_or(u32::MAX);
            let until = Instant::now() + left / share;
            let Some(io) = attempts.run(address.to_string(), until, TcpStream::connect(address)).await else {
                continue;
            };
            // The connection works all the same where the system will have neither.
            let _ = io.set_nodelay(true);
            if !target.is_near() {
                let _ = SockRef::from(&io).set_tcp_keepalive(&KEEPALIVE);
            }
            if matches!(target.place(), Place::Localhost(_)) {
                winner.note(address.ip());
            }
            if target.scheme() != Scheme::Https {
                return Ok((Stream::Tcp(io), noted));
            }
            match timeout_at(deadline, self.tls.shake(&host, io)).await {
                Ok(Ok(io)) => return Ok((Stream::Tls(Box::new(io)), noted)),
                // The name stands for one app: if its certificate is wrong, another address will not be tried
                // until one is found that looks right.
                Ok(Err(error)) => return Err(attempts.into_tls_error(address, &error)),
                Err(_) => attempts.timed_out(address.to_string()),
            }
        }
        Err(attempts.into_error(limit))
    }
}

impl Winner {
    fn order(&self, port: u16) -> Vec<SocketAddr> {
        let mut addresses = LOOPBACK.map(|ip| SocketAddr::new(ip, port));
        if self.0.get() == Some(LOOPBACK[1]) {
            addresses.reverse();
        }
        addresses.to_vec()
    }

    fn note(&self, ip: IpAddr) {
        if self.0.replace(Some(ip)) != Some(ip) {
            tracing::debug!(%ip, "localhost answered");
        }
    }
}

/// Why there is no connection.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(in crate::proxy) struct ConnectError {
    /// What kind of failure it was.
    pub(in crate::proxy) fault: Fault,
    said: Box<str>,
}

/// The kinds of failure that are told apart, since each has its own cure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::proxy) enum Fault {
    /// Nobody listens.
    Refused,
    /// Nobody listened for as long as requests are held.
    NotReady,
    /// No answer in time.
    Timeout,
    /// The name leads nowhere.
    Name,
    /// The handshake failed, most often because the certificate is not one we trust.
    Tls,
    /// No route, no permission, no free descriptor.
    Unreachable,
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.said)
    }
}

/// What each address said.
#[derive(Default)]
struct Attempts {
    said: Vec<(String, Option<io::Error>)>,
}

impl Attempts {
    /// Runs one step of one attempt, and keeps what went wrong.
    async fn run<T>(
        &mut self,
        address: String,
        until: Instant,
        step: impl Future<Output = io::Result<T>>,
    ) -> Option<T> {
        match timeout_at(until, step).await {
            Ok(Ok(done)) => return Some(done),
            Ok(Err(error)) => self.said.push((address, Some(error))),
            Err(_) => self.timed_out(address),
        }
        None
    }

    /// What a name leads to. The look-up is the resolver's own, in a thread of its own: `/etc/hosts`, search domains
    /// and whatever else this machine's names come from.
    async fn look_up(&mut self, name: &str, port: u16, until: Instant) -> Option<Vec<SocketAddr>> {
        let found = self.run(format!("name {name}"), until, lookup_host((name, port))).await?;
        Some(found.collect())
    }

    fn timed_out(&mut self, address: String) {
        self.said.push((address, None));
    }

    fn into_error(self, limit: Duration) -> ConnectError {
        let mut errors = self.said.iter().map(|(_, error)| error.as_ref().map(io::Error::kind));
        let fault = if errors.clone().any(|kind| kind.is_none()) {
            Fault::Timeout
        } else if errors.clone().flatten().any(is_nobody_there)
            && errors.all(|kind| kind.is_some_and(|kind| is_nobody_there(kind) || is_no_such_family(kind)))
        {
            Fault::Refused
        } else {
            Fault::Unreachable
        };
        self.into_fault(fault, limit)
    }

    fn into_name_error(self, limit: Duration) -> ConnectError {
        let timed_out = self.said.iter().any(|(_, error)| error.is_none());
        self.into_fault(if timed_out { Fault::Timeout } else { Fault::Name }, limit)
    }

    fn into_tls_error(mut self, address: SocketAddr, error: &io::Error) -> ConnectError {
        let error = io::Error::new(error.kind(), format!("TLS: {error}"));
        self.said.push((address.to_string(), Some(error)));
        self.into_fault(Fault::Tls, Duration::ZERO)
    }

    fn into_fault(self, fault: Fault, limit: Duration) -> ConnectError {
        let line = |(address, error): &(String, Option<io::Error>)| match error {
            Some(error) => format!("{address}: {error}"),
            None => format!("{address}: no answer within {limit:?}"),
        };
        let said: Vec<String> = self.said.iter().map(line).collect();
        ConnectError { fault, said: said.join("; ").into() }
    }
}

/// Refused, or a socket file that is not there yet.
fn is_nobody_there(kind: io::ErrorKind) -> bool {
    matches!(kind, io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound)
}

/// What a machine without IPv6 says to `::1`: no word about the app.
fn is_no_such_family(kind: io::ErrorKind) -> bool {
    matches!(kind, io::ErrorKind::AddrNotAvailable | io::ErrorKind::NetworkUnreachable)
}

#[cfg(test)]
mod tests;
