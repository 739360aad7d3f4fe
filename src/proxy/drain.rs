//! The end of serving: stop accepting, finish what runs, cut what is left when the grace is over.
//!
//! [`Drain`] is the one hand that ends things and is not `Clone`; a [`Watcher`] is held by everything that must be
//! waited for. The drain is finished when the last watcher is gone, so nothing can be forgotten by forgetting to
//! count it. A dropped `Drain` cuts.

use std::cell::Cell;
use std::future::{Future, pending, poll_fn};
use std::pin::{Pin, pin};
use std::task::{Poll, Waker};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

/// A drain that has not begun, and the first holder it would wait for.
#[must_use]
pub fn channel() -> (Drain, Watcher) {
    let (sender, receiver) = watch::channel(State::Open);
    (Drain { state: sender }, Watcher { state: receiver })
}

/// Ends the serving of everybody who holds a [`Watcher`].
pub struct Drain {
    state: watch::Sender<State>,
}

/// Learns that the end has begun, and keeps it from being over.
#[derive(Clone)]
pub struct Watcher {
    state: watch::Receiver<State>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    Draining { cut_at: Instant },
    Cut,
}

impl Drain {
    /// Asks everybody to accept nothing new and to be done within `grace`; what is not is cut then.
    ///
    /// Asking again can bring the cut forward, never put it off.
    pub fn begin(&self, grace: Duration) {
        let wanted = Instant::now() + grace;
        self.state.send_modify(|state| {
            *state = match *state {
                State::Open => State::Draining { cut_at: wanted },
                State::Draining { cut_at } => State::Draining { cut_at: cut_at.min(wanted) },
                State::Cut => State::Cut,
            };
        });
    }

    /// Ends everything now.
    pub fn cut(&self) {
        self.state.send_replace(State::Cut);
    }

    /// Returns when the last [`Watcher`] is gone.
    pub async fn finished(&self) {
        self.state.closed().await;
    }
}

impl Watcher {
    /// Whether the drain has begun.
    #[must_use]
    pub fn has_begun(&self) -> bool {
        *self.state.borrow() != State::Open || self.state.has_changed().is_err()
    }

    /// Returns when the drain begins, at once if it has.
    pub async fn begun(&mut self) {
        // An error means that the drain is gone, which is as much of a beginning.
        let _gone = self.state.wait_for(|state| *state != State::Open).await;
    }

    /// Returns when it is time to let go of everything: the grace is over, or somebody had no patience.
    pub async fn cut(&mut self) {
        loop {
            let state = *self.state.borrow_and_update();
            let changed = match state {
                State::Cut => return,
                State::Open => self.state.changed().await,
                State::Draining { cut_at } => tokio::select! {
                    changed = self.state.changed() => changed,
                    () = sleep_until(cut_at) => return,
                },
            };
            if changed.is_err() {
                return;
            }
        }
    }

    /// Polls what serves a connection to its end. When the drain begins, `leaving` is set and it is polled again; when
    /// the drain is over, it is left as it is and there is no result.
    pub(in crate::proxy) async fn attend<T>(
        mut self,
        leaving: &Cell<bool>,
        mut serving: Pin<&mut impl Future<Output = T>>,
    ) -> Option<T> {
        let served = {
            let heard = self.state.clone();
            let mut begun = pin!(self.begun());
            let mut told: Option<Waker> = None;
            poll_fn(|cx| {
                if let Poll::Ready(served) = serving.as_mut().poll(cx) {
                    return Poll::Ready(Some(served));
                }
                // Whoever waits is woken. A busy connection need not say at each poll that it does.
                let waits = told.as_ref().is_some_and(|waker| waker.will_wake(cx.waker()));
                if waits && matches!(heard.has_changed(), Ok(false)) {
                    return Poll::Pending;
                }
                told = Some(cx.waker().clone());
                begun.as_mut().poll(cx).map(|()| None)
            })
            .await
        };
        if served.is_some() {
            return served;
        }
        leaving.set(true);
        tokio::select! {
            biased;
            served = serving => Some(served),
            () = self.cut() => None,
        }
    }

    /// Passes on to `inner` what this watcher hears. Never returns; drop it when `inner` is finished.
    ///
    /// A worker gives its connections watchers of a drain of its own: what thousands of connections poll is then
    /// shared with no other thread.
    pub(in crate::proxy) async fn relay(&mut self, inner: &Drain) {
        loop {
            let state = *self.state.borrow_and_update();
            inner.state.send_replace(state);
            if self.state.changed().await.is_err() {
                inner.cut();
                pending::<()>().await;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn it_is_finished_when_the_last_watcher_is_gone() {
        let (drain, mut watcher) = channel();
        let mut second = watcher.clone();
        assert!(!watcher.has_begun());
        drain.begin(Duration::from_secs(20));
        watcher.begun().await;
        assert!(second.has_begun());
        drop(watcher);
        let before = Instant::now();
        tokio::select! {
            () = drain.finished() => unreachable!("somebody still watches"),
            () = second.cut() => {}
        }
        assert_eq!(before.elapsed(), Duration::from_secs(20), "the grace was given whole");
        drop(second);
        drain.finished().await;
    }

    #[tokio::test(start_paused = true)]
    async fn the_cut_can_come_sooner_but_not_later() {
        let (drain, mut watcher) = channel();
        let before = Instant::now();
        drain.begin(Duration::from_secs(20));
        drain.begin(Duration::from_secs(5));
        drain.begin(Duration::from_secs(60));
        watcher.cut().await;
        assert_eq!(before.elapsed(), Duration::from_secs(5));

        let (drain, mut watcher) = channel();
        let before = Instant::now();
        drain.begin(Duration::from_secs(20));
        tokio::join!(watcher.cut(), async { drain.cut() });
        assert_eq!(before.elapsed(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn a_dropped_drain_cuts() {
        let (drain, mut watcher) = channel();
        drop(drain);
        watcher.begun().await;
        watcher.cut().await;
        assert!(watcher.has_begun());
    }

    #[tokio::test(start_paused = true)]
    async fn a_relay_passes_on_everything_it_hears() {
        let (outer, mut watcher) = channel();
        let (inner, mut holder) = channel();
        let heard = async {
            tokio::join!(holder.begun(), async { outer.begin(Duration::from_secs(20)) });
            let begun = Instant::now();
            tokio::join!(holder.cut(), async {
                tokio::time::sleep(Duration::from_secs(3)).await;
                outer.cut();
            });
            begun.elapsed()
        };
        tokio::select! {
            () = watcher.relay(&inner) => unreachable!("a relay goes on"),
            elapsed = heard => assert_eq!(elapsed, Duration::from_secs(3)),
        }
    }
}
