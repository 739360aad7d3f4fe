//! Names nobody has listed, and what their hellos get.

use std::net::IpAddr;
use std::sync::Arc;

use super::Certificate;
use crate::ident::Fqdn;

/// A hello for a name that nobody has listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stranger {
    /// The name it asked for.
    pub name: Fqdn,
    /// Who asked.
    pub client: IpAddr,
}

/// What a hello gets whose name has no certificate.
#[derive(Debug, Clone, Default)]
pub enum Strangers {
    /// A refusal, and that is all.
    #[default]
    Refused,
    /// A refusal; the name is noted, for somebody who may get it a certificate.
    Noted,
    /// This certificate, which is good for none of them; the name is noted.
    Shown(Arc<Certificate>),
}
