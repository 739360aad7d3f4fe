//! Standard output, and whether anybody reads it.

use std::io::stdout;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// Whether there may still be a reader: false once the far end of a pipe, or the terminal, has gone. Nothing is written.
#[must_use]
pub fn is_read() -> bool {
    // Asked for or not, both are told of.
    let gone = PollFlags::ERR | PollFlags::HUP;
    let stdout = stdout();
    let mut out = [PollFd::new(&stdout, PollFlags::empty())];
    let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
    poll(&mut out, Some(&at_once)).is_err() || !out[0].revents().intersects(gone)
}
