//! What an event says to people.

use super::{Basis, Event};

impl Event {
    /// What happened, as the rest of a line that begins with a moment.
    #[must_use]
    pub fn what(&self) -> String {
        match self {
            Self::Started { version, storage } => format!("sidegate {version} started on {storage}"),
            Self::Leads => "it issues for this storage".to_owned(),
            Self::Stopped => "sidegate stopped".to_owned(),
            Self::Configured { certificates, came, went } => {
                let (came, went) = (came.len(), went.len());
                format!("configured anew: {certificates} certificates; {came} names came, {went} went")
            }
            Self::Replanned { before, now } => format!("the clock went from {before} to {now}; planned anew"),
            Self::Swept { outcome, .. } => format!("compared pointers and items: {outcome}"),
            Self::Mended { bytes } => {
                format!("cut {bytes} bytes off the journal, a line that a crash had torn")
            }
            Self::Untold { events } => format!("{events} events are missing here"),
            Self::Found { item, issuer, not_after, valid, .. } => {
                let valid = if *valid { "valid" } else { "not valid now," };
                format!("found {item} by {issuer}, {valid} until {not_after}")
            }
            Self::Missing { ca: None } => "found no certificate; signs one itself".to_owned(),
            Self::Missing { ca: Some(ca) } => format!("found no certificate; will order one at {ca}"),
            Self::StoodIn { .. } => "made a selfsigned certificate and serves it".to_owned(),
            Self::Due { ca: Some(ca), attempt, .. } => format!("begins to issue at {ca}, attempt {attempt}"),
            Self::Due { provider, ca: None, .. } => format!("begins to issue ({provider})"),
            Self::Planned(basis) => format!("will renew {}", basis.renew_at),
            Self::AccountFound { ca, account } => format!("found the account {account} at {ca} by its key"),
            Self::AccountRegistered { ca, account, .. } => {
                format!("registered the account {account} at {ca}")
            }
            Self::AccountRolledOver { ca, account } => {
                format!("gave the account {account} at {ca} another key")
            }
            Self::HeldBack { ca, until, .. } => format!("placed no order at {ca} until {until}"),
            Self::Rehearsing { ca } => format!("tries it out at {ca}"),
            Self::Rehearsed { well: true, .. } => "that went well".to_owned(),
            Self::Rehearsed { outcome, .. } => format!("could not be tried out: {outcome}"),
            Self::OrderPlaced { order, profile: None, .. } => format!("placed the order {order}"),
            Self::OrderPlaced { order, profile: Some(profile), .. } => {
                format!("placed the order {order} for the profile {profile}")
            }
            Self::OrderResumed { order, status } => {
                format!("goes on with the order {order}, which is {status}")
            }
            Self::OrderLeft { order, .. } => format!("leaves the order {order}"),
            Self::ProvedBefore => "is proved already, says the CA".to_owned(),
            Self::ChallengeChosen { kind, .. } => format!("chose {kind}"),
            Self::ChallengePosted { kind } => format!("posted the answer for {kind}"),
            Self::Validated { kind } => format!("validated by {kind}"),
            Self::Unverified { kind: Some(kind), .. } => format!("not validated by {kind}"),
            Self::Unverified { kind: None, .. } => "not validated".to_owned(),
            Self::Finalized { order } => format!("sent the request for the order {order}"),
            Self::Received { serial, issuer, not_after, .. } => {
                format!("received the certificate {serial} by {issuer}, valid until {not_after}")
            }
            Self::Committed { item, pointers, .. } => format!("committed {item}; moved {}", list(pointers)),
            Self::TakenIn { item, .. } => format!("took in {item}, which somebody else has put there"),
            Self::Served { item, issuer, not_after } => {
                format!("serves {item} by {issuer}, valid until {not_after}")
            }
            Self::Failed { failures: 0, again: Some(again), .. } => format!("not issued; again {again}"),
            Self::Failed { failures, again: Some(again), .. } => {
                format!("not issued, failure {failures}; again {again}")
            }
            Self::Failed { again: None, .. } => "not issued".to_owned(),
            Self::Dropped { .. } => "gave the attempt up".to_owned(),
            Self::Expiring { item, not_after, .. } => format!("{item} ends {not_after} and is not renewed"),
            Self::Pinned { item } => format!("went back to {item}; it is served until a newer one comes"),
            Self::Unpinned { .. } => "serves the newest again".to_owned(),
            Self::Revoked { item, .. } => format!("revoked {item}"),
            Self::Unrevoked { item, .. } => format!("could not revoke {item}"),
            Self::ServingProved { item, serial } => {
                format!("a handshake was shown {item}, serial {serial}")
            }
            Self::ServingDisproved { item, .. } => format!("a handshake was not shown {item}"),
            Self::Pruned { item, not_after, .. } => format!("removed {item}, valid until {not_after}"),
            Self::DemandAllowed { .. } => "let in: it gets a certificate on demand".to_owned(),
            Self::DemandDenied { .. } => "somebody came for it; it gets no certificate".to_owned(),
            Self::DemandWithdrawn { .. } => "is not renewed any more".to_owned(),
            Self::DemandOver => "given up: it is nobody's any more".to_owned(),
            Self::HookRan { hook, .. } => format!("told the hook: {hook}"),
            Self::HookFailed { hook, again: Some(again), .. } => {
                format!("could not tell the hook: {hook}; again {again}")
            }
            Self::HookFailed { hook, again: None, .. } => format!("could not tell the hook: {hook}; gave up"),
            Self::HookMissed { lines } => format!("{lines} lines were lost to the hook"),
            Self::Commanded { command, by } => format!("asked by {by}: {command}"),
            Self::Other => "something that only a later version can tell".to_owned(),
        }
    }

    /// Why, and by which values; nothing where what happened says it all.
    #[must_use]
    pub fn why(&self) -> Vec<String> {
        match self {
            Self::Configured { came, went, .. } => {
                let said =
                    [("came", came), ("went", went)].into_iter().filter(|(_, names)| !names.is_empty());
                said.map(|(what, names)| format!("{what}: {}", list(names))).collect()
            }
            Self::StoodIn { why } | Self::OrderPlaced { why, replaces: None, .. } => vec![why.to_string()],
            Self::OrderPlaced { why, replaces: Some(replaces), .. } => {
                vec![why.to_string(), format!("replaces = {replaces}")]
            }
            Self::OrderLeft { why, .. }
            | Self::Dropped { why }
            | Self::TakenIn { why, .. }
            | Self::Unpinned { why }
            | Self::Pruned { why, .. }
            | Self::DemandAllowed { why }
            | Self::DemandDenied { why }
            | Self::DemandWithdrawn { why } => vec![why.to_string()],
            Self::Due { why, basis, .. } => {
                let basis = basis.iter().flat_map(Basis::words);
                std::iter::once(why.to_string()).chain(basis).collect()
            }
            Self::Planned(basis) => basis.words().collect(),
            Self::AccountRegistered { terms, .. } => vec![format!("agreed to the terms of service: {terms}")],
            Self::HeldBack { limit, .. } => vec![limit.to_string()],
            Self::Rehearsing { .. } => vec!["the last attempt failed".to_owned()],
            Self::ChallengeChosen { why, others, .. } => {
                let others = others.iter().map(|other| format!("not {other}"));
                std::iter::once(why.to_string()).chain(others).collect()
            }
            Self::Unverified { detail, .. } => vec![format!("the CA says: {detail}")],
            Self::Committed { replaces: Some(replaces), .. } => vec![format!("in the place of {replaces}")],
            Self::Failed { error, rule, .. } => vec![error.to_string(), rule.to_string()],
            Self::Expiring { rule, .. } => vec![rule.to_string()],
            Self::Revoked { reason, .. } => vec![reason.to_string()],
            Self::Unrevoked { error, .. } | Self::HookFailed { error, .. } => vec![error.to_string()],
            Self::ServingDisproved { detail, .. } => vec![detail.to_string()],
            _ => Vec::new(),
        }
    }
}

impl Basis {
    /// The rule, and the values with their source.
    pub fn words(&self) -> impl Iterator<Item = String> {
        let Self { rule, item, not_before, not_after, source, window, .. } = self;
        let window = window.as_ref().map(|window| {
            let page = window.explanation.as_ref().map(|page| format!("; {page}")).unwrap_or_default();
            format!("the CA's window = {} to {}{page}", window.start, window.end)
        });
        let validity =
            format!("not_before = {not_before}, not_after = {not_after} (from {source} of {item})");
        [Some(rule.to_string()), window, Some(validity)].into_iter().flatten()
    }
}

fn list(all: &[impl ToString]) -> String {
    all.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
