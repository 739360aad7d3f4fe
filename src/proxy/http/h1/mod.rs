//! HTTP/1.1 towards clients: one connection, one request after the other.
//!
//! A connection waits for a head without holding a buffer, exchanges what it has read inside a future that is gone
//! before it waits again, and writes the answer from there. What is read is understood by
//! [`wire`](crate::proxy::wire) or refused; after a refusal, an answer that came before the whole request, or
//! anything else that leaves a doubt about where the next request begins, the connection is closed, and not before
//! the client has had a chance to read why.

mod answer;
mod body;
mod client;
mod head;
mod linger;
mod send;

use std::cell::Cell;
use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;

use http::{Method, StatusCode, Version};

use self::answer::{After, answer};
use self::client::Client;
use self::linger::{farewell, linger};
use self::send::{SendError, send};
use super::Terms;
use super::interim::Interim;
use super::message::{Request, Response};
use super::outgoing::Outgoing;
use super::patience::Patience;
use super::reply::refused;
use super::shape::Shape;
use crate::proxy::access::Trace;
use crate::proxy::conn::{Conn, ConnError, ConnFacts};
use crate::proxy::drain::Watcher;
use crate::proxy::{scratch, wire};

pub(in crate::proxy) use self::body::RequestBody;

/// Serves a connection until it ends, then what it was upgraded to, if it was. `exchange` answers its
/// requests.
pub(in crate::proxy) async fn serve<E>(
    terms: Terms<'_>,
    conn: Conn,
    drain: Watcher,
    exchange: E,
) -> Result<(), ConnError>
where
    E: AsyncFn(Request, &mut Trace, &Interim) -> Response,
{
    let facts = Rc::clone(&conn.facts);
    let leaving = Cell::new(false);
    let line = Line { terms, facts: &facts, client: Client::new(conn.io), leaving: &leaving };
    let mut serving = pin!(line.serve(exchange));
    let served = drain.attend(&leaving, serving.as_mut()).await;
    // What is still running is dropped after this, and has to find the reason by then.
    facts.tell(served.unwrap_or(Err(ConnError::Cut)))
}

/// A connection and what it is served with.
struct Line<'a> {
    terms: Terms<'a>,
    facts: &'a Rc<ConnFacts>,
    client: Client,
    /// Set when nothing new is wanted on this connection.
    leaving: &'a Cell<bool>,
}

/// What a client came up with.
enum Next {
    Request(wire::Request),
    /// No request, and what is to be said about that.
    Refused(wire::Refusal),
    /// It has nothing more to say.
    Over,
}

impl Line<'_> {
    async fn serve<E>(self, exchange: E) -> Result<(), ConnError>
    where
        E: AsyncFn(Request, &mut Trace, &Interim) -> Response,
    {
        let mut patience = Patience::new(self.terms.options.idle);
        let mut first = true;
        loop {
            let after = match self.next(&mut patience, first).await? {
                // Boxed: what an exchange needs is not carried along by a connection that waits.
                Next::Request(head) => Box::pin(answer(&self, &exchange, head, &mut patience)).await?,
                Next::Refused(refusal) => Box::pin(self.refuse(refusal, &mut patience)).await?,
                Next::Over => After::Close,
            };
            first = false;
            match after {
                After::Next => {}
                After::Close => return farewell(&self.client, &mut patience).await,
                After::Linger => return linger(&self.client, &mut patience).await,
                After::Switched(switched) => {
                    switched.run(self.client).await;
                    return Ok(());
                }
            }
        }
    }

    /// Waits for the next head.
    async fn next(&self, patience: &mut Patience, first: bool) -> Result<Next, ConnError> {
        let options = self.terms.options;
        let mut begun = self.client.has_input();
        let mut hurried = false;
        patience.give(if begun { options.head } else { options.idle });
        poll_fn(|cx| {
            loop {
                match self.client.head() {
                    Ok(Some(head)) => return Poll::Ready(Ok(Next::Request(head))),
                    Err(refusal) => return Poll::Ready(Ok(Next::Refused(refusal))),
                    Ok(None) => {}
                }
                match self.client.poll_fill(cx) {
                    Poll::Pending => break,
                    Poll::Ready(Ok(0)) => return Poll::Ready(Ok(Next::Over)),
                    Poll::Ready(Ok(_)) => {
                        if !begun {
                            begun = true;
                            patience.give(options.head);
                        }
                    }
                    Poll::Ready(Err(error)) => return Poll::Ready(Err(ConnError::Http(error.into()))),
                }
            }
            if self.leaving.get() && !begun {
                // The client of a connection that has just been made cannot know that it came too late.
                if !first {
                    return Poll::Ready(Ok(Next::Over));
                }
                if !hurried {
                    hurried = true;
                    patience.give(options.newcomer);
                }
            }
            patience.poll(cx).map(|()| Ok(if begun { Next::Refused(TOO_SLOW) } else { Next::Over }))
        })
        .await
    }

    /// Says what is wrong with something that is no request.
    async fn refuse(&self, refusal: wire::Refusal, patience: &mut Patience) -> Result<After, ConnError> {
        self.terms.access.refused(self.facts, refusal.status, refusal.reason);
        let response = refused(refusal);
        let shape = Shape::of(&response, &Method::GET, Version::HTTP_11);
        let mut out = scratch::buffer();
        self.client.unsaid(&mut out);
        head::write(&mut out, response.status, &response.fields, &shape, Version::HTTP_11, false);
        let mut outgoing = Outgoing::new(out, response.body, shape.framing);
        match send(self, &mut outgoing, patience, |_| ()).await {
            Ok(()) => Ok(After::Linger),
            Err(SendError::Client(error)) => Err(error),
            Err(SendError::Body(error)) => Err(ConnError::Http(error.into())),
        }
    }
}

/// A head that did not come to its end in time.
const TOO_SLOW: wire::Refusal = wire::Refusal { status: StatusCode::REQUEST_TIMEOUT, reason: "head_timeout" };

#[cfg(test)]
mod tests;
