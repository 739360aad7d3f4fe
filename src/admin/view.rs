//! What probes are told about.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::manager::Status;

/// Whether this process is ready. Cloning shares it; nothing here can change anything.
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
    pub(super) fn unready(&self) -> Option<String> {
        if self.draining.load(Ordering::Relaxed) {
            return Some("stopping".to_owned());
        }
        self.status.bare().map(|name| format!("no certificate for {name}"))
    }
}
