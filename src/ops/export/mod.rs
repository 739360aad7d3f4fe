//! A certificate and its key in the form another program reads.

mod form;

use std::io::Write;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use self::form::Part;
use super::OpsError;
use super::fresh::{Fresh, folder};
use crate::ident::Name;
use crate::store::Item;

/// For whom it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Any program: `fullchain.pem` and `key.pem`.
    Pem,
    /// nginx: the same, and the lines that name them.
    Nginx,
    /// HAProxy: certificate, chain and key in one file.
    Haproxy,
    /// Kubernetes: a Secret of type `kubernetes.io/tls`.
    K8sSecret,
}

/// Where it goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Out {
    /// To whoever asked, as text.
    Text,
    /// Into files of this directory, which is made if it is missing.
    Directory(PathBuf),
}

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Export {
    /// The name.
    pub name: String,
    /// This item instead of the one that is served.
    pub item: Option<String>,
    /// For whom.
    pub format: Format,
    /// Where to.
    pub out: Out,
}

/// What came of it.
pub enum Exported {
    /// This, key included.
    Text(Zeroizing<String>),
    /// These files.
    Files(Vec<PathBuf>),
}

/// Writes an item in the form that was asked for. Each file takes its place when all of them are written, readable by
/// its owner only.
///
/// # Errors
///
/// [`OpsError`]; no file has taken its place then, unless a rename failed.
pub fn export(item: &Item, name: &Name, format: Format, out: &Out) -> Result<Exported, OpsError> {
    let directory = match out {
        Out::Text => return form::text(item, name, format).map(Exported::Text),
        Out::Directory(directory) => directory,
    };
    folder(directory).map_err(OpsError::file("make", directory))?;
    let directory = directory.canonicalize().map_err(OpsError::file("find", directory))?;
    let parts = form::files(item, name, format, &directory);
    let written: Result<Vec<_>, OpsError> =
        parts.iter().map(|part| Ok((write(&directory, part)?, directory.join(&part.file)))).collect();
    let mut files = Vec::new();
    for (fresh, place) in written? {
        fresh.finish().map_err(OpsError::file("write", &place))?;
        files.push(place);
    }
    Ok(Exported::Files(files))
}

fn write(directory: &Path, part: &Part) -> Result<Fresh, OpsError> {
    let place = directory.join(&part.file);
    let written = Fresh::begin(&place).and_then(|mut fresh| {
        fresh.write_all(part.text.as_bytes())?;
        Ok(fresh)
    });
    written.map_err(OpsError::file("write", &place))
}
