//! TLS towards clients: reads the hello, finds the certificate, shakes hands, all under one deadline.
//!
//! The only room that knows which TLS carries a client's bytes. There is one configuration for ordinary clients and
//! one for validations by tls-alpn-01; both are built once and find certificates through the [`Resolver`], so session
//! tickets outlive every renewal. The two are apart so that no client can come to speak `acme-tls/1` with an app, and
//! no validation to be shown an ordinary certificate.
//!
//! A hello is read once, by rustls, which looks up the certificate on the way ([`choice`]). Only where the answer is
//! not at hand is the session thrown away, and its hello read again by another one.

use std::cell::Cell;
use std::future::Future;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use rustls::crypto::aws_lc_rs::Ticketer;
use rustls::server::{NoServerSessionStorage, ResolvesServerCert};
use rustls::{ProtocolVersion, ServerConfig};
use thiserror::Error;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

mod choice;
pub(in crate::proxy) mod clear;
mod scratch;
mod session;
mod stream;

use super::conn::{Alpn, Conn, ConnError, ConnFacts, Stream, address};
use crate::catalog::Resolver;
use crate::ident::Fqdn;
use crate::pki::crypto;
use choice::{ACME, Choice, Chooser, Found};
use session::Session;

pub(in crate::proxy) use stream::TlsStream;

const H2: &[u8] = b"h2";
const HTTP11: &[u8] = b"http/1.1";

/// Room for the hello of a browser with a post-quantum key share and a ticket; others make it grow.
const HELLO: usize = 2048;

/// The most tickets a client may ask for (RFC 9149).
const MAX_TICKETS: usize = 4;

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

impl Tls {
    pub(in crate::proxy) fn new(resolver: Resolver, deadline: Duration) -> Result<Self, SetupError> {
        let mut ordinary = config(Arc::new(Chooser(resolver.clone())))?;
        ordinary.alpn_protocols = vec![H2.to_vec(), HTTP11.to_vec()];
        ordinary.ticketer = Ticketer::new().map_err(SetupError)?;
        // A ticket is for one connection (RFC 8446 appendix C.4), and each connection brings the next. Whoever opens
        // several at a time has several tickets then, and whoever wants more in advance can say so.
        ordinary.send_tls13_tickets = 1;
        ordinary.max_tls13_tickets = MAX_TICKETS;
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

    async fn shake_hands(&self, mut tcp: TcpStream, client: SocketAddr) -> Result<Accepted, ConnError> {
        let mut hello = Vec::with_capacity(HELLO);
        let (session, server_name, certificate) = loop {
            let (session, Choice { server_name, found }) = self.read_hello(&mut tcp, &mut hello).await?;
            match found {
                Found::Certificate(certificate) => break (session, server_name, certificate),
                Found::Cold(waiting) => {
                    if self.resolver.wait(waiting).await.is_none() {
                        refuse(tcp, Refusal::InternalError).await;
                        return Err(ConnError::NoCertificate(server_name));
                    }
                }
                Found::Stranger(shown) => {
                    if let Some(name) = &server_name {
                        self.resolver.note(name, client.ip().to_canonical());
                    }
                    match shown {
                        // It is good for no name, so requests for the one that was asked for are misdirected.
                        Some(certificate) => break (session, None, certificate),
                        None => {
                            refuse(tcp, Refusal::UnrecognizedName).await;
                            return Err(ConnError::UnknownName(server_name));
                        }
                    }
                }
                Found::Validation => return self.validate(tcp, &hello).await,
                Found::Unknown => {
                    refuse(tcp, Refusal::UnrecognizedName).await;
                    return Err(ConnError::UnknownName(server_name));
                }
            }
        };
        drop(hello);
        let mut stream = TlsStream::new(tcp, session);
        stream.shake_hands().await.map_err(ConnError::Handshake)?;
        let (alpn, tls_version) = agreed(stream.session());
        let facts = ConnFacts {
            client: address(client),
            secure: true,
            server_name: server_name.and_then(|name| Fqdn::parse(&name).ok()),
            certificate: Some(certificate),
            tls_version,
            cut: Cell::default(),
        };
        Ok(Accepted::Client(Conn { io: Stream::Tls(stream), facts: Rc::new(facts), alpn }))
    }

    /// Reads a hello, what is in `hello` of it first, until it is known what it is to be answered with.
    async fn read_hello(
        &self,
        tcp: &mut TcpStream,
        hello: &mut Vec<u8>,
    ) -> Result<(Session, Choice), ConnError> {
        let mut session = begin(&self.ordinary)?;
        let mut read = 0;
        loop {
            if read == hello.len() && tcp.read_buf(hello).await.map_err(ConnError::Hello)? == 0 {
                return Err(ConnError::Hello(ErrorKind::UnexpectedEof.into()));
            }
            let (received, choice) = choice::made_by(|| session.receive_hello(&hello[read..]));
            read = hello.len();
            match (received, choice) {
                // That it was refused for want of a certificate is for us to say.
                (_, Some(choice))
                    if !matches!(choice.found, Found::Certificate(_) | Found::Stranger(Some(_))) =>
                {
                    return Ok((session, choice));
                }
                (Ok(()), Some(choice)) => return Ok((session, choice)),
                (Ok(()), None) => {}
                (Err(_), None) if clear::is_http(hello) => {
                    clear::answer(tcp).await;
                    return Err(ConnError::Clear);
                }
                (Err(error), choice) => {
                    // Whether the alert arrives is of no consequence to us.
                    let _ = tcp.write_all(&session.outgoing).await;
                    let stage = if choice.is_some() { ConnError::Handshake } else { ConnError::Hello };
                    return Err(stage(error));
                }
            }
        }
    }

    /// Shows a CA what it has come to see.
    async fn validate(&self, tcp: TcpStream, hello: &[u8]) -> Result<Accepted, ConnError> {
        let mut session = begin(&self.validation)?;
        let received = session.receive_hello(hello);
        let mut stream = TlsStream::new(tcp, session);
        let shaken = match received {
            Ok(()) => stream.shake_hands().await,
            Err(error) => Err(error),
        };
        // Nobody waits for our goodbye.
        let _ = stream.shutdown().await;
        shaken.map_err(ConnError::Handshake)?;
        Ok(Accepted::Validation)
    }
}

fn config(certificates: Arc<dyn ResolvesServerCert>) -> Result<ServerConfig, SetupError> {
    let mut config = ServerConfig::builder_with_provider(crypto::provider())
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
        .map_err(SetupError)?
        .with_no_client_auth()
        .with_cert_resolver(certificates);
    // Sessions are resumed with tickets, which need no memory, and no lock that all workers take.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    // A session that lasts takes its keys over.
    config.enable_secret_extraction = true;
    Ok(config)
}

fn begin(config: &Arc<ServerConfig>) -> Result<Session, ConnError> {
    Session::new(config).map_err(|error| ConnError::Handshake(io::Error::other(error)))
}

/// What a handshake has settled, in the words of the rooms above.
fn agreed(session: &Session) -> (Alpn, Option<&'static str>) {
    let alpn = match session.alpn() {
        Some(H2) => Alpn::H2,
        Some(_) => Alpn::Http11,
        None => Alpn::Absent,
    };
    let version = match session.version() {
        Some(ProtocolVersion::TLSv1_2) => Some("1.2"),
        Some(ProtocolVersion::TLSv1_3) => Some("1.3"),
        _ => None,
    };
    (alpn, version)
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

#[cfg(test)]
mod tests;
