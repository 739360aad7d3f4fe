//! The operator's window: what a probe may ask, in clear, on a port of its own.
//!
//! Read-only views of the other rooms; nothing here can change anything.

mod server;

pub use server::serve;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::manager::Status;

/// What probes are told about. Cloning shares it.
#[derive(Clone)]
pub struct View {
    status: Status,
    draining: Arc<AtomicBool>,
}

impl View {
    /// A view of a process that serves, and is not stopping.
    #[must_use]
    pub fn new(status: Status) -> Self {
        Self { status, draining: Arc::default() }
    }

    /// From now on the process is not ready: whoever balances load sends new connections elsewhere.
    pub fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    /// Why new connections should go elsewhere, if they should.
    fn unready(&self) -> Option<String> {
        if self.draining.load(Ordering::Relaxed) {
            return Some("stopping".to_owned());
        }
        self.status.bare().map(|name| format!("no certificate for {name}"))
    }
}
