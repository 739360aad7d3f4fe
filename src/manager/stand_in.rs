//! A selfsigned certificate that is on show before it is on disk, so that a thousand names do not delay a start.

use std::time::SystemTime;

use super::notes::issuance;
use super::plan::Step;
use super::renew::RenewError;
use super::{Tools, schedule};
use crate::ident::ItemId;
use crate::issuer::{IssueJob, Unkept};
use crate::pki::{Bundle, PrivateKey, SigningRequest};

/// Signed, to be committed. Losing it costs nothing: the next start signs another.
pub(super) struct Fresh {
    pub(super) step: Step,
    pub(super) bundle: Bundle,
}

impl Fresh {
    /// Signs a certificate for the step, in memory.
    pub(super) async fn sign(tools: &Tools, step: Step) -> Result<Self, RenewError> {
        let names = step.wish.names();
        let key = PrivateKey::generate(step.wish.key_type);
        let request = SigningRequest::new(&key, names)?;
        let job = IssueJob::new(&request, &step.why, tools.clock.epoch());
        let chain = tools.issuers.selfsigned.issue(job, &Unkept).await?;
        let bundle = Bundle::join(key, chain, names)?;
        Ok(Self { step, bundle })
    }

    /// When it nears its end.
    pub(super) fn renew_at(&self) -> SystemTime {
        let leaf = self.bundle.leaf();
        schedule::overdue(leaf.not_before(), leaf.not_after())
    }

    /// Puts it into the store.
    pub(super) async fn commit(&self, tools: &Tools) -> Result<ItemId, RenewError> {
        let draft = tools.store.spool().open(&self.step.wish.lineage).await?;
        draft.note_issuance(&issuance(&self.step, None, tools.clock.now())).await?;
        Ok(draft.commit(&self.bundle).await?)
    }
}
