//! A response on its way to the client.

use std::future::poll_fn;
use std::io;
use std::task::Poll;

use super::Line;
use crate::proxy::conn::ConnError;
use crate::proxy::http::body::BodyError;
use crate::proxy::http::outgoing::{Outgoing, OutgoingError};
use crate::proxy::http::patience::Patience;

/// Why a response did not reach its client as a whole.
pub(super) enum SendError {
    /// The client went away, or does not read.
    Client(ConnError),
    /// The response broke off.
    Body(BodyError),
}

/// Writes all of a response, as fast as it comes and as the client takes it. `sent` is told of the bytes of its body.
pub(super) async fn send(
    line: &Line<'_>,
    outgoing: &mut Outgoing,
    patience: &mut Patience,
    mut sent: impl FnMut(u64),
) -> Result<(), SendError> {
    let client = &line.client;
    let mut writer = client.clone();
    let (mut carried, mut taken) = (0, 0);
    patience.forever();
    poll_fn(|cx| {
        let polled = outgoing.poll(&mut writer, cx, true);
        sent(outgoing.carried() - carried);
        carried = outgoing.carried();
        match polled {
            Poll::Ready(Ok(())) => Poll::Ready(Ok(())),
            Poll::Ready(Err(OutgoingError::Io(error))) => Poll::Ready(Err(gone(error))),
            Poll::Ready(Err(OutgoingError::Body(error))) => Poll::Ready(Err(SendError::Body(error))),
            Poll::Pending if outgoing.is_blocked() => {
                if !patience.is_limited() || outgoing.taken() != taken {
                    taken = outgoing.taken();
                    patience.give(line.terms.options.stall);
                }
                patience.poll(cx).map(|()| Err(SendError::Client(ConnError::Stalled)))
            }
            // Nothing to write: the end of a client that only listens is seen by reading.
            Poll::Pending => {
                patience.forever();
                let left = || io::ErrorKind::ConnectionAborted.into();
                client.poll_gone(cx).map(|ended| Err(gone(ended.err().unwrap_or_else(left))))
            }
        }
    })
    .await
}

fn gone(error: io::Error) -> SendError {
    SendError::Client(ConnError::Http(error.into()))
}
