//! Hooks: a program of the operator's is told what has happened.
//!
//! It is told what the journal holds, in that order and one thing at a time, by a [`Runner`] with a thread of its own.
//! So nobody who issues or serves waits for it or knows of it, and what was told to the journal before a crash is told
//! to the program after it. How far it has got stands in the storage. The process that keeps the journal calls it, and
//! no other.
//!
//! It is told each thing at least once, and again where it failed. After a few calls that is given up, over restarts
//! too, so that a program which ends us cannot do so for ever.

mod calls;
mod notice;
mod occasion;
mod runner;

use std::collections::BTreeSet;

use crate::host::Program;

pub use calls::Calls;
pub use occasion::Occasion;
pub use runner::{Place, Runner};

/// Which program is told of what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// The program.
    pub program: Program,
    /// What it is told of.
    pub occasions: BTreeSet<Occasion>,
}

impl Options {
    /// The variables that tell it what has happened. Where it calls us, they are there as well.
    pub const VARIABLES: &[&str] = &notice::VARIABLES;
}
