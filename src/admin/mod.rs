//! The operator's window: what a probe may ask, in clear, on a port of its own; what a tool may ask, on a socket that
//! only this user may connect to; and the tool's side of that.

mod accounts;
mod client;
mod desk;
mod metrics;
mod past;
mod prune;
mod report;
mod revocation;
mod server;
mod view;

pub use accounts::{AccountReport, RolloverReport, RolloverRequest};
pub use client::{AskError, ask};
pub use desk::{Desk, Sources};
pub use past::{HistoryReport, ItemReport, RollbackRequest};
pub use prune::{PruneReport, PruneRequest, Removed};
pub use report::{
    Certificate, Health, Hook, LONGEST, Process, Reason, Refusal, Renewal, RenewalRequest, Report, Tokens,
    Tried, VERSION,
};
pub use revocation::RevocationRequest;
pub use server::{control, serve};
pub use view::View;
