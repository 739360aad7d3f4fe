//! WebSocket: two io halves joined after a 101.
//!
//! No other protocol is switched to. A proxy that passes on whatever `Upgrade` it is sent can be talked into
//! tunnelling requests that it never looks at, h2c above all; so the word is `websocket` or the field is dropped,
//! and nothing is switched before the upstream has switched.

use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, Bytes};
use http::{Method, Version};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, Sleep, sleep};

use super::body::Body;
use super::message::Response;
use crate::proxy::scratch;
use crate::proxy::upstream::Stream;
use crate::proxy::wire::{self, Head, Kind, Tokens};

/// Whether the client asks to switch to WebSocket, in the way one asks in HTTP/1.1 (RFC 6455 section 4.1).
pub(in crate::proxy) fn is_wanted(head: &Head) -> bool {
    let fields = &head.fields;
    if head.version != Version::HTTP_11 || head.method != Method::GET || !fields.has(Kind::Upgrade) {
        return false;
    }
    // A handshake has no body; some servers would take one for what follows the switch.
    let length = fields.get(Kind::ContentLength);
    if length.is_some_and(|length| length != b"0") || fields.has(Kind::TransferEncoding) {
        return false;
    }
    let mut wanted = fields.all(Kind::Upgrade).flat_map(wire::words);
    let connection = Tokens::of(fields);
    wanted.next().is_some_and(|w| w == "websocket") && wanted.next().is_none() && connection.upgrade
}

/// The upstream's 101, as the client shall see it.
pub(in crate::proxy) fn switching(head: wire::Response) -> Response {
    let wire::Response { status, mut fields, .. } = head;
    fields.add("connection", b"Upgrade");
    fields.add("upgrade", b"websocket");
    Response { status, fields, body: Body::Empty }
}

/// The upstream's half of an upgraded connection, switched already.
pub(in crate::proxy) struct Tunnel {
    upstream: Stream,
    /// What the upstream sent right behind its 101.
    early: Bytes,
    idle: Duration,
}

impl Tunnel {
    /// A tunnel that ends when neither side has said anything for `idle`.
    pub(in crate::proxy) fn new(upstream: Stream, early: Bytes, idle: Duration) -> Self {
        Self { upstream, early, idle }
    }

    /// Carries bytes both ways until both sides have ended, one fails, or nothing was said for too long. Returns
    /// how many bytes came from the client and how many went to it.
    ///
    /// An end on one side is passed on to the other, which may go on talking. Dropping the future cuts both.
    pub(in crate::proxy) async fn run(self, client: impl AsyncRead + AsyncWrite + Unpin) -> (u64, u64) {
        let sleep = sleep(self.idle);
        let mut up = Way::new(Bytes::new());
        let mut down = Way::new(self.early);
        join(client, self.upstream, &mut up, &mut down, sleep, self.idle).await;
        (up.carried, down.carried)
    }
}

async fn join(
    mut client: impl AsyncRead + AsyncWrite + Unpin,
    mut upstream: impl AsyncRead + AsyncWrite + Unpin,
    up: &mut Way,
    down: &mut Way,
    sleep: Sleep,
    idle: Duration,
) {
    let mut sleep = pin!(sleep);
    let mut last = (0, 0);
    poll_fn(|cx| {
        let ways = (up.poll(&mut client, &mut upstream, cx), down.poll(&mut upstream, &mut client, cx));
        match ways {
            (Poll::Ready(Ok(())), Poll::Ready(Ok(()))) => return Poll::Ready(()),
            (Poll::Ready(Err(_)), _) | (_, Poll::Ready(Err(_))) => return Poll::Ready(()),
            _ => {}
        }
        let now = (up.seen, down.seen);
        if now != last {
            last = now;
            sleep.as_mut().reset(Instant::now() + idle);
        }
        sleep.as_mut().poll(cx)
    })
    .await;
}

/// One direction.
struct Way {
    waiting: Bytes,
    /// Read, and then written.
    seen: u64,
    carried: u64,
    stage: Stage,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Carrying,
    Flushing,
    Closing,
    Over,
}

impl Way {
    fn new(early: Bytes) -> Self {
        Self { seen: early.len() as u64, waiting: early, carried: 0, stage: Stage::Carrying }
    }

    /// Carries what there is; ready when the sender has ended and the receiver knows.
    fn poll(
        &mut self,
        from: &mut (impl AsyncRead + Unpin),
        to: &mut (impl AsyncWrite + Unpin),
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            match self.stage {
                Stage::Over => return Poll::Ready(Ok(())),
                Stage::Closing => {
                    ready!(Pin::new(&mut *to).poll_shutdown(cx))?;
                    self.stage = Stage::Over;
                }
                _ if !self.waiting.is_empty() => {
                    let written = ready!(Pin::new(&mut *to).poll_write(cx, &self.waiting))?;
                    if written == 0 {
                        return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
                    }
                    self.waiting.advance(written);
                    self.carried += written as u64;
                    self.stage = Stage::Flushing;
                }
                Stage::Flushing => {
                    // A record that is held back is a message that is not heard.
                    match self.read(from, cx)? {
                        Poll::Ready(()) => {}
                        Poll::Pending => {
                            ready!(Pin::new(&mut *to).poll_flush(cx))?;
                            self.stage = Stage::Carrying;
                            return Poll::Pending;
                        }
                    }
                }
                Stage::Carrying => ready!(self.read(from, cx))?,
            }
        }
    }

    fn read(&mut self, from: &mut (impl AsyncRead + Unpin), cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let read = ready!(scratch::poll_read(from, cx))?;
        if read.is_empty() {
            self.stage = Stage::Closing;
        } else {
            self.seen += read.len() as u64;
            self.waiting = read;
        }
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests;
