//! A client that tells which certificate it was shown.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::crypto::aws_lc_rs::kx_group;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{AlertDescription, ClientConfig, DigitallySignedStruct, Error, HandshakeKind, SignatureScheme};
use sidegate::pki::{Leaf, crypto};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// How to shake hands. Whatever is shown is believed.
#[derive(Clone)]
pub(crate) struct Client {
    config: Arc<ClientConfig>,
}

/// What a finished handshake has shown.
pub(crate) struct Shown {
    pub(crate) leaf: Leaf,
    pub(crate) alpn: Option<String>,
    pub(crate) version: &'static str,
    pub(crate) group: String,
    pub(crate) resumed: bool,
    pub(crate) io: TlsStream<TcpStream>,
}

impl Client {
    /// A client that offers these protocols, in TLS 1.3 and 1.2.
    pub(crate) fn offering(alpn: &[&str]) -> Self {
        Self::with(alpn, &[&rustls::version::TLS13, &rustls::version::TLS12])
    }

    /// A client from before TLS 1.3.
    pub(crate) fn tls12() -> Self {
        Self::with(&["http/1.1"], &[&rustls::version::TLS12])
    }

    fn with(alpn: &[&str], versions: &[&'static rustls::SupportedProtocolVersion]) -> Self {
        Self::of((*crypto::provider()).clone(), alpn, versions)
    }

    fn of(
        provider: CryptoProvider,
        alpn: &[&str],
        versions: &[&'static rustls::SupportedProtocolVersion],
    ) -> Self {
        let mut config = ClientConfig::builder_with_provider(Arc::new(provider))
            .with_protocol_versions(versions)
            .expect("versions")
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Believer))
            .with_no_client_auth();
        config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
        Self { config: Arc::new(config) }
    }

    /// The same in records of this many bytes.
    pub(crate) fn in_records_of(self, size: usize) -> Self {
        let mut config = (*self.config).clone();
        // The client counts a record's head as well.
        config.max_fragment_size = Some(size + 5);
        Self { config: Arc::new(config) }
    }

    /// A client whose first guess at the key exchange is one that no server of ours takes.
    pub(crate) fn guessing_wrong() -> Self {
        let mut provider = (*crypto::provider()).clone();
        provider.kx_groups = vec![kx_group::MLKEM768, kx_group::X25519];
        Self::of(provider, &["http/1.1"], &[&rustls::version::TLS13])
    }

    /// Shakes hands and asks for this name, or for none.
    pub(crate) async fn hello(&self, to: SocketAddr, name: Option<&str>) -> Result<Shown, std::io::Error> {
        self.hello_over(TcpStream::connect(to).await?, name).await
    }

    /// The same on a connection that is there already.
    pub(crate) async fn hello_over(
        &self,
        tcp: TcpStream,
        name: Option<&str>,
    ) -> Result<Shown, std::io::Error> {
        let connector = match name {
            Some(_) => TlsConnector::from(Arc::clone(&self.config)),
            None => {
                let mut config = (*self.config).clone();
                config.enable_sni = false;
                TlsConnector::from(Arc::new(config))
            }
        };
        let server = ServerName::try_from(name.unwrap_or("nobody.example").to_owned()).expect("a name");
        let io = connector.connect(server, tcp).await?;
        let session = io.get_ref().1;
        let first = session.peer_certificates().and_then(<[_]>::first).expect("a certificate");
        Ok(Shown {
            leaf: Leaf::from_der(first.clone().into_owned()).expect("a certificate"),
            alpn: session.alpn_protocol().map(|name| String::from_utf8_lossy(name).into_owned()),
            version: session.protocol_version().and_then(|v| v.as_str()).expect("a version"),
            group: format!("{:?}", session.negotiated_key_exchange_group().expect("a group").name()),
            resumed: session.handshake_kind() == Some(HandshakeKind::Resumed),
            io,
        })
    }

    /// The alert a handshake is refused with.
    pub(crate) async fn alert(&self, to: SocketAddr, name: Option<&str>) -> AlertDescription {
        let error = self.hello(to, name).await.err().expect("the handshake is refused");
        match error.get_ref().and_then(|error| error.downcast_ref()) {
            Some(Error::AlertReceived(alert)) => *alert,
            _ => panic!("no alert, but {error:?}"),
        }
    }
}

/// A connection over HTTP/1.1 with TLS.
pub(crate) async fn h1(to: SocketAddr, name: &str) -> http1::SendRequest<Full<Bytes>> {
    let shown = Client::offering(&["http/1.1"]).hello(to, Some(name)).await.expect("a handshake");
    h1_over(shown.io).await
}

/// The same over whatever bytes.
pub(crate) async fn h1_over<I>(io: I) -> http1::SendRequest<Full<Bytes>>
where
    I: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
{
    let (sender, conn) = http1::handshake(TokioIo::new(io)).await.expect("a connection");
    tokio::spawn(conn.with_upgrades());
    sender
}

/// A connection over HTTP/2. The second half returns when the connection has ended.
pub(crate) async fn h2(
    to: SocketAddr,
    name: &str,
) -> (http2::SendRequest<Full<Bytes>>, tokio::task::JoinHandle<hyper::Result<()>>) {
    h2_over(Client::offering(&["h2"]).hello(to, Some(name)).await.expect("a handshake")).await
}

/// The same where hands have been shaken.
pub(crate) async fn h2_over(
    shown: Shown,
) -> (http2::SendRequest<Full<Bytes>>, tokio::task::JoinHandle<hyper::Result<()>>) {
    assert_eq!(shown.alpn.as_deref(), Some("h2"));
    let io = TokioIo::new(shown.io);
    let (sender, conn) = http2::handshake(TokioExecutor::new(), io).await.expect("a connection");
    (sender, tokio::spawn(conn))
}

/// A GET without a body.
pub(crate) fn get(uri: &str, host: &str) -> Request<Full<Bytes>> {
    Request::get(uri).header("host", host).body(Full::default()).expect("a request")
}

/// Status and text of a response.
pub(crate) async fn read(response: Response<Incoming>) -> (u16, String) {
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.expect("the whole body").to_bytes();
    (status, String::from_utf8(body.into()).expect("text"))
}

/// Status and text of a GET without TLS, on a connection of its own.
pub(crate) async fn in_clear(port: u16, path: &str) -> (u16, String) {
    let stream = TcpStream::connect(("127.0.0.1", port)).await.expect("a connection");
    let response = h1_over(stream).await.send_request(get(path, "localhost")).await;
    read(response.expect("an answer")).await
}

#[derive(Debug)]
struct Believer;

impl ServerCertVerifier for Believer {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = crypto::provider().signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, cert, signed, &algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = crypto::provider().signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, cert, signed, &algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        crypto::provider().signature_verification_algorithms.supported_schemes()
    }
}
