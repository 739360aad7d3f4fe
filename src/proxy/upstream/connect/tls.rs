//! TLS towards an upstream: always verified, HTTP/1.1 only.

use std::cell::OnceCell;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;

use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::pki::crypto;

/// Shakes hands with upstreams, and remembers their sessions.
pub(super) struct Tls {
    roots: Vec<Vec<u8>>,
    /// Made when first wanted: most houses have no https upstream, and parsing a hundred roots takes a while.
    connector: OnceCell<TlsConnector>,
}

impl Tls {
    /// Trusts these roots, each in DER, and nothing else.
    pub(super) fn new(roots: Vec<Vec<u8>>) -> Self {
        Self { roots, connector: OnceCell::new() }
    }

    /// Turns a connected stream into a private one.
    ///
    /// # Errors
    ///
    /// What the handshake said: an unknown issuer, another name, no common version, a stream that broke.
    pub(super) async fn shake(&self, host: &Host<'_>, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        let name = match *host {
            Host::Ip(ip) => ServerName::from(ip),
            Host::Name(name) => ServerName::try_from(name.to_owned())
                .map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?,
        };
        self.connector()?.connect(name, stream).await
    }

    fn connector(&self) -> io::Result<&TlsConnector> {
        if let Some(connector) = self.connector.get() {
            return Ok(connector);
        }
        let mut roots = RootCertStore::empty();
        // A root that does not parse is one that no chain can lead to; the others are as good as before.
        roots.add_parsable_certificates(self.roots.iter().map(|der| CertificateDer::from(der.as_slice())));
        let mut config = ClientConfig::builder_with_provider(crypto::provider())
            .with_safe_default_protocol_versions()
            .map_err(io::Error::other)?
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(self.connector.get_or_init(|| TlsConnector::from(Arc::new(config))))
    }
}

/// Whom the certificate must be for.
pub(super) enum Host<'a> {
    /// An address; nothing is sent as SNI.
    Ip(IpAddr),
    /// A name.
    Name(&'a str),
}
