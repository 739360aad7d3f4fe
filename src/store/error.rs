//! What can go wrong in the store.

use std::io;
use std::sync::Arc;

use thiserror::Error;

use super::Prefix;
use super::engine::EngineError;
use crate::ident::{ItemId, NamesError};

/// Why the store did not do what it was asked. Display is one line; the cause is the source.
#[derive(Debug, Clone, Error)]
pub enum StoreError {
    /// The storage directory cannot be used.
    #[error("the storage directory {path} cannot be used ({cause}); {advice}")]
    Storage {
        /// The directory as it was given.
        path: String,
        /// What helps.
        advice: &'static str,
        /// The cause, which the text names already.
        cause: Arc<io::Error>,
    },
    /// Somebody alive holds the draft, or the issuer role. Nothing is wrong; come back later.
    #[error("{place} is in use by {}", holder.as_deref().unwrap_or("another process"))]
    Taken {
        /// What is held.
        place: Prefix,
        /// By whom, in words, where that can be known.
        holder: Option<String>,
    },
    /// What was to be committed does not belong to the draft. Nothing was changed.
    #[error("this certificate does not belong to the draft {draft}: {why}")]
    NotOurs {
        /// The draft.
        draft: Prefix,
        /// What does not fit.
        why: String,
    },
    /// A file of an item or of an account is missing, torn, or does not fit the others.
    #[error("{place} is damaged: {why}")]
    Damaged {
        /// The file, or the whole folder.
        place: Prefix,
        /// What is wrong with it.
        why: String,
    },
    /// The item is committed and complete, but not all of its pointers could be moved. The next sweep moves them.
    #[error("{item} is committed, but not all of its pointers could be moved")]
    PointersLag {
        /// The item.
        item: ItemId,
        /// Why the first one stayed.
        source: EngineError,
    },
    /// What was read as the names of a certificate is not.
    #[error(transparent)]
    Names(#[from] NamesError),
    /// The engine failed.
    #[error(transparent)]
    Engine(EngineError),
}

impl From<EngineError> for StoreError {
    fn from(error: EngineError) -> Self {
        match error {
            EngineError::Taken { place, holder } => Self::Taken { place, holder },
            other => Self::Engine(other),
        }
    }
}

impl StoreError {
    /// Whether somebody alive holds what was asked for.
    #[must_use]
    pub fn is_taken(&self) -> bool {
        matches!(self, Self::Taken { .. })
    }

    /// Whether a storage can perhaps be read all the same: what was refused is to write there.
    #[must_use]
    pub fn forbids_writing(&self) -> bool {
        self.is_about_rights()
            || matches!(self, Self::Storage { cause, .. } if cause.kind() == io::ErrorKind::ReadOnlyFilesystem)
    }

    /// Whether another user could use the storage.
    #[must_use]
    pub fn is_about_rights(&self) -> bool {
        matches!(self, Self::Storage { cause, .. } if cause.kind() == io::ErrorKind::PermissionDenied)
    }

    /// Whether the same may be read a moment later: the medium failed, and it is neither forbidden nor damaged.
    #[must_use]
    pub fn may_pass(&self) -> bool {
        let Self::Engine(EngineError::Io { source, .. }) = self else { return false };
        source.kind() != io::ErrorKind::PermissionDenied
    }

    /// Whether the thing asked for is not there.
    #[must_use]
    pub fn is_absent(&self) -> bool {
        matches!(self, Self::Engine(EngineError::Absent { .. }))
    }
}
