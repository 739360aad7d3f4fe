//! The bytes of a connection, gathered until everybody has said what there is to say.
//!
//! The `h2` crate writes a frame at a time and flushes after each that has a body worth mentioning. Each would be a
//! record of TLS and a send of its own; so what it writes stays here until the end of the turn, in which many streams
//! may have had their say.

use std::cell::{Cell, RefCell};
use std::io::{self, ErrorKind, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::proxy::conn::Stream;

/// When this much has been gathered, it is sent before there is more.
const FULL: usize = 64 * 1024;

thread_local! {
    /// The room to gather in, while no connection of this thread needs it: between two turns none does, but those
    /// whose clients do not read.
    static SPARE: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// A connection's bytes. Clones are the same connection: one is what `h2` reads from and writes to, another what its
/// task sends with.
#[derive(Clone)]
pub(super) struct Gathering(Rc<RefCell<Gathered>>);

struct Gathered {
    stream: Stream,
    out: Vec<u8>,
    /// How much of that has been sent.
    sent: usize,
    /// Whether a read has found nothing in this turn.
    dry: bool,
    heard: u64,
    taken: u64,
}

impl Gathering {
    pub(super) fn new(stream: Stream) -> Self {
        let gathered = Gathered { stream, out: Vec::new(), sent: 0, dry: false, heard: 0, taken: 0 };
        Self(Rc::new(RefCell::new(gathered)))
    }

    /// Begins a turn. What a turn has found out about the client's bytes, it does not ask again.
    pub(super) fn begin_turn(&self) {
        self.0.borrow_mut().dry = false;
    }

    /// Sends what has been gathered; ready when the client has taken all of it.
    pub(super) fn poll_send(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.borrow_mut().poll_send(cx)
    }

    /// How often something came from the client; counts on.
    pub(super) fn heard(&self) -> u64 {
        self.0.borrow().heard
    }

    /// How often the client took something; counts on.
    pub(super) fn taken(&self) -> u64 {
        self.0.borrow().taken
    }
}

impl Gathered {
    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.sent < self.out.len() {
            let sent = ready!(Pin::new(&mut self.stream).poll_write(cx, &self.out[self.sent..]))?;
            if sent == 0 {
                return Poll::Ready(Err(ErrorKind::WriteZero.into()));
            }
            self.sent += sent;
            self.taken += 1;
        }
        if self.sent > 0 {
            self.sent = 0;
            self.out.clear();
            SPARE.set(std::mem::take(&mut self.out));
        }
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    /// Makes room for what comes next.
    fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.out.len() >= FULL {
            ready!(self.poll_send(cx))?;
        }
        if self.out.capacity() == 0 {
            self.out = SPARE.take();
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for Gathering {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self.0.borrow_mut();
        if this.dry {
            return Poll::Pending;
        }
        // Nothing has been gathered before the first read of a turn, but the settings that a connection begins with:
        // they travel with the end of the handshake.
        let _ = this.poll_send(cx)?;
        let polled = Pin::new(&mut this.stream).poll_read(cx, into);
        if polled.is_pending() {
            this.dry = true;
        } else {
            this.heard += 1;
        }
        polled
    }
}

impl AsyncWrite for Gathering {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = &mut *self.0.borrow_mut();
        ready!(this.poll_room(cx))?;
        let before = this.out.len();
        pieces.iter().for_each(|piece| this.out.extend_from_slice(piece));
        Poll::Ready(Ok(this.out.len() - before))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    /// Does nothing: the end of the turn is what sends.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self.0.borrow_mut();
        ready!(this.poll_send(cx))?;
        Pin::new(&mut this.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpStream};

    use super::*;

    async fn both() -> (Gathering, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let to = listener.local_addr().expect("an address");
        let (ours, theirs) = tokio::join!(listener.accept(), TcpStream::connect(to));
        let stream = Stream::Clear(ours.expect("a connection").0);
        (Gathering::new(stream), theirs.expect("a connection"))
    }

    #[tokio::test]
    async fn what_is_written_waits_for_the_end_of_the_turn() {
        let (ours, mut client) = both().await;
        let mut writer = ours.clone();
        for frame in [&b"one "[..], b"two ", b"three"] {
            writer.write_all(frame).await.expect("taken");
            writer.flush().await.expect("taken");
        }
        assert_eq!(ours.0.borrow().out, b"one two three");
        poll_fn(|cx| ours.poll_send(cx)).await.expect("sent");
        assert_eq!(ours.taken(), 1, "in one piece");
        let mut heard = [0; 13];
        client.read_exact(&mut heard).await.expect("all of it");
        assert_eq!(&heard, b"one two three");
        assert_eq!(ours.0.borrow().out.capacity(), 0, "and nothing is held");
    }

    #[tokio::test]
    async fn a_client_that_does_not_read_is_not_gathered_for() {
        let (ours, client) = both().await;
        let mut writer = ours.clone();
        let frame = [0; 16 * 1024];
        while poll_fn(|cx| Poll::Ready(Pin::new(&mut writer).poll_write(cx, &frame))).await.is_ready() {}
        assert!(ours.0.borrow().out.len() <= FULL + frame.len());
        drop(client);
        assert!(poll_fn(|cx| ours.poll_send(cx)).await.is_err());
    }

    #[tokio::test]
    async fn a_turn_that_has_found_nothing_does_not_look_again() {
        let (mut ours, mut client) = both().await;
        let mut room = [0; 16];
        let mut look = async |ours: &mut Gathering| {
            let mut into = ReadBuf::new(&mut room);
            poll_fn(|cx| Poll::Ready(Pin::new(&mut *ours).poll_read(cx, &mut into))).await.is_ready()
        };
        assert!(!look(&mut ours).await);
        client.write_all(b"hello").await.expect("sent");
        // It has arrived when the next turn sees it.
        while !{
            ours.begin_turn();
            look(&mut ours).await
        } {
            tokio::task::yield_now().await;
        }
        assert_eq!(ours.heard(), 1);
        assert!(!look(&mut ours).await);
        client.write_all(b"hello").await.expect("sent");
        assert!(!look(&mut ours).await, "not in this turn");
    }
}
