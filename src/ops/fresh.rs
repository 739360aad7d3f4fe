//! A file that takes its place when it is whole: closed to others from its first byte, synced, renamed.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::pki::crypto;

/// A file on its way. Dropped before [`finish`](Self::finish), it leaves nothing behind.
pub(super) struct Fresh {
    file: File,
    aside: PathBuf,
    place: PathBuf,
    finished: bool,
}

impl Fresh {
    /// Begins what is to stand at `place`.
    pub(super) fn begin(place: &Path) -> io::Result<Self> {
        let name = place.file_name().ok_or(ErrorKind::InvalidInput)?;
        let mut aside = std::ffi::OsString::from(".");
        aside.push(name);
        aside.push(format!(".{}", crypto::hex(&crypto::random::<4>())));
        let aside = place.with_file_name(aside);
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&aside)?;
        Ok(Self { file, aside, place: place.to_owned(), finished: false })
    }

    /// Puts it in its place, over what stands there. It survives a power cut when this returns.
    pub(super) fn finish(mut self) -> io::Result<()> {
        self.file.sync_all()?;
        fs::rename(&self.aside, &self.place)?;
        self.finished = true;
        let folder = self.place.parent().filter(|folder| !folder.as_os_str().is_empty());
        File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
    }
}

impl Write for Fresh {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Drop for Fresh {
    fn drop(&mut self) {
        if !self.finished {
            let _ = fs::remove_file(&self.aside);
        }
    }
}

/// Makes a folder, closed to others, unless it is there.
pub(super) fn folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_file_is_whole_or_as_it_was() {
        let folder = tempfile::tempdir().expect("a directory");
        let place = folder.path().join("x");
        fs::write(&place, "before").expect("written");
        let mut fresh = Fresh::begin(&place).expect("begun");
        fresh.write_all(b"half").expect("written");
        drop(fresh);
        assert_eq!(fs::read(&place).expect("readable"), b"before");
        let mut fresh = Fresh::begin(&place).expect("begun");
        fresh.write_all(b"after").expect("written");
        fresh.finish().expect("finished");
        assert_eq!(fs::read(&place).expect("readable"), b"after");
        assert_eq!(fs::metadata(&place).expect("there").permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 1);
    }
}
