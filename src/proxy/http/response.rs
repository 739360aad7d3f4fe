//! A response body on its way to the client, and what is written down when it ends.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::CONTENT_LENGTH;
use http::{Method, Response, StatusCode};
use hyper::body::{Body as HttpBody, Frame, SizeHint};

use super::body::{Body, BodyError};
use super::watch::Running;
use crate::proxy::access::Record;

/// A body that is watched until its last byte.
pub(super) struct Watched {
    body: Body,
    record: Option<Record>,
    /// What is still to come by the head's own words.
    announced: Option<u64>,
    _running: Running,
}

impl Watched {
    /// Puts a response under watch. `method` is the request's: some responses have no body whatever they say.
    pub(super) fn response(
        response: Response<Body>,
        method: &Method,
        mut record: Option<Record>,
        running: Running,
    ) -> Response<Self> {
        let status = response.status();
        let bare = *method == Method::HEAD
            || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED)
            || status.is_informational();
        if let Some(record) = &mut record
            && (bare || response.body().is_end_stream())
        {
            record.finish();
        }
        let length =
            response.headers().get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
        let announced = if bare { None } else { length };
        response.map(|body| Self { body, record, announced, _running: running })
    }
}

impl HttpBody for Watched {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        let this = &mut *self;
        let Some(record) = &mut this.record else { return polled };
        match &polled {
            Poll::Ready(Some(Ok(frame))) => {
                if let Some(bytes) = frame.data_ref() {
                    record.sent(bytes.len() as u64);
                    this.announced = this.announced.map(|left| left.saturating_sub(bytes.len() as u64));
                }
                // The last byte may be the last call.
                if this.announced == Some(0) || this.body.is_end_stream() {
                    record.finish();
                }
            }
            Poll::Ready(Some(Err(_))) => record.broken("response_broken"),
            Poll::Ready(None) => record.finish(),
            Poll::Pending => {}
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
