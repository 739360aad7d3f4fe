//! Saying nothing before the proxy sleeps.
//!
//! What a proxy does depends on what has come when it looks: two pieces that come together are read together. Whoever
//! talks to it waits until it has looked at everything and has nothing to do.

use std::fs;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::thread;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A process with one thread, which never blocks but to wait for what comes next.
#[derive(Debug, Clone)]
pub(crate) struct Sleeper(PathBuf);

impl Sleeper {
    pub(crate) fn new(pid: u32) -> Self {
        Self(Path::new("/proc").join(pid.to_string()).join("stat"))
    }

    /// Returns when it sleeps.
    pub(crate) fn wait(&self) {
        // proc_pid_stat(5): the state is the first field after the name, which stands in parentheses.
        let sleeps = || {
            let stat = fs::read_to_string(&self.0).expect("the process is there");
            let state = stat.rsplit(") ").next().and_then(|rest| rest.chars().next());
            assert_ne!(state, Some('Z'), "the process has ended");
            state == Some('S')
        };
        while !sleeps() {
            thread::sleep(Duration::from_micros(20));
        }
    }
}

/// A stream to or from a sleeper.
pub(crate) struct Paced<S> {
    pub(crate) io: S,
    pub(crate) sleeper: Sleeper,
}

impl<S: Read> Read for Paced<S> {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        self.io.read(room)
    }
}

impl<S: Write> Write for Paced<S> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.sleeper.wait();
        self.io.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.io.flush()
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Paced<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        room: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, room)
    }
}

/// Blocks its thread, which has nothing else to do.
impl<S: AsyncWrite + Unpin> AsyncWrite for Paced<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.sleeper.wait();
        Pin::new(&mut self.io).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}
