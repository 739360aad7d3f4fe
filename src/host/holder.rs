//! Who holds a port: a look into `/proc`, for an error message and nothing else.

use std::fs;
use std::path::Path;

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
