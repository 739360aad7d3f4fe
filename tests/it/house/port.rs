//! Ports for programs that cannot be asked to bind port 0.

use std::net::{Ipv4Addr, Ipv6Addr, TcpListener};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

/// Below Linux's range for outgoing connections, so that none of those can sit on a port between the moment
/// it was found free and the moment somebody binds it.
const LOWEST: u32 = 14_000;
const COUNT: u32 = 18_000;

/// A TCP port that was free a moment ago, on IPv4 and IPv6, and is not handed out twice by this process.
pub(crate) fn free() -> u16 {
    static NEXT: OnceLock<AtomicU32> = OnceLock::new();
    let next = NEXT.get_or_init(|| AtomicU32::new((sidegate::clock::jitter() * f64::from(COUNT)) as u32));
    for _ in 0..COUNT {
        let port = LOWEST + next.fetch_add(1, Ordering::Relaxed) % COUNT;
        let port = u16::try_from(port).expect("the range ends below 65536");
        let v4 = TcpListener::bind((Ipv4Addr::UNSPECIFIED, port));
        let v6 = TcpListener::bind((Ipv6Addr::LOCALHOST, port));
        // A machine without IPv6 refuses the second for a reason that is not ours.
        let v6_taken = v6.is_err_and(|e| e.kind() == std::io::ErrorKind::AddrInUse);
        if v4.is_ok() && !v6_taken {
            return port;
        }
    }
    panic!("no free port from {LOWEST} on");
}
