//! The filesystem engine: values are files, pointers are relative symbolic links, folders are folders.
//!
//! What it asks of the filesystem: that a rename within it is atomic, that `fsync` of a file and of a directory means
//! what it says, and that `flock` on a directory works between all processes that share the storage. Local
//! filesystems do; a network filesystem may not keep the last promise.
//!
//! Everything is written in `state/aside/<this engine>/` and renamed into place, so no other folder ever
//! holds half of anything, and a watcher of the pointers sees one event per move. The folder is held for as long
//! as the engine lives; what a dead engine left in its own is removed by the next one that opens. A folder that is
//! to be removed goes beside it first.
//!
//! All of it blocks, so it runs on tokio's blocking threads. This is the only place in the store that touches
//! the machine.

mod beside;
mod durable;
mod engine;
pub mod journal;
mod owner;
mod salvage;
mod verbs;
mod watch;

pub use engine::FsEngine;
pub use salvage::{Salvage, has_acl};
