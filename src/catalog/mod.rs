//! The door in the wall between the planes: which certificate answers for which name.
//!
//! One value, [`Snapshot`](snapshot::Snapshot), never changes; a new certificate is a new snapshot that shares all but
//! one entry with the old one. It is handed out as four handles that share nothing in the open, so that each side can
//! do no more than its part:
//!
//! - [`Publisher`]: the control plane's, not `Clone`: there is one writer of certificates.
//! - [`Challenges`]: the solvers'; puts challenge answers up and takes them down.
//! - [`Resolver`]: the data plane's; reads, and never waits for a writer.
//! - [`Misses`]: the way back: names whose certificate was wanted and is not in memory, or does not exist.
//!
//! Nothing here knows files, so no thread of the data plane can come to read one.

mod certificate;
mod challenges;
mod publisher;
mod resolver;
mod snapshot;
mod stranger;

pub use certificate::Certificate;
pub use challenges::{Challenges, Posted};
pub use publisher::{Entry, Publisher};
pub use resolver::{Lookup, Missed, Misses, Resolver, Waiting};
pub use stranger::{Stranger, Strangers};

use std::sync::Arc;

use arc_swap::ArcSwap;
use tokio::sync::mpsc;

use crate::ident::Name;

use challenges::Answers;
use snapshot::Snapshot;

/// At most this many names wait to be read from the store; a flood of hellos beyond it asks again.
const WANTED: usize = 1024;
/// At most this many names that nobody has listed wait to be looked at. A list of their own: whoever asks for names at
/// random fills this one only.
const NOTED: usize = 1024;

/// What the handles share.
struct Shared {
    snapshot: ArcSwap<Snapshot>,
    /// In a cell of their own: an issuance that posts answers does not touch what handshakes look at.
    answers: ArcSwap<Answers>,
    wanted: mpsc::Sender<Name>,
    noted: mpsc::Sender<Stranger>,
}

/// An empty catalog.
#[must_use]
pub fn open() -> (Publisher, Challenges, Resolver, Misses) {
    let (wanted, cold) = mpsc::channel(WANTED);
    let (noted, strangers) = mpsc::channel(NOTED);
    let shared = Arc::new(Shared {
        snapshot: ArcSwap::from_pointee(Snapshot::default()),
        answers: ArcSwap::from_pointee(Answers::default()),
        wanted,
        noted,
    });
    (
        Publisher::new(Arc::clone(&shared)),
        Challenges::new(Arc::clone(&shared)),
        Resolver::new(shared),
        Misses::new(cold, strangers),
    )
}

#[cfg(test)]
mod tests;
