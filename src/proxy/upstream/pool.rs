//! Connections that wait for their next request, one pool for each target and worker.
//!
//! The race that makes proxies answer 502 for no visible reason is here: an upstream may close an idle connection
//! in the very moment it is used again. So a connection waits only as long as the upstream is known to keep it, is
//! looked at before it is used, and the newest is used first.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use super::connect::{ConnectError, Dialer, Stream, Winner};
use super::h1::Conn;
use super::h2::Shared;
use super::target::Target;
use super::tried::Tried;
use crate::proxy::Options;

/// How long a connection waits if the upstream says nothing about it. The shortest keep-alive in wide use is two
/// seconds.
const UNTOLD: Duration = Duration::from_millis(1500);

/// What is left of a time the upstream did tell, since its clock began earlier than ours.
const MARGIN: Duration = Duration::from_secs(1);

/// The longest wait, whatever the upstream says.
const LONGEST: Duration = Duration::from_secs(60);

/// Connections that wait in one pool. As many as a busy worker has requests under way: a smaller bound closes
/// connections in the gaps of a load that opens them again at once, and what is not used is gone in seconds.
const MAX_IDLE: usize = 1024;

/// Between two looks for connections that have waited too long.
const REAP: Duration = Duration::from_millis(100);

/// Between two lines about failures of the same upstream.
const COMPLAINT: Duration = Duration::from_secs(1);

/// All pools of a worker. They never leave their thread.
pub(in crate::proxy) struct Pools {
    dialer: Rc<Dialer>,
    pools: RefCell<HashMap<Target, Rc<Pool>>>,
    /// The one that was asked for last. Most workers serve one app, and a comparison is cheaper than a look-up.
    last: RefCell<Option<Rc<Pool>>>,
    /// For a tunnel on which nothing is said.
    tunnel_idle: Duration,
}

impl Pools {
    /// Has no connection yet.
    pub(in crate::proxy) fn new(options: &Options) -> Self {
        let dialer =
            Dialer::new(options.connect_near, options.connect, options.hold, options.upstream_roots.clone());
        Self {
            dialer: Rc::new(dialer),
            pools: RefCell::default(),
            last: RefCell::default(),
            tunnel_idle: options.tunnel_idle,
        }
    }

    /// The pool of this target.
    pub(in crate::proxy) fn of(&self, target: &Target) -> Rc<Pool> {
        let mut last = self.last.borrow_mut();
        match &*last {
            Some(pool) if pool.target == *target => Rc::clone(pool),
            _ => Rc::clone(last.insert(self.find(target))),
        }
    }

    fn find(&self, target: &Target) -> Rc<Pool> {
        if let Some(pool) = self.pools.borrow().get(target) {
            return Rc::clone(pool);
        }
        let pool = Rc::new(Pool {
            target: target.clone(),
            dialer: Rc::clone(&self.dialer),
            winner: Winner::default(),
            idle: RefCell::new(Vec::new()),
            complaints: Complaints::default(),
            reaping: Cell::new(false),
            h2: Shared::default(),
        });
        self.pools.borrow_mut().insert(target.clone(), Rc::clone(&pool));
        pool
    }

    /// For how long a tunnel may be silent.
    pub(in crate::proxy) fn tunnel_idle(&self) -> Duration {
        self.tunnel_idle
    }
}

/// The connections to one target.
pub(in crate::proxy) struct Pool {
    target: Target,
    dialer: Rc<Dialer>,
    winner: Winner,
    /// The newest last.
    idle: RefCell<Vec<Idle>>,
    complaints: Complaints,
    /// Whether a task is there that closes what has waited too long.
    reaping: Cell<bool>,
    h2: Shared,
}

struct Idle {
    conn: Conn,
    until: Instant,
}

impl Pool {
    /// The target.
    pub(in crate::proxy) fn target(&self) -> &Target {
        &self.target
    }

    /// Whether a failure should be told now, and how many were not since the last that was. An upstream that is
    /// down is worth a line a second, not a line a request.
    pub(in crate::proxy) fn complain(&self) -> Option<u64> {
        self.complaints.next(Instant::now())
    }

    /// The connection that all exchanges over HTTP/2 share.
    pub(in crate::proxy) fn h2(&self) -> &Shared {
        &self.h2
    }

    /// A connection that has been used before and is as good as new, if there is one.
    pub(in crate::proxy) fn take(&self) -> Option<Conn> {
        let mut idle = self.idle.borrow_mut();
        let now = Instant::now();
        while let Some(Idle { mut conn, until }) = idle.pop() {
            if until > now && conn.is_quiet() {
                return Some(conn);
            }
        }
        None
    }

    /// A stream to the target, and the address where it leads. Every address that was tried is in `tried`
    /// afterwards.
    ///
    /// # Errors
    ///
    /// What each address said.
    pub(in crate::proxy) async fn dial(&self, tried: &mut Tried) -> Result<(Stream, Arc<str>), ConnectError> {
        self.dialer.dial(&self.target, &self.winner, tried).await
    }

    /// Keeps a connection on which an exchange has ended cleanly, for as long as the upstream is known to.
    pub(super) fn give(self: Rc<Self>, conn: Conn, timeout: Option<Duration>) {
        let wait = timeout.map_or(UNTOLD, |told| told.saturating_sub(MARGIN).min(LONGEST));
        if wait.is_zero() {
            return;
        }
        let mut idle = self.idle.borrow_mut();
        if idle.len() == MAX_IDLE {
            idle.remove(0);
        }
        idle.push(Idle { conn, until: Instant::now() + wait });
        drop(idle);
        if !self.reaping.replace(true) {
            tokio::task::spawn_local(reap(self));
        }
    }
}

/// Failures that were told, and those that were not.
#[derive(Default)]
struct Complaints {
    told: Cell<Option<Instant>>,
    untold: Cell<u64>,
}

impl Complaints {
    fn next(&self, now: Instant) -> Option<u64> {
        if self.told.get().is_some_and(|told| now < told + COMPLAINT) {
            self.untold.set(self.untold.get() + 1);
            return None;
        }
        self.told.set(Some(now));
        Some(self.untold.replace(0))
    }
}

/// Closes what has waited too long, until nothing waits any more.
async fn reap(pool: Rc<Pool>) {
    loop {
        let next = pool.idle.borrow().iter().map(|idle| idle.until).min();
        let Some(next) = next else { break };
        sleep_until(next.max(Instant::now() + REAP)).await;
        let now = Instant::now();
        pool.idle.borrow_mut().retain(|idle| idle.until > now);
    }
    pool.reaping.set(false);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_upstream_that_is_down_is_worth_a_line_a_second() {
        let (complaints, began) = (Complaints::default(), Instant::now());
        let next = |millis| complaints.next(began + Duration::from_millis(millis));
        assert_eq!(
            [next(0), next(1), next(999), next(1000), next(1500), next(5000)],
            [Some(0), None, None, Some(2), None, Some(1)]
        );
    }
}
