//! From an archive to a storage.

use std::fs::File;
use std::io::{BufReader, Seek};
use std::path::Path;

use super::entries::{Seen, Whole, read, refused, unreadable};
use crate::ops::OpsError;
use crate::store::{Incoming, Kept, Link, Settled, Store, StoreError};

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
pub struct Restore {
    file: File,
}

impl Restore {
    /// Opens it; what is in it is not looked at yet.
    ///
    /// # Errors
    ///
    /// [`OpsError`] if that cannot be done.
    pub fn open(path: &Path) -> Result<Self, OpsError> {
        let file = File::open(path).map_err(OpsError::file("read", path))?;
        Ok(Self { file })
    }

    /// Brings everything that is in it into a storage, beside what is there.
    ///
    /// The archive is read and proved to its last byte before anything is written; then items and the journal are put together
    /// aside; then what is remembered is added, items move to their places, and last the pointers, none of them to an older item
    /// than before, and the journal.
    ///
    /// # Errors
    ///
    /// [`OpsError::Refused`] if the archive is not whole, says something else than the storage does, or if another process issues
    /// for the storage. Nothing is changed then. After any other error the storage is whole, and the same again brings the rest.
    pub async fn bring(&self, store: &Store) -> Result<Restored, OpsError> {
        let mut incoming = store.incoming().await.map_err(|error| match error {
            StoreError::Taken { .. } => {
                OpsError::Refused(format!("{error}; stop it, restore, and start it again"))
            }
            other => other.into(),
        })?;
        match take_in(&mut incoming, &self.file).await {
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

/// Proves all of it; puts the items together; keeps the rest.
async fn take_in(incoming: &mut Incoming, file: &File) -> Result<Seen, OpsError> {
    let proved = read(begin(file)?, async |whole| prove(incoming, whole).await).await?;
    links_lead_into(&proved)?;
    incoming.prove_whole().map_err(unfit)?;
    let staged = read(begin(file)?, async |whole| match whole {
        Whole::Item(id, files) => Ok(incoming.stage(&id, &files).await?),
        Whole::Other(Kept::Segment(number), lines) => Ok(incoming.stage_segment(number, lines).await?),
        Whole::Account(..) | Whole::Other(..) => Ok(()),
    });
    if staged.await? != proved {
        return Err(refused("it was changed while it was read"));
    }
    let kept = read(begin(file)?, async |whole| match whole {
        Whole::Item(..) => Ok(()),
        Whole::Account(id, files) => Ok(incoming.adopt(&id, &files).await?),
        Whole::Other(kept, value) => Ok(incoming.take(&kept, value).await?),
    });
    kept.await?;
    Ok(proved)
}

fn begin(mut file: &File) -> Result<BufReader<&File>, OpsError> {
    file.rewind().map_err(|e| unreadable(&e))?;
    Ok(BufReader::new(file))
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

/// A link that leads to something else than the archive holds is a sign of tampering, though links are made anew from the items.
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
