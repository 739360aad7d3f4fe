//! The line of the log that an event becomes: the verb, and fields.

use std::fmt;

use tracing::field::display;
use tracing::{error, info, warn};

use super::{Event, Text};
use crate::ident::Name;

impl Event {
    /// Logs the event. Some are worth a line of the journal only.
    pub(super) fn log(&self, names: &[Name]) {
        let names = Listed(names);
        match self {
            Self::Started { storage, .. } => info!(%storage, "opened"),
            Self::Leads | Self::Stopped | Self::Committed { .. } | Self::Other => {}
            Self::Configured { certificates, .. } => info!(certificates, "configured anew"),
            Self::Replanned { now, .. } => info!(%now, "it is another time than it was; planning anew"),
            // The sweep has said what it found, with every place.
            Self::Swept { .. } => {}
            Self::Mended { bytes } => warn!(bytes, "the journal's last line was torn; cut off"),
            Self::Untold { events } => warn!(events, "not in the journal, which could not be written"),
            Self::Found { item, provider, issuer, not_after: expires, valid } => {
                info!(%names, %item, %provider, issuer = issuer.as_str(), %expires, valid, "found");
            }
            Self::Missing { ca: None } => info!(%names, "no certificate found; signing one"),
            Self::Missing { ca: Some(ca) } => {
                info!(%names, directory = ca.as_str(), "no certificate found; ordering one");
            }
            Self::StoodIn { why } => info!(%names, why = why.as_str(), "serving selfsigned"),
            Self::Due { provider, ca, why, .. } => {
                let directory = ca.as_ref().map(Text::as_str);
                info!(%names, %provider, directory, why = why.as_str(), "issuing");
            }
            Self::Planned(basis) => {
                let Some(window) = &basis.window else { return };
                let (start, end, renew_at) = (window.start, window.end, basis.renew_at);
                let explanation = window.explanation.as_ref().map(Text::as_str);
                info!(%names, %start, %end, %renew_at, explanation, "the CA says when to renew");
            }
            Self::AccountFound { ca, account } => {
                info!(directory = %ca, %account, "found the account again by its key");
            }
            Self::AccountRegistered { ca, account, .. } => {
                info!(directory = %ca, %account, "registered the account");
            }
            Self::AccountRolledOver { ca, account } => {
                info!(directory = %ca, %account, "the account has another key");
            }
            Self::HeldBack { ca, limit, until } => {
                let limit = limit.as_str();
                info!(%names, directory = %ca, limit, %until, "nothing is left of a limit; waits for it");
            }
            Self::Rehearsing { ca } => {
                info!(%names, directory = %ca, "tries it out first, since the last attempt failed");
            }
            Self::Rehearsed { ca, well: true, .. } => info!(%names, directory = %ca, "went well"),
            Self::Rehearsed { ca, outcome, well: false } => {
                info!(%names, directory = %ca, error = %outcome, "could not be tried out");
            }
            Self::OrderPlaced { order, why, replaces, profile, .. } => {
                let (replaces, profile) =
                    (replaces.as_ref().map(Text::as_str), profile.as_ref().map(Text::as_str));
                info!(%names, %order, why = why.as_str(), replaces, profile, "placed an order");
            }
            Self::OrderResumed { order, status } => info!(%names, %order, %status, "resumes the order"),
            Self::OrderLeft { order, why } => {
                info!(%names, %order, why = why.as_str(), "leaves the order of an earlier attempt");
            }
            Self::ProvedBefore => info!(name = %names, "is proved already"),
            Self::ChallengeChosen { .. } => {}
            Self::ChallengePosted { kind } => {
                info!(name = %names, %kind, "posted the answer to the challenge");
            }
            Self::Validated { kind } => info!(name = %names, %kind, "validated"),
            Self::Unverified { kind, detail } => {
                let kind = kind.as_ref().map(display);
                info!(name = %names, kind, detail = detail.as_str(), "could not be verified");
            }
            Self::Finalized { order } => info!(%names, %order, "finalizes the order"),
            Self::Received { serial, issuer, .. } => {
                info!(%names, %serial, issuer = issuer.as_str(), "received the certificate");
            }
            Self::TakenIn { item, why } => info!(%names, %item, why = why.as_str(), "taken in"),
            Self::Served { item, issuer, not_after: expires } => {
                info!(%names, %item, issuer = issuer.as_str(), %expires, "serving");
            }
            Self::Failed { ca, error, failures, again, .. } => {
                let (directory, again) = (ca.as_ref().map(Text::as_str), again.map(display));
                warn!(%names, directory, error = error.as_str(), failures, again, "not issued");
            }
            Self::Dropped { why } => info!(%names, why = why.as_str(), "planned anew"),
            Self::Expiring { item, not_after: expires, .. } => {
                warn!(%names, %item, %expires, "nears its end and could not be renewed");
            }
            Self::Pinned { item } => info!(%names, %item, "pinned"),
            Self::Unpinned { why } => info!(%names, why = why.as_str(), "not pinned any more"),
            Self::Revoked { item, reason } => warn!(%names, %item, %reason, "revoked"),
            Self::Unrevoked { item, error } => warn!(%names, %item, error = error.as_str(), "not revoked"),
            Self::ServingProved { item, serial } => info!(%names, %item, %serial, "clients are shown it"),
            Self::ServingDisproved { item, detail } => error!(%names, %item, "{detail}"),
            Self::Pruned { item, why, .. } => info!(%names, %item, why = why.as_str(), "removed"),
            Self::DemandAllowed { why } => {
                info!(name = %names, why = why.as_str(), "gets a certificate on demand");
            }
            Self::DemandDenied { why } => {
                info!(name = %names, why = why.as_str(), "gets no certificate on demand");
            }
            Self::DemandWithdrawn { why } => warn!(name = %names, why = why.as_str(), "not renewed"),
            Self::DemandOver => info!(name = %names, "given up"),
            Self::HookRan { hook, line, attempt } => info!(%names, %hook, line, attempt, "the hook was told"),
            Self::HookFailed { hook, line, attempt, error, again } => {
                let (error, again) = (error.as_str(), again.map(display));
                warn!(%names, %hook, line, attempt, error, again, "the hook failed");
            }
            Self::HookMissed { lines } => warn!(lines, "lines of the journal are lost to the hook"),
            Self::Commanded { command, by } => info!(%names, %command, %by, "was asked"),
        }
    }
}

/// Names with a space between.
struct Listed<'a>(&'a [Name]);

impl fmt::Display for Listed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, name) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str(" ")?;
            }
            name.fmt(f)?;
        }
        Ok(())
    }
}
