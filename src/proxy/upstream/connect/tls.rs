//! TLS towards an upstream: always verified, HTTP/1.1 only.

use std::cell::OnceCell;
use std::fmt;
use std::io;
use std::net::IpAddr;
use std::sync::{Arc, OnceLock};

use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::pki::crypto;

/// Whom to believe when an upstream speaks TLS: nobody, until it is said whom. Cloning shares it.
///
/// Most houses have no https upstream, and a hundred parsed roots are a quarter of a megabyte; so they are read when a
/// configuration first names such an upstream, once for all workers, and not by one of these.
#[derive(Clone, Default)]
pub struct Roots(Arc<OnceLock<Arc<RootCertStore>>>);

impl Roots {
    /// Believes the roots that `read` returns, each in DER. Later calls change nothing, and read nothing.
    pub fn believe(&self, read: impl FnOnce() -> Vec<Vec<u8>>) {
        self.0.get_or_init(|| {
            let mut store = RootCertStore::empty();
            // A root that does not parse is one that no chain can lead to; the others are as good as before.
            store.add_parsable_certificates(read().into_iter().map(CertificateDer::from));
            store.roots.shrink_to_fit();
            Arc::new(store)
        });
    }
}

impl fmt::Debug for Roots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Roots").field(&self.0.get().map(|store| store.len())).finish()
    }
}

/// Shakes hands with upstreams, and remembers their sessions.
pub(super) struct Tls {
    roots: Roots,
    connector: OnceCell<TlsConnector>,
}

impl Tls {
    /// Believes these roots and nothing else.
    pub(super) fn new(roots: Roots) -> Self {
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
        let Some(roots) = self.roots.0.get() else {
            return Err(io::Error::other("nobody is believed"));
        };
        let mut config = ClientConfig::builder_with_provider(crypto::provider())
            .with_safe_default_protocol_versions()
            .map_err(io::Error::other)?
            .with_root_certificates(Arc::clone(roots))
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
