//! How many files this process may have open, and how many connections that makes.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// More than this is not asked for where the hard limit says «unlimited»: it is the kernel's own default
/// ceiling (`fs.nr_open`), and asking for more fails.
const CEILING: u64 = 1 << 20;
/// Descriptors for everything that is not a connection: listeners, log, storage, runtimes, orders.
const RESERVED: u64 = 128;
/// A proxied connection has a client side and may have an upstream side.
const PER_CONNECTION: u64 = 2;

/// The limit on open files, before and after [`raise`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileLimit {
    /// What the process was started with; a wrapped program gets this one back.
    pub was: u64,
    /// What holds now.
    pub now: u64,
}

/// Raises the soft limit on open files to the hard one; a limit that will not move stays as it is.
#[must_use]
pub fn raise() -> FileLimit {
    let limit = getrlimit(Resource::Nofile);
    let was = limit.current.unwrap_or(CEILING);
    let wanted = limit.maximum.unwrap_or(CEILING).max(was);
    let raised = Rlimit { current: Some(wanted), maximum: limit.maximum };
    let now = if setrlimit(Resource::Nofile, raised).is_ok() { wanted } else { was };
    FileLimit { was, now }
}

impl FileLimit {
    /// How many client connections fit, each with a connection of its own to an upstream.
    #[must_use]
    pub fn connections(self) -> usize {
        let spare = self.now.saturating_sub(RESERVED) / PER_CONNECTION;
        usize::try_from(spare).unwrap_or(usize::MAX).max(16)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_soft_limit_becomes_the_hard_one() {
        let limit = raise();
        assert!(limit.now >= limit.was);
        assert_eq!(getrlimit(Resource::Nofile).current, Some(limit.now));
        assert_eq!(raise(), FileLimit { was: limit.now, now: limit.now }, "raising twice changes nothing");
    }

    #[test]
    fn connections_leave_room_for_everything_else() {
        assert_eq!(FileLimit { was: 1024, now: 1024 }.connections(), 448);
        assert_eq!(FileLimit { was: 10, now: 10 }.connections(), 16, "never none at all");
    }
}
