//! One file with all of a storage that could not be made anew: written while others use it, proved before it is
//! believed.
//!
//! It is a plain tar archive. The first entry says what it is, the last one is a list of digests as `sha256sum -c`
//! reads it, whose absence tells that the archive has been cut off. Between them stand the files and links as they
//! stand in a storage, so that an archive which was unpacked by hand is a storage too.

mod backup;
mod entries;
mod restore;

use serde::{Deserialize, Serialize};

pub use backup::{Backed, backup, write};
pub use restore::{Restore, Restored};

/// The first entry.
const HEAD: &str = "sidegate-backup.json";
/// The last entry.
const DIGESTS: &str = "sidegate-backup.sha256";
/// What this version writes and reads.
const FORMAT: u32 = 1;

/// What the first entry says.
#[derive(Serialize, Deserialize)]
struct Head {
    format: u32,
    /// The version that wrote it.
    sidegate: String,
    /// When, RFC 3339.
    made: String,
}
