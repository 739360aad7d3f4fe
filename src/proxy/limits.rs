//! How many connections there may be at one time.
//!
//! A connection holds a [`Permit`] for as long as it is open. The limit is shared by all workers; counting is one
//! atomic step, and only who finds the house full ever waits.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Notify;

/// The connections of all workers, counted. Cloning shares the count.
#[derive(Clone)]
pub(in crate::proxy) struct Limits {
    shared: Arc<Shared>,
}

/// The right to be one of the open connections; given back by dropping it.
pub(in crate::proxy) struct Permit {
    shared: Arc<Shared>,
}

struct Shared {
    max: usize,
    open: AtomicUsize,
    waiting: AtomicUsize,
    freed: Notify,
}

impl Limits {
    pub(in crate::proxy) fn new(max_connections: usize) -> Self {
        let shared = Shared {
            max: max_connections.max(1),
            open: AtomicUsize::new(0),
            waiting: AtomicUsize::new(0),
            freed: Notify::new(),
        };
        Self { shared: Arc::new(shared) }
    }

    /// How many connections are open.
    pub(in crate::proxy) fn open(&self) -> usize {
        self.shared.open.load(Ordering::Relaxed)
    }

    /// A permit if there is one left.
    pub(in crate::proxy) fn try_connection(&self) -> Option<Permit> {
        let more = |open| (open < self.shared.max).then_some(open + 1);
        let taken = self.shared.open.fetch_update(Ordering::SeqCst, Ordering::SeqCst, more);
        taken.is_ok().then(|| Permit { shared: self.shared.clone() })
    }

    /// A permit, as soon as there is one.
    pub(in crate::proxy) async fn connection(&self) -> Permit {
        if let Some(permit) = self.try_connection() {
            return permit;
        }
        let _waiting = Waiting::new(&self.shared);
        loop {
            // The wish is filed before the second look: a permit freed between the two is not missed.
            let freed = self.shared.freed.notified();
            tokio::pin!(freed);
            freed.as_mut().enable();
            if let Some(permit) = self.try_connection() {
                return permit;
            }
            freed.await;
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.shared.open.fetch_sub(1, Ordering::SeqCst);
        if self.shared.waiting.load(Ordering::SeqCst) > 0 {
            self.shared.freed.notify_waiters();
        }
    }
}

/// Tells permits that somebody wants to hear of their end; also right if the waiter is dropped in the middle.
struct Waiting<'a>(&'a Shared);

impl<'a> Waiting<'a> {
    fn new(shared: &'a Shared) -> Self {
        shared.waiting.fetch_add(1, Ordering::SeqCst);
        Self(shared)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_finds_the_house_full_waits_for_the_next_to_leave() {
        let limits = Limits::new(2);
        let first = limits.connection().await;
        let _second = limits.connection().await;
        assert!(limits.try_connection().is_none());
        assert_eq!(limits.open(), 2);
        let waiter = tokio::spawn({
            let limits = limits.clone();
            async move { limits.connection().await }
        });
        tokio::task::yield_now().await;
        assert!(!waiter.is_finished());
        drop(first);
        let third = waiter.await.expect("the waiter got the permit");
        assert_eq!(limits.open(), 2);
        drop(third);
        assert_eq!(limits.open(), 1);
    }

    #[test]
    fn threads_that_fight_for_one_permit_all_get_it_in_the_end() {
        let limits = Limits::new(1);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
                    runtime.block_on(async {
                        for _ in 0..500 {
                            let _permit = limits.connection().await;
                            tokio::task::yield_now().await;
                        }
                    });
                });
            }
        });
        assert_eq!(limits.open(), 0);
    }
}
