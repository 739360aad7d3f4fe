//! To whom belongs what is made.

use std::fs::{File, Metadata};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{MetadataExt, fchown};

use rustix::process::geteuid;

/// Gives what was just made to whom the folder around it belongs, where root has made it: a tool that is run as root
/// leaves nothing behind that the service, which runs as somebody else, cannot read.
///
/// By the descriptor, since whoever the folder belongs to may put something else in the place of the name.
pub(super) fn give(made: &File, around: &Metadata) -> io::Result<()> {
    if !geteuid().is_root() || around.uid() == 0 {
        return Ok(());
    }
    match fchown(made, Some(around.uid()), Some(around.gid())) {
        // Root in a container need not have that right.
        Err(error) if error.kind() == ErrorKind::PermissionDenied => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::chown;

    use super::super::durable::{Aside, make_folder};
    use super::*;

    #[test]
    fn what_is_made_belongs_to_whom_the_storage_belongs_whoever_makes_it() {
        let storage = tempfile::tempdir().expect("a directory");
        if geteuid().is_root() {
            chown(storage.path(), Some(65532), Some(65532)).expect("root may");
        }
        let owner = |path: &std::path::Path| {
            let meta = path.symlink_metadata().expect("it is there");
            (meta.uid(), meta.gid())
        };
        let folder = storage.path().join("folder");
        make_folder(&folder).expect("made");
        let file = folder.join("file");
        Aside::open(&folder).expect("open").write(b"key").and_then(|it| it.place(&file)).expect("written");
        assert_eq!((owner(&folder), owner(&file)), (owner(storage.path()), owner(storage.path())));
        assert_eq!(fs::read(&file).expect("readable"), b"key");
    }
}
