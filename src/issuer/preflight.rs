//! Looking before an order is placed: what is certain to fail is not worth a token.

use async_trait::async_trait;
use thiserror::Error;

use super::ChallengeKind;
use crate::ident::Names;

/// An order that is about to be placed.
#[derive(Debug, Clone, Copy)]
pub struct Intent<'a> {
    /// For which names.
    pub names: &'a Names,
    /// How they can be proved.
    pub challenges: &'a [ChallengeKind],
    /// The domains that mean the CA in CAA records (RFC 8555 section 7.1.1); none if it does not say.
    pub identities: &'a [String],
    /// The account that orders.
    pub account: &'a str,
}

/// Why an order cannot come to anything.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{reason}. {remedy}")]
pub struct Obstacle {
    /// What is in the way.
    pub reason: String,
    /// How it can be put out of it.
    pub remedy: String,
}

/// Looks for what would make an order fail.
#[async_trait]
pub trait Preflight: Send + Sync {
    /// Whether the order may come to something. Takes a few seconds at the most.
    ///
    /// # Errors
    ///
    /// [`Obstacle`] if it is certain that it cannot. What cannot be told is none.
    async fn look(&self, intent: Intent<'_>) -> Result<(), Obstacle>;
}
