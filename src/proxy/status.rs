//! What the data plane is doing, for those who only look.

use std::sync::Arc;

use super::Proxy;

/// A moment's picture of the proxy. Each call asks anew; cloning shares what is looked at.
#[derive(Clone)]
pub struct Status(Arc<Proxy>);

impl Status {
    pub(super) fn new(proxy: Arc<Proxy>) -> Self {
        Self(proxy)
    }

    /// Client connections that are open, on all workers.
    #[must_use]
    pub fn open_connections(&self) -> usize {
        self.0.limits.open()
    }
}
