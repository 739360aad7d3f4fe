//! Which certificate a client is shown: a handshake with our own listener, from this machine.
//!
//! It says what is served, not whether that is right: nothing about the certificate is believed but that whoever shows
//! it has its key.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::{ClientConfig, DigitallySignedStruct, Error, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use thiserror::Error;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use crate::ident::Fqdn;
use crate::pki::crypto;

/// A listener on the same machine has answered by then, or has other things to do.
const PATIENCE: Duration = Duration::from_secs(10);

/// A client of our own listener. Cheap to clone.
#[derive(Clone)]
pub struct Probe {
    listener: SocketAddr,
    tls: TlsConnector,
}

/// Why no certificate was seen.
#[derive(Debug, Error)]
pub enum ProofError {
    /// The listener could not be reached, or cut the connection. That says nothing of what others are shown.
    #[error("{listener} cannot be reached from here")]
    Unreachable {
        /// Where it was tried.
        listener: SocketAddr,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// Whoever listens there showed none that a client could use.
    #[error("the handshake failed")]
    Refused(#[source] Error),
}

impl Probe {
    /// A client of what listens there. An unspecified address stands for the loopback address of its family.
    #[must_use]
    pub fn new(mut listener: SocketAddr) -> Self {
        match listener.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => listener.set_ip(Ipv4Addr::LOCALHOST.into()),
            IpAddr::V6(ip) if ip.is_unspecified() => listener.set_ip(Ipv6Addr::LOCALHOST.into()),
            _ => {}
        }
        let provider = crypto::provider();
        let witness = Witness(provider.signature_verification_algorithms);
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("the provider has the safe default versions")
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(witness))
            .with_no_client_auth();
        // As a client of HTTP, so that no app hears of it.
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Self { listener, tls: TlsConnector::from(Arc::new(config)) }
    }

    /// The certificate that is shown to a client who asks for this host.
    ///
    /// # Errors
    ///
    /// [`ProofError`].
    pub async fn shown(&self, host: &Fqdn) -> Result<CertificateDer<'static>, ProofError> {
        let unreachable = |source| ProofError::Unreachable { listener: self.listener, source };
        match timeout(PATIENCE, self.shake_hands(host)).await {
            Ok(Ok(certificate)) => Ok(certificate),
            // TLS hands its own errors through as those of the stream.
            Ok(Err(error)) => match error.downcast::<Error>() {
                Ok(refusal) => Err(ProofError::Refused(refusal)),
                Err(error) => Err(unreachable(error)),
            },
            Err(late) => Err(unreachable(late.into())),
        }
    }

    async fn shake_hands(&self, host: &Fqdn) -> io::Result<CertificateDer<'static>> {
        let name = ServerName::try_from(host.to_string()).map_err(io::Error::other)?;
        let stream = self.tls.connect(name, TcpStream::connect(self.listener).await?).await?;
        let chain = stream.get_ref().1.peer_certificates().unwrap_or_default();
        let leaf = chain.first().cloned().map(CertificateDer::into_owned);
        leaf.ok_or_else(|| io::Error::other(Error::NoCertificatesPresented))
    }
}

/// Believes whoever has the key of what they show.
#[derive(Debug)]
struct Witness(WebPkiSupportedAlgorithms);

impl ServerCertVerifier for Witness {
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
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, &self.0)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.0)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_schemes()
    }
}
