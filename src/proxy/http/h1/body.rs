//! The body of a request, as whoever forwards it sees it.

use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Frame, SizeHint};

use super::client::{Client, Piece};
use crate::proxy::http::body::BodyError;

/// What a client sends behind a request's head, read as it is asked for.
///
/// Asking for the first piece is what makes a client that expects a 100 be told so: nobody asks before the upstream
/// is ready for it (RFC 9110 section 10.1.1).
pub(in crate::proxy) struct RequestBody(Client);

impl RequestBody {
    pub(super) fn of(client: &Client) -> Self {
        Self(client.clone())
    }

    /// The next piece of the body, or its trailers.
    pub(in crate::proxy) fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        self.0.poll_body(cx).map(|piece| {
            piece.map(|piece| {
                piece.map(|piece| match piece {
                    Piece::Data(data) => Frame::data(data),
                    Piece::Trailers(trailers) => Frame::trailers(trailers),
                })
            })
        })
    }

    /// Whether a part of it is here.
    pub(in crate::proxy) fn has_begun(&self) -> bool {
        self.0.has_input()
    }

    /// Whether there is nothing more to come.
    pub(in crate::proxy) fn is_over(&self) -> bool {
        self.0.is_body_over()
    }

    /// How many bytes will come, if that is known.
    pub(in crate::proxy) fn size_hint(&self) -> SizeHint {
        self.0.body_left().map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}
