//! What a program has said so far, to its last word.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, Mutex};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::io::Errno;
use tokio::sync::watch;

/// The lines of what a program writes.
///
/// They are read as they come, and whoever asks reads first what nobody has read yet: what the program wrote before
/// something else was seen of it is always there, however late on a busy machine the reader is.
#[derive(Clone)]
pub(super) struct Heard {
    pipes: Arc<[Pipe]>,
    said: watch::Sender<Said>,
}

struct Pipe {
    end: OwnedFd,
    begun: Mutex<Begun>,
}

/// The line that a pipe is in the middle of.
#[derive(Default)]
struct Begun {
    line: Vec<u8>,
    over: bool,
}

#[derive(Default)]
struct Said {
    lines: Vec<String>,
    /// So many pipes have more to say.
    open: usize,
}

impl Heard {
    /// What comes out of these pipes. Somebody has to [`listen`](Self::listen).
    pub(super) fn of(pipes: impl IntoIterator<Item = OwnedFd>) -> Self {
        let pipes: Arc<[Pipe]> = pipes.into_iter().map(Pipe::new).collect();
        let said = Said { lines: Vec::new(), open: pipes.len() };
        Self { pipes, said: watch::Sender::new(said) }
    }

    /// What comes out of one pipe, to which a thread of its own listens.
    pub(super) fn over(pipe: impl Into<OwnedFd>) -> Self {
        let heard = Self::of([pipe.into()]);
        let listener = heard.clone();
        std::thread::spawn(move || listener.listen());
        heard
    }

    /// Reads until all pipes have ended.
    pub(super) fn listen(&self) {
        loop {
            let open = self.pipes.iter().filter(|pipe| !pipe.is_over());
            let mut open: Vec<_> =
                open.map(|pipe| PollFd::new(pipe.end.as_fd(), PollFlags::POLLIN)).collect();
            if open.is_empty() {
                return;
            }
            poll(&mut open, PollTimeout::NONE).expect("pipes can be waited for");
            self.catch_up();
        }
    }

    /// All lines so far.
    pub(super) fn lines(&self) -> Vec<String> {
        self.catch_up();
        self.said.borrow().lines.clone()
    }

    /// How many lines so far hold all of these words.
    pub(super) fn count(&self, words: &[&str]) -> usize {
        self.lines().iter().filter(|line| holds(line, words)).count()
    }

    /// Waits until the lines are as wanted; false if all has been said and they are not.
    pub(super) async fn until(&self, mut wanted: impl FnMut(&[String]) -> bool) -> bool {
        let mut is_so = false;
        let mut said = self.said.subscribe();
        let waited = said.wait_for(|said| {
            is_so = wanted(&said.lines);
            is_so || said.open == 0
        });
        waited.await.expect("this very value sends");
        is_so
    }

    /// Waits until all has been said.
    pub(super) async fn ended(&self) {
        self.until(|_| false).await;
    }

    fn catch_up(&self) {
        for pipe in &*self.pipes {
            pipe.read(&self.said);
        }
    }
}

impl Pipe {
    fn new(end: OwnedFd) -> Self {
        let flags = fcntl_getfl(&end).expect("a pipe has flags");
        fcntl_setfl(&end, flags | OFlags::NONBLOCK).expect("it is ours");
        Self { end, begun: Mutex::default() }
    }

    fn is_over(&self) -> bool {
        self.begun.lock().expect("no reader panicked").over
    }

    /// Reads what there is. Whoever else reads it meanwhile is waited for, so that the lines keep their order.
    fn read(&self, to: &watch::Sender<Said>) {
        let mut begun = self.begun.lock().expect("no reader panicked");
        let mut buffer = [0; 16 * 1024];
        while !begun.over {
            match rustix::io::read(&self.end, &mut buffer) {
                Ok(0) => {
                    begun.over = true;
                    let rest = begun.take_lines(true);
                    to.send_modify(|said| {
                        said.lines.extend(rest);
                        said.open -= 1;
                    });
                }
                Ok(length) => {
                    begun.line.extend_from_slice(&buffer[..length]);
                    let whole = begun.take_lines(false);
                    to.send_modify(|said| said.lines.extend(whole));
                }
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return,
                Err(error) => panic!("a pipe cannot be read: {error}"),
            }
        }
    }
}

impl Begun {
    /// The lines that are whole; at the end also the last one, which may have no end.
    fn take_lines(&mut self, over: bool) -> Vec<String> {
        let end = self.line.iter().rposition(|&byte| byte == b'\n').map_or(0, |newline| newline + 1);
        let end = if over { self.line.len() } else { end };
        let whole: Vec<u8> = self.line.drain(..end).collect();
        String::from_utf8_lossy(&whole).lines().map(str::to_owned).collect()
    }
}

/// Whether a line holds all of these words.
pub(super) fn holds(line: &str, words: &[&str]) -> bool {
    words.iter().all(|word| line.contains(word))
}
