//! One accepted connection: its bytes, and what is known about it before the first request.

use std::net::SocketAddr;

use crate::ident::Fqdn;

/// What every exchange on a connection may know about it. Never changes once the handshake is over.
#[derive(Clone)]
pub(in crate::proxy) struct ConnFacts {
    /// Who is at the other end.
    pub(in crate::proxy) client: SocketAddr,
    /// The address and port the client reached.
    pub(in crate::proxy) local: SocketAddr,
    /// Whether the client's bytes came through TLS.
    pub(in crate::proxy) secure: bool,
    /// The name the client asked for in its hello.
    pub(in crate::proxy) server_name: Option<Fqdn>,
    /// The TLS version as logs write it.
    pub(in crate::proxy) tls_version: Option<&'static str>,
}
