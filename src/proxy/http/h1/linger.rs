//! The end of a connection.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Poll, ready};
use std::time::Duration;

use tokio::io::AsyncWrite;

use super::client::Client;
use crate::proxy::conn::ConnError;
use crate::proxy::http::patience::Patience;

/// How long a client may take to see that we have closed.
const FAREWELL: Duration = Duration::from_secs(5);

/// What such a client may still send.
const MOST: usize = 16 * 1024 * 1024;

/// Closes a connection on which everything has been said.
pub(super) async fn farewell(client: &Client, patience: &mut Patience) -> Result<(), ConnError> {
    if client.has_input() {
        return linger(client, patience).await;
    }
    close(client, patience).await;
    Ok(())
}

/// Closes our side, and reads what the client is still sending for a while: closing with bytes unread makes the
/// machine reset the connection, and a reset may overtake the answer (RFC 9112 section 9.6).
pub(super) async fn linger(client: &Client, patience: &mut Patience) -> Result<(), ConnError> {
    if !close(client, patience).await {
        return Ok(());
    }
    let mut read = 0;
    poll_fn(|cx| {
        while read < MOST && patience.poll(cx).is_pending() {
            // However it ends, it is over.
            let Ok(length @ 1..) = ready!(client.poll_discard(cx)) else { return Poll::Ready(Ok(())) };
            read += length;
        }
        Poll::Ready(Err(ConnError::Lingering))
    })
    .await
}

/// Whether the client may still be there.
async fn close(client: &Client, patience: &mut Patience) -> bool {
    patience.give(FAREWELL);
    let mut client = client.clone();
    poll_fn(|cx| {
        if patience.poll(cx).is_ready() {
            return Poll::Ready(false);
        }
        Pin::new(&mut client).poll_shutdown(cx).map(|closed| closed.is_ok())
    })
    .await
}
