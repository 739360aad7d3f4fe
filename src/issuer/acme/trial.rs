//! Trying out what would be ordered, without ordering it.

use std::pin::Pin;

use super::AcmeIssuer;
use super::failure;
use super::nonce::insist;
use crate::issuer::{IssueError, IssueJob, Issuer, Trial, Unkept};

impl AcmeIssuer {
    /// Gets a certificate from the CA's staging environment, if one is known; else looks at everything that comes
    /// before an order: that the CA answers, that its limits allow it, and that each name can be proved in some way.
    pub(super) async fn try_out_here(&self, job: IssueJob<'_>) -> Result<Trial, IssueError> {
        self.look(job).await?;
        let (Some(rehearsal), Some(kinds)) =
            (&self.rehearsal, self.solvers.elsewhere(job.request.names(), job.challenges))
        else {
            return Ok(Trial::Looked { directory: self.directory.clone() });
        };
        let job = IssueJob { predecessor: None, rehearse: false, profile: None, challenges: &kinds, ..job };
        // Boxed, since it is what it stands in.
        let tried: Pin<Box<dyn Future<Output = _> + Send>> = Box::pin(rehearsal.issue(job, &Unkept));
        tried.await.map(|_| Trial::Issued { directory: rehearsal.directory.clone() })
    }

    /// What can be seen of an order without placing it.
    async fn look(&self, job: IssueJob<'_>) -> Result<(), IssueError> {
        let http = self.connector.http();
        insist!(http, http.directory())
            .map_err(|e| failure::explain(e, &self.directory, &http, self.clock.now()))?;
        http.check_clock(job.epoch)?;
        for left in self.left(&[job.request.names()]).await?.into_iter().flatten() {
            if let (0, Some(until)) = (left.left, left.more_at) {
                let detail = format!("nothing is left for {}", left.of);
                return Err(IssueError::Spent { directory: self.directory.clone(), detail, until });
            }
        }
        for name in job.request.names() {
            if self.solvers.choose(name, job.challenges, None).is_none() {
                let kinds: Vec<&str> = job.challenges.iter().map(|kind| kind.as_str()).collect();
                return Err(IssueError::Unprovable { name: name.clone(), offered: kinds.join(", ") });
            }
        }
        Ok(())
    }
}
