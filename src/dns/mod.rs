//! Asking the DNS, and changing it (RFC 1035, RFC 2136, RFC 8945).
//!
//! Small on purpose: a question, its answer, and the one change that proves control of a name. There is no cache and no
//! background work; each call asks, with a bound on how long it may take, and says whose fault it is if nothing came
//! of it. A validator looks at the servers with authority, so these are what [`Nameserver`] is for; a resolver is
//! asked for nothing but the way to them.
//!
//! This room does not know what its records are good for.

mod authority;
mod cloud;
mod error;
mod exchange;
mod issue_value;
mod key;
mod message;
mod server;
mod survey;
mod tsig;
mod update;

pub use authority::{Nameserver, Resolver, Unseen};
pub use cloud::{Cloud, CloudAccount, CloudError};
pub use error::{DnsError, Rcode};
pub use issue_value::IssueValue;
pub use key::{Algorithm, Key, KeyError};
pub use message::Caa;
pub use server::{Server, ServerError};
pub use survey::{Authority, Said, Survey, View};
pub use update::Updater;
