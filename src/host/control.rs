//! The sockets by which tools on this machine reach the processes that share a folder.
//!
//! Each process has one of its own, `1.sock`, `2.sock` and so on, the lowest number that is free. Only the user it runs
//! as may connect. A socket whose process has died refuses connections, and is replaced by the next process; one that
//! answers never is.

use std::fs::{self, File, Permissions};
use std::io::{self, ErrorKind};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::UnixListener as StdListener;
use std::path::{Path, PathBuf};

use socket2::{Domain, SockAddr, Socket, Type};
use tokio::net::{UnixListener, UnixStream};

/// At most this many processes share a folder.
const MOST: u32 = 64;
/// Tools that wait to be heard.
const BACKLOG: i32 = 64;
/// What fits into an address (`sun_path`), without the byte that ends it.
const LONGEST: usize = 107;

/// A socket of this process. Dropping it removes it.
#[derive(Debug)]
pub struct ControlSocket {
    path: PathBuf,
    /// Device and inode: what is removed is what was made, and nothing else.
    made: (u64, u64),
    socket: Socket,
}

impl ControlSocket {
    /// Listens in `folder`, which has to exist.
    ///
    /// # Errors
    ///
    /// What the system said; also if the folder is full of sockets of others.
    pub fn open(folder: &Path) -> io::Result<Self> {
        // Between finding out that a socket is nobody's and replacing it, nobody else may do the same.
        let turn = File::open(folder)?;
        turn.lock()?;
        for path in (1..=MOST).map(|number| folder.join(format!("{number}.sock"))) {
            if !is_free(&path)? {
                continue;
            }
            let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
            Address::of(&path)?.with(|address| socket.bind(address))?;
            // It cannot be connected to before it listens.
            fs::set_permissions(&path, Permissions::from_mode(0o600))?;
            socket.listen(BACKLOG)?;
            socket.set_nonblocking(true)?;
            let meta = path.symlink_metadata()?;
            return Ok(Self { path, made: (meta.dev(), meta.ino()), socket });
        }
        Err(io::Error::other(format!("{} holds the sockets of {MOST} processes already", folder.display())))
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The listening end for the runtime that this is called in.
    ///
    /// # Errors
    ///
    /// If the runtime cannot take it.
    pub fn listener(&self) -> io::Result<UnixListener> {
        UnixListener::from_std(StdListener::from(OwnedFd::from(self.socket.try_clone()?)))
    }
}

impl Drop for ControlSocket {
    fn drop(&mut self) {
        let is_ours = self.path.symlink_metadata().is_ok_and(|meta| (meta.dev(), meta.ino()) == self.made);
        if is_ours {
            // Whoever starts next finds that it is nobody's.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// The sockets in a folder, those of dead processes among them; none if there is no such folder.
///
/// # Errors
///
/// What the system said if the folder cannot be looked into.
pub fn sockets(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut sockets = Vec::new();
    for entry in entries {
        let entry = entry?;
        if entry.file_type().is_ok_and(|kind| kind.is_socket()) {
            sockets.push(entry.path());
        }
    }
    sockets.sort();
    Ok(sockets)
}

/// Connects to one of [`sockets`]; `None` if its process is dead.
///
/// # Errors
///
/// What the system said, such as that this user may not.
pub async fn connect(socket: &Path) -> io::Result<Option<UnixStream>> {
    let address = Address::of(socket)?;
    match UnixStream::connect(&address.path).await {
        Ok(stream) => Ok(Some(stream)),
        Err(error) if matches!(error.kind(), ErrorKind::ConnectionRefused | ErrorKind::NotFound) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whether a socket may be made here; one that nobody listens on any more is removed.
fn is_free(path: &Path) -> io::Result<bool> {
    match path.symlink_metadata() {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(true),
        Ok(meta) if meta.file_type().is_socket() => {}
        // Something else is not ours to judge.
        _ => return Ok(false),
    }
    let caller = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    // A process that is alive and has no time is alive.
    caller.set_nonblocking(true)?;
    let refused = Address::of(path)?.with(|address| caller.connect(address));
    if refused.is_err_and(|error| error.kind() == ErrorKind::ConnectionRefused) {
        fs::remove_file(path)?;
        return Ok(true);
    }
    Ok(false)
}

/// How the system is told about a path, however long that is.
struct Address {
    path: PathBuf,
    /// Where the path goes through it: it is open as long as the address is used.
    _folder: Option<File>,
}

impl Address {
    fn of(path: &Path) -> io::Result<Self> {
        if path.as_os_str().len() <= LONGEST {
            return Ok(Self { path: path.to_owned(), _folder: None });
        }
        let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else {
            return Err(ErrorKind::InvalidInput.into());
        };
        let folder = File::open(folder)?;
        // The folder by its descriptor is a short name for it.
        let path = Path::new("/proc/self/fd").join(folder.as_raw_fd().to_string()).join(name);
        if !Path::new("/proc/self/fd").exists() {
            let what = format!("the path of a socket has at most {LONGEST} bytes where there is no /proc");
            return Err(io::Error::new(ErrorKind::InvalidInput, what));
        }
        Ok(Self { path, _folder: Some(folder) })
    }

    fn with<T>(&self, work: impl FnOnce(&SockAddr) -> io::Result<T>) -> io::Result<T> {
        work(&SockAddr::unix(&self.path)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder() -> tempfile::TempDir {
        tempfile::tempdir().expect("a directory")
    }

    fn name(socket: &ControlSocket) -> &str {
        socket.path().file_name().and_then(|name| name.to_str()).expect("a name")
    }

    #[test]
    fn a_living_socket_stays_and_a_dead_one_is_replaced() {
        let folder = folder();
        let first = ControlSocket::open(folder.path()).expect("a socket");
        let second = ControlSocket::open(folder.path()).expect("a socket");
        assert_eq!((name(&first), name(&second)), ("1.sock", "2.sock"));
        let mode = first.path().metadata().expect("there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        drop(first);
        assert_eq!(sockets(folder.path()).expect("a folder"), [second.path()]);

        // What a process leaves that was killed: a socket that nobody listens on.
        drop(StdListener::bind(folder.path().join("1.sock")).expect("bound"));
        fs::write(folder.path().join("3.sock"), "no socket").expect("written");
        let third = ControlSocket::open(folder.path()).expect("a socket");
        let fourth = ControlSocket::open(folder.path()).expect("a socket");
        assert_eq!((name(&third), name(&fourth)), ("1.sock", "4.sock"));
        let text = fs::read_to_string(folder.path().join("3.sock")).expect("a file");
        assert_eq!(text, "no socket", "what is no socket is left alone");
    }

    #[test]
    fn what_somebody_put_in_its_place_is_not_removed() {
        let folder = folder();
        let socket = ControlSocket::open(folder.path()).expect("a socket");
        fs::remove_file(socket.path()).expect("removed");
        fs::write(socket.path(), "other").expect("written");
        let path = socket.path().to_owned();
        drop(socket);
        assert!(path.exists());
    }

    #[tokio::test]
    async fn a_path_of_any_length_can_be_reached() {
        let above = folder();
        let long = above.path().join("x".repeat(150)).join("y".repeat(150));
        fs::create_dir_all(&long).expect("folders");
        let socket = ControlSocket::open(&long).expect("a socket");
        let listener = socket.listener().expect("a runtime");
        let found = sockets(&long).expect("a folder");
        assert_eq!(found, [socket.path()]);
        assert!(connect(&found[0]).await.expect("allowed").is_some());
        listener.accept().await.expect("a caller");
        let dead = long.join("2.sock");
        Address::of(&dead)
            .expect("an address")
            .with(|address| Socket::new(Domain::UNIX, Type::STREAM, None)?.bind(address))
            .expect("bound");
        assert!(connect(&dead).await.expect("no error").is_none());
    }

    #[test]
    fn where_nobody_has_ever_been_there_are_none() {
        assert_eq!(sockets(&folder().path().join("absent")).expect("no error"), Vec::<PathBuf>::new());
    }
}
