//! Whether the client is still there.

use std::task::{Context, Poll, ready};
use std::time::Duration;

use h2::{Ping, PingPong};

use crate::proxy::http::patience::Patience;

/// How long nothing may be heard of a client before it is asked.
const PING_EVERY: Duration = Duration::from_secs(30);
/// How long it may take to say something.
const PING_WITHIN: Duration = Duration::from_secs(20);

/// Asks a silent client for a sign of life.
pub(super) struct Pulse {
    pings: PingPong,
    patience: Patience,
    heard: u64,
    asked: bool,
}

impl Pulse {
    pub(super) fn new(pings: PingPong) -> Self {
        Self { pings, patience: Patience::new(PING_EVERY), heard: 0, asked: false }
    }

    /// Ready when the client is gone. `heard` counts what came from it: anything is a sign of life.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>, heard: u64) -> Poll<()> {
        if self.asked && self.pings.poll_pong(cx).is_ready() {
            self.asked = false;
        }
        if heard != self.heard {
            self.heard = heard;
            self.patience.give(if self.asked { PING_WITHIN } else { PING_EVERY });
        }
        loop {
            ready!(self.patience.poll(cx));
            if self.asked {
                return Poll::Ready(());
            }
            // It cannot be asked on a connection that is ending, which needs no pulse either.
            self.asked = self.pings.send_ping(Ping::opaque()).is_ok();
            self.patience.give(if self.asked { PING_WITHIN } else { PING_EVERY });
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::{Future, poll_fn};
    use std::pin::Pin;

    use tokio::time::{Instant, timeout};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_client_that_answers_lives_and_one_that_does_not_is_gone() {
        let (ours, theirs) = tokio::io::duplex(1024);
        let (server, client) = tokio::join!(h2::server::handshake(ours), h2::client::handshake(theirs));
        let mut server: h2::server::Connection<_, bytes::Bytes> = server.expect("HTTP/2");
        let (_sender, mut client) = client.expect("HTTP/2");
        let mut pulse = Pulse::new(server.ping_pong().expect("the first to ask"));
        let mut beat = async |answers: bool| {
            let gone = poll_fn(|cx| {
                assert!(server.poll_closed(cx).is_pending());
                if answers {
                    assert!(Pin::new(&mut client).poll(cx).is_pending());
                }
                pulse.poll(cx, 0)
            });
            let began = Instant::now();
            timeout(Duration::from_secs(1000), gone).await.ok().map(|()| began.elapsed())
        };
        assert_eq!(beat(true).await, None);
        let took = beat(false).await.expect("it is gone");
        assert!(took >= PING_WITHIN && took <= PING_EVERY + PING_WITHIN, "{took:?}");
    }
}
