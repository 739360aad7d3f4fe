//! Keys, requests and certificates: pure computation, without clocks and without files.
//!
//! A [`PrivateKey`] makes a [`SigningRequest`]; what an issuer answers becomes a [`Chain`]; [`Bundle::join`] proves
//! that chain and key belong together. Only a bundle can be committed or served, so a certificate without its
//! key has nowhere to go.

mod bundle;
mod chain;
pub mod crypto;
mod key;
mod leaf;
pub mod pem;
mod pkcs8;
mod public;
mod request;
mod roots;
#[cfg(test)]
mod tests;

pub use bundle::{Bundle, Intermediates, Packed};
pub use chain::Chain;
pub use key::{KeyType, PrivateKey};
pub use leaf::Leaf;
pub use public::PublicNumbers;
pub use request::{SigningRequest, request_spki};
pub use roots::Roots;

use thiserror::Error;

/// Why bytes are not the key or certificate they should be, or do not belong together.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PkiError {
    /// The bytes are not PEM, or hold no block of the wanted kind.
    #[error("no {wanted} found: {fault}")]
    Pem {
        /// What was looked for.
        wanted: &'static str,
        /// What was found instead.
        fault: String,
    },
    /// A private key could not be read or made.
    #[error("the private key is not usable: {0}")]
    Key(String),
    /// A certificate could not be read.
    #[error("a certificate is not readable: {0}")]
    Certificate(String),
    /// The parts are readable, but not parts of one whole.
    #[error("certificate and key do not fit: {0}")]
    Mismatch(String),
}
