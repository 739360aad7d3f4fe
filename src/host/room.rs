//! Whether a directory can be written, and how much fits into it.

use std::path::{Path, PathBuf};

use rustix::fs::{Access, StatVfsMountFlags, access, stat, statvfs};
use rustix::io::Errno;
use rustix::process::geteuid;

/// What a directory has room for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Room {
    /// Why it cannot be written, if it cannot.
    pub refused: Option<String>,
    /// Whether it belongs to another user, who may be allowed what we are not.
    pub others: bool,
    /// Bytes that are left for us.
    pub bytes: Option<u64>,
    /// Files that can still be made; none where the filesystem has no such limit.
    pub files: Option<u64>,
}

/// Looks at a directory, or where it does not exist yet at the one it would be made in. Nothing is written.
#[must_use]
pub fn room(path: &Path) -> Room {
    let at = nearest(path);
    // Searching a directory takes the right to enter it.
    let refused = access(&at, Access::WRITE_OK | Access::EXEC_OK).err();
    let others =
        refused == Some(Errno::ACCESS) && stat(&at).is_ok_and(|stat| stat.st_uid != geteuid().as_raw());
    let space = statvfs(&at).ok();
    let read_only = space.as_ref().is_some_and(|space| space.f_flag.contains(StatVfsMountFlags::RDONLY));
    let refused = refused.or(read_only.then_some(Errno::ROFS)).map(|errno| {
        let why = std::io::Error::from(errno).to_string();
        if at == path { why } else { format!("{}: {why}", at.display()) }
    });
    Room {
        refused,
        others,
        bytes: space.as_ref().map(|space| space.f_bavail.saturating_mul(space.f_frsize)),
        files: space.as_ref().filter(|space| space.f_files != 0).map(|space| space.f_favail),
    }
}

/// The path itself or the first directory above it that exists.
fn nearest(path: &Path) -> PathBuf {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let exists = absolute.ancestors().find(|at| stat(*at).is_ok()).unwrap_or(Path::new("/"));
    if exists == absolute { path.to_owned() } else { exists.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_that_is_not_there_yet_has_the_room_of_the_one_above() {
        let folder = tempfile::tempdir().expect("a directory");
        let there = room(folder.path());
        assert_eq!(there.refused, None);
        assert!(there.bytes.is_some_and(|bytes| bytes > 0));
        assert_eq!(room(&folder.path().join("a/b")).refused, None);
    }

    #[test]
    fn a_place_where_nobody_can_write_says_why() {
        let refused = room(Path::new("/dev/null/x")).refused.expect("not even root can");
        assert!(refused.starts_with("/dev/null: "), "{refused}");
    }
}
