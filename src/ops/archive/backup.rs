//! From a storage to an archive.

use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::time::SystemTime;

use tar::{Builder, EntryType, Header};

use super::{DIGESTS, FORMAT, HEAD, Head};
use crate::clock;
use crate::ops::OpsError;
use crate::ops::fresh::Fresh;
use crate::pki::crypto;
use crate::store::{Kept, Link, Store, StoreError};

/// What came of it.
#[derive(Debug, Default)]
pub struct Backed {
    /// How many items are in the archive.
    pub items: usize,
    /// How many files in all.
    pub files: usize,
    /// What is not, because it is damaged: what is wrong with each.
    pub left_out: Vec<StoreError>,
}

/// Writes a storage's archive to a file, which takes its place when it is whole, readable by its owner only.
///
/// Others may use the storage meanwhile; what they commit after its items were listed is in the next archive.
///
/// # Errors
///
/// [`OpsError`]; what stood at `path` is still there then.
pub async fn backup(store: &Store, path: &Path, now: SystemTime) -> Result<Backed, OpsError> {
    let failed = || OpsError::file("write", path);
    let fresh = Fresh::begin(path).map_err(failed())?;
    let (written, backed) = write(store, BufWriter::new(fresh), now, path).await?;
    let fresh = written.into_inner().map_err(|error| failed()(error.into_error()))?;
    fresh.finish().map_err(failed())?;
    Ok(backed)
}

/// The same to wherever bytes go, named `path` in errors.
///
/// # Errors
///
/// [`OpsError`].
pub async fn write<W: Write>(
    store: &Store,
    to: W,
    now: SystemTime,
    path: &Path,
) -> Result<(W, Backed), OpsError> {
    let failed = || OpsError::file("write", path);
    let mut archive = Archive { tar: Builder::new(to), digests: Vec::new(), now };
    let mut backed = Backed::default();
    let head =
        Head { format: FORMAT, sidegate: env!("CARGO_PKG_VERSION").to_owned(), made: clock::rfc3339(now) };
    let head = serde_json::to_string(&head).expect("strings and numbers are JSON") + "\n";
    archive.file(HEAD, head.as_bytes(), now).map_err(failed())?;

    let mut outgoing = store.outgoing();
    for id in store.database().items().await? {
        let Some(files) = outgoing.item(&id).await? else { continue };
        for (kept, value) in files {
            archive.kept(&kept, &value, id.time()).map_err(failed())?;
            backed.files += 1;
        }
        backed.items += 1;
    }
    for link in outgoing.pointers() {
        archive.link(&link).map_err(failed())?;
    }
    let (accounts, current) = outgoing.accounts().await?;
    // Last, so that what was spent on the items above is in it.
    let memory = outgoing.memory().await?;
    for (kept, value) in accounts.into_iter().chain(memory).chain(outgoing.journal().await?) {
        archive.kept(&kept, &value, now).map_err(failed())?;
        backed.files += 1;
    }
    if let Some(current) = current {
        archive.link(&current).map_err(failed())?;
    }
    backed.left_out = outgoing.left_out();
    Ok((archive.finish().map_err(failed())?, backed))
}

struct Archive<W: Write> {
    tar: Builder<W>,
    digests: Vec<u8>,
    now: SystemTime,
}

impl<W: Write> Archive<W> {
    fn kept(&mut self, kept: &Kept, value: &[u8], at: SystemTime) -> io::Result<()> {
        self.file(kept.key().as_str(), value, at)
    }

    fn file(&mut self, path: &str, value: &[u8], at: SystemTime) -> io::Result<()> {
        let digest = crypto::hex(&crypto::sha256(value));
        self.digests.extend_from_slice(format!("{digest}  {path}\n").as_bytes());
        self.append(path, value, at)
    }

    fn append(&mut self, path: &str, value: &[u8], at: SystemTime) -> io::Result<()> {
        let mut header = header(EntryType::Regular, at);
        header.set_size(value.len() as u64);
        self.tar.append_data(&mut header, path, value)
    }

    fn link(&mut self, link: &Link) -> io::Result<()> {
        let mut header = header(EntryType::Symlink, self.now);
        self.tar.append_link(&mut header, link.key().as_str(), link.target())
    }

    fn finish(mut self) -> io::Result<W> {
        let digests = std::mem::take(&mut self.digests);
        self.append(DIGESTS, &digests, self.now)?;
        self.tar.into_inner()
    }
}

fn header(kind: EntryType, at: SystemTime) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_size(0);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mode(if kind == EntryType::Symlink { 0o777 } else { 0o600 });
    header.set_mtime(at.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs()));
    header
}
