//! The client's end of a connection: its bytes, and how far the body of the request under way has come.

use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes, BytesMut};
use http::HeaderMap;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::proxy::conn::Stream;
use crate::proxy::http::body::BodyError;
use crate::proxy::scratch;
use crate::proxy::wire;
use crate::proxy::wire::chunked::{Decoder, Step};

const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// A client, shared by the connection and the body of the request under way. A clone is another handle to it.
///
/// Nobody borrows it for longer than one call.
#[derive(Clone)]
pub(super) struct Client(Rc<RefCell<State>>);

struct State {
    io: Stream,
    /// What has been read and not been used.
    inbox: Bytes,
    /// Whether there may be a head in it, for all that is known.
    news: bool,
    reading: Reading,
    /// The client waits for a 100 before it sends the body.
    expects: bool,
    /// Interim responses to be written, and how much of them has been.
    outbox: Vec<u8>,
    said: usize,
    /// Whether a body is waited for, and the client sends none of it.
    starving: bool,
    /// Bytes of the body so far.
    received: u64,
    /// Where the next bytes of a body of known length are read into.
    room: BytesMut,
}

/// Where the body of the request under way ends.
enum Reading {
    Length(u64),
    Chunked(Box<Decoder>),
    Over,
}

/// A piece of a request's body, or what follows its last one.
pub(super) enum Piece {
    Data(Bytes),
    Trailers(HeaderMap),
}

impl Client {
    pub(super) fn new(io: Stream) -> Self {
        Self(Rc::new(RefCell::new(State {
            io,
            inbox: Bytes::new(),
            news: true,
            reading: Reading::Over,
            expects: false,
            outbox: Vec::new(),
            said: 0,
            starving: false,
            received: 0,
            room: BytesMut::new(),
        })))
    }

    /// Whether bytes wait to be used.
    pub(super) fn has_input(&self) -> bool {
        !self.0.borrow().inbox.is_empty()
    }

    /// Cuts a head off what has been read.
    pub(super) fn head(&self) -> Result<Option<wire::Request>, wire::Refusal> {
        let mut state = self.0.borrow_mut();
        if state.inbox.is_empty() {
            // An empty slice may still hold on to the buffer it was cut from.
            state.inbox = Bytes::new();
            return Ok(None);
        }
        if !state.news {
            return Ok(None);
        }
        let head = wire::request(&mut state.inbox)?;
        state.news = head.is_some();
        Ok(head)
    }

    /// Reads what there is behind what was read before; 0 is the end.
    pub(super) fn poll_fill(&self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        self.0.borrow_mut().poll_fill(cx)
    }

    /// Reads what there is and throws it away; 0 is the end.
    pub(super) fn poll_discard(&self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let state = &mut *self.0.borrow_mut();
        state.inbox.clear();
        scratch::poll_read(&mut state.io, cx).map_ok(|bytes| bytes.len())
    }

    /// Ready when the client has gone away. What it sends instead is kept, and then its going is not seen before that
    /// has been used.
    pub(super) fn poll_gone(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut state = self.0.borrow_mut();
        // Whoever reads the body sees the end by himself.
        while state.is_over() && state.inbox.is_empty() {
            if ready!(state.poll_fill(cx))? == 0 {
                return Poll::Ready(Ok(()));
            }
        }
        Poll::Pending
    }

    /// Adds to the interim responses that the client is told.
    pub(super) fn say(&self, interim: &[u8]) {
        self.0.borrow_mut().outbox.extend_from_slice(interim);
    }

    /// Tells the client what is to be said.
    pub(super) fn poll_say(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.borrow_mut().poll_say(cx)
    }

    /// Moves what has not been said to `out`, where the answer will stand behind it.
    pub(super) fn unsaid(&self, out: &mut Vec<u8>) {
        let state = &mut *self.0.borrow_mut();
        out.extend_from_slice(&state.outbox[state.said..]);
        state.outbox = Vec::new();
        state.said = 0;
    }

    /// From now on the body of this request is read.
    pub(super) fn begin_body(&self, framing: wire::Framing, expects_continue: bool) {
        let mut state = self.0.borrow_mut();
        state.reading = match framing {
            wire::Framing::Empty | wire::Framing::Length(0) => Reading::Over,
            wire::Framing::Length(length) => Reading::Length(length),
            wire::Framing::Chunked => Reading::Chunked(Box::new(Decoder::of_request())),
        };
        state.expects = expects_continue && !state.is_over();
        state.starving = false;
        state.received = 0;
    }

    /// The next piece of the body; `None` is its end. A client that waits for a 100 is told to go on.
    pub(super) fn poll_body(&self, cx: &mut Context<'_>) -> Poll<Option<Result<Piece, BodyError>>> {
        let mut state = self.0.borrow_mut();
        let polled = state.poll_body(cx);
        state.starving = polled.is_pending();
        polled.map(Result::transpose)
    }

    /// Whether the body of the request under way has been read to its end.
    pub(super) fn is_body_over(&self) -> bool {
        self.0.borrow().is_over()
    }

    /// How many bytes of the body are still to come, if that is known.
    pub(super) fn body_left(&self) -> Option<u64> {
        match self.0.borrow().reading {
            Reading::Length(left) => Some(left),
            Reading::Over => Some(0),
            Reading::Chunked(_) => None,
        }
    }

    /// Whether the body is wanted, and the client keeps it.
    pub(super) fn is_starving(&self) -> bool {
        self.0.borrow().starving
    }

    /// Bytes of the body that have come.
    pub(super) fn received(&self) -> u64 {
        self.0.borrow().received
    }
}

impl State {
    fn is_over(&self) -> bool {
        matches!(self.reading, Reading::Over)
    }

    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let read = ready!(scratch::poll_fill(&mut self.io, cx, &mut self.inbox))?;
        let length = self.inbox.len();
        self.news |= wire::is_worth_another_look(&self.inbox[length - read..], length);
        Poll::Ready(Ok(read))
    }

    fn poll_body(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Piece>, BodyError>> {
        loop {
            match &mut self.reading {
                Reading::Over => return Poll::Ready(Ok(None)),
                Reading::Length(left) if !self.inbox.is_empty() => {
                    let length = usize::try_from(*left).unwrap_or(usize::MAX).min(self.inbox.len());
                    let data = self.inbox.split_to(length);
                    *left -= length as u64;
                    if *left == 0 {
                        self.reading = Reading::Over;
                    }
                    return Poll::Ready(Ok(Some(self.count(data))));
                }
                Reading::Chunked(decoder) if !self.inbox.is_empty() => {
                    match decoder.step(&mut self.inbox).map_err(BodyError::Chunks)? {
                        Step::More => {}
                        Step::Data(data) => return Poll::Ready(Ok(Some(self.count(data)))),
                        Step::End(trailers) => {
                            self.reading = Reading::Over;
                            return Poll::Ready(Ok(trailers.map(Piece::Trailers)));
                        }
                    }
                }
                Reading::Length(_) | Reading::Chunked(_) => {}
            }
            if std::mem::take(&mut self.expects) {
                self.outbox.extend_from_slice(CONTINUE);
            }
            if let Poll::Ready(Err(error)) = self.poll_say(cx) {
                return Poll::Ready(Err(BodyError::Gone(error)));
            }
            if ready!(self.poll_more(cx)).map_err(BodyError::Gone)? == 0 {
                return Poll::Ready(Err(BodyError::Gone(io::ErrorKind::UnexpectedEof.into())));
            }
        }
    }

    fn count(&mut self, data: Bytes) -> Piece {
        self.received += data.len() as u64;
        // A client that sends has waited long enough (RFC 9110 section 10.1.1).
        self.expects = false;
        Piece::Data(data)
    }

    fn poll_say(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.outbox.is_empty() {
            return Poll::Ready(Ok(()));
        }
        while self.said < self.outbox.len() {
            self.said += ready!(Pin::new(&mut self.io).poll_write(cx, &self.outbox[self.said..]))?;
        }
        ready!(Pin::new(&mut self.io).poll_flush(cx))?;
        self.outbox = Vec::new();
        self.said = 0;
        Poll::Ready(Ok(()))
    }

    fn poll_more(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let Reading::Length(left) = self.reading else { return self.poll_fill(cx) };
        self.inbox = ready!(scratch::poll_read_long(&mut self.io, cx, &mut self.room, left))?;
        Poll::Ready(Ok(self.inbox.len()))
    }
}

/// What the client sends, beginning with what has been read already.
impl AsyncRead for Client {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let mut state = self.0.borrow_mut();
        if state.inbox.is_empty() {
            return Pin::new(&mut state.io).poll_read(cx, buf);
        }
        let length = state.inbox.len().min(buf.remaining());
        buf.put_slice(&state.inbox[..length]);
        state.inbox.advance(length);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Client {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0.borrow_mut().io).poll_write(cx, buf)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0.borrow_mut().io).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0.borrow_mut().io).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0.borrow_mut().io).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.0.borrow().io.is_write_vectored()
    }
}
