//! What a client connection is doing, and how long it may go on doing that.
//!
//! hyper knows requests and bytes but no patience of the kinds we need: its timer for heads runs between requests
//! too, and HTTP/2 has none. So the bytes pass through [`Io`], exchanges hold [`Running`], and a [`Watchdog`] looks at both
//! each time the connection has been polled. A phase that begins takes one look at the clock; otherwise watching
//! costs a few plain loads.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};

use crate::proxy::Options;
use crate::proxy::conn::{ConnError, Stream};

/// How long a client that was asked to leave may take.
const FAREWELL: Duration = Duration::from_secs(5);
/// How long the first request of a connection that was accepted at the last moment may take to come.
const NEWCOMER: Duration = Duration::from_secs(1);

/// What has happened on one connection. Only its own task ever touches it; it is atomic because an upgraded
/// connection has to be `Send`.
#[derive(Default)]
pub(super) struct Activity {
    running: AtomicUsize,
    begun: AtomicUsize,
    /// Bytes came while nothing was running: the head of a request, in HTTP/1.1.
    head: AtomicBool,
    /// The client takes no more bytes for now.
    blocked: AtomicBool,
    /// It took some since the watchdog looked.
    took: AtomicBool,
}

/// One exchange, from its head to the end of its response.
pub(super) struct Running(Arc<Activity>);

impl Running {
    pub(super) fn begin(activity: &Arc<Activity>) -> Self {
        activity.running.fetch_add(1, Relaxed);
        activity.begun.fetch_add(1, Relaxed);
        activity.head.store(false, Relaxed);
        Self(Arc::clone(activity))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Relaxed);
        self.0.head.store(false, Relaxed);
    }
}

/// The bytes of a connection, noted as they pass.
pub(super) struct Io {
    stream: Stream,
    activity: Arc<Activity>,
}

impl Io {
    pub(super) fn new(stream: Stream, activity: Arc<Activity>) -> Self {
        Self { stream, activity }
    }

    fn note<T>(&self, polled: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        self.activity.blocked.store(polled.is_pending(), Relaxed);
        if polled.is_ready() {
            self.activity.took.store(true, Relaxed);
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
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(cx, buf);
        if buf.filled().len() > before && self.activity.running.load(Relaxed) == 0 {
            self.activity.head.store(true, Relaxed);
        }
        polled
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
    Head,
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
    activity: Arc<Activity>,
    phase: Phase,
    seen: usize,
    due: Option<Instant>,
    timer: Pin<Box<Sleep>>,
    idle: Duration,
    /// `None` for HTTP/2, where bytes between exchanges are no head.
    head: Option<Duration>,
    stall: Duration,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Serving,
    /// The drain began before the first request came.
    Newcomer,
    /// The connection was asked to leave.
    Leaving,
}

impl Watchdog {
    pub(super) fn new(activity: Arc<Activity>, options: &Options, has_heads: bool) -> Self {
        Self {
            activity,
            phase: Phase::Idle,
            seen: 0,
            due: Some(Instant::now() + options.idle),
            timer: Box::pin(sleep(options.idle)),
            idle: options.idle,
            head: has_heads.then_some(options.head),
            stall: options.stall,
            state: State::Serving,
        }
    }

    /// Whether a request has come.
    pub(super) fn has_served(&self) -> bool {
        self.activity.begun.load(Relaxed) > 0
    }

    /// Nothing new is wanted on this connection, but its first request has to be waited for a moment.
    pub(super) fn newcomer(&mut self) {
        self.state = State::Newcomer;
        self.due = Some(Instant::now() + NEWCOMER);
    }

    /// The connection has been asked to leave.
    pub(super) fn leaving(&mut self) {
        self.state = State::Leaving;
        self.idle = FAREWELL;
        self.phase = self.activity_phase();
        self.due = self.limit(self.phase).map(|limit| Instant::now() + limit);
    }

    /// To be polled after the connection was.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Verdict> {
        if self.state == State::Newcomer {
            if !self.has_served() {
                ready!(self.poll_due(cx));
            }
            return Poll::Ready(Verdict::Leave);
        }
        let phase = self.activity_phase();
        let begun = self.activity.begun.load(Relaxed);
        let took = self.activity.took.swap(false, Relaxed);
        if phase != self.phase || begun != self.seen || (took && phase == Phase::Stalled) {
            (self.phase, self.seen) = (phase, begun);
            self.due = self.limit(phase).map(|limit| Instant::now() + limit);
        }
        ready!(self.poll_due(cx));
        Poll::Ready(match self.phase {
            Phase::Idle | Phase::Running if self.state == State::Serving => Verdict::Leave,
            Phase::Idle | Phase::Running => Verdict::Drop(ConnError::Lingering),
            Phase::Head => Verdict::Drop(ConnError::HeadTimeout),
            Phase::Stalled => Verdict::Drop(ConnError::Stalled),
        })
    }

    fn activity_phase(&self) -> Phase {
        let activity = &*self.activity;
        if activity.blocked.load(Relaxed) {
            Phase::Stalled
        } else if activity.running.load(Relaxed) > 0 {
            Phase::Running
        } else if self.head.is_some() && activity.head.load(Relaxed) {
            Phase::Head
        } else {
            Phase::Idle
        }
    }

    fn limit(&self, phase: Phase) -> Option<Duration> {
        match phase {
            Phase::Idle => Some(self.idle),
            Phase::Head => self.head,
            Phase::Running => None,
            Phase::Stalled => Some(self.stall),
        }
    }

    /// The timer is moved back only when it fires too soon, so that a busy connection leaves it alone.
    fn poll_due(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(due) = self.due else { return Poll::Pending };
        if due < self.timer.deadline() {
            self.timer.as_mut().reset(due);
        }
        loop {
            ready!(self.timer.as_mut().poll(cx));
            if self.timer.deadline() >= due {
                return Poll::Ready(());
            }
            self.timer.as_mut().reset(due);
        }
    }
}
