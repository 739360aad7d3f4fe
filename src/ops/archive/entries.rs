//! From an archive to what it holds. Whoever made the archive may have been anybody.

use std::collections::{HashMap, HashSet};
use std::io::{BufRead, BufReader, Read};

use bytes::Bytes;
use tar::{Archive, EntryType};

use super::{DIGESTS, FORMAT, HEAD, Head};
use crate::ident::{ItemId, printable};
use crate::ops::OpsError;
use crate::pki::crypto;
use crate::store::layout::{AccountFile, File, LARGEST};
use crate::store::{AccountId, Kept, Link};

/// A path or two, and a sentence.
const LONGEST_REASON: usize = 2048;

/// A digest and the longest path there is.
const LONGEST_LINE: u64 = 1024;

/// Things that belong together.
#[derive(Debug)]
pub(super) enum Whole {
    Item(ItemId, Vec<(File, Bytes)>),
    Account(AccountId, Vec<(AccountFile, Bytes)>),
    Other(Kept, Bytes),
}

/// What was in an archive, by its contents.
#[derive(Default, PartialEq, Eq)]
pub(super) struct Seen {
    /// The digest of each file.
    files: HashMap<String, [u8; 32]>,
    pub(super) items: HashSet<ItemId>,
    pub(super) accounts: HashSet<AccountId>,
    pub(super) links: Vec<Link>,
}

/// Reads an archive to its end, and hands over each item and account when all its files are there.
///
/// # Errors
///
/// [`OpsError::Refused`] if it is no archive of ours: another kind of entry, a place no storage has, a file that comes
/// twice, is too large or is not what its digest says, or no list of digests at the end. What `take` fails with.
pub(super) async fn read(
    from: impl Read,
    mut take: impl AsyncFnMut(Whole) -> Result<(), OpsError>,
) -> Result<Seen, OpsError> {
    let mut archive = Archive::new(from);
    let (mut seen, mut open, mut proved) = (Seen::default(), None, false);
    for (index, entry) in archive.entries().map_err(|e| unreadable(&e))?.enumerate() {
        let entry = entry.map_err(|e| unreadable(&e))?;
        let path = entry.path_bytes().into_owned();
        let path = String::from_utf8(path).map_err(|_| refused("it has a path that is not text"))?;
        if proved {
            return Err(refused(&format!("{path} stands after its end")));
        }
        match entry.header().entry_type() {
            EntryType::Regular if index == 0 => {
                head(&path, entry)?;
            }
            EntryType::Regular if path == DIGESTS => {
                digests(entry, &seen)?;
                proved = true;
            }
            EntryType::Regular => {
                let kept = Kept::at(&path).ok_or_else(|| stranger(&path))?;
                let value = contents(&path, entry)?;
                if seen.files.insert(path.clone(), crypto::sha256(&value)).is_some() {
                    return Err(refused(&format!("{path} comes twice")));
                }
                let (whole, next) = join(open.take(), kept, value);
                open = Some(next);
                if let Some(whole) = whole {
                    hand_over(whole, &mut seen, &mut take).await?;
                }
            }
            EntryType::Symlink => {
                let target = entry.link_name_bytes().unwrap_or_default().into_owned();
                let link = std::str::from_utf8(&target).ok().and_then(|target| Link::at(&path, target));
                seen.links.push(link.ok_or_else(|| stranger(&path))?);
            }
            _ => return Err(refused(&format!("{path} is neither a file nor a link"))),
        }
    }
    if !proved {
        return Err(refused("its end is missing"));
    }
    if let Some(whole) = open {
        hand_over(whole, &mut seen, &mut take).await?;
    }
    Ok(seen)
}

async fn hand_over(
    whole: Whole,
    seen: &mut Seen,
    take: &mut impl AsyncFnMut(Whole) -> Result<(), OpsError>,
) -> Result<(), OpsError> {
    let new = match &whole {
        Whole::Item(id, _) => seen.items.insert(id.clone()),
        Whole::Account(id, _) => seen.accounts.insert(id.clone()),
        Whole::Other(..) => true,
    };
    if !new {
        return Err(refused("the files of an item or of an account do not stand together"));
    }
    take(whole).await
}

/// Adds a file to the thing that is being read, or begins the next one.
fn join(open: Option<Whole>, kept: Kept, value: Bytes) -> (Option<Whole>, Whole) {
    match (open, kept) {
        (Some(Whole::Item(id, mut files)), Kept::Item(of, file)) if of == id => {
            files.push((file, value));
            (None, Whole::Item(id, files))
        }
        (Some(Whole::Account(id, mut files)), Kept::Account(of, file)) if of == id => {
            files.push((file, value));
            (None, Whole::Account(id, files))
        }
        (before, Kept::Item(id, file)) => (before, Whole::Item(id, vec![(file, value)])),
        (before, Kept::Account(id, file)) => (before, Whole::Account(id, vec![(file, value)])),
        (before, other) => (before, Whole::Other(other, value)),
    }
}

fn head(path: &str, entry: impl Read) -> Result<(), OpsError> {
    if path != HEAD {
        return Err(refused("it does not begin as a backup of sidegate does"));
    }
    let head: Head = serde_json::from_slice(&contents(path, entry)?)
        .map_err(|error| refused(&format!("{HEAD} is not readable: {error}")))?;
    if head.format == FORMAT {
        return Ok(());
    }
    Err(refused(&format!("sidegate {} wrote it, in a format this version does not know", head.sidegate)))
}

fn contents(path: &str, entry: impl Read) -> Result<Bytes, OpsError> {
    let mut value = Vec::new();
    entry.take(LARGEST + 1).read_to_end(&mut value).map_err(|e| unreadable(&e))?;
    if value.len() as u64 > LARGEST {
        return Err(refused(&format!("{path} is larger than anything a storage holds")));
    }
    Ok(value.into())
}

/// Every file is listed, with the digest it has, and no other is.
fn digests(entry: impl Read, seen: &Seen) -> Result<(), OpsError> {
    let mut lines = BufReader::new(entry);
    let mut listed = HashSet::new();
    loop {
        let mut line = String::new();
        lines.by_ref().take(LONGEST_LINE).read_line(&mut line).map_err(|e| unreadable(&e))?;
        let Some((digest, path)) = line.trim_end_matches('\n').split_once("  ") else {
            if line.is_empty() {
                break;
            }
            return Err(refused(&format!("{DIGESTS} has a malformed line")));
        };
        let right = path == HEAD || seen.files.get(path).is_some_and(|is| crypto::hex(is) == digest);
        if !right {
            return Err(refused(&format!("{path} is missing, or is not what it was")));
        }
        listed.insert(path.to_owned());
    }
    match seen.files.keys().find(|path| !listed.contains(*path)) {
        Some(path) => Err(refused(&format!("{path} has no digest in {DIGESTS}"))),
        None => Ok(()),
    }
}

fn stranger(path: &str) -> OpsError {
    refused(&format!("{path} does not belong into a storage"))
}

pub(super) fn refused(why: &str) -> OpsError {
    // Whatever was given as one may be quoted in it, and is shown on somebody's terminal.
    OpsError::Refused(format!("the archive cannot be used: {}", printable(why, LONGEST_REASON)))
}

pub(super) fn unreadable(error: &std::io::Error) -> OpsError {
    refused(&format!("it cannot be read ({error})"))
}
