//! A response on its way to the client.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use h2::{Reason, SendStream};
use hyper::body::{Body as _, Frame};

use super::stall::Stall;
use crate::proxy::http::body::{Body, BodyError};

/// Why a response did not reach its client as a whole.
pub(super) enum SendError {
    /// The client went away, or wants no more of it.
    Client,
    /// It takes none of the bytes it asked for.
    Stalled,
    /// The response broke off.
    Body(BodyError),
}

/// Hands all of a body to the connection, as fast as it comes and as the client makes room. `sent` is told how many
/// bytes each piece has. A body that does not come to its end leaves the stream reset.
pub(super) async fn send(
    stream: &mut SendStream<Bytes>,
    mut body: Body,
    stall: Duration,
    mut sent: impl FnMut(u64),
) -> Result<(), SendError> {
    let mut first = true;
    loop {
        let Some(frame) = poll_fn(|cx| poll_frame(stream, &mut body, cx)).await? else {
            return over(stream.send_data(Bytes::new(), true));
        };
        let data = match frame.into_data() {
            Ok(data) => data,
            Err(frame) => return over(stream.send_trailers(frame.into_trailers().unwrap_or_default())),
        };
        let last = body.is_end_stream();
        if data.is_empty() && !last {
            continue;
        }
        // The first piece waits in the connection as well as it would here. Room for another is asked for only when
        // it is there: what is set aside for one stream is missing for the others.
        if !first && !data.is_empty() {
            room(stream, stall).await?;
        }
        first = false;
        sent(data.len() as u64);
        over(stream.send_data(data, last))?;
        if last {
            return Ok(());
        }
    }
}

/// The body's next frame, unless the client goes away before there is one.
fn poll_frame(
    stream: &mut SendStream<Bytes>,
    body: &mut Body,
    cx: &mut Context<'_>,
) -> Poll<Result<Option<Frame<Bytes>>, SendError>> {
    let Poll::Ready(frame) = Pin::new(body).poll_frame(cx) else {
        return stream.poll_reset(cx).map(|_| Err(SendError::Client));
    };
    Poll::Ready(frame.transpose().map_err(|error| {
        stream.send_reset(Reason::INTERNAL_ERROR);
        SendError::Body(error)
    }))
}

/// Waits until the client has room, for as long as it takes something now and then.
async fn room(stream: &mut SendStream<Bytes>, stall: Duration) -> Result<(), SendError> {
    stream.reserve_capacity(1);
    let mut stall = Stall::new(stall);
    poll_fn(|cx| match stream.poll_capacity(cx) {
        Poll::Ready(Some(Ok(_))) => Poll::Ready(Ok(())),
        Poll::Ready(Some(Err(_)) | None) => Poll::Ready(Err(SendError::Client)),
        Poll::Pending => stall.poll(cx, true, 0).map(|()| {
            stream.send_reset(Reason::CANCEL);
            Err(SendError::Stalled)
        }),
    })
    .await
}

/// What cannot be handed over has nobody to go to.
fn over(handed: Result<(), h2::Error>) -> Result<(), SendError> {
    handed.map_err(|_| SendError::Client)
}
