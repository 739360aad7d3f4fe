//! Placing an order, and saying which certificate it replaces (RFC 8555 section 7.4, RFC 9773 section 5).
//!
//! A CA that recognises a renewal exempts it from its rate limits. One that does not recognise what an order claims to
//! replace refuses the order, so the claim is made only where the CA can know it, and never twice.

use instant_acme::{CertificateIdentifier, Identifier, NewOrder, Order};
use tracing::info;

use super::budget::{Counted, Expense};
use super::nonce::insist;
use super::order::Desk;
use super::renewal_info::identifier;
use crate::ident::Name;
use crate::issuer::{IssueError, IssueJob, OrderNote, Predecessor, Progress, Replacing};
use crate::story::{Event, Text};

impl Desk<'_> {
    /// Places an order and notes it before anything else happens to it. What it costs is written down before.
    pub(super) async fn place(
        &self,
        job: IssueJob<'_>,
        progress: &dyn Progress,
    ) -> Result<Order, IssueError> {
        let names = job.request.names();
        let identifiers: Vec<Identifier> = names.iter().map(named).collect();
        let profile = self.profile(job).await?;
        let new = || match profile {
            Some(profile) => NewOrder::new(&identifiers).profile(profile),
            None => NewOrder::new(&identifiers),
        };
        let (order, replacing) = match self.claim(job).await? {
            Claim::Nothing => (self.pay_for(new(), self.expense(job)).await?, Replacing::Nothing),
            Claim::Withheld(why) => {
                (self.pay_for(new(), self.expense(job)).await?, Replacing::Unnamed(why.to_owned()))
            }
            Claim::Made(id) => self.place_claiming(job, new, id).await?,
        };
        let note = OrderNote {
            directory: self.directory.to_owned(),
            account: self.account.id().to_owned(),
            order: order.url().to_owned(),
            replacing,
            profile: profile.map(str::to_owned),
        };
        progress.note_order(&note).await?;
        let replaces = match &note.replacing {
            Replacing::Named(id) => Some(id.as_str().into()),
            _ => None,
        };
        let placed = Event::OrderPlaced {
            ca: self.directory.into(),
            order: order.url().into(),
            why: job.why.into(),
            replaces,
            profile: profile.map(Text::from),
        };
        self.recorder.tell(names, placed);
        Ok(order)
    }

    /// Places an order that says which certificate it replaces; if the CA does not like that, one that does not say so.
    async fn place_claiming<'o>(
        &self,
        job: IssueJob<'_>,
        new: impl Fn() -> NewOrder<'o>,
        id: CertificateIdentifier<'o>,
    ) -> Result<(Order, Replacing), IssueError> {
        let (names, text) = (job.request.names(), id.to_string());
        let expense = self.expense(job);
        let window = job.predecessor.and_then(|predecessor| predecessor.window);
        let counted = expense.counted.replacing(window, self.clock.now());
        match self.pay_for(new().replaces(id), Expense { counted, ..expense }).await {
            Ok(order) => Ok((order, Replacing::Named(text))),
            // Not our claim, and not made better by asking again.
            Err(
                error @ (IssueError::Limited { .. }
                | IssueError::Spent { .. }
                | IssueError::Ledger(_)
                | IssueError::Nonce { .. }),
            ) => Err(error),
            Err(error) => {
                let why = error.to_string();
                info!(%names, replaces = text, why, "refused as a replacement; orders without saying so");
                Ok((self.pay_for(new(), expense).await?, Replacing::Unnamed(why)))
            }
        }
    }

    /// What the order of a job counts as, if it does not say what it replaces.
    fn expense<'j>(&'j self, job: IssueJob<'j>) -> Expense<'j> {
        let ours = |predecessor: &&Predecessor| predecessor.directory.as_deref() == Some(self.directory);
        let counted = job.predecessor.filter(ours).map_or(Counted::Fully, |predecessor| {
            Counted::after(predecessor.leaf.not_before(), self.clock.now())
        });
        Expense { names: job.request.names(), account: self.account.id(), counted, urgent: job.urgent }
    }

    /// Places an order, once what it costs is written down.
    async fn pay_for(&self, new: NewOrder<'_>, expense: Expense<'_>) -> Result<Order, IssueError> {
        self.budget.order(expense).await?;
        let placed = self.ask(new).await;
        if let Err(error) = &placed {
            self.budget.no_certificate(expense.account, expense.names, &[]).await?;
            if let IssueError::Limited { detail, until: Some(until), .. } = error {
                self.budget.limited(expense, detail, *until).await?;
            }
        }
        placed
    }

    async fn ask(&self, new: NewOrder<'_>) -> Result<Order, IssueError> {
        insist!(self.http, self.account.new_order(&new)).map_err(|e| self.explain(e))
    }

    /// The profile to ask for, if the CA offers it.
    async fn profile<'j>(&self, job: IssueJob<'j>) -> Result<Option<&'j str>, IssueError> {
        let Some(profile) = job.profile else { return Ok(None) };
        let offered = self.ca_directory().await?.meta.profiles;
        if offered.contains_key(&profile.name) {
            return Ok(Some(&profile.name));
        }
        let names: Vec<&str> = offered.keys().map(String::as_str).collect();
        let offers = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
        if profile.required {
            return Err(IssueError::Refused {
                directory: self.directory.to_owned(),
                detail: format!("it offers no profile {:?}; it offers {offers}", profile.name),
                for_good: true,
            });
        }
        info!(
            profile = profile.name,
            offers, "the CA does not offer the preferred profile; orders without one"
        );
        Ok(None)
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
        Ok(match self.ca_directory().await?.renewal_info {
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
