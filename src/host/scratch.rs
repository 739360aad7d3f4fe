//! A place that is gone afterwards.

use std::fs::Permissions;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use tempfile::TempDir;

/// A directory only this user can look into. It is removed, with all that is in it, when this value is
/// dropped.
#[derive(Debug)]
pub struct Scratch(TempDir);

impl Scratch {
    /// Makes one under the system's temporary directory.
    ///
    /// # Errors
    ///
    /// What the system said.
    pub fn new() -> io::Result<Self> {
        let private = Permissions::from_mode(0o700);
        tempfile::Builder::new().prefix("sidegate-").permissions(private).tempdir().map(Self)
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.0.path()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_private_while_it_lasts_and_gone_afterwards() {
        let scratch = Scratch::new().expect("a directory");
        let path = scratch.path().to_owned();
        std::fs::write(path.join("file"), "x").expect("writable");
        let mode = std::fs::metadata(&path).expect("there").permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
        drop(scratch);
        assert!(!path.exists());
    }
}
