//! One HTTP/1.1 exchange with an upstream, inside the future of the request that wants it.
//!
//! There is no task that owns the connection and no channel to one: who awaits the exchange reads and writes the
//! socket itself, and who drops it closes the socket. Request and response travel at the same time, so an early
//! answer is seen while an upload is under way, and both sides may talk for ever.

mod response;
mod sending;

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use bytes::Bytes;
use http::{Method, StatusCode};
use thiserror::Error;
use tokio::io::{AsyncRead, ReadBuf};

pub(in crate::proxy) use self::response::{ReadError, ResponseBody};
pub(in crate::proxy) use self::sending::Sending;
use super::connect::Stream;
use super::pool::Pool;
use crate::proxy::http::body::BodyError;
use crate::proxy::http::interim::Interim;
use crate::proxy::http::message::Response;
use crate::proxy::http::outgoing::OutgoingError;
use crate::proxy::{scratch, wire};

/// How many 1xx responses may come before the real one.
const MAX_INTERIM: u8 = 32;

/// A connection to an upstream, and the pool it came from.
pub(in crate::proxy) struct Conn {
    io: Stream,
    /// What has been read and not been looked at.
    inbox: Bytes,
    home: Rc<Pool>,
    /// The address at the other end.
    peer: Arc<str>,
}

impl Conn {
    /// A connection on which nothing has been said.
    pub(in crate::proxy) fn new((io, peer): (Stream, Arc<str>), home: Rc<Pool>) -> Self {
        Self { io, inbox: Bytes::new(), home, peer }
    }

    /// The address at the other end.
    pub(in crate::proxy) fn peer(&self) -> &Arc<str> {
        &self.peer
    }

    /// What is left when the connection has stopped being an HTTP connection: the stream, and what was read of
    /// what follows the head.
    pub(in crate::proxy) fn into_parts(self) -> (Stream, Bytes) {
        (self.io, self.inbox)
    }

    /// Whether the upstream has neither closed the connection nor said anything unasked.
    pub(super) fn is_quiet(&mut self) -> bool {
        let mut byte = [0];
        let mut cx = Context::from_waker(Waker::noop());
        self.inbox.is_empty()
            && Pin::new(&mut self.io).poll_read(&mut cx, &mut ReadBuf::new(&mut byte)).is_pending()
    }

    fn give_back(self, timeout: Option<Duration>) {
        Rc::clone(&self.home).give(self, timeout);
    }

    /// Reads what there is behind what was read before; 0 is the end.
    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        scratch::poll_fill(&mut self.io, cx, &mut self.inbox)
    }
}

/// What an upstream answered.
pub(in crate::proxy) enum Answer {
    /// A response.
    Response(Response),
    /// It switched to the WebSocket protocol; the connection is the tunnel's now.
    Switched(Box<wire::Response>, Conn),
}

/// An exchange that came to nothing.
pub(in crate::proxy) struct Failure {
    /// What happened.
    pub(in crate::proxy) error: ExchangeError,
    /// Whether the upstream had said anything before.
    pub(in crate::proxy) heard: bool,
    /// The request, or what is left of it.
    pub(in crate::proxy) sending: Sending,
}

/// Why there is no response.
#[derive(Debug, Error)]
pub(in crate::proxy) enum ExchangeError {
    /// The connection broke.
    #[error("{0}")]
    Io(#[source] io::Error),
    /// The connection ended before a head was complete.
    #[error("the upstream closed the connection without an answer")]
    Closed,
    /// What came is not a response.
    #[error("the upstream's answer is malformed: {0}")]
    Malformed(&'static str),
    /// The client's body broke off.
    #[error(transparent)]
    Client(BodyError),
}

/// Sends a request and reads the head of its response.
///
/// The connection belongs to the response afterwards. `websocket` says that the request asked for a switch; nobody
/// else may switch. What the upstream says before its answer is put into `interim`.
///
/// # Errors
///
/// [`Failure`] holds the request, so that it can be sent once more if that is safe. The connection is closed.
pub(in crate::proxy) async fn exchange(
    conn: Conn,
    sending: Sending,
    method: &Method,
    websocket: bool,
    interim: &Interim,
) -> Result<Answer, Box<Failure>> {
    let mut exchange = Exchange { conn, sending, broken: None, heard: false, interim: 0 };
    let head = poll_fn(|cx| exchange.poll_head(cx, method, websocket, interim)).await;
    let Exchange { conn, mut sending, heard, broken, .. } = exchange;
    let head = match head {
        Ok(head) => head,
        Err(error) => return Err(Box::new(Failure { error, heard, sending })),
    };
    if head.status == StatusCode::SWITCHING_PROTOCOLS {
        return Ok(Answer::Switched(Box::new(head), conn));
    }
    sending.answered();
    let keep = head.keep && broken.is_none();
    let body = ResponseBody::start(conn, sending, head.framing, keep, head.timeout);
    Ok(Answer::Response(Response { status: head.status, fields: head.fields, body }))
}

struct Exchange {
    conn: Conn,
    sending: Sending,
    /// Set when the upstream takes no more of the request. It may have said why, so reading goes on.
    broken: Option<io::Error>,
    heard: bool,
    interim: u8,
}

impl Exchange {
    fn poll_head(
        &mut self,
        cx: &mut Context<'_>,
        method: &Method,
        websocket: bool,
        interim: &Interim,
    ) -> Poll<Result<wire::Response, ExchangeError>> {
        self.poll_request(cx)?;
        loop {
            if !self.conn.inbox.is_empty() {
                match wire::response(&mut self.conn.inbox, method).map_err(ExchangeError::Malformed)? {
                    Some(head) if head.status == StatusCode::SWITCHING_PROTOCOLS => {
                        return Poll::Ready(if websocket && head.websocket {
                            Ok(head)
                        } else {
                            Err(ExchangeError::Malformed("it switched protocols without being asked"))
                        });
                    }
                    Some(head) if head.status.is_informational() => {
                        self.interim += 1;
                        if self.interim > MAX_INTERIM {
                            return Poll::Ready(Err(ExchangeError::Malformed("endless interim responses")));
                        }
                        // The client's side says 100 by itself when the body is asked for.
                        if head.status == StatusCode::CONTINUE {
                            self.sending.go_on();
                            self.poll_request(cx)?;
                        } else {
                            interim.push(head.status, head.fields);
                        }
                        continue;
                    }
                    Some(head) => return Poll::Ready(Ok(head)),
                    None => {}
                }
            }
            match ready!(self.conn.poll_fill(cx)) {
                Ok(0) => return Poll::Ready(Err(self.ended(None))),
                Ok(_) => self.heard = true,
                Err(error) => return Poll::Ready(Err(self.ended(Some(error)))),
            }
        }
    }

    fn poll_request(&mut self, cx: &mut Context<'_>) -> Result<(), ExchangeError> {
        if self.broken.is_some() || self.sending.is_done() {
            return Ok(());
        }
        match self.sending.poll(&mut self.conn.io, cx) {
            Poll::Pending | Poll::Ready(Ok(())) => Ok(()),
            Poll::Ready(Err(OutgoingError::Body(error))) => Err(ExchangeError::Client(error)),
            Poll::Ready(Err(OutgoingError::Io(error))) => {
                self.broken = Some(error);
                Ok(())
            }
        }
    }

    /// The first thing that went wrong explains the others.
    fn ended(&mut self, error: Option<io::Error>) -> ExchangeError {
        match self.broken.take().or(error) {
            Some(error) if error.kind() == io::ErrorKind::UnexpectedEof => ExchangeError::Closed,
            Some(error) => ExchangeError::Io(error),
            None => ExchangeError::Closed,
        }
    }
}
