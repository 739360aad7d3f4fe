//! From an archive to a storage.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Read, Seek, stdin};
use std::path::Path;

use zeroize::Zeroizing;

use super::entries::{Seen, Whole, read, refused, unreadable};
use crate::ops::OpsError;
use crate::store::{Incoming, Kept, Link, Settled, Store, StoreError};

/// How a file begins that gzip has written (RFC 1952 section 2.3.1).
const GZIP: &[u8] = &[0x1f, 0x8b];

/// At most this many bytes are taken from a pipe; a larger archive has to be a file.
const MOST_BY_PIPE: u64 = 1024 * 1024 * 1024;

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restored {
    /// Items that were here before.
    pub known: usize,
    /// Accounts in the archive.
    pub accounts: usize,
    /// The rest.
    pub settled: Settled,
}

/// An archive that is there and can be read.
pub struct Restore(Source);

/// It is read more than once.
enum Source {
    File(File),
    /// It came by a pipe. What is in it is secret, so it is kept nowhere else.
    Memory(Zeroizing<Vec<u8>>),
}

impl Restore {
    /// Opens it, or reads it where it comes by a pipe; what is in it is not looked at yet.
    ///
    /// # Errors
    ///
    /// [`OpsError`] if that cannot be done.
    pub fn open(path: &Path) -> Result<Self, OpsError> {
        let failed = || OpsError::file("read", path);
        let file = File::open(path).map_err(failed())?;
        let source = match file.metadata().map_err(failed())?.is_file() {
            true => Source::File(file),
            false => Source::memory(file, MOST_BY_PIPE).map_err(failed())?,
        };
        Ok(Self(source))
    }

    /// The same for what comes by standard input.
    ///
    /// # Errors
    ///
    /// As for [`open`](Self::open).
    pub fn from_stdin() -> Result<Self, OpsError> {
        let source = Source::memory(stdin().lock(), MOST_BY_PIPE);
        Ok(Self(source.map_err(OpsError::file("read", Path::new("-")))?))
    }

    /// Proves it to its last byte, as [`bring`](Self::bring) does to begin with, for a storage in which there is
    /// nothing.
    ///
    /// # Errors
    ///
    /// [`OpsError::Refused`] if the archive is not whole.
    pub async fn prove(&self, empty: &Store) -> Result<(), OpsError> {
        prove_all(&mut empty.incoming().await?, &self.0).await.map(drop)
    }

    /// Brings everything that is in it into a storage, beside what is there.
    ///
    /// The archive is read and proved to its last byte before anything is written; then items and the journal are put
    /// together aside; then what is remembered is added, items move to their places, and last the pointers, none of
    /// them to an older item than before, and the journal.
    ///
    /// # Errors
    ///
    /// [`OpsError::Refused`] if the archive is not whole, says something else than the storage does, or if another
    /// process issues for the storage. Nothing is changed then. After any other error the storage is whole, and the
    /// same again brings the rest.
    pub async fn bring(&self, store: &Store) -> Result<Restored, OpsError> {
        let mut incoming = store.incoming().await.map_err(|error| match error {
            StoreError::Taken { .. } => {
                OpsError::Refused(format!("{error}; stop it, restore, and start it again"))
            }
            other => other.into(),
        })?;
        match take_in(&mut incoming, &self.0).await {
            Ok(seen) => {
                let settled = incoming.settle().await?;
                let known = seen.items.len() - settled.new;
                Ok(Restored { known, accounts: seen.accounts.len(), settled })
            }
            Err(error) => {
                incoming.abandon().await;
                Err(error)
            }
        }
    }
}

impl Source {
    fn memory(from: impl Read, most: u64) -> io::Result<Self> {
        let mut bytes = Zeroizing::new(Vec::new());
        from.take(most + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > most {
            let what = format!("more than {most} bytes come by the pipe; restore from a file");
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, what));
        }
        Ok(Self::Memory(bytes))
    }

    fn begin(&self) -> Result<Box<dyn BufRead + '_>, OpsError> {
        match self {
            Self::File(file) => {
                let mut file = file;
                file.rewind().map_err(|e| unreadable(&e))?;
                Ok(Box::new(BufReader::new(file)))
            }
            Self::Memory(bytes) => Ok(Box::new(Cursor::new(&bytes[..]))),
        }
    }
}

/// Proves all of it; puts the items together; keeps the rest.
async fn take_in(incoming: &mut Incoming, from: &Source) -> Result<Seen, OpsError> {
    let proved = prove_all(incoming, from).await?;
    let staged = read(from.begin()?, async |whole| match whole {
        Whole::Item(id, files) => Ok(incoming.stage(&id, &files).await?),
        Whole::Other(Kept::Segment(number), lines) => Ok(incoming.stage_segment(number, lines).await?),
        Whole::Account(..) | Whole::Other(..) => Ok(()),
    });
    if staged.await? != proved {
        return Err(refused("it was changed while it was read"));
    }
    let kept = read(from.begin()?, async |whole| match whole {
        Whole::Item(..) => Ok(()),
        Whole::Account(id, files) => Ok(incoming.adopt(&id, &files).await?),
        Whole::Other(kept, value) => Ok(incoming.take(&kept, value).await?),
    });
    kept.await?;
    Ok(proved)
}

async fn prove_all(incoming: &mut Incoming, from: &Source) -> Result<Seen, OpsError> {
    let mut begun = from.begin()?;
    if begun.fill_buf().map_err(|e| unreadable(&e))?.starts_with(GZIP) {
        let way = "it is compressed: `gunzip -c FILE | sidegate restore -` takes it";
        return Err(refused(way));
    }
    let proved = read(begun, async |whole| prove(incoming, whole).await).await?;
    links_lead_into(&proved)?;
    incoming.prove_whole().map_err(unfit)?;
    Ok(proved)
}

async fn prove(incoming: &mut Incoming, whole: Whole) -> Result<(), OpsError> {
    let proved = match &whole {
        Whole::Item(id, files) => incoming.prove_item(id, files).await.map(drop),
        Whole::Account(id, files) => incoming.prove_account(id, files).await,
        Whole::Other(kept, value) => incoming.prove(kept, value),
    };
    proved.map_err(unfit)
}

/// What is damaged in an archive is a reason not to use it.
fn unfit(error: StoreError) -> OpsError {
    match error {
        StoreError::Damaged { .. } => refused(&error.to_string()),
        other => other.into(),
    }
}

/// A link that leads to something else than the archive holds is a sign of tampering, though links are made anew from
/// the items.
fn links_lead_into(seen: &Seen) -> Result<(), OpsError> {
    let leads = |link: &&Link| match link {
        Link::Pointer(_, _, id) => seen.items.contains(id),
        Link::Current(id) => seen.accounts.contains(id),
    };
    match seen.links.iter().find(|link| !leads(link)) {
        Some(link) => Err(refused(&format!("{} leads to nothing in it", link.key()))),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pipe_is_not_read_for_ever() {
        assert!(matches!(Source::memory(&b"four"[..], 4), Ok(Source::Memory(_))));
        let endless = Source::memory(io::repeat(0), 4).err().expect("it is too long");
        assert_eq!(endless.kind(), io::ErrorKind::FileTooLarge);
    }
}
