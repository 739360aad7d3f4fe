//! How long a connection may go on doing what it does.

use std::task::{Context, Poll, ready};
use std::time::Duration;

use crate::proxy::Options;
use crate::proxy::conn::ConnError;
use crate::proxy::http::patience::Patience;

/// How long a client that was asked to leave may take.
const FAREWELL: Duration = Duration::from_secs(5);

/// What a connection is doing.
#[derive(Default)]
pub(super) struct Doing {
    /// The client takes no more bytes for now.
    pub(super) blocked: bool,
    /// How often it has taken some.
    pub(super) taken: u64,
    /// Whether there are requests that have not been answered.
    pub(super) running: bool,
    /// How many have begun.
    pub(super) begun: usize,
    /// Nothing new is wanted.
    pub(super) hurried: bool,
}

/// What there is to be done about it.
pub(super) enum Verdict {
    /// The client is to be asked to leave.
    Leave,
    /// The connection should be dropped.
    Drop(ConnError),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Idle,
    /// The first request of somebody who came at the last moment is waited for.
    Newcomer,
    Running,
    Stalled,
}

/// Knows how long each phase may last. Looks at the clock only when one begins.
pub(super) struct Watch {
    phase: Phase,
    begun: usize,
    taken: u64,
    patience: Patience,
    idle: Duration,
    newcomer: Duration,
    stall: Duration,
    /// Whether the client was asked to leave.
    asked: bool,
}

impl Watch {
    pub(super) fn new(options: &Options) -> Self {
        Self {
            phase: Phase::Idle,
            begun: 0,
            taken: 0,
            patience: Patience::new(options.idle),
            idle: options.idle,
            newcomer: options.newcomer,
            stall: options.stall,
            asked: false,
        }
    }

    /// Notes that the client is asked to leave; `false` if it has been already.
    pub(super) fn ask(&mut self) -> bool {
        let first = !self.asked;
        if first {
            self.asked = true;
            self.idle = FAREWELL;
            self.enter(self.phase);
        }
        first
    }

    /// To be polled when everything else has been.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>, doing: &Doing) -> Poll<Verdict> {
        let phase = match doing {
            Doing { blocked: true, .. } => Phase::Stalled,
            Doing { running: true, .. } => Phase::Running,
            Doing { hurried: true, begun: 0, .. } => Phase::Newcomer,
            _ => Phase::Idle,
        };
        let moved = doing.begun != self.begun || (phase == Phase::Stalled && doing.taken != self.taken);
        (self.begun, self.taken) = (doing.begun, doing.taken);
        if phase != self.phase || moved {
            self.enter(phase);
        }
        ready!(self.patience.poll(cx));
        Poll::Ready(if self.phase == Phase::Stalled {
            Verdict::Drop(ConnError::Stalled)
        } else if self.ask() {
            Verdict::Leave
        } else {
            Verdict::Drop(ConnError::Lingering)
        })
    }

    fn enter(&mut self, phase: Phase) {
        self.phase = phase;
        match phase {
            Phase::Idle => self.patience.give(self.idle),
            Phase::Newcomer => self.patience.give(if self.asked { FAREWELL } else { self.newcomer }),
            Phase::Running => self.patience.forever(),
            Phase::Stalled => self.patience.give(self.stall),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tokio::time::{Instant, timeout};

    use super::*;

    const IDLE: Duration = Duration::from_secs(75);
    const NEWCOMER: Duration = Duration::from_secs(1);
    const STALL: Duration = Duration::from_secs(60);

    fn watch() -> Watch {
        Watch::new(&Options { idle: IDLE, newcomer: NEWCOMER, stall: STALL, ..Options::default() })
    }

    /// What is said in the end, and how long it took.
    async fn verdict(watch: &mut Watch, doing: Doing) -> (Option<Verdict>, Duration) {
        let began = Instant::now();
        let said = timeout(Duration::from_secs(1000), poll_fn(|cx| watch.poll(cx, &doing))).await;
        (said.ok(), began.elapsed())
    }

    #[tokio::test(start_paused = true)]
    async fn who_is_idle_is_asked_to_leave_and_dropped_when_that_does_not_help() {
        let mut watch = watch();
        let (said, took) = verdict(&mut watch, Doing::default()).await;
        assert!(matches!(said, Some(Verdict::Leave)) && took == IDLE, "{took:?}");
        let (said, took) = verdict(&mut watch, Doing::default()).await;
        assert!(matches!(said, Some(Verdict::Drop(ConnError::Lingering))) && took == FAREWELL, "{took:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn an_app_may_think_and_a_client_must_read() {
        let mut watch = watch();
        let running = || Doing { running: true, begun: 1, ..Doing::default() };
        assert!(verdict(&mut watch, running()).await.0.is_none());
        let blocked = |taken| Doing { blocked: true, taken, ..running() };
        for taken in [1, 2] {
            let left = timeout(STALL / 2, poll_fn(|cx| watch.poll(cx, &blocked(taken)))).await;
            assert!(left.is_err(), "it takes a little now and then");
        }
        let (said, took) = verdict(&mut watch, blocked(2)).await;
        assert!(matches!(said, Some(Verdict::Drop(ConnError::Stalled))) && took == STALL / 2, "{took:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn who_came_at_the_last_moment_is_given_one() {
        let mut watch = watch();
        let hurried = |begun| Doing { hurried: true, begun, ..Doing::default() };
        let (said, took) = verdict(&mut watch, hurried(0)).await;
        assert!(matches!(said, Some(Verdict::Leave)) && took == NEWCOMER, "{took:?}");
        let mut watch = self::watch();
        assert!(watch.ask(), "as soon as the first request has begun");
        assert!(!watch.ask());
        let running = Doing { running: true, ..hurried(1) };
        assert!(verdict(&mut watch, running).await.0.is_none(), "which is answered");
        let (said, took) = verdict(&mut watch, hurried(1)).await;
        assert!(matches!(said, Some(Verdict::Drop(ConnError::Lingering))) && took == FAREWELL, "{took:?}");
    }
}
