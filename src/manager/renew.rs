//! The straight path of one certificate, top to bottom.

use thiserror::Error;
use tracing::warn;

use super::Tools;
use super::asked::{NotRenewed, Renewed};
use super::keying::keying;
use super::notes::Notes;
use super::plan::Step;
use crate::clock::Epoch;
use crate::ident::{ItemId, Name};
use crate::issuer::{Advice, IssueError, IssueJob, Predecessor, Verdict};
use crate::pki::{Bundle, PkiError, PrivateKey, SigningRequest};
use crate::store::{Draft, Item, StoreError};
use crate::story::{Event, Text, with_causes};

/// Why a lineage did not get its certificate.
#[derive(Debug, Error)]
pub(super) enum RenewError {
    /// No issuer is configured for it.
    #[error("no CA is configured")]
    NoIssuer,
    /// The issuer did not issue.
    #[error(transparent)]
    Issue(#[from] IssueError),
    /// What was issued does not fit what was asked.
    #[error("what was issued cannot be used")]
    Unusable(#[from] PkiError),
    /// Our own side.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl RenewError {
    /// Whether and when to come back.
    pub(super) fn verdict(&self) -> Verdict {
        match self {
            Self::NoIssuer => Verdict::Never,
            Self::Issue(error) => error.verdict(),
            // Another process is at it: no failure of ours, and no step on the ladder.
            Self::Store(StoreError::Taken { .. }) => Verdict::Soon,
            Self::Unusable(_) | Self::Store(_) => Verdict::After(None),
        }
    }

    /// Whether another CA may give what this one did not give.
    pub(super) fn elsewhere(&self) -> bool {
        match self {
            Self::NoIssuer | Self::Unusable(_) => true,
            Self::Issue(error) => error.elsewhere(),
            Self::Store(_) => false,
        }
    }

    /// The name that could not be verified, if it was that.
    pub(super) fn name(&self) -> Option<&Name> {
        match self {
            Self::Issue(IssueError::Unverified { name, .. }) => Some(name),
            _ => None,
        }
    }

    /// The error and what lies under it, in one line.
    pub(super) fn story(&self) -> String {
        with_causes(self)
    }
}

/// Takes one lineage from «due», as it was found to be in that epoch of the clock, to «committed» and returns the item.
///
/// Every line either succeeds or leaves the draft in the spool, where the next attempt finds it; so does dropping the
/// future anywhere.
pub(super) async fn renew(tools: &Tools, step: &Step, epoch: Epoch) -> Result<ItemId, RenewError> {
    let wish = &step.wish;
    let issuer = tools.issuers.at(step.directory()).ok_or(RenewError::NoIssuer)?;
    tools.recorder.tell(
        wish.names(),
        Event::Due {
            provider: Text::of(wish.lineage.provider()),
            ca: step.directory().map(Text::from),
            why: step.why.as_str().into(),
            attempt: step.failures + 1,
            basis: step.basis.clone(),
        },
    );
    let mut draft = tools.store.spool().open(&wish.lineage).await?;
    let replaced = replaced(tools, step).await;
    let (key, request) = draft.request_or_generate(keying(tools, step, replaced.as_ref()).await?).await?;
    let notes = Notes::begin(&draft, tools, step, replaced.as_ref().and_then(Item::issuance)).await?;
    let validated = notes.validated();
    let predecessor = replaced.as_ref().map(|item| predecessor(item, step));
    let job = IssueJob {
        predecessor: predecessor.as_ref(),
        urgent: step.urgent,
        rehearse: step.failures > 0,
        profile: step.profile(),
        challenges: &wish.challenges,
        validated: &validated,
        ..IssueJob::new(&request, &step.why, epoch)
    };
    let issued = issuer.issue(job, &notes).await;
    let joined = issued
        .map_err(RenewError::from)
        .and_then(|chain| Bundle::join(key, chain, wish.names()).map_err(RenewError::from));
    let bundle = match joined {
        Ok(bundle) => bundle,
        Err(error) => return Err(fail(draft, error).await),
    };
    Ok(draft.commit(&bundle).await?)
}

/// Tries out what a step would do, with a key that nobody keeps.
pub(super) async fn try_out(tools: &Tools, step: &Step, epoch: Epoch) -> Result<Renewed, NotRenewed> {
    let wish = &step.wish;
    let tried = async {
        let issuer = tools.issuers.at(step.directory()).ok_or(RenewError::NoIssuer)?;
        let request = SigningRequest::new(&PrivateKey::generate(wish.key_type), wish.names())?;
        let job = IssueJob { challenges: &wish.challenges, ..IssueJob::new(&request, &step.why, epoch) };
        Ok(Renewed::Tried(issuer.try_out(job).await?))
    };
    tried.await.map_err(|error: RenewError| NotRenewed::Failed(error.story()))
}

/// Asks whoever has issued an item when it would like it to be renewed.
pub(super) async fn ask(tools: &Tools, id: &ItemId) -> Result<Option<Advice>, RenewError> {
    let item = tools.store.database().item(id).await?;
    let directory = item.issuance().and_then(|issuance| issuance.directory.as_deref());
    let issuer = tools.issuers.at(directory).ok_or(RenewError::NoIssuer)?;
    Ok(issuer.advise(item.bundle().leaf()).await?)
}

/// The item that is replaced. One that cannot be read is no reason not to replace it.
async fn replaced(tools: &Tools, step: &Step) -> Option<Item> {
    let item = tools.store.database().item(step.replaces.as_ref()?).await;
    item.inspect_err(|error| warn!(%error, "the certificate to be replaced cannot be read")).ok()
}

fn predecessor(item: &Item, step: &Step) -> Predecessor {
    let issuance = item.issuance();
    Predecessor {
        leaf: item.bundle().leaf().clone(),
        directory: issuance.and_then(|issuance| issuance.directory.clone()),
        account: issuance.and_then(|issuance| issuance.account.clone()),
        window: step.window,
    }
}

/// Leaves the draft behind as failed, without the parts that can never become a certificate.
async fn fail(draft: Draft, error: RenewError) -> RenewError {
    let left = match &error {
        // Nothing has been tried.
        RenewError::Issue(IssueError::Clock { .. } | IssueError::Spent { .. }) => Ok(()),
        // The order was finalized with another key: resuming it would give the same useless answer for ever.
        RenewError::Unusable(_) => draft.give_up().await,
        _ => draft.mark_failed().await,
    };
    if let Err(left) = left {
        warn!(error = %left, "the failed draft could not be marked");
    }
    error
}
