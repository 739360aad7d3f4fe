//! One accepted connection: its bytes, and what is known about it before the first request.

use std::cell::Cell;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};

use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::tls::TlsStream;
use crate::catalog::Certificate;
use crate::ident::{Fqdn, Name};

/// A connection whose handshake, if it had one, is over.
pub(in crate::proxy) struct Conn {
    pub(in crate::proxy) io: Stream,
    pub(in crate::proxy) facts: Rc<ConnFacts>,
    pub(in crate::proxy) alpn: Alpn,
}

/// What every exchange on a connection may know about it. All but the last never changes once the handshake is over.
#[derive(Clone)]
pub(in crate::proxy) struct ConnFacts {
    /// The address at the other end, as [`address`] writes it.
    pub(in crate::proxy) client: Box<str>,
    /// Whether the client's bytes came through TLS.
    pub(in crate::proxy) secure: bool,
    /// The name the client asked for in its hello.
    pub(in crate::proxy) server_name: Option<Fqdn>,
    /// The certificate the client was shown.
    pub(in crate::proxy) certificate: Option<Arc<Certificate>>,
    /// The TLS version as logs write it.
    pub(in crate::proxy) tls_version: Option<&'static str>,
    /// Why we end the connection with exchanges still running, once we do.
    pub(in crate::proxy) cut: Cell<Option<&'static str>>,
}

/// The protocol both sides agreed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::proxy) enum Alpn {
    /// Nothing was said, which means HTTP/1.1.
    Absent,
    Http11,
    H2,
}

/// A client's address as apps and logs are told it, written once for all requests of a connection. An IPv4 client of a
/// dual-stack listener is an IPv4 client.
pub(in crate::proxy) fn address(client: SocketAddr) -> Box<str> {
    client.ip().to_canonical().to_string().into()
}

impl ConnFacts {
    /// Leaves word for the exchanges that end with the connection, and passes its end on.
    pub(in crate::proxy) fn tell<T>(&self, ended: Result<T, ConnError>) -> Result<T, ConnError> {
        if let Err(error) = &ended {
            self.cut.set(error.reason());
        }
        ended
    }

    /// Whether a request for `host` may come on this connection: the client was shown a certificate for it, or there
    /// was none to show.
    pub(in crate::proxy) fn covers(&self, host: &Name) -> bool {
        if self.server_name.is_some() && self.server_name.as_ref() == host.fqdn() {
            return true;
        }
        match (&self.certificate, host) {
            (Some(certificate), Name::Dns(fqdn)) => certificate.covers(fqdn.as_str()),
            (Some(certificate), Name::Ip(ip)) => certificate.covers(&ip.to_string()),
            (None, _) => !self.secure,
        }
    }
}

/// Why a connection ended before its time. Of interest only to whoever looks for a fault.
#[derive(Debug, Error)]
pub(in crate::proxy) enum ConnError {
    /// The client's first bytes are no TLS hello, or did not come.
    #[error("no hello")]
    Hello(#[source] io::Error),
    /// They are a request in clear, and have been answered as one.
    #[error("HTTP in clear where TLS is spoken")]
    Clear,
    /// The hello names somebody we are not, or nobody where there is no certificate for that.
    #[error("no certificate for the name {0:?}")]
    UnknownName(Option<String>),
    /// The name is ours, but its certificate could not be read.
    #[error("the certificate for {0:?} could not be obtained")]
    NoCertificate(Option<String>),
    /// The two sides found no common ground, or the client left.
    #[error("the handshake failed")]
    Handshake(#[source] io::Error),
    /// The handshake took too long.
    #[error("the handshake took too long")]
    HandshakeTimeout,
    /// The client takes none of the bytes it asked for.
    #[error("the client does not read")]
    Stalled,
    /// The client says nothing, not even when asked.
    #[error("the client does not answer")]
    Silent,
    /// A client that was asked to leave did not.
    #[error("the client did not close when asked to")]
    Lingering,
    /// What came was no HTTP, or the connection broke.
    #[error("HTTP broke off")]
    Http(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The grace of the drain was over.
    #[error("cut at the end of the drain")]
    Cut,
}

impl ConnError {
    /// The word for it in the lines of exchanges that it ends.
    pub(in crate::proxy) fn reason(&self) -> Option<&'static str> {
        match self {
            Self::Stalled => Some("client_stalled"),
            Self::Cut => Some("drain_cut"),
            _ => None,
        }
    }

    /// Who would have to do something about it.
    pub(in crate::proxy) fn fault(&self) -> &'static str {
        match self {
            Self::NoCertificate(_) | Self::Cut => "us",
            _ => "client",
        }
    }
}

/// The bytes of a connection, with TLS taken off.
pub(in crate::proxy) enum Stream {
    Clear(TcpStream),
    Tls(TlsStream),
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Clear(io) => Pin::new(io).poll_read(cx, buf),
            Self::Tls(io) => Pin::new(io).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Clear(io) => Pin::new(io).poll_write(cx, buf),
            Self::Tls(io) => Pin::new(io).poll_write(cx, buf),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Clear(io) => Pin::new(io).poll_flush(cx),
            Self::Tls(io) => Pin::new(io).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Clear(io) => Pin::new(io).poll_shutdown(cx),
            Self::Tls(io) => Pin::new(io).poll_shutdown(cx),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Clear(io) => Pin::new(io).poll_write_vectored(cx, bufs),
            Self::Tls(io) => Pin::new(io).poll_write_vectored(cx, bufs),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Clear(io) => io.is_write_vectored(),
            Self::Tls(io) => io.is_write_vectored(),
        }
    }
}
