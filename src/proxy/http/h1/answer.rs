//! One exchange with a client, from the head of its request to the last byte of its response.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::{Context, Poll};

use http::{StatusCode, Version};

use super::client::Client;
use super::head;
use super::send::{SendError, send};
use super::{Line, RequestBody};
use crate::proxy::access::{Record, Trace};
use crate::proxy::conn::ConnError;
use crate::proxy::http::body::Body;
use crate::proxy::http::interim::Interim;
use crate::proxy::http::lost::Lost;
use crate::proxy::http::message::{Request, Response};
use crate::proxy::http::outgoing::Outgoing;
use crate::proxy::http::patience::Patience;
use crate::proxy::http::shape::Shape;
use crate::proxy::http::upgrade::Tunnel;
use crate::proxy::{scratch, wire};
use wire::ResponseFraming as Framing;

/// What becomes of the connection after an exchange.
pub(super) enum After {
    /// The next request may come.
    Next,
    /// Everything has been said.
    Close,
    /// The client may still be sending what nobody will read.
    Linger,
    /// It is HTTP no more.
    Switched(Box<Switched>),
}

/// What a connection has become: the upstream's half of it, and the record of the exchange that it came from.
pub(super) struct Switched {
    upstream: Tunnel,
    record: Record,
}

impl Switched {
    /// Carries bytes until both sides have ended; the exchange's line is written then.
    pub(super) async fn run(mut self, client: Client) {
        let (received, sent) = self.upstream.run(client).await;
        self.record.tunneled(received, sent);
    }
}

/// Exchanges one request. When this returns, the response has been handed to the machine as a whole.
///
/// # Errors
///
/// [`ConnError`] if it could not be. The connection is to be dropped as it is: closed properly, it would make half a
/// response look like a whole one.
pub(super) async fn answer<E>(
    line: &Line<'_>,
    exchange: &E,
    request: wire::Request,
    patience: &mut Patience,
) -> Result<After, ConnError>
where
    E: AsyncFn(Request, &mut Trace, &Interim) -> Response,
{
    let client = &line.client;
    let wire::Request { head, framing, keep: persists, expects_continue } = request;
    client.begin_body(framing, expects_continue);
    let (method, version) = (head.method.clone(), head.version);
    let body = match framing {
        wire::Framing::Empty => Body::Empty,
        wire::Framing::Length(_) | wire::Framing::Chunked => Body::Request(RequestBody::of(client)),
    };
    let mut record = Record::begin(line.terms.access, &head, line.facts);
    let (mut trace, interim) = (Trace::default(), Interim::default());
    let exchanged = {
        let mut exchanging = pin!(exchange(Request { head, body }, &mut trace, &interim));
        let mut waiting = Waiting::new(line, patience);
        poll_fn(|cx| {
            let polled = exchanging.as_mut().poll(cx);
            if version == Version::HTTP_11 {
                tell(client, &interim);
            }
            match polled {
                Poll::Ready(response) => Poll::Ready(Ok(response)),
                Poll::Pending => waiting.poll(cx).map(Err),
            }
        })
        .await
    };
    record.received(client.received());
    let Some(response) = exchanged.map_or_else(|lost| lost.answer(&mut trace), Some) else {
        return Ok(After::Close);
    };
    let tunnel = trace.tunnel.take();
    // A 400 of ours says that the request can be read in two ways: so can where the next one begins.
    let is_in_doubt = response.status == StatusCode::BAD_REQUEST && trace.reason.is_some();
    record.answered(response.status, &trace);

    let shape = Shape::of(&response, &method, version);
    let Response { status, fields, body } = response;
    // Nobody reads the rest of a request whose answer is here as a whole.
    let unread = !client.is_body_over() && matches!(body, Body::Empty | Body::Full(_));
    let keep = persists && !is_in_doubt && !unread && shape.framing != Framing::Close && !line.leaving.get();
    let mut out = scratch::buffer();
    client.unsaid(&mut out);
    head::write(&mut out, status, &fields, &shape, version, keep);
    // The buffer that the head came in is wanted for the next one.
    drop(fields);
    let mut outgoing = Outgoing::new(out, body, shape.framing);
    let sent = send(line, &mut outgoing, patience, |bytes| record.sent(bytes)).await;
    record.received(client.received());
    match sent {
        Ok(()) => {}
        Err(SendError::Client(error)) => return line.facts.tell(Err(error)),
        Err(SendError::Body(error)) => {
            record.broken("response_broken");
            return Err(ConnError::Http(error.into()));
        }
    }
    if let Some(upstream) = tunnel {
        return Ok(After::Switched(Box::new(Switched { upstream, record })));
    }
    record.finish();
    Ok(match (keep, client.is_body_over()) {
        (true, true) => After::Next,
        (false, true) if !is_in_doubt => After::Close,
        _ => After::Linger,
    })
}

/// Puts what the upstream has said so far where the client is told.
fn tell(client: &Client, interim: &Interim) {
    for (status, fields) in interim.take() {
        let mut out = scratch::buffer();
        head::write_interim(&mut out, status, &fields);
        client.say(&out);
        scratch::keep(out);
    }
}

/// Looks after the client while its request is being answered.
struct Waiting<'a> {
    line: &'a Line<'a>,
    patience: &'a mut Patience,
    received: u64,
}

impl<'a> Waiting<'a> {
    fn new(line: &'a Line<'a>, patience: &'a mut Patience) -> Self {
        // An upstream may think for as long as it likes.
        patience.forever();
        Self { line, patience, received: 0 }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Lost> {
        let client = &self.line.client;
        if matches!(client.poll_say(cx), Poll::Ready(Err(_))) || client.poll_gone(cx).is_ready() {
            return Poll::Ready(Lost::Client);
        }
        if !client.is_starving() {
            self.patience.forever();
            return Poll::Pending;
        }
        let received = client.received();
        if !self.patience.is_limited() || received != self.received {
            self.received = received;
            self.patience.give(self.line.terms.options.stall);
        }
        self.patience.poll(cx).map(|()| Lost::Body)
    }
}
