//! Placing an order, and saying which certificate it replaces (RFC 8555 section 7.4, RFC 9773 section 5).
//!
//! A CA that recognises a renewal exempts it from its rate limits. One that does not recognise what an order claims to
//! replace refuses the order, so the claim is made only where the CA can know it, and never twice.

use instant_acme::{CertificateIdentifier, Identifier, NewOrder, Order};
use tracing::info;

use super::nonce::insist;
use super::order::Desk;
use super::renewal_info::identifier;
use crate::ident::Name;
use crate::issuer::{IssueError, IssueJob, OrderNote, Progress, Replacing};

impl Desk<'_> {
    /// Places an order and notes it before anything else happens to it.
    pub(super) async fn place(
        &self,
        job: IssueJob<'_>,
        progress: &dyn Progress,
    ) -> Result<Order, IssueError> {
        let names = job.request.names();
        let identifiers: Vec<Identifier> = names.iter().map(named).collect();
        let (order, replacing) = match self.claim(job).await? {
            Claim::Nothing => (self.ask(NewOrder::new(&identifiers)).await?, Replacing::Nothing),
            Claim::Withheld(why) => {
                (self.ask(NewOrder::new(&identifiers)).await?, Replacing::Unnamed(why.to_owned()))
            }
            Claim::Made(id) => {
                let text = id.to_string();
                match self.ask(NewOrder::new(&identifiers).replaces(id)).await {
                    Ok(order) => (order, Replacing::Named(text)),
                    // Not our claim, and not made better by asking again.
                    Err(error @ (IssueError::Limited { .. } | IssueError::Nonce { .. })) => {
                        return Err(error);
                    }
                    Err(error) => {
                        let why = error.to_string();
                        info!(%names, replaces = text, why, "refused as a replacement; orders without saying so");
                        (self.ask(NewOrder::new(&identifiers)).await?, Replacing::Unnamed(why))
                    }
                }
            }
        };
        let note = OrderNote {
            directory: self.directory.to_owned(),
            account: self.account.id().to_owned(),
            order: order.url().to_owned(),
            replacing,
        };
        progress.note_order(&note).await?;
        let replaces = match &note.replacing {
            Replacing::Named(id) => Some(id),
            _ => None,
        };
        info!(%names, order = order.url(), why = job.why, replaces, "placed an order");
        Ok(order)
    }

    async fn ask(&self, new: NewOrder<'_>) -> Result<Order, IssueError> {
        insist!(self.http, self.account.new_order(&new)).map_err(|e| self.explain(e))
    }

    /// Whether this CA, asked by this account, can know the certificate that is to be replaced.
    async fn claim(&self, job: IssueJob<'_>) -> Result<Claim, IssueError> {
        let Some(predecessor) = job.predecessor else { return Ok(Claim::Nothing) };
        if predecessor.directory.as_deref() != Some(self.directory) {
            return Ok(Claim::Withheld("another CA issued the certificate before"));
        }
        if predecessor.account.as_deref() != Some(self.account.id()) {
            return Ok(Claim::Withheld("another account ordered the certificate before"));
        }
        let Some(id) = identifier(&predecessor.leaf) else {
            return Ok(Claim::Withheld("the certificate before does not say which key signed it"));
        };
        let directory = insist!(self.http, self.http.directory()).map_err(|e| self.explain(e))?;
        Ok(match directory.renewal_info {
            Some(_) => Claim::Made(id),
            None => Claim::Withheld("the CA has no renewal information"),
        })
    }
}

/// What an order says about the certificate it replaces.
enum Claim {
    /// There is none.
    Nothing,
    /// This one.
    Made(CertificateIdentifier<'static>),
    /// Nothing, and why.
    Withheld(&'static str),
}

fn named(name: &Name) -> Identifier {
    match name {
        Name::Dns(fqdn) => Identifier::Dns(fqdn.as_str().to_owned()),
        Name::Ip(ip) => Identifier::Ip(*ip),
    }
}
