//! What an HTTP/2 connection is doing, and how long it may go on doing that.
//!
//! hyper knows streams and bytes but no patience. So the bytes pass through [`Io`], exchanges hold [`Running`], and a
//! [`Watchdog`] looks at both each time the connection has been polled. A phase that begins takes one look at the
//! clock; otherwise watching costs a few plain loads.

use std::cell::Cell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::patience::Patience;
use crate::proxy::Options;
use crate::proxy::conn::{ConnError, Stream};

/// How long a client that was asked to leave may take.
const FAREWELL: Duration = Duration::from_secs(5);

/// What has happened on one connection.
#[derive(Default)]
pub(super) struct Activity {
    running: Cell<usize>,
    begun: Cell<usize>,
    /// The client takes no more bytes for now.
    blocked: Cell<bool>,
    /// It took some since the watchdog looked.
    took: Cell<bool>,
}

/// One exchange, from its head to the end of its response.
pub(super) struct Running(Rc<Activity>);

impl Running {
    pub(super) fn begin(activity: &Rc<Activity>) -> Self {
        activity.running.set(activity.running.get() + 1);
        activity.begun.set(activity.begun.get() + 1);
        Self(Rc::clone(activity))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.running.set(self.0.running.get() - 1);
    }
}

/// The bytes of a connection, noted as they pass.
pub(super) struct Io {
    stream: Stream,
    activity: Rc<Activity>,
}

impl Io {
    pub(super) fn new(stream: Stream, activity: Rc<Activity>) -> Self {
        Self { stream, activity }
    }

    fn note<T>(&self, polled: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        self.activity.blocked.set(polled.is_pending());
        if polled.is_ready() {
            self.activity.took.set(true);
        }
        polled
    }
}

impl AsyncRead for Io {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Io {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.note(polled)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.note(polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_flush(cx);
        self.note(polled)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_shutdown(cx);
        self.note(polled)
    }
}

/// What a connection is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Idle,
    Running,
    Stalled,
}

/// What the watchdog has to say.
pub(super) enum Verdict {
    /// The connection should be ended as politely as its protocol can.
    Leave,
    /// It should be dropped.
    Drop(ConnError),
}

/// Knows how long each phase may last.
pub(super) struct Watchdog {
    activity: Rc<Activity>,
    phase: Phase,
    seen: usize,
    patience: Patience,
    idle: Duration,
    stall: Duration,
    /// Whether the connection was asked to leave.
    leaving: bool,
}

impl Watchdog {
    pub(super) fn new(activity: Rc<Activity>, options: &Options) -> Self {
        Self {
            activity,
            phase: Phase::Idle,
            seen: 0,
            patience: Patience::new(options.idle),
            idle: options.idle,
            stall: options.stall,
            leaving: false,
        }
    }

    /// The connection has been asked to leave.
    pub(super) fn leaving(&mut self) {
        self.leaving = true;
        self.idle = FAREWELL;
        self.enter(self.activity_phase());
    }

    /// To be polled after the connection was.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Verdict> {
        let (phase, begun) = (self.activity_phase(), self.activity.begun.get());
        let took = self.activity.took.replace(false);
        if phase != self.phase || begun != self.seen || (took && phase == Phase::Stalled) {
            self.seen = begun;
            self.enter(phase);
        }
        ready!(self.patience.poll(cx));
        Poll::Ready(match self.phase {
            Phase::Idle | Phase::Running if !self.leaving => Verdict::Leave,
            Phase::Idle | Phase::Running => Verdict::Drop(ConnError::Lingering),
            Phase::Stalled => Verdict::Drop(ConnError::Stalled),
        })
    }

    fn activity_phase(&self) -> Phase {
        if self.activity.blocked.get() {
            Phase::Stalled
        } else if self.activity.running.get() > 0 {
            Phase::Running
        } else {
            Phase::Idle
        }
    }

    fn enter(&mut self, phase: Phase) {
        self.phase = phase;
        match phase {
            Phase::Idle => self.patience.give(self.idle),
            Phase::Running => self.patience.forever(),
            Phase::Stalled => self.patience.give(self.stall),
        }
    }
}
