//! One exchange with a client, from the head of its request to the last byte of its response.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;

use bytes::Bytes;
use h2::RecvStream;
use h2::server::SendResponse;
use http::header::{CONTENT_LENGTH, DATE};
use http::{StatusCode, Version};

use super::body::Upload;
use super::head;
use super::send::{SendError, send};
use super::stall::Stall;
use super::{Line, RequestBody};
use crate::proxy::access::{Record, Trace};
use crate::proxy::http::body::Body;
use crate::proxy::http::date;
use crate::proxy::http::interim::Interim;
use crate::proxy::http::lost::Lost;
use crate::proxy::http::message::{Request, Response};
use crate::proxy::http::reply;
use crate::proxy::http::shape::Shape;
use crate::proxy::wire::{self, Fields, Kind};

/// How an exchange has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ended {
    Answered,
    /// The client reset it before there was an answer.
    Aborted,
}

/// Exchanges one request. When this returns, the response has been handed to the connection, or the stream is over.
pub(super) async fn answer<E>(
    line: &Line<'_>,
    exchange: &E,
    request: http::Request<RecvStream>,
    mut respond: SendResponse<Bytes>,
) -> Ended
where
    E: AsyncFn(Request, &mut Trace, &Interim) -> Response,
{
    let options = line.terms.options;
    let (request, upload, mut expects) = read(request);
    let method = request.head.method.clone();
    let mut record = Record::begin(line.terms.access, &request.head, line.facts);
    let (mut trace, interim) = (Trace::default(), Interim::default());
    let exchanged = {
        let mut exchanging = pin!(async {
            match head::judge(&request.head) {
                Ok(()) => exchange(request, &mut trace, &interim).await,
                Err(refusal) => {
                    trace.reason = Some(refusal.reason);
                    reply::refused(refusal)
                }
            }
        });
        let mut stall = Stall::new(options.stall);
        poll_fn(|cx| {
            let polled = exchanging.as_mut().poll(cx);
            let (starving, received) =
                upload.as_ref().map_or((false, 0), |upload| (upload.starving.get(), upload.received.get()));
            // Nobody asks before the upstream is ready for the body (RFC 9110 section 10.1.1).
            if expects && starving {
                expects = false;
                tell(&mut respond, StatusCode::CONTINUE, &Fields::default());
            }
            for (status, fields) in interim.take() {
                tell(&mut respond, status, &fields);
            }
            match polled {
                Poll::Ready(response) => Poll::Ready(Ok(response)),
                Poll::Pending if respond.poll_reset(cx).is_ready() => Poll::Ready(Err(Lost::Client)),
                Poll::Pending => stall.poll(cx, starving, received).map(|()| Err(Lost::Body)),
            }
        })
        .await
    };
    let received = || upload.as_ref().map_or(0, |upload| upload.received.get());
    record.received(received());
    let Some(response) = exchanged.map_or_else(|lost| lost.answer(&mut trace), Some) else {
        return Ended::Aborted;
    };
    record.answered(response.status, &trace);
    let shape = Shape::of(&response, &method, Version::HTTP_2);
    let (head, body) = outgoing(response, &shape);
    let sent = match respond.send_response(head, shape.is_empty()) {
        Err(_) => Err(SendError::Client),
        Ok(_) if shape.is_empty() => Ok(()),
        Ok(mut stream) => {
            let count = |bytes| record.sent(bytes);
            send(&mut stream, body, options.stall, count).await
        }
    };
    record.received(received());
    match sent {
        Ok(()) => record.finish(),
        Err(SendError::Client) => {}
        Err(SendError::Stalled) => record.broken("client_stalled"),
        Err(SendError::Body(error)) => {
            tracing::debug!(%error, "a response broke off");
            record.broken("response_broken");
        }
    }
    Ended::Answered
}

/// The request as it is forwarded, what there is to know about its body if it has one, and whether the client waits to
/// be told that it is wanted.
fn read(request: http::Request<RecvStream>) -> (Request, Option<Rc<Upload>>, bool) {
    let (parts, stream) = request.into_parts();
    let head = head::of(parts);
    if stream.is_end_stream() {
        return (Request { head: Box::new(head), body: Body::Empty }, None, false);
    }
    let length = head.fields.get(Kind::ContentLength).and_then(wire::length);
    let expects = head.expects_continue();
    let upload = Rc::new(Upload::default());
    let body = Body::Stream(RequestBody::new(stream, length, Rc::clone(&upload)));
    (Request { head: Box::new(head), body }, Some(upload), expects)
}

/// Tells the client what is said before the answer. If it cannot be told, that shows where the answer is waited for.
fn tell(respond: &mut SendResponse<Bytes>, status: StatusCode, fields: &Fields) {
    let mut interim = http::Response::new(());
    *interim.status_mut() = status;
    *interim.headers_mut() = fields.to_map();
    let _ = respond.send_informational(interim);
}

/// The head as an HTTP/2 client gets it, and what follows it.
fn outgoing(response: Response, shape: &Shape) -> (http::Response<()>, Body) {
    let mut head = http::Response::new(());
    *head.status_mut() = response.status;
    *head.headers_mut() = response.fields.to_map();
    if let Some(length) = shape.length {
        head.headers_mut().insert(CONTENT_LENGTH, length.into());
    }
    // RFC 9110 section 6.6.1: whoever forwards a response adds what is missing.
    head.headers_mut().entry(DATE).or_insert_with(date::value);
    (head, response.body)
}
