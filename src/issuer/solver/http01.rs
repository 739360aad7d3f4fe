//! http-01: a token answered on port 80 (RFC 8555 section 8.3).

use async_trait::async_trait;

use super::{Challenge, ChallengeKind, Posted, SolveError, Solver};
use crate::catalog::Challenges;
use crate::ident::Name;

/// Answers through whoever listens on port 80 and looks tokens up in the catalog.
pub struct Http01 {
    challenges: Challenges,
}

impl Http01 {
    /// A solver that hangs its answers in this catalog.
    #[must_use]
    pub fn new(challenges: Challenges) -> Self {
        Self { challenges }
    }
}

#[async_trait]
impl Solver for Http01 {
    fn kind(&self) -> ChallengeKind {
        ChallengeKind::Http01
    }

    fn can_prove(&self, name: &Name) -> bool {
        // A wildcard is proved in the DNS only (RFC 8555 section 7.1.3).
        !name.is_wildcard()
    }

    async fn post(&self, challenge: &Challenge) -> Result<Posted, SolveError> {
        Ok(Posted::Catalog(self.challenges.post_http01(&challenge.token, &challenge.key_authorization)))
    }
}
