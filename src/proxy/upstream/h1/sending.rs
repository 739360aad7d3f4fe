//! The request on its way out.

use std::future::Future;
use std::io::{self, IoSlice, Write};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use hyper::body::{Body as _, Frame};
use tokio::io::AsyncWrite;
use tokio::time::{Sleep, sleep};

use super::super::connect::Stream;
use crate::proxy::http::body::{Body, BodyError};
use crate::proxy::wire::Framing;
use crate::proxy::wire::chunked::may_trail;

/// How long an upstream may take to say 100 before the body is sent anyway; an old one never says it.
const CONTINUE: Duration = Duration::from_secs(1);

/// A request that is being written, its body taken from the client piece by piece as the upstream takes it.
pub(in crate::proxy) struct Sending {
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
    /// Whether there was no body in the first place.
    bodiless: bool,
    /// Whether not one byte of the request has been written.
    untouched: bool,
    /// While this is set the client's body is not asked for: asking makes our own server say 100.
    gate: Option<Pin<Box<Sleep>>>,
}

/// What went wrong on the way out.
#[derive(Debug)]
pub(super) enum SendError {
    /// The upstream takes no more. It may have answered all the same.
    Io(io::Error),
    /// The client's body broke off; what was sent is not a request.
    Client(BodyError),
}

impl Sending {
    /// `head` is a whole head, framed as `framing` says. With `gated` the body waits for [`Sending::go_on`].
    pub(in crate::proxy) fn new(head: Vec<u8>, body: Body, framing: Framing, gated: bool) -> Self {
        let more = !matches!(framing, Framing::Empty | Framing::Length(0));
        let gate = (gated && more).then(|| Box::pin(sleep(CONTINUE)));
        Self {
            out: head,
            piece: Bytes::new(),
            tail: &[],
            written: 0,
            body,
            left: framing,
            more,
            bodiless: !more,
            untouched: true,
            gate,
        }
    }

    /// Whether everything has been handed to the upstream.
    pub(super) fn is_done(&self) -> bool {
        !self.more && self.queued() == 0
    }

    /// Stands at the beginning again, for another connection, if that can be done: because nothing was written,
    /// or because there is no body and the request is `idempotent`.
    pub(in crate::proxy) fn again(mut self, idempotent: bool) -> Option<Self> {
        if !(self.untouched || self.bodiless && idempotent) {
            return None;
        }
        self.written = 0;
        self.untouched = true;
        Some(self)
    }

    /// The upstream said that it wants the body.
    pub(super) fn go_on(&mut self) {
        self.gate = None;
    }

    /// The upstream answered; a body that it was asked about first, and did not want, is not sent.
    pub(super) fn answered(&mut self) {
        if self.gate.take().is_some() {
            self.abandon();
        }
    }

    /// Gives up what has not been sent. The connection is of no use for another request.
    pub(super) fn abandon(&mut self) {
        self.body = Body::Empty;
    }

    /// The buffer, for the connection's next request.
    pub(super) fn take_buffer(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.out)
    }

    /// Writes as much as the client gives and the upstream takes.
    pub(super) fn poll(&mut self, io: &mut Stream, cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        loop {
            let mut starved = false;
            if self.more && self.piece.is_empty() && self.tail.is_empty() {
                if self.is_gated(cx) {
                    starved = true;
                } else {
                    match Pin::new(&mut self.body).poll_frame(cx) {
                        Poll::Ready(frame) => self.queue(frame).map_err(SendError::Client)?,
                        Poll::Pending => starved = true,
                    }
                }
            }
            if self.queued() > 0 {
                let written = ready!(self.write(io, cx)).map_err(SendError::Io)?;
                self.advance(written);
            } else if starved || !self.more {
                ready!(Pin::new(&mut *io).poll_flush(cx)).map_err(SendError::Io)?;
                return if self.more { Poll::Pending } else { Poll::Ready(Ok(())) };
            }
        }
    }

    fn is_gated(&mut self, cx: &mut Context<'_>) -> bool {
        let waits = self.gate.as_mut().is_some_and(|sleep| sleep.as_mut().poll(cx).is_pending());
        if !waits {
            self.gate = None;
        }
        waits
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
            }
        }
        self.piece = data;
        Ok(())
    }

    fn end(&mut self, trailers: Option<&HeaderMap>) -> Result<(), BodyError> {
        if matches!(self.left, Framing::Length(1..)) {
            return Err(BodyError::Length);
        }
        if self.left == Framing::Chunked {
            self.out.extend_from_slice(b"0\r\n");
            for (name, value) in trailers.into_iter().flatten().filter(|(name, _)| may_trail(name)) {
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

    fn write(&self, io: &mut Stream, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
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
        self.untouched = false;
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
