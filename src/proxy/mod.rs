//! The data plane: bytes from clients to the app and back.
//!
//! A connection is accepted ([`listener`]), shaken hands with ([`tls`]), told apart by protocol ([`session`]) and
//! served as HTTP ([`http`]); each request finds its upstream in the [`route`] table and is exchanged with it by
//! [`upstream`], inside the request's own future. Nothing here waits for a disk, for the control plane or for
//! another worker. Certificates are seen through [`Resolver`](crate::catalog::Resolver) only; this room does not
//! know where they come from.
//!
//! One [`Proxy`] is shared by all workers. Each worker is a thread with a runtime of its own and calls
//! [`Proxy::serve`] once; connections and idle upstream connections never leave their worker.

#![allow(dead_code, reason = "the halves grow towards each other")]

use std::time::Duration;

mod access;
mod conn;
pub mod drain;
mod http;
mod limits;

/// How the proxy treats clients and upstreams. Durations are upper bounds, never delays.
#[derive(Debug, Clone)]
pub struct Options {
    /// For a whole TLS handshake, the wait for a certificate included.
    pub handshake: Duration,
    /// From the first byte of a request's head to its last.
    pub head: Duration,
    /// Between two requests of a client, and before its first.
    pub idle: Duration,
    /// For a connection to an upstream on this machine.
    pub connect_near: Duration,
    /// For a connection to any other upstream, its TLS handshake included.
    pub connect: Duration,
    /// For a WebSocket on which neither side says anything.
    pub tunnel_idle: Duration,
    /// For a client that takes none of the bytes it is sent.
    pub stall: Duration,
    /// Client connections at one time, over all workers.
    pub max_connections: usize,
    /// How long a request waits for an upstream that does not listen yet; zero answers at once.
    pub hold: Duration,
    /// The port clients reach us on with https; named in redirects if it is not 443.
    pub https_port: u16,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            handshake: Duration::from_secs(10),
            head: Duration::from_secs(10),
            // Longer than the 60 s of the usual load balancer, so that it closes first.
            idle: Duration::from_secs(75),
            connect_near: Duration::from_secs(1),
            connect: Duration::from_secs(3),
            tunnel_idle: Duration::from_secs(3600),
            stall: Duration::from_secs(60),
            max_connections: 10_000,
            hold: Duration::ZERO,
            https_port: 443,
        }
    }
}
