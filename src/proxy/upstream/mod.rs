//! Upstreams: the apps behind us, and the connections to them.
//!
//! A [`Target`] is an address, an [`Upstream`] what a route leads to. Connections belong to a worker's [`Pools`];
//! requests are written and answers read inside the request's own future ([`h1`]), except over HTTP/2, where many
//! share one connection ([`h2`]). This module knows nothing of routes and of clients.

mod connect;
pub(in crate::proxy) mod h1;
pub(in crate::proxy) mod h2;
mod pool;
mod target;
mod tried;

pub use self::connect::Roots;
pub(in crate::proxy) use self::connect::{ConnectError, Fault, Stream};
pub(in crate::proxy) use self::pool::{Pool, Pools};
pub(in crate::proxy) use self::target::Scheme;
pub use self::target::{Target, TargetError};
pub(in crate::proxy) use self::tried::Tried;

/// What a route leads to: an app, by its one target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::proxy) struct Upstream {
    target: Target,
}

impl Upstream {
    /// The app at `target`.
    pub(in crate::proxy) fn new(target: Target) -> Self {
        Self { target }
    }

    /// Where the next request goes.
    pub(in crate::proxy) fn target(&self) -> &Target {
        &self.target
    }
}
