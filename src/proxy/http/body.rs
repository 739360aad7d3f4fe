//! The body type of the house: bytes pass through as they arrive, trailers too, and nothing is gathered up.

use std::cell::Cell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use hyper::body::{Body as HttpBody, Frame, Incoming, SizeHint};
use thiserror::Error;

use super::h1::RequestBody;
use super::h2;
use crate::proxy::upstream::h1::{ReadError, ResponseBody};
use crate::proxy::upstream::h2::Seat;
use crate::proxy::wire::chunked::{ChunkError, trailing_only};

/// What a request or a response carries.
///
/// A body that is dropped before its end takes the exchange with the other side along: so a client's abort
/// reaches the upstream, and an upstream's reaches the client.
#[derive(Default)]
pub(in crate::proxy) enum Body {
    /// Nothing.
    #[default]
    Empty,
    /// Bytes that are all here already.
    Full(Option<Bytes>),
    /// What a client sends over HTTP/1.1.
    Request(RequestBody),
    /// The same over HTTP/2.
    Stream(h2::RequestBody),
    /// What a client sends, as long as it is not more than this.
    Limited(Box<Body>, u64),
    /// What a client sends by way of somebody who keeps a body's faults to himself; they are told here as well.
    Watched(Box<Body>, Told),
    /// What an upstream sends over HTTP/1.1, together with the connection it comes on.
    Upstream(Box<ResponseBody>),
    /// What an upstream sends over HTTP/2, and the place that it takes among the streams of its connection.
    H2(Incoming, #[expect(dead_code, reason = "it is held, not used")] Seat),
}

/// Why a body broke off, once it has.
#[derive(Clone, Default)]
pub(in crate::proxy) struct Told(Rc<Cell<Option<BodyError>>>);

impl Told {
    /// What was told since the last call.
    pub(in crate::proxy) fn take(&self) -> Option<BodyError> {
        self.0.take()
    }
}

/// A request whose head announces more than its site allows.
pub(super) struct TooLarge;

/// Sees to it that no more than `most` bytes of a request's body are passed on. One that says that it is larger is
/// refused at once.
pub(super) fn limit(body: &mut Body, most: u64) -> Result<(), TooLarge> {
    if body.size_hint().lower() > most {
        return Err(TooLarge);
    }
    if body.size_hint().exact().is_none() {
        *body = Body::Limited(Box::new(std::mem::take(body)), most);
    }
    Ok(())
}

/// Why a body broke off, and on whose side.
#[derive(Debug, Error)]
pub(in crate::proxy) enum BodyError {
    /// The client went away.
    #[error("the client's body broke off")]
    Gone(#[source] io::Error),
    /// The client reset its stream, went away, or sent something that is no body.
    #[error("the client's body broke off")]
    Stream(#[source] ::h2::Error),
    /// What the client sent is no chunked body.
    #[error("the client's body is malformed")]
    Chunks(#[source] ChunkError),
    /// The client's body is not as long as its head said.
    #[error("the client's body is not as long as announced")]
    Length,
    /// The client's body is larger than its site allows.
    #[error("the client's body is larger than allowed")]
    TooLarge,
    /// The client's body broke off; why is [`Told`]. Its source is what the upstream is told by HTTP/2.
    #[error("the client's body broke off")]
    Told(#[source] ::h2::Error),
    /// The upstream went away, or sent something that is no body.
    #[error("the upstream's body broke off")]
    Upstream(#[source] ReadError),
    /// The same over HTTP/2.
    #[error("the upstream's body broke off")]
    H2(#[source] hyper::Error),
}

impl BodyError {
    /// What ends a stream that a body of ours broke off: what has ended the client's, or that nobody needs it any more.
    fn reason(&self) -> ::h2::Reason {
        match self {
            Self::Stream(error) => error.reason(),
            _ => None,
        }
        .unwrap_or(::h2::Reason::CANCEL)
    }

    /// Whether the client went away, rather than sent something wrong.
    pub(in crate::proxy) fn is_absence(&self) -> bool {
        match self {
            Self::Stream(error) => !error.is_library(),
            Self::Gone(_) => true,
            Self::Length
            | Self::TooLarge
            | Self::Told(_)
            | Self::Chunks(_)
            | Self::Upstream(_)
            | Self::H2(_) => false,
        }
    }
}

impl Body {
    /// The same body, whose fault is told to `told` as well.
    pub(in crate::proxy) fn watched(self, told: &Told) -> Self {
        Self::Watched(Box::new(self), told.clone())
    }

    /// Whether the client has begun to send it without waiting to be asked.
    pub(in crate::proxy) fn has_begun(&self) -> bool {
        match self {
            Self::Request(body) => body.has_begun(),
            Self::Limited(body, _) | Self::Watched(body, _) => body.has_begun(),
            _ => false,
        }
    }
}

impl HttpBody for Body {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match &mut *self {
            Self::Empty => Poll::Ready(None),
            Self::Full(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Self::Request(body) => body.poll_frame(cx),
            Self::Stream(body) => body.poll_frame(cx),
            Self::Limited(body, left) => {
                let polled = Pin::new(body).poll_frame(cx);
                if let Poll::Ready(Some(Ok(frame))) = &polled
                    && let Some(bytes) = frame.data_ref()
                {
                    let Some(less) = left.checked_sub(bytes.len() as u64) else {
                        return Poll::Ready(Some(Err(BodyError::TooLarge)));
                    };
                    *left = less;
                }
                polled
            }
            Self::Watched(body, told) => Pin::new(body).poll_frame(cx).map_err(|error| {
                let reason = error.reason();
                told.0.set(Some(error));
                BodyError::Told(reason.into())
            }),
            Self::Upstream(body) => body.poll_frame(cx),
            Self::H2(body, _) => {
                let frame = ready!(Pin::new(body).poll_frame(cx)).transpose().map_err(BodyError::H2)?;
                Poll::Ready(frame.map(|frame| Ok(without_fields_of_heads(frame))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Full(bytes) => bytes.is_none(),
            Self::H2(body, _) => body.is_end_stream(),
            Self::Request(body) => body.is_over(),
            Self::Stream(body) => body.is_over(),
            Self::Limited(body, _) | Self::Watched(body, _) => body.is_end_stream(),
            Self::Upstream(body) => body.is_over(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty => SizeHint::with_exact(0),
            Self::Full(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, |b| b.len() as u64)),
            Self::H2(body, _) => body.size_hint(),
            Self::Request(body) => body.size_hint(),
            Self::Stream(body) => body.size_hint(),
            Self::Limited(body, _) | Self::Watched(body, _) => body.size_hint(),
            Self::Upstream(body) => body.left().map_or_else(SizeHint::default, SizeHint::with_exact),
        }
    }
}

/// The same frame; of trailers, what may stand there.
fn without_fields_of_heads(frame: Frame<Bytes>) -> Frame<Bytes> {
    match frame.into_trailers() {
        Ok(trailers) => Frame::trailers(trailing_only(trailers)),
        Err(frame) => frame,
    }
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        if bytes.is_empty() { Self::Empty } else { Self::Full(Some(bytes)) }
    }
}

impl From<String> for Body {
    fn from(text: String) -> Self {
        Bytes::from(text).into()
    }
}
