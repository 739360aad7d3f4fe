//! What an operator does to a storage by hand.
//!
//! Everything goes through the store's own handles, so that what is promised of them holds here too: an item is whole
//! or not there, a pointer never leads backwards, and what a process that runs does at the same time is in nobody's
//! way.

pub mod fsck;

mod archive;
mod error;
mod export;
mod fresh;
mod import;
mod prune;

pub use archive::{Backed, Restore, Restored, backup, write as write_backup};
pub use error::OpsError;
pub use export::{Export, Exported, Format, Out, export};
pub use import::{Fate, Import, Imported, Line, Source, Trove, import};
pub use prune::prune;
