//! What files looked like, so that those which have not changed need not be read again.

use std::fs::{self, Metadata};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, SystemTime};

/// Two writes within a tick of the filesystem's clock look like one. The coarsest clock in wide use ticks every two
/// seconds.
const TICK: Duration = Duration::from_secs(2);

/// The look of some files at one moment: equal looks mean equal contents. A file that is not there has a look too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    look: u64,
    settled: bool,
}

impl Stamp {
    /// Looks at the files, following links. `now` is the time of day.
    pub(super) fn of<'a>(files: impl IntoIterator<Item = &'a Path>, now: SystemTime) -> Self {
        let mut looks = DefaultHasher::new();
        let mut settled = true;
        for file in files {
            match fs::metadata(file) {
                Ok(about) => {
                    look(&about, &mut looks);
                    settled &= changed(&about).is_some_and(|at| at + TICK <= now);
                }
                Err(error) => error.kind().hash(&mut looks),
            }
        }
        Self { look: looks.finish(), settled }
    }

    /// Whether files that look so now are as they were when `self` was taken. Where they had been written only just
    /// before, that cannot be said.
    #[must_use]
    pub fn holds(self, now: Self) -> bool {
        self.settled && self.look == now.look
    }
}

fn look(about: &Metadata, into: &mut impl Hasher) {
    let inode = (about.dev(), about.ino(), about.size());
    (inode, about.mtime(), about.mtime_nsec(), about.ctime(), about.ctime_nsec()).hash(into);
}

fn changed(about: &Metadata) -> Option<SystemTime> {
    let seconds = u64::try_from(about.ctime()).ok()?;
    let nanos = u32::try_from(about.ctime_nsec()).ok()?;
    SystemTime::UNIX_EPOCH.checked_add(Duration::new(seconds, nanos))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_was_written_just_now_may_be_written_again_unseen() {
        let dir = tempfile::tempdir().expect("a directory");
        let file = dir.path().join("x");
        let at = |when| Stamp::of([file.as_path()], when);
        let gone = at(SystemTime::now());
        fs::write(&file, "one").expect("written");
        let now = SystemTime::now();
        let (fresh, later) = (at(now), at(now + TICK));
        assert!(!fresh.holds(later) && later.holds(later));
        assert!(gone.holds(gone) && !gone.holds(later), "no file has a look of its own");
        fs::write(&file, "another").expect("written");
        assert!(!later.holds(at(now + TICK)));
    }
}
