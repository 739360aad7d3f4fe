//! TLS towards clients: reads the hello, finds the certificate, shakes hands, all under one deadline.
//!
//! The only file that knows which TLS stream carries a client's bytes. There is one configuration for ordinary
//! clients and one for validations by tls-alpn-01; both are built once and find certificates through the
//! [`Resolver`], so session tickets outlive every renewal. The two are apart so that no client can come to speak
//! `acme-tls/1` with an app, and no validation to be shown an ordinary certificate.

use std::cell::Cell;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use rustls::crypto::aws_lc_rs::Ticketer;
use rustls::server::{Acceptor, ResolvesServerCert};
use rustls::{ProtocolVersion, ServerConfig};
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::{LazyConfigAcceptor, StartHandshake, server};

use super::conn::{Alpn, Conn, ConnError, ConnFacts, Stream};
use crate::catalog::{Certificate, Lookup, Resolver};
use crate::ident::Fqdn;
use crate::pki::crypto;

const H2: &[u8] = b"h2";
const HTTP11: &[u8] = b"http/1.1";
/// RFC 8737 section 6.2.
const ACME: &[u8] = b"acme-tls/1";

/// Shakes hands with clients; shared by all workers.
pub(in crate::proxy) struct Tls {
    ordinary: Arc<ServerConfig>,
    validation: Arc<ServerConfig>,
    resolver: Resolver,
    deadline: Duration,
}

/// What a handshake was for.
pub(in crate::proxy) enum Accepted {
    /// An ordinary client.
    Client(Conn),
    /// A CA that has seen what it wanted to see. Nothing may follow (RFC 8737 section 3).
    Validation,
}

/// TLS could not be set up: the cryptography at hand lacks something.
#[derive(Debug, Error)]
#[error("TLS cannot be set up")]
pub struct SetupError(#[source] rustls::Error);

/// A client's bytes, deciphered. Boxed, since a connection's state is large and moves between futures.
pub(in crate::proxy) struct TlsStream(Box<server::TlsStream<TcpStream>>);

impl Tls {
    pub(in crate::proxy) fn new(resolver: Resolver, deadline: Duration) -> Result<Self, SetupError> {
        let mut ordinary = config(resolver.certificates())?;
        ordinary.alpn_protocols = vec![H2.to_vec(), HTTP11.to_vec()];
        ordinary.ticketer = Ticketer::new().map_err(SetupError)?;
        let mut validation = config(resolver.challenges())?;
        validation.alpn_protocols = vec![ACME.to_vec()];
        validation.send_tls13_tickets = 0;
        Ok(Self { ordinary: Arc::new(ordinary), validation: Arc::new(validation), resolver, deadline })
    }

    /// Takes a connection from its first byte to the end of its handshake.
    ///
    /// The deadline covers all of it, the wait for a certificate that is not in memory included.
    pub(in crate::proxy) async fn accept(
        &self,
        tcp: TcpStream,
        client: SocketAddr,
    ) -> Result<Accepted, ConnError> {
        // Boxed: the handshake's state is not carried along in the connection's future afterwards.
        let handshake: Pin<Box<dyn Future<Output = _>>> = Box::pin(self.shake_hands(tcp, client));
        timeout(self.deadline, handshake).await.unwrap_or(Err(ConnError::HandshakeTimeout))
    }

    async fn shake_hands(&self, tcp: TcpStream, client: SocketAddr) -> Result<Accepted, ConnError> {
        let hello = LazyConfigAcceptor::new(Acceptor::default(), tcp).await.map_err(ConnError::Hello)?;
        if self.is_validation(&hello) {
            let mut tls =
                hello.into_stream(Arc::clone(&self.validation)).await.map_err(ConnError::Handshake)?;
            // Nobody waits for our goodbye.
            let _ = tls.shutdown().await;
            return Ok(Accepted::Validation);
        }
        let server_name = hello.client_hello().server_name().map(str::to_owned);
        let certificate = match self.find(server_name.as_deref()).await {
            Ok(certificate) => certificate,
            Err(refusal) => {
                refuse(hello.io, refusal).await;
                return Err(match refusal {
                    Refusal::UnrecognizedName => ConnError::UnknownName(server_name),
                    Refusal::InternalError => ConnError::NoCertificate(server_name),
                });
            }
        };
        let tls = hello.into_stream(Arc::clone(&self.ordinary)).await.map_err(ConnError::Handshake)?;
        let session = tls.get_ref().1;
        let alpn = match session.alpn_protocol() {
            Some(H2) => Alpn::H2,
            Some(_) => Alpn::Http11,
            None => Alpn::Absent,
        };
        let facts = ConnFacts {
            client,
            secure: true,
            server_name: server_name.and_then(|name| Fqdn::parse(&name).ok()),
            certificate: Some(certificate),
            tls_version: match session.protocol_version() {
                Some(ProtocolVersion::TLSv1_2) => Some("1.2"),
                Some(ProtocolVersion::TLSv1_3) => Some("1.3"),
                _ => None,
            },
            cut: Cell::default(),
        };
        let io = Stream::Tls(TlsStream(Box::new(tls)));
        Ok(Accepted::Client(Conn { io, facts: Rc::new(facts), alpn }))
    }

    /// RFC 8737 section 3: a validation offers `acme-tls/1` and nothing else.
    fn is_validation(&self, hello: &StartHandshake<TcpStream>) -> bool {
        let hello = hello.client_hello();
        let only_acme = hello.alpn().is_some_and(|mut offered| {
            offered.next().is_some_and(|first| first == ACME) && offered.next().is_none()
        });
        only_acme && hello.server_name().is_some_and(|name| self.resolver.tls_alpn01(name))
    }

    async fn find(&self, server_name: Option<&str>) -> Result<Arc<Certificate>, Refusal> {
        match self.resolver.lookup(server_name) {
            Lookup::Warm(certificate) => Ok(certificate),
            Lookup::Cold(waiting) => self.resolver.wait(waiting).await.ok_or(Refusal::InternalError),
            Lookup::Unknown => Err(Refusal::UnrecognizedName),
        }
    }
}

fn config(certificates: Arc<dyn ResolvesServerCert>) -> Result<ServerConfig, SetupError> {
    let config = ServerConfig::builder_with_provider(crypto::provider())
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
        .map_err(SetupError)?
        .with_no_client_auth()
        .with_cert_resolver(certificates);
    Ok(config)
}

/// Why a hello gets an alert instead of an answer, with the alert's code (RFC 8446 section 6.2).
#[derive(Clone, Copy)]
enum Refusal {
    /// RFC 6066 section 3. rustls itself would say `access_denied`.
    UnrecognizedName = 112,
    InternalError = 80,
}

/// Sends the alert and closes. Whether it arrives is of no consequence to us.
async fn refuse(mut tcp: TcpStream, refusal: Refusal) {
    // Type alert, the version all hellos are answered with (RFC 8446 section 5.1), two bytes: fatal, the code.
    let record = [21, 3, 3, 0, 2, 2, refusal as u8];
    if tcp.write_all(&record).await.is_ok() {
        let _ = tcp.shutdown().await;
    }
}

impl AsyncRead for TlsStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.0).poll_read(cx, buf)
    }
}

impl AsyncWrite for TlsStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.0).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.0).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.0).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.0.is_write_vectored()
    }
}
