//! Listening sockets: bound once, early, and before any privilege is given up.
//!
//! Every worker has a socket of its own on the same address (`SO_REUSEPORT`), so that the kernel deals
//! connections out and no accept queue is shared. `[::]` means both families wherever the machine has
//! IPv6 at all, and IPv4 alone where it has not.

use std::fmt;
use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::time::Duration;

use rustix::io::Errno;
use socket2::{Domain, Protocol, Socket, TcpKeepalive, Type};

use super::holder;

/// The kernel cuts this to `net.core.somaxconn`, which is the operator's word on the matter.
const BACKLOG: i32 = 4096;

/// When a peer that says nothing is asked whether it is still there, how often again, and how many times. Without this
/// a client whose machine has vanished would keep its place for ever where the app takes its time.
const KEEPALIVE: TcpKeepalive = TcpKeepalive::new()
    .with_time(Duration::from_secs(60))
    .with_interval(Duration::from_secs(15))
    .with_retries(4);

/// Sockets that listen on one address, one for each worker.
#[derive(Debug)]
pub struct Listening {
    /// Where they listen: the port is never zero, and the address is `0.0.0.0` if `[::]` was asked for on
    /// a machine without IPv6.
    pub addr: SocketAddr,
    /// Not blocking, ready to be handed to a runtime.
    pub sockets: Vec<TcpListener>,
}

/// Binds `at` once for each of `workers`; with port 0 the first socket's port is everybody's.
///
/// `purpose` is `http`, `https` or `health`: the word in messages and the front of the flag's name.
///
/// # Errors
///
/// [`BindError`] with three ways out if the port is taken or may not be had.
pub fn listen(purpose: &'static str, at: SocketAddr, workers: usize) -> Result<Listening, BindError> {
    let (first, at) = match bind(at) {
        Err(error) if at.ip() == Ipv6Addr::UNSPECIFIED && has_no_ipv6(&error) => {
            let at = SocketAddr::from((Ipv4Addr::UNSPECIFIED, at.port()));
            (bind(at), at)
        }
        outcome => (outcome, at),
    };
    let ready = first.and_then(|socket| share(socket, at, workers.max(1)));
    ready.map_err(|source| BindError::new(purpose, at, source))
}

/// Binds each of `at` once. The first must succeed; the others are further doors to the same thing, such
/// as `[::1]` beside `127.0.0.1`, and are left out where the machine does not have them.
///
/// # Errors
///
/// [`BindError`] about the first address.
pub fn listen_all(purpose: &'static str, at: &[SocketAddr]) -> Result<Vec<Listening>, BindError> {
    let mut listening: Vec<Listening> = Vec::new();
    for (index, addr) in at.iter().enumerate() {
        // Port 0 on the first door picks the port of the second as well.
        let port =
            if addr.port() == 0 { listening.first().map_or(0, |l| l.addr.port()) } else { addr.port() };
        match listen(purpose, SocketAddr::from((addr.ip(), port)), 1) {
            Ok(open) => listening.push(open),
            Err(error) if index == 0 => return Err(error),
            Err(error) => tracing::debug!(addr = %error.addr, error = %error.source, "not listening"),
        }
    }
    Ok(listening)
}

fn bind(at: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(at), Type::STREAM, Some(Protocol::TCP))?;
    if at.is_ipv6() {
        socket.set_only_v6(false)?;
    }
    // A restart must not wait for the connections of the last run to leave TIME_WAIT.
    socket.set_reuse_address(true)?;
    socket.bind(&at.into())?;
    Ok(socket)
}

/// Makes a group of listeners of a socket that is bound and does not listen yet.
///
/// `SO_REUSEPORT` is set after the first bind, not before: so that bind fails if anybody else has the
/// port, even another process of ours that would be willing to share it.
fn share(first: Socket, at: SocketAddr, workers: usize) -> io::Result<Listening> {
    first.set_reuse_port(true)?;
    let addr = first.local_addr()?.as_socket().ok_or_else(|| io::Error::other("no internet address"))?;
    let at = SocketAddr::from((at.ip(), addr.port()));
    let mut group = vec![first];
    while group.len() < workers {
        group.push(join(&group[0], at)?);
    }
    let mut sockets = Vec::with_capacity(workers);
    for socket in group {
        // What is accepted inherits it. A system without it serves all the same.
        let _ = socket.set_tcp_keepalive(&KEEPALIVE);
        socket.listen(BACKLOG)?;
        socket.set_nonblocking(true)?;
        sockets.push(socket.into());
    }
    Ok(Listening { addr: at, sockets })
}

fn join(first: &Socket, at: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(at), Type::STREAM, Some(Protocol::TCP))?;
    if at.is_ipv6() {
        socket.set_only_v6(false)?;
    }
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)?;
    match socket.bind(&at.into()) {
        Ok(()) => Ok(socket),
        // Some sandboxes emulate sockets without port groups; there the workers share one queue.
        Err(error) if error.kind() == ErrorKind::AddrInUse => first.try_clone(),
        Err(error) => Err(error),
    }
}

fn has_no_ipv6(error: &io::Error) -> bool {
    [Errno::AFNOSUPPORT, Errno::ADDRNOTAVAIL].iter().any(|e| error.raw_os_error() == Some(e.raw_os_error()))
}

/// An address could not be listened on.
#[derive(Debug)]
pub struct BindError {
    purpose: &'static str,
    /// The address asked for.
    pub addr: SocketAddr,
    /// What the system said.
    pub source: io::Error,
    holder: Option<String>,
}

impl BindError {
    fn new(purpose: &'static str, addr: SocketAddr, source: io::Error) -> Self {
        let taken = source.kind() == ErrorKind::AddrInUse;
        let holder = if taken { holder::of_port(addr.port()) } else { None };
        Self { purpose, addr, source, holder }
    }
}

impl std::error::Error for BindError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.source)
    }
}

impl fmt::Display for BindError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { purpose, addr, source, holder } = self;
        let port = addr.port();
        let high = if port < 1024 { port + 8000 } else { port + 1 };
        write!(f, "cannot listen on {addr} for {purpose}: ")?;
        let elsewhere = match *purpose {
            "health" => format!("HEALTH_ADDR=localhost:{high} (or off)"),
            _ => format!("--{purpose}-port {high}"),
        };
        match source.kind() {
            ErrorKind::AddrInUse => {
                match holder {
                    Some(holder) => writeln!(f, "port {port} is held by {holder}. Three ways out:")?,
                    None => writeln!(f, "port {port} is held by another process. Three ways out:")?,
                }
                writeln!(f, "  - stop that process (`ss -ltnp 'sport = :{port}'`, run as root, names it)")?;
                writeln!(f, "  - take another port: {elsewhere}")?;
                write!(f, "  - give each its own address: [listen] {purpose} = \"192.0.2.1:{port}\"")
            }
            ErrorKind::PermissionDenied => {
                writeln!(f, "this user may not use port {port}. Three ways out:")?;
                writeln!(f, "  - let the program: setcap cap_net_bind_service=+ep /path/to/sidegate")?;
                writeln!(f, "    (under systemd: AmbientCapabilities=CAP_NET_BIND_SERVICE)")?;
                writeln!(f, "  - let everybody: sysctl net.ipv4.ip_unprivileged_port_start={port}")?;
                write!(f, "  - take another port: {elsewhere}")
            }
            ErrorKind::AddrNotAvailable => write!(f, "this machine has no address {}", addr.ip()),
            _ => write!(f, "{source}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::net::TcpStream;

    use super::*;

    const LOOPBACK: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

    #[test]
    fn workers_share_the_port_that_the_first_one_got() {
        let listening = listen("https", LOOPBACK, 3).expect("three sockets");
        assert_ne!(listening.addr.port(), 0);
        assert_eq!(listening.sockets.len(), 3);
        for socket in &listening.sockets {
            assert_eq!(socket.local_addr().expect("bound"), listening.addr);
        }
    }

    #[test]
    fn each_worker_gets_its_share_of_the_connections() {
        let listening = listen("https", LOOPBACK, 2).expect("two sockets");
        let clients: Vec<TcpStream> =
            (0..64).map(|_| TcpStream::connect(listening.addr).expect("accepted by the kernel")).collect();
        let accepted: Vec<usize> = listening
            .sockets
            .iter()
            .map(|socket| std::iter::from_fn(|| socket.accept().ok()).count())
            .collect();
        assert_eq!(accepted.iter().sum::<usize>(), clients.len());
        // One queue would be all or nothing; 64 connections on one of two by chance is one in 2^63.
        assert!(accepted.iter().all(|n| *n > 0), "{accepted:?}");
    }

    #[test]
    fn a_client_that_vanishes_is_noticed() {
        let listening = listen("https", LOOPBACK, 1).expect("a socket");
        let _client = TcpStream::connect(listening.addr).expect("accepted by the kernel");
        let (accepted, _) = listening.sockets[0].accept().expect("it is in the queue");
        let accepted = socket2::SockRef::from(&accepted);
        assert!(accepted.keepalive().expect("a TCP socket"));
        assert_eq!(accepted.tcp_keepalive_time().expect("a TCP socket"), Duration::from_secs(60));
    }

    #[test]
    fn the_unspecified_address_answers_both_families() {
        let any = SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0));
        let listening = listen("http", any, 1).expect("a socket");
        let port = listening.addr.port();
        drop(TcpStream::connect((Ipv4Addr::LOCALHOST, port)).expect("IPv4"));
        if listening.addr.is_ipv6() {
            drop(TcpStream::connect((Ipv6Addr::LOCALHOST, port)).expect("IPv6"));
        }
    }

    #[test]
    fn a_second_process_of_ours_cannot_slip_into_the_group() {
        let first = listen("https", LOOPBACK, 2).expect("two sockets");
        let error = listen("https", first.addr, 2).expect_err("the port is taken");
        let words = error.to_string();
        assert!(words.contains(&format!("port {} is held by", first.addr.port())), "{words}");
        assert!(words.contains(&format!("(pid {})", std::process::id())), "{words}");
        assert_eq!(words.matches("\n  - ").count(), 3, "three ways out: {words}");
        assert!(words.contains("--https-port"), "{words}");
    }

    #[test]
    fn a_port_that_needs_permission_names_three_ways_to_it() {
        let source = io::Error::from(ErrorKind::PermissionDenied);
        let words = BindError::new("http", SocketAddr::from((Ipv6Addr::UNSPECIFIED, 80)), source).to_string();
        for way in ["setcap", "ip_unprivileged_port_start=80", "AmbientCapabilities", "--http-port 8080"] {
            assert!(words.contains(way), "{way} is missing: {words}");
        }
    }

    #[test]
    fn further_doors_take_the_port_of_the_first_and_may_be_absent() {
        let elsewhere = SocketAddr::from((Ipv4Addr::new(192, 0, 2, 1), 0));
        let doors = listen_all("health", &[LOOPBACK, elsewhere]).expect("the first is enough");
        assert_eq!(doors.len(), 1);
        let mut client = TcpStream::connect(doors[0].addr).expect("open");
        drop(doors);
        assert!(client.read(&mut [0; 1]).is_err() || client.read(&mut [0; 1]).is_ok_and(|n| n == 0));
    }
}
