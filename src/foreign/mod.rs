//! Certificates somebody else keeps: PEM files that are read, served, and never written.
//!
//! A [`Source`] is where one certificate lies; a [`List`] is a file that names many of them. This room reads and
//! proves, and hears when they may have changed; keeping the last good one when a file turns bad is its caller's part.

mod list;
mod source;
mod stamp;
mod watch;

pub use list::{LineFault, List};
pub use source::{ForeignError, Source};
pub use stamp::Stamp;
pub use watch::{Stirred, Watch};
