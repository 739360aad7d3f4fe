//! One file beside the storage directory: it is still there when the directory has been emptied, or is made anew
//! because a volume is missing.

use std::ffi::OsString;
use std::fs;
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

use super::durable::{create, read_file, sync_folder};

/// `.<name of the storage directory>.issued.json`, in the directory that holds it.
pub(super) struct Beside {
    storage: PathBuf,
    folder: PathBuf,
    file: PathBuf,
}

impl Beside {
    /// `None` for the root of a filesystem, which has nothing beside it.
    pub(super) fn of(root: &Path) -> Option<Self> {
        let (folder, name) = (root.parent()?, root.file_name()?);
        let mut file = OsString::from(".");
        file.push(name);
        file.push(".issued.json");
        Some(Self { storage: root.to_owned(), folder: folder.to_owned(), file: folder.join(file) })
    }

    /// What it holds, if it is there.
    pub(super) fn read(&self) -> io::Result<Option<Vec<u8>>> {
        match read_file(&self.file) {
            Ok((contents, _)) => Ok(Some(contents)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Replaces it. It survives a power cut when this returns.
    pub(super) fn write(&self, contents: &[u8]) -> io::Result<()> {
        // Of two processes that share the storage only one issues.
        let staged = self.file.with_extension("new");
        // A link that somebody put there is not followed.
        match fs::remove_file(&staged) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = create(&staged, &self.storage)?;
        file.write_all(contents)?;
        file.sync_all()?;
        fs::rename(&staged, &self.file)?;
        sync_folder(&self.folder)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_stands_beside_the_storage_and_outlives_it() {
        let volume = tempfile::tempdir().expect("a directory");
        let root = volume.path().join("storage");
        let beside = Beside::of(&root).expect("a storage has a parent");
        assert_eq!(beside.read().expect("readable"), None);
        for text in ["one", "two"] {
            beside.write(text.as_bytes()).expect("written");
            assert_eq!(beside.read().expect("readable").as_deref(), Some(text.as_bytes()));
        }
        let names =
            fs::read_dir(volume.path()).expect("a folder").map(|entry| entry.expect("an entry").file_name());
        assert_eq!(names.collect::<Vec<_>>(), [".storage.issued.json"]);
        assert!(Beside::of(Path::new("/")).is_none());
    }
}
