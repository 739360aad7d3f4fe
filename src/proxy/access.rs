//! The access log: one line for each request, written when its response has ended.

use std::sync::Arc;
use std::time::Duration;

use super::http::upgrade::Tunnel;

/// What became of one request, noted on the way and read once, when its response has ended.
#[derive(Default)]
pub(in crate::proxy) struct Trace {
    /// Why we answered ourselves: one of a fixed set of words. `None` if the upstream answered.
    pub(in crate::proxy) reason: Option<&'static str>,
    /// Every address that was tried, in order, each once. The last one is where the answer came from.
    pub(in crate::proxy) tried: Vec<Arc<str>>,
    /// `new`, `reused` or `retried`: the connection the answer came on.
    pub(in crate::proxy) upstream_conn: Option<&'static str>,
    /// From the moment the upstream was wanted until the head of its response was there.
    pub(in crate::proxy) upstream_time: Option<Duration>,
    /// The upstream's half of an upgraded connection, left here together with a 101. The connection's own task
    /// joins it with the client's half, so that the drain counts it and can cut it.
    pub(in crate::proxy) tunnel: Option<Tunnel>,
}
