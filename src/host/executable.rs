//! Whether a program could be started, seen without starting it.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fs::{Access, access};
use rustix::io::Errno;

/// Looks for a program as the system does when it starts one: at its path, or where `name` has no slash, in the folders
/// of `path`, which is the value of `PATH`.
///
/// # Errors
///
/// What the system would say. [`NotFound`](io::ErrorKind::NotFound) if there is no such file, [`IsADirectory`] for a
/// folder, [`PermissionDenied`](io::ErrorKind::PermissionDenied) if this user may not run it.
///
/// [`IsADirectory`]: io::ErrorKind::IsADirectory
pub(super) fn look(name: &OsStr, path: &OsStr) -> io::Result<()> {
    if name.as_bytes().contains(&b'/') {
        return runs(Path::new(name));
    }
    let mut outcome = Err(Errno::NOENT.into());
    if name.is_empty() {
        return outcome;
    }
    for folder in path.as_bytes().split(|byte| *byte == b':').filter(|folder| !folder.is_empty()) {
        match runs(&Path::new(OsStr::from_bytes(folder)).join(name)) {
            Ok(()) => return Ok(()),
            // Another one may be found behind it.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => outcome = Err(error),
            Err(_) => {}
        }
    }
    outcome
}

fn runs(file: &Path) -> io::Result<()> {
    if file.is_dir() {
        return Err(Errno::ISDIR.into());
    }
    Ok(access(file, Access::EXEC_OK)?)
}
