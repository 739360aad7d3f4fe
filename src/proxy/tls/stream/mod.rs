//! A client's bytes, deciphered: a socket and a session on it.

use std::future::poll_fn;
use std::io::{self, ErrorKind, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::scratch::{self, MAX_WAITING, READ};
use super::session::{MAX_KEPT, Session, drop_front};

/// A TLS connection that holds no buffers while it waits.
///
/// What one write is given leaves in one send, with as few records as it makes; what has been enciphered and is not
/// sent yet, tickets for instance, goes with it. It goes at the latest when a read finds nothing: whoever waits for the
/// client has nothing more to say.
///
/// An end without a goodbye is an error of the kind [`UnexpectedEof`](ErrorKind::UnexpectedEof): the client's bytes
/// may have been cut off by somebody else.
pub(in crate::proxy) struct TlsStream(Box<Parts>);

struct Parts {
    tcp: TcpStream,
    session: Session,
}

impl TlsStream {
    /// Puts a session on its socket.
    pub(super) fn new(tcp: TcpStream, session: Session) -> Self {
        Self(Box::new(Parts { tcp, session }))
    }

    /// Takes the handshake to its end. What it has to say last may not have been sent then: see above.
    pub(super) async fn shake_hands(&mut self) -> io::Result<()> {
        let parts = &mut *self.0;
        while parts.session.is_handshaking() {
            poll_fn(|cx| {
                ready!(parts.poll_drain(cx))?;
                parts.poll_receive(cx, &mut ReadBuf::new(&mut []))
            })
            .await?;
        }
        Ok(())
    }

    pub(super) fn session(&self) -> &Session {
        &self.0.session
    }
}

impl Parts {
    /// Reads from the socket once and deciphers that.
    fn poll_receive(&mut self, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let Self { tcp, session } = self;
        scratch::reading(|room| {
            let kept = session.kept();
            // For a caller with little room one record is enough to go on with: what it cannot take would be kept.
            let wanted = into.remaining().clamp(MAX_KEPT, READ);
            let mut arrived = ReadBuf::new(&mut room[kept..kept + wanted]);
            ready!(Pin::new(tcp).poll_read(cx, &mut arrived))?;
            let length = arrived.filled().len();
            if length == 0 {
                return Poll::Ready(Err(ErrorKind::UnexpectedEof.into()));
            }
            Poll::Ready(session.receive(&mut room[..kept + length], into))
        })
    }

    /// Sends what waits.
    fn poll_drain(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.session.outgoing.is_empty() {
            let sent = ready!(Pin::new(&mut self.tcp).poll_write(cx, &self.session.outgoing))?;
            if sent == 0 {
                return Poll::Ready(Err(ErrorKind::WriteZero.into()));
            }
            drop_front(&mut self.session.outgoing, sent);
        }
        Poll::Ready(Ok(()))
    }

    fn poll_send(&mut self, cx: &mut Context<'_>, pieces: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let waiting = self.session.outgoing.len();
        if waiting > MAX_WAITING {
            ready!(self.poll_drain(cx))?;
        }
        // Nothing is enciphered for a socket that takes nothing.
        ready!(self.tcp.poll_write_ready(cx))?;
        let Self { tcp, session } = self;
        scratch::sending(|room| {
            let waiting = session.outgoing.len();
            let (taken, filled) = session.encipher(pieces, &mut room[waiting..])?;
            room[..waiting].copy_from_slice(&session.outgoing);
            let records = &room[..waiting + filled];
            let sent = match Pin::new(tcp).poll_write(cx, records) {
                Poll::Ready(sent) => sent?,
                Poll::Pending => 0,
            };
            session.outgoing = records[sent..].to_vec();
            Poll::Ready(Ok(taken))
        })
    }
}

impl AsyncRead for TlsStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let parts = &mut *self.0;
        let before = into.filled().len();
        if into.remaining() == 0 || parts.session.take(into)? {
            return Poll::Ready(Ok(()));
        }
        loop {
            let received = parts.poll_receive(cx, into);
            if !matches!(received, Poll::Ready(Ok(()))) {
                // The client is waited for, or will not be read from again: what waits for it waits no longer. That
                // it cannot be sent is for the next write to find out.
                let _ = parts.poll_drain(cx);
                parts.session.settle();
            }
            ready!(received)?;
            if into.filled().len() > before || parts.session.is_ready() {
                return Poll::Ready(Ok(()));
            }
        }
    }
}

impl AsyncWrite for TlsStream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.0.poll_send(cx, pieces)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.poll_drain(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let parts = &mut *self.0;
        parts.session.say_goodbye();
        ready!(parts.poll_drain(cx))?;
        match ready!(Pin::new(&mut parts.tcp).poll_shutdown(cx)) {
            // The client was faster.
            Err(error) if error.kind() == ErrorKind::NotConnected => Poll::Ready(Ok(())),
            ended => Poll::Ready(ended),
        }
    }
}

#[cfg(test)]
mod tests;
