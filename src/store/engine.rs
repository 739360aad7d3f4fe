//! What the store asks of whatever keeps its bytes.
//!
//! An engine knows places, values and pointers, not certificates. [`layout`](super::layout) stands above it and is the
//! same for every engine. What an engine promises is written here once and tested once, in `engine_contract`: a new
//! engine is finished when that suite is green for it.
//!
//! Every verb is all or nothing, also when the process dies in the middle of it, and what a verb has done when
//! it returns survives a power cut. Dropping a verb's future leaves one of the two states.

use std::any::Any;
use std::io;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use thiserror::Error;

use super::{Key, Prefix};
use crate::pki::crypto;

/// Keeps values, pointers and folders.
///
/// Beside the errors that its own docs name, each verb fails with [`EngineError::Io`] where the engine does, and each
/// that would change something with [`EngineError::ReadOnly`] where [`is_read_only`](Self::is_read_only).
#[async_trait]
pub trait Engine: Send + Sync {
    /// The value and its version.
    ///
    /// # Errors
    ///
    /// [`EngineError::Absent`] if nothing stands there, [`EngineError::Foreign`] if it is not a plain value.
    async fn read(&self, key: &Key) -> Result<(Bytes, Version), EngineError>;

    /// What stands directly below a folder - values, pointers and folders - in order of names. Empty if
    /// there is no such folder. What has a name that is no [`Key`] is left out, here and everywhere.
    ///
    /// # Errors
    ///
    /// [`EngineError::Foreign`] if it is no folder.
    async fn list(&self, folder: &Prefix) -> Result<Vec<Key>, EngineError>;

    /// Writes a whole value if the present one is as expected. The folders above it come into being.
    ///
    /// # Errors
    ///
    /// [`EngineError::Conflict`] if it is not as expected, [`EngineError::Sealed`] inside an item.
    async fn put(
        &self,
        key: &Key,
        value: Bytes,
        expect: Expect,
        secrecy: Secrecy,
    ) -> Result<Version, EngineError>;

    /// Takes away a value, a pointer or a folder with everything in it. Nothing there is success under
    /// [`Expect::Any`] and [`Expect::Absent`]; a folder has no version.
    ///
    /// # Errors
    ///
    /// As for [`put`](Self::put).
    async fn remove(&self, place: &Prefix, expect: Expect) -> Result<(), EngineError>;

    /// Turns a draft into an item, all of it or none, exactly once; or another folder that was put together into what
    /// it is to be.
    ///
    /// # Errors
    ///
    /// [`EngineError::Exists`] if there is such an item, [`EngineError::Absent`] if there is no such draft.
    async fn seal(&self, draft: &Prefix, item: &Prefix) -> Result<(), EngineError>;

    /// Makes a pointer name a target, if it still names what the caller saw. The target need not exist.
    ///
    /// # Errors
    ///
    /// As for [`put`](Self::put).
    async fn point(&self, pointer: &Key, target: &Prefix, expect: Expect) -> Result<(), EngineError>;

    /// What a pointer names, and the version to expect when moving it; `None` if there is no such pointer.
    ///
    /// # Errors
    ///
    /// [`EngineError::Foreign`] if something stands there that this store would not have written.
    async fn follow(&self, pointer: &Key) -> Result<Option<(Prefix, Version)>, EngineError>;

    /// Moves something damaged or foreign out of the way, never deletes it, and says where to.
    ///
    /// # Errors
    ///
    /// [`EngineError::Absent`] if nothing stands there, [`EngineError::Sealed`] for a part of an item.
    async fn set_aside(&self, place: &Prefix) -> Result<Prefix, EngineError>;

    /// Takes a draft, or the issuer role, for whoever holds the [`Claim`]. The folder comes into being.
    ///
    /// # Errors
    ///
    /// [`EngineError::Taken`] at once if it is held, in this process or in another.
    async fn claim(&self, what: &Prefix) -> Result<Claim, EngineError>;

    /// Tells about pointers that move from now on, and pins that change, whoever does it.
    fn changes(&self) -> Changes;

    /// What was kept last with [`keep`](Self::keep), also if everything else is gone.
    ///
    /// # Errors
    ///
    /// [`EngineError`] if that cannot be read.
    async fn kept(&self) -> Result<Option<Bytes>, EngineError>;

    /// Keeps one value where it outlives the storage being emptied or replaced, if there is such a place.
    ///
    /// # Errors
    ///
    /// [`EngineError`] if it cannot be written there.
    async fn keep(&self, value: Bytes) -> Result<(), EngineError>;

    /// Every value directly below a folder, in order of names.
    ///
    /// # Errors
    ///
    /// [`EngineError::Foreign`] if the folder holds anything else, [`EngineError::Absent`] if there is no such folder.
    async fn read_all(&self, folder: &Prefix) -> Result<Vec<(Key, Bytes)>, EngineError>;

    /// Every pointer directly below a folder, in order of names, and what does not lead anywhere in the storage with
    /// `None`.
    ///
    /// # Errors
    ///
    /// As for [`list`](Self::list).
    async fn follow_all(&self, folder: &Prefix) -> Result<Vec<(Key, Option<Prefix>)>, EngineError>;

    /// Whether every verb that would change something is [`EngineError::ReadOnly`].
    fn is_read_only(&self) -> bool {
        false
    }
}

/// What a value was when it was read. Equal contents have equal versions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Version([u8; 32]);

impl Version {
    /// The version of these contents.
    pub(super) fn of(contents: &[u8]) -> Self {
        Self(crypto::sha256(contents))
    }
}

/// What must be true of the present value for a verb to change it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expect {
    /// Nothing stands there.
    Absent,
    /// Exactly this stands there.
    Is(Version),
    /// Anything or nothing.
    Any,
}

/// Whether a value may be shown to others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Secrecy {
    /// Keys. An engine that leaves the machine must encrypt them.
    Secret,
    /// Everything else.
    Open,
}

/// Holds a folder for one owner until it is dropped, or until the process dies.
pub struct Claim {
    what: Prefix,
    _held: Box<dyn Any + Send + Sync>,
}

impl Claim {
    pub(super) fn new(what: Prefix, held: impl Any + Send + Sync) -> Self {
        Self { what, _held: Box::new(held) }
    }

    /// What is held.
    #[must_use]
    pub fn what(&self) -> &Prefix {
        &self.what
    }
}

impl std::fmt::Debug for Claim {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Claim({})", self.what)
    }
}

/// News about pointers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Changed {
    /// This pointer, or pin, was moved, made or removed.
    Pointer(Key),
    /// Some pointer may have moved; only a look at all of them tells which.
    Something,
}

/// The news, one at a time.
pub struct Changes(Box<dyn Watch>);

impl Changes {
    /// News from this source.
    pub fn new(source: impl Watch + 'static) -> Self {
        Self(Box::new(source))
    }

    /// Waits for the next news. Nothing is lost when the future is dropped.
    pub async fn next(&mut self) -> Changed {
        self.0.next().await
    }
}

/// An engine's own way of hearing about pointers.
#[async_trait]
pub trait Watch: Send + Sync {
    /// Waits for the next news; safe to drop and call again.
    async fn next(&mut self) -> Changed;
}

/// Why an engine did not do what it was asked: the verb, the place, the cause.
#[derive(Debug, Clone, Error)]
pub enum EngineError {
    /// There is nothing at this place.
    #[error("there is no {place}")]
    Absent {
        /// The place.
        place: Prefix,
    },
    /// The present value is not the one the caller expected; read again and decide again.
    #[error("{place} was changed by somebody else meanwhile")]
    Conflict {
        /// The place.
        place: Prefix,
    },
    /// The item is already there.
    #[error("{place} exists already")]
    Exists {
        /// The place.
        place: Prefix,
    },
    /// Items do not change.
    #[error("{place} is part of an item, and items do not change")]
    Sealed {
        /// The place.
        place: Prefix,
    },
    /// This engine only reads.
    #[error("the storage is read-only here, and {place} would be changed; do this where it can be written")]
    ReadOnly {
        /// The place.
        place: Prefix,
    },
    /// Somebody alive holds it.
    #[error("{place} is in use by {}", holder.as_deref().unwrap_or("another process"))]
    Taken {
        /// The place.
        place: Prefix,
        /// Who holds it, in words, where that can be known.
        holder: Option<String>,
    },
    /// Something stands there that the store does not write.
    #[error("{place} {what}")]
    Foreign {
        /// The place.
        place: Prefix,
        /// What it is, as the rest of a sentence.
        what: &'static str,
    },
    /// The medium failed.
    #[error("could not {verb} {place}")]
    Io {
        /// What was tried.
        verb: &'static str,
        /// Where.
        place: Prefix,
        /// The cause, shared so that the error can be told to several.
        #[source]
        source: Arc<io::Error>,
    },
}

impl EngineError {
    /// A failed verb.
    #[must_use]
    pub fn io(verb: &'static str, place: &Prefix, source: io::Error) -> Self {
        Self::Io { verb, place: place.clone(), source: Arc::new(source) }
    }
}
