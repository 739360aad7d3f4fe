//! WebSocket: two io halves joined after a 101.

/// The upstream's half of an upgraded connection, switched already.
pub(in crate::proxy) struct Tunnel {}

impl Tunnel {
    /// Carries bytes both ways until both sides have ended, one fails, or nothing was said for too long. Returns
    /// how many bytes came from the client and how many went to it.
    pub(in crate::proxy) async fn run(self, _client: hyper::upgrade::Upgraded) -> (u64, u64) {
        (0, 0)
    }
}
