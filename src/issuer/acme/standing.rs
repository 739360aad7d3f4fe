//! What a CA says about itself, without an account and without an order.

use std::time::SystemTime;

use super::AcmeIssuer;
use super::failure;
use super::nonce::insist;
use crate::issuer::IssueError;

/// What a CA says about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// What time it is there, if it says so.
    pub date: Option<SystemTime>,
    /// The domains that mean it in CAA records (RFC 8555 section 7.1.1).
    pub identities: Vec<String>,
}

impl AcmeIssuer {
    /// Asks the CA about itself.
    ///
    /// # Errors
    ///
    /// [`IssueError`] if it cannot be reached, or answers nonsense.
    pub async fn standing(&self) -> Result<Standing, IssueError> {
        let http = self.connector.http();
        let asked = insist!(http, http.directory());
        let directory = asked.map_err(|e| failure::explain(e, &self.directory, &http, self.clock.now()))?;
        Ok(Standing { date: http.date(), identities: directory.meta.caa_identities })
    }
}
