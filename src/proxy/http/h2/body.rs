//! The body of a request, as whoever forwards it sees it.

use std::cell::Cell;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use h2::RecvStream;
use hyper::body::{Frame, SizeHint};

use crate::proxy::http::body::BodyError;
use crate::proxy::wire::chunked::trailing_only;

/// What a client sends behind a request's head, read as it is asked for: only what has been asked for is replaced in
/// its window.
pub(in crate::proxy) struct RequestBody {
    stream: RecvStream,
    /// What is still to come by the head's own words, which the `h2` crate holds the client to.
    left: Option<u64>,
    upload: Rc<Upload>,
    /// Whether only trailers can follow.
    trailing: bool,
}

/// What is to be known of a body while somebody else reads it.
#[derive(Default)]
pub(super) struct Upload {
    /// How many bytes have come.
    pub(super) received: Cell<u64>,
    /// Whether more have been asked for and have not come.
    pub(super) starving: Cell<bool>,
}

impl RequestBody {
    pub(super) fn new(stream: RecvStream, length: Option<u64>, upload: Rc<Upload>) -> Self {
        Self { stream, left: length, upload, trailing: false }
    }

    /// The next piece of the body, or its trailers.
    pub(in crate::proxy) fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        self.upload.starving.set(true);
        if !self.trailing {
            let data = ready!(self.stream.poll_data(cx)).transpose().map_err(BodyError::Stream)?;
            if let Some(data) = data {
                self.upload.starving.set(false);
                self.upload.received.set(self.upload.received.get() + data.len() as u64);
                self.left = self.left.map(|left| left.saturating_sub(data.len() as u64));
                // It fails for what was not received, and that is not here.
                let _ = self.stream.flow_control().release_capacity(data.len());
                return Poll::Ready(Some(Ok(Frame::data(data))));
            }
            self.trailing = true;
        }
        let trailers = ready!(self.stream.poll_trailers(cx)).map_err(BodyError::Stream)?;
        self.upload.starving.set(false);
        Poll::Ready(trailers.map(|trailers| Ok(Frame::trailers(trailing_only(trailers)))))
    }

    /// Whether there is nothing more to come.
    pub(in crate::proxy) fn is_over(&self) -> bool {
        self.stream.is_end_stream()
    }

    /// How many bytes will come, if that is known.
    pub(in crate::proxy) fn size_hint(&self) -> SizeHint {
        self.left.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}
