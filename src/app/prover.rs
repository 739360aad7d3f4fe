//! What the manager has proved by handshakes: the doctor's probe, in the manager's words.

use std::net::SocketAddr;

use async_trait::async_trait;

use crate::doctor::{Probe, ProofError};
use crate::ident::Fqdn;
use crate::manager::{Prover, Shown};
use crate::pki::Leaf;

/// A client on this machine.
pub(super) struct Loopback(Probe);

impl Loopback {
    /// A client of what listens there.
    pub(super) fn new(listener: SocketAddr) -> Self {
        Self(Probe::new(listener))
    }
}

#[async_trait]
impl Prover for Loopback {
    async fn shown(&self, host: &Fqdn) -> Shown {
        match self.0.shown(host).await {
            Ok(certificate) => match Leaf::from_der(certificate) {
                Ok(leaf) => Shown::Serial(leaf.serial()),
                Err(error) => Shown::Nothing(error.to_string()),
            },
            Err(ProofError::Refused(why)) => Shown::Nothing(why.to_string()),
            Err(ProofError::Unreachable { listener, source }) => {
                Shown::Unseen(format!("{listener}: {source}"))
            }
        }
    }
}
