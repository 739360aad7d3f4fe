//! The body of an upstream's response, with the connection it comes on.

use std::error::Error;
use std::fmt;
use std::io;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use hyper::body::Frame;

use super::Conn;
use super::sending::Sending;
use crate::proxy::http::body::{Body, BodyError};
use crate::proxy::http::outgoing::OutgoingError;
use crate::proxy::scratch;
use crate::proxy::wire::ResponseFraming;
use crate::proxy::wire::chunked::{ChunkError, Decoder, Step};

/// A body that is read as it is asked for, at the pace of whoever asks.
///
/// When it has been read to its end, the connection goes back to its pool; when it is dropped before, the
/// connection is closed. While the request is still being sent, the rest of it is sent from here too.
pub(in crate::proxy) struct ResponseBody {
    /// `None` once the body is over.
    conn: Option<Conn>,
    /// `None` once the request is sent.
    sending: Option<Box<Sending>>,
    reading: Reading,
    keep: bool,
    timeout: Option<Duration>,
    /// What has been read, but not been asked for yet.
    ready: Option<Bytes>,
    trailers: Option<HeaderMap>,
    /// Where the next bytes of a body of known length are read into.
    room: BytesMut,
}

#[derive(Debug)]
enum Reading {
    Length(u64),
    Chunked(Decoder),
    Close,
    /// What came before is still handed out.
    Failed(ReadError),
    Done,
}

/// Why the rest of a response will not come.
#[derive(Debug)]
pub(in crate::proxy) enum ReadError {
    /// The connection broke.
    Io(io::Error),
    /// The connection ended before the body did.
    Cut,
    /// The body is no chunked body.
    Chunks(ChunkError),
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => error.fmt(f),
            Self::Cut => f.write_str("the connection ended before the body did"),
            Self::Chunks(error) => error.fmt(f),
        }
    }
}

impl Error for ReadError {}

impl ResponseBody {
    /// The body that begins on `conn`, made as small as it can be: one that is here as a whole lets its
    /// connection go at once.
    pub(super) fn start(
        conn: Conn,
        sending: Sending,
        framing: ResponseFraming,
        keep: bool,
        timeout: Option<Duration>,
    ) -> Body {
        let reading = match framing {
            ResponseFraming::Empty => Reading::Length(0),
            ResponseFraming::Length(length) => Reading::Length(length),
            ResponseFraming::Chunked => Reading::Chunked(Decoder::of_response()),
            ResponseFraming::Close => Reading::Close,
        };
        let sending = (!sending.is_done()).then(|| Box::new(sending));
        let (ready, trailers, room) = (None, None, BytesMut::new());
        let mut body = Self { conn: Some(conn), sending, reading, keep, timeout, ready, trailers, room };
        body.take_arrived();
        if matches!(body.reading, Reading::Done) && body.trailers.is_none() {
            // Nobody will be there to send the rest of the request, and the client has its answer.
            body.let_go(None);
            return body.ready.take().map_or(Body::Empty, Body::from);
        }
        Body::Upstream(Box::new(body))
    }

    /// Whether there is nothing more to come.
    pub(in crate::proxy) fn is_over(&self) -> bool {
        matches!(self.reading, Reading::Done)
            && self.conn.is_none()
            && self.ready.is_none()
            && self.trailers.is_none()
    }

    /// How many bytes will come, if that is known.
    pub(in crate::proxy) fn left(&self) -> Option<u64> {
        let ready = self.ready.as_ref().map_or(0, |bytes| bytes.len() as u64);
        match &self.reading {
            Reading::Length(left) => Some(left + ready),
            Reading::Done => Some(ready),
            Reading::Chunked(_) | Reading::Close | Reading::Failed(_) => None,
        }
    }

    /// The next piece of the body, or its trailers.
    pub(in crate::proxy) fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let frame = ready!(self.poll_next(cx));
        if let Some(Err(_)) = frame {
            self.reading = Reading::Done;
            self.conn = None;
        }
        Poll::Ready(frame)
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        self.poll_request(cx)?;
        loop {
            self.take_arrived();
            if matches!(self.reading, Reading::Done) {
                self.let_go(Some(cx));
            }
            if let Some(bytes) = self.ready.take() {
                return Poll::Ready(Some(Ok(Frame::data(bytes))));
            }
            match std::mem::replace(&mut self.reading, Reading::Done) {
                Reading::Done => {
                    let trailers = self.trailers.take();
                    return Poll::Ready(trailers.map(|trailers| Ok(Frame::trailers(trailers))));
                }
                Reading::Failed(error) => return Poll::Ready(Some(Err(BodyError::Upstream(error)))),
                reading => self.reading = reading,
            }
            match ready!(self.poll_read(cx)) {
                Ok(0) if matches!(self.reading, Reading::Close) => self.reading = Reading::Done,
                Ok(0) => self.reading = Reading::Failed(ReadError::Cut),
                Ok(_) => {}
                Err(error) => self.reading = Reading::Failed(ReadError::Io(error)),
            }
        }
    }

    /// Sends on what the client gives. A connection that takes no more may still hold the rest of the answer.
    fn poll_request(&mut self, cx: &mut Context<'_>) -> Result<(), BodyError> {
        let (Some(sending), Some(conn)) = (&mut self.sending, &mut self.conn) else { return Ok(()) };
        match sending.poll(&mut conn.io, cx) {
            Poll::Pending => {}
            Poll::Ready(Ok(())) => {
                self.sending = None;
            }
            Poll::Ready(Err(OutgoingError::Io(_))) => {
                self.keep = false;
                self.sending = None;
            }
            Poll::Ready(Err(OutgoingError::Body(error))) => return Err(error),
        }
        Ok(())
    }

    /// Moves what has been read, and belongs to the body, to where it is handed out.
    fn take_arrived(&mut self) {
        let Some(conn) = &mut self.conn else { return };
        let inbox = &mut conn.inbox;
        match &mut self.reading {
            Reading::Length(left) => {
                if !inbox.is_empty() && *left > 0 {
                    let length = usize::try_from(*left).unwrap_or(usize::MAX).min(inbox.len());
                    self.ready = Some(inbox.split_to(length));
                    *left -= length as u64;
                }
                if *left == 0 {
                    self.reading = Reading::Done;
                }
            }
            Reading::Close => {
                if !inbox.is_empty() {
                    self.ready = Some(std::mem::take(inbox));
                }
            }
            Reading::Chunked(decoder) => {
                if let Some(reading) = take_chunks(decoder, inbox, &mut self.ready, &mut self.trailers) {
                    self.reading = reading;
                }
            }
            Reading::Failed(_) | Reading::Done => {}
        }
    }

    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let Some(conn) = &mut self.conn else { return Poll::Ready(Ok(0)) };
        let Reading::Length(left) = self.reading else { return conn.poll_fill(cx) };
        conn.inbox = ready!(scratch::poll_read_long(&mut conn.io, cx, &mut self.room, left))?;
        Poll::Ready(Ok(conn.inbox.len()))
    }

    /// Gives the connection back if it is clean, else closes it. A request of which only the end is missing gets
    /// one chance to be finished.
    fn let_go(&mut self, cx: Option<&mut Context<'_>>) {
        if let (Some(cx), Some(_)) = (cx, &self.sending)
            && self.poll_request(cx).is_err()
        {
            self.keep = false;
        }
        if let Some(conn) = self.conn.take()
            && self.keep
            && self.sending.take().is_none()
            && conn.inbox.is_empty()
        {
            conn.give_back(self.timeout);
        }
    }
}

/// Takes the framing off as many chunks as have arrived; returns what comes after the last one. One chunk goes on as it
/// lies in the buffer, several small ones as one piece.
fn take_chunks(
    decoder: &mut Decoder,
    inbox: &mut Bytes,
    ready: &mut Option<Bytes>,
    trailers: &mut Option<HeaderMap>,
) -> Option<Reading> {
    let mut joined: Option<BytesMut> = None;
    let after = loop {
        let data = match decoder.step(inbox) {
            Ok(Step::Data(data)) => data,
            Ok(Step::More) => break None,
            Ok(Step::End(last)) => {
                *trailers = last;
                break Some(Reading::Done);
            }
            Err(error) => break Some(Reading::Failed(ReadError::Chunks(error))),
        };
        match (&mut joined, ready.take()) {
            (Some(joined), _) => joined.extend_from_slice(&data),
            (None, None) => *ready = Some(data),
            (None, Some(first)) => {
                let mut both = BytesMut::with_capacity(first.len() + data.len() + inbox.len());
                both.extend_from_slice(&first);
                both.extend_from_slice(&data);
                joined = Some(both);
            }
        }
    };
    if let Some(joined) = joined {
        *ready = Some(joined.freeze());
    }
    after
}
