//! What happened, what was decided, and why.
//!
//! Whoever does or decides something that an operator may ask about says so once, as an [`Event`], to a [`Recorder`]:
//! it becomes a line of the log at once, and of the journal if somebody keeps one. Telling never waits and never fails;
//! a journal that cannot keep up, or whose disk is full, costs events and nothing else.
//!
//! An event holds names, moments and words of bounded length. There is no way to put a key into one.

mod basis;
mod causes;
mod event;
mod log;
mod moment;
mod recorder;
mod text;
mod words;

pub use basis::{Basis, Window};
pub use causes::with_causes;
pub use event::{Event, Record};
pub use moment::Moment;
pub use recorder::{Heard, Recorder, Told};
pub use text::Text;
