//! Who holds a port: a look into `/proc`, for people and nothing else.

use std::fs;
use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;

/// Who has a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Holder {
    /// Nobody, and this user may take it.
    Nobody,
    /// Nobody, and this user may not.
    Reserved,
    /// This program, such as `nginx (pid 812)`.
    Program(String),
    /// A program that this user may not see.
    Hidden,
    /// The address cannot be had, for this reason.
    Odd(String),
}

/// Who has a port, found out by taking it for a moment.
#[must_use]
pub fn of(at: SocketAddr) -> Holder {
    // Programs that share a port let nobody else in, but its holder is seen all the same.
    if let Some(program) = of_port(at.port()) {
        return Holder::Program(program);
    }
    match TcpListener::bind(at) {
        Ok(_) => Holder::Nobody,
        Err(error) if error.kind() == ErrorKind::PermissionDenied => Holder::Reserved,
        Err(error) if error.kind() == ErrorKind::AddrInUse => Holder::Hidden,
        Err(error) => Holder::Odd(format!("{at}: {error}")),
    }
}

/// The program that listens on a TCP port, such as `nginx (pid 812)`, if this user may know.
pub(super) fn of_port(port: u16) -> Option<String> {
    let inodes: Vec<String> =
        ["/proc/net/tcp", "/proc/net/tcp6"].iter().flat_map(|table| listening_inodes(table, port)).collect();
    if inodes.is_empty() {
        return None;
    }
    let processes = fs::read_dir("/proc").ok()?;
    processes.flatten().map(|entry| entry.path()).find_map(|process| {
        let pid: u32 = process.file_name()?.to_str()?.parse().ok()?;
        let holds = fs::read_dir(process.join("fd")).ok()?.flatten().any(|fd| is_one_of(&fd.path(), &inodes));
        let name = || fs::read_to_string(process.join("comm")).ok();
        holds.then(|| format!("{} (pid {pid})", name().as_deref().map_or("a process", str::trim)))
    })
}

/// Columns of `/proc/net/tcp`: 1 is the local address, 3 the state (0A listens), 9 the inode.
fn listening_inodes(table: &str, port: u16) -> Vec<String> {
    let text = fs::read_to_string(table).unwrap_or_default();
    let wanted = format!(":{port:04X}");
    text.lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>())
        .filter(|c| c.len() > 9 && c[1].ends_with(&wanted) && c[3] == "0A")
        .map(|c| format!("socket:[{}]", c[9]))
        .collect()
}

fn is_one_of(fd: &Path, inodes: &[String]) -> bool {
    fs::read_link(fd).is_ok_and(|target| inodes.iter().any(|inode| target.as_os_str() == inode.as_str()))
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    #[test]
    fn a_port_that_is_listened_on_has_a_holder() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let at = listener.local_addr().expect("an address");
        let Holder::Program(program) = of(at) else { panic!("we may see ourselves") };
        assert!(program.ends_with(&format!("(pid {})", std::process::id())), "{program}");
        drop(listener);
        // The child of another test may hold it as well, until it has become a program of its own.
        let end = Instant::now() + Duration::from_secs(60);
        while of(at) != Holder::Nobody {
            assert!(Instant::now() < end, "somebody holds it");
        }
        let elsewhere = SocketAddr::from(([192, 0, 2, 1], at.port()));
        assert!(matches!(of(elsewhere), Holder::Odd(_)));
    }
}
