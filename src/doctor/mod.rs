//! Looking for what would keep a certificate from being issued, before anything is spent on finding out.
//!
//! What is found is handed to judgements, which are pure: each says pass, warn, fail or that it cannot be told from
//! here, with the reason and the way out. Only a definite contradiction is a failure: a machine behind somebody else's
//! router sees little of how the world sees it, and a false alarm here would keep a name without a certificate.
//!
//! Gathering is bounded in time and in size, and changes nothing. What only others can know (the storage, the ports,
//! what the CA says about itself) is handed in.
//!
//! Afterwards, a handshake shows whether what was issued is what clients get ([`Probe`]).

mod addresses;
mod ca;
mod caa;
mod fail_over;
mod finding;
mod machine;
mod names;
mod proof;
mod reach;
mod standing;

pub use ca::{Ca, Word};
pub use finding::{Check, Finding, Outcome, Report};
pub use machine::{Port, PortState, Storage};
pub use names::Examiner;
pub use proof::{Probe, ProofError};
