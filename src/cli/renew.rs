//! `sidegate renew`.

use clap::Args;
use tokio::runtime::LocalRuntime;

use super::act::{say, show};
use super::flags::Place;
use super::status;
use crate::app::{OperatorError, Renewal, RenewalRequest, Tried};
use crate::config::Env;

/// `sidegate renew`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
pub struct RenewArgs {
    /// A name of the certificate
    #[arg(value_name = "NAME")]
    pub name: String,
    /// Also if it is not due; the CA's limits are heeded all the same
    #[arg(long)]
    pub force: bool,
    /// Try it out in the CA's staging environment, or look at all that comes before an order
    #[arg(long, conflicts_with = "force")]
    pub dry_run: bool,
    /// Of which storage.
    #[command(flatten)]
    pub place: Place,
}

impl RenewArgs {
    pub(super) fn act(self, runtime: &LocalRuntime, env: &Env) -> Result<u8, u8> {
        let operator = self.place.operator(runtime, env)?;
        let wanted = RenewalRequest { force: self.force, dry_run: self.dry_run };
        let done = runtime.block_on(async {
            let renewal = operator.renew(&self.name, wanted).await?;
            Ok((renewal, operator.status(Some(&self.name)).await?))
        });
        let (renewal, report) = done.map_err(|error: OperatorError| say(&error))?;
        show(&words(&renewal));
        if renewal.item.is_some() {
            show(&status::short(&report));
        }
        Ok(0)
    }
}

fn words(renewal: &Renewal) -> String {
    let at = renewal.directory.as_deref().unwrap_or_default();
    match (&renewal.item, renewal.tried) {
        (Some(item), _) => format!("renewed: {item}\n"),
        (None, Some(Tried::Issued)) => format!("tried out: {at} issued a certificate, which is not kept\n"),
        (None, Some(Tried::Looked)) => format!(
            "looked at: {at} answers, its limits allow an order, and every name has a challenge that can prove it; \
             there is no staging environment to try out the rest\n"
        ),
        (None, Some(Tried::Needless) | None) => {
            "nothing to try out: sidegate signs this one itself\n".to_owned()
        }
    }
}
