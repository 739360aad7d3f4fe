//! What probes and those who count are told about.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::metrics::metrics;
use crate::clock::Clock;
use crate::manager::Status;

/// Whether this process is ready. Cloning shares it; nothing here can change anything.
#[derive(Clone)]
pub struct View {
    status: Status,
    clock: Clock,
    draining: Arc<AtomicBool>,
}

impl View {
    /// A view of a process that serves, and is not stopping.
    #[must_use]
    pub fn new(status: Status, clock: Clock) -> Self {
        Self { status, clock, draining: Arc::default() }
    }

    /// From now on the process is not ready: whoever balances load sends new connections elsewhere.
    pub fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    /// What there is to count.
    pub(super) fn metrics(&self) -> String {
        let draining = self.draining.load(Ordering::Relaxed);
        metrics(&self.status.rows(), self.status.issues(), draining, self.clock.now())
    }

    /// Why new connections should go elsewhere, if they should.
    pub(super) fn unready(&self) -> Option<String> {
        if self.draining.load(Ordering::Relaxed) {
            return Some("stopping".to_owned());
        }
        self.status.bare().map(|name| format!("no certificate for {name}"))
    }
}
