//! What can go wrong.

use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::store::StoreError;

/// Why an operator's wish was not fulfilled. Display is one line; the cause is the source.
#[derive(Debug, Error)]
pub enum OpsError {
    /// The storage failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A file outside the storage could not be read or written.
    #[error("could not {verb} {}", path.display())]
    File {
        /// What was tried.
        verb: &'static str,
        /// Where.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// What was asked for cannot be done: why, and what can be done instead.
    #[error("{0}")]
    Refused(String),
}

impl OpsError {
    /// For `map_err`: a file on which a verb failed.
    pub(super) fn file(verb: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::File { verb, path, source }
    }
}
