//! A message on its way out over HTTP/1.1, in either direction: a head, then a body as it comes.

use std::io::{self, IoSlice, Write};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::HeaderMap;
use hyper::body::{Body as _, Frame};
use tokio::io::AsyncWrite;

use super::body::{Body, BodyError};
use crate::proxy::scratch;
use crate::proxy::wire::ResponseFraming as Framing;

/// A message that is being written. Its body is asked for piece by piece, as the other side takes it, and what is
/// there together leaves together: a head does not travel alone if its body is there.
pub(in crate::proxy) struct Outgoing {
    /// The head, or what stands between two chunks.
    out: Vec<u8>,
    /// What follows it: a piece of the body.
    piece: Bytes,
    /// What follows that.
    tail: &'static [u8],
    /// How much of the three has been written.
    written: usize,
    body: Body,
    left: Framing,
    /// Whether the body has more to give.
    more: bool,
    /// Whether the other side took less than there was.
    blocked: bool,
    /// How often it took something.
    taken: u64,
    /// Bytes of the body that were handed out.
    carried: u64,
}

/// What went wrong on the way out.
#[derive(Debug)]
pub(in crate::proxy) enum OutgoingError {
    /// The other side takes no more.
    Io(io::Error),
    /// The body broke off; what was sent is not a whole message.
    Body(BodyError),
}

impl Outgoing {
    /// `head` is a whole head, framed as `framing` says, in a buffer of [`scratch`].
    pub(in crate::proxy) fn new(head: Vec<u8>, body: Body, framing: Framing) -> Self {
        Self {
            out: head,
            piece: Bytes::new(),
            tail: &[],
            written: 0,
            body,
            left: framing,
            more: !matches!(framing, Framing::Empty | Framing::Length(0)),
            blocked: false,
            taken: 0,
            carried: 0,
        }
    }

    /// Whether everything has been handed to the other side.
    pub(in crate::proxy) fn is_done(&self) -> bool {
        !self.more && self.queued() == 0
    }

    /// Whether the body has more to give.
    pub(in crate::proxy) fn has_more(&self) -> bool {
        self.more
    }

    /// Whether the other side is what is waited for.
    pub(in crate::proxy) fn is_blocked(&self) -> bool {
        self.blocked
    }

    /// How often the other side has taken something; counts on.
    pub(in crate::proxy) fn taken(&self) -> u64 {
        self.taken
    }

    /// Bytes of the body that have been handed out.
    pub(in crate::proxy) fn carried(&self) -> u64 {
        self.carried
    }

    /// Whether nothing has been written.
    pub(in crate::proxy) fn is_untouched(&self) -> bool {
        self.taken == 0
    }

    /// Stands at the beginning again; right only while the head is all that was ever written.
    pub(in crate::proxy) fn rewind(&mut self) {
        self.written = 0;
        self.taken = 0;
    }

    /// Gives up what has not been sent. The connection is of no use for another message.
    pub(in crate::proxy) fn abandon(&mut self) {
        self.body = Body::Empty;
    }

    /// Writes as much as the body gives and the other side takes. The body is asked only if `open`.
    pub(in crate::proxy) fn poll(
        &mut self,
        io: &mut (impl AsyncWrite + Unpin),
        cx: &mut Context<'_>,
        open: bool,
    ) -> Poll<Result<(), OutgoingError>> {
        loop {
            let mut starved = false;
            if self.more && self.piece.is_empty() && self.tail.is_empty() {
                if open {
                    match Pin::new(&mut self.body).poll_frame(cx) {
                        Poll::Ready(frame) => self.queue(frame).map_err(OutgoingError::Body)?,
                        Poll::Pending => starved = true,
                    }
                } else {
                    starved = true;
                }
            }
            self.blocked = true;
            if self.queued() > 0 {
                let written = ready!(self.write(io, cx)).map_err(OutgoingError::Io)?;
                self.advance(written);
            } else if starved || !self.more {
                ready!(Pin::new(&mut *io).poll_flush(cx)).map_err(OutgoingError::Io)?;
                self.blocked = false;
                return if self.more { Poll::Pending } else { Poll::Ready(Ok(())) };
            }
            self.blocked = false;
        }
    }

    fn queued(&self) -> usize {
        self.out.len() + self.piece.len() + self.tail.len() - self.written
    }

    /// Puts the body's next frame behind what is waiting.
    fn queue(&mut self, frame: Option<Result<Frame<Bytes>, BodyError>>) -> Result<(), BodyError> {
        // The head stays until the first piece comes; a request without a body can be sent again from it.
        if self.written == self.out.len() {
            self.out.clear();
            self.written = 0;
        }
        let frame = match frame.transpose()? {
            None => return self.end(None),
            Some(frame) => frame.into_data(),
        };
        match frame {
            Ok(data) if data.is_empty() => Ok(()),
            Ok(data) => self.data(data),
            Err(frame) => self.end(frame.trailers_ref()),
        }
    }

    fn data(&mut self, data: Bytes) -> Result<(), BodyError> {
        let length = data.len() as u64;
        match &mut self.left {
            Framing::Empty => return Err(BodyError::Length),
            Framing::Length(left) => {
                *left = left.checked_sub(length).ok_or(BodyError::Length)?;
                if *left == 0 {
                    self.more = false;
                    self.body = Body::Empty;
                }
            }
            Framing::Chunked => {
                // Writing to a Vec cannot fail.
                let _ = write!(self.out, "{length:x}\r\n");
                self.tail = b"\r\n";
                // An end that is known already leaves together with the last piece.
                if self.body.is_end_stream() {
                    self.tail = b"\r\n0\r\n\r\n";
                    self.more = false;
                }
            }
            Framing::Close => self.more = !self.body.is_end_stream(),
        }
        self.carried += length;
        self.piece = data;
        Ok(())
    }

    fn end(&mut self, trailers: Option<&HeaderMap>) -> Result<(), BodyError> {
        if matches!(self.left, Framing::Length(1..)) {
            return Err(BodyError::Length);
        }
        if self.left == Framing::Chunked {
            self.out.extend_from_slice(b"0\r\n");
            for (name, value) in trailers.into_iter().flatten() {
                self.out.extend_from_slice(name.as_str().as_bytes());
                self.out.extend_from_slice(b": ");
                self.out.extend_from_slice(value.as_bytes());
                self.out.extend_from_slice(b"\r\n");
            }
            self.out.extend_from_slice(b"\r\n");
        }
        self.more = false;
        self.body = Body::Empty;
        Ok(())
    }

    fn write(&self, io: &mut (impl AsyncWrite + Unpin), cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let io = Pin::new(io);
        let written = if self.piece.is_empty() && self.tail.is_empty() {
            ready!(io.poll_write(cx, &self.out[self.written..]))?
        } else {
            let mut slices = [IoSlice::new(&self.out), IoSlice::new(&self.piece), IoSlice::new(self.tail)];
            let mut slices = &mut slices[..];
            IoSlice::advance_slices(&mut slices, self.written);
            ready!(io.poll_write_vectored(cx, slices))?
        };
        if written == 0 {
            Poll::Ready(Err(io::ErrorKind::WriteZero.into()))
        } else {
            Poll::Ready(Ok(written))
        }
    }

    fn advance(&mut self, written: usize) {
        self.taken += 1;
        self.written += written;
        // Bytes of the piece are let go as they leave, what stands before them only when all have left.
        if self.queued() == 0 && !(self.piece.is_empty() && self.tail.is_empty()) {
            self.out.clear();
            self.piece.clear();
            self.tail = &[];
            self.written = 0;
        }
    }
}

impl Drop for Outgoing {
    fn drop(&mut self) {
        scratch::keep(std::mem::take(&mut self.out));
    }
}
