//! Reading what somebody else has written, within bounds.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};

use crate::ops::OpsError;

/// No certificate, key or note comes near it.
const LARGEST: u64 = 1 << 20;
/// Nor do all certificates of a program that keeps them in one file.
pub(super) const LARGEST_OF_MANY: u64 = 256 << 20;
/// No program has its folders nested as deep.
const DEEPEST: usize = 8;

/// A file that has to be there.
pub(super) fn needed(path: &Path) -> Result<Vec<u8>, OpsError> {
    bounded(path, LARGEST).map_err(OpsError::file("read", path))
}

/// A file that may be missing.
pub(super) fn perhaps(path: &Path) -> Result<Option<Vec<u8>>, OpsError> {
    match bounded(path, LARGEST) {
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(None),
        other => other.map(Some).map_err(OpsError::file("read", path)),
    }
}

/// A file of at most so many bytes. A pipe or a device is not waited for.
pub(super) fn bounded(path: &Path, largest: u64) -> io::Result<Vec<u8>> {
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::new(ErrorKind::InvalidInput, "it is not a file"));
    }
    let mut contents = Vec::new();
    File::open(path)?.take(largest + 1).read_to_end(&mut contents)?;
    if contents.len() as u64 > largest {
        return Err(io::Error::new(ErrorKind::FileTooLarge, "it is too large to be what it should be"));
    }
    Ok(contents)
}

/// What stands in a folder, in order; nothing if there is no such folder.
pub(super) fn list(folder: &Path) -> Result<Vec<PathBuf>, OpsError> {
    let entries = match fs::read_dir(folder) {
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            return Ok(Vec::new());
        }
        other => other.map_err(OpsError::file("list", folder))?,
    };
    let mut paths = entries
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<io::Result<Vec<_>>>()
        .map_err(OpsError::file("list", folder))?;
    paths.sort();
    Ok(paths)
}

/// The folders below one, at any depth, that hold a file of this name. Links to folders are not followed.
pub(super) fn holding(root: &Path, name: &str) -> Result<Vec<PathBuf>, OpsError> {
    let mut found = Vec::new();
    let mut open = vec![(root.to_owned(), 0)];
    while let Some((folder, depth)) = open.pop() {
        for path in list(&folder)? {
            if path.file_name().is_some_and(|file| file == name) {
                found.push(folder.clone());
            } else if depth < DEEPEST && path.symlink_metadata().is_ok_and(|meta| meta.is_dir()) {
                open.push((path, depth + 1));
            }
        }
    }
    found.sort();
    Ok(found)
}

/// The last name of a path, if it is text.
pub(super) fn name(path: &Path) -> &str {
    path.file_name().and_then(|name| name.to_str()).unwrap_or_default()
}

/// The value of `key = value`, with or without quotes; that of the last such line.
pub(super) fn setting(text: &[u8], key: &str) -> Option<String> {
    let text = String::from_utf8_lossy(text);
    let value = |line: &str| {
        let (name, value) = line.split_once('=')?;
        (name.trim() == key).then(|| value.trim().trim_matches(['\'', '"']).to_owned())
    };
    text.lines().filter_map(value).next_back().filter(|value| !value.is_empty())
}

/// Fails unless the folder is there, so that a mistyped path is not taken for an empty one.
pub(super) fn exists(folder: &Path) -> Result<(), OpsError> {
    fs::read_dir(folder).map(drop).map_err(OpsError::file("list", folder))
}
