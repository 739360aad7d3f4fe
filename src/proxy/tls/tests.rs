//! Both sides of a handshake, for the tests of this room.

use std::sync::Arc;

use rcgen::{CertificateParams, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig, SupportedProtocolVersion};

use crate::pki::crypto;

pub(super) const VERSIONS: [&SupportedProtocolVersion; 2] = [&TLS12, &TLS13];

/// A certificate for `localhost`, as a server has it and as a client trusts it.
pub(super) struct Pair {
    pub(super) server: Arc<ServerConfig>,
    root: CertificateDer<'static>,
}

impl Pair {
    pub(super) fn new() -> Self {
        let key = KeyPair::generate().expect("a key");
        let params = CertificateParams::new(["localhost".to_owned()]).expect("a name");
        let root = params.self_signed(&key).expect("a certificate").der().clone();
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let mut server = ServerConfig::builder_with_provider(crypto::provider())
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(vec![root.clone()], key)
            .expect("a pair");
        server.enable_secret_extraction = true;
        server.ticketer = rustls::crypto::aws_lc_rs::Ticketer::new().expect("a ticketer");
        Self { server: Arc::new(server), root }
    }

    pub(super) fn client(&self, version: &'static SupportedProtocolVersion) -> ClientConnection {
        ClientConnection::new(Arc::new(self.client_config(version)), name()).expect("a client")
    }

    pub(super) fn client_config(&self, version: &'static SupportedProtocolVersion) -> ClientConfig {
        let mut roots = RootCertStore::empty();
        roots.add(self.root.clone()).expect("a root");
        let mut client = ClientConfig::builder_with_provider(crypto::provider())
            .with_protocol_versions(&[version])
            .expect("versions")
            .with_root_certificates(roots)
            .with_no_client_auth();
        // For tests that say what no client would.
        client.enable_secret_extraction = true;
        client
    }
}

pub(super) fn name() -> ServerName<'static> {
    ServerName::try_from("localhost").expect("a name")
}

/// Bytes that are not the same everywhere.
pub(super) fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|i| (i % 251) as u8).collect()
}
