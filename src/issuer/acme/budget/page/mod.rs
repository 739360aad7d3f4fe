//! What things cost, and a page of the ledger before and after. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, SystemTime};

use super::bucket::Limit;
use super::domain::registered_domain;
use super::{Counted, Expense, Limits};
use crate::clock;
use crate::ident::{Name, Names};
use crate::issuer::Left;
use crate::pki::crypto;
use crate::store::{Issued, OpenOrder, Page};

/// There is not enough in a bucket.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Short {
    /// Which, for people.
    pub(super) what: String,
    /// When there will be.
    pub(super) until: SystemTime,
}

/// What something takes out of which bucket.
pub(super) struct Cost(Vec<Taking>);

struct Taking {
    bucket: String,
    limit: Limit,
    /// At least this many tokens have to be there; one of them is taken, unless it is only looked at.
    wanted: u32,
    kind: Kind,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Gone once the CA was asked.
    Spent,
    /// Gone once there is a certificate.
    Issued,
    /// Only failures take one.
    Looked,
    /// The same; once nothing is left, somebody has to lift what the CA has done then.
    Pausing,
}

/// Longer lists of names are written by their digest: they are for people, and the ledger is written often.
const LONGEST_NAME: usize = 200;

/// What a person has to do where a CA pauses a name.
const LIFT: &str = ". The CA pauses a name that fails so often: mend what it looks at to verify the name, then lift the \
                    pause at the address that its answer names";

/// Of one set of names, while the storage is guarded.
const AFTER_LOSS: Limit = Limit::new(2, Duration::from_secs(7 * 24 * 60 * 60));

impl Cost {
    /// What an order takes.
    pub(super) fn of(expense: Expense<'_>, limits: &Limits, guarded: bool) -> Self {
        let Expense { names, account, counted, urgent } = expense;
        // No exemption covers a name that is paused.
        let in_a_row = names.iter().map(|name| Taking {
            bucket: in_a_row(account, name),
            limit: limits.in_a_row,
            wanted: 1,
            kind: Kind::Pausing,
        });
        let mut cost: Vec<Taking> = in_a_row.collect();
        if counted == Counted::Exempt {
            return Self(cost);
        }
        // The last certificate for a set of names is for the day when there is none.
        let kept = u32::from(!urgent && limits.set.burst() > 1);
        let set = Taking { bucket: set(names), limit: limits.set, wanted: 1 + kept, kind: Kind::Issued };
        let failures = names.iter().map(|name| Taking {
            bucket: failures(account, name),
            limit: limits.failures,
            wanted: 1,
            kind: Kind::Looked,
        });
        cost.extend(failures.chain([set]));
        if guarded && !urgent {
            let bucket = format!("storage lost, {}", self::set(names));
            cost.push(Taking { bucket, limit: AFTER_LOSS, wanted: 1, kind: Kind::Issued });
        }
        if counted == Counted::Fully {
            cost.push(Taking { bucket: orders(account), limit: limits.orders, wanted: 1, kind: Kind::Spent });
            cost.extend(domains(names).into_iter().map(|bucket| Taking {
                bucket,
                limit: limits.domain,
                wanted: 1,
                kind: Kind::Issued,
            }));
        }
        Self(cost)
    }

    /// What registering an account takes.
    pub(super) fn of_account(limits: &Limits) -> Self {
        let (bucket, limit) = ("accounts".to_owned(), limits.accounts);
        Self(vec![Taking { bucket, limit, wanted: 1, kind: Kind::Spent }])
    }

    /// When time alone will have put back what only a certificate costs, by bucket.
    fn back_at(&self, now: SystemTime) -> BTreeMap<String, SystemTime> {
        let given_back = self.0.iter().filter(|taking| taking.kind == Kind::Issued);
        given_back.map(|Taking { bucket, limit, .. }| (bucket.clone(), limit.back_at(now))).collect()
    }
}

/// Takes what an order costs and notes it as open, if it costs anything; if one bucket has not enough, nothing is
/// taken.
///
/// Nobody goes on with an order for the same names that is open by now: it was never noted elsewhere, or it was left.
/// What it has cost is given back, unless there may be a certificate.
pub(super) fn order(
    page: &mut Page,
    limits: &Limits,
    expense: Expense<'_>,
    guarded: bool,
    now: SystemTime,
) -> Result<(), Short> {
    let set = set(expense.names);
    if let Some(left) = page.open.remove(&set).filter(|order| !order.proved) {
        give_back(page, &left, now);
    }
    let cost = Cost::of(expense, limits, guarded);
    spend(page, &cost, now)?;
    let back_at = cost.back_at(now);
    if !back_at.is_empty() {
        page.open.insert(set, OpenOrder { paid: now, proved: false, back_at });
    }
    Ok(())
}

/// Whether there is an order for these names that is not known to have come to nothing.
pub(super) fn is_open(page: &Page, names: &Names) -> bool {
    page.open.contains_key(&set(names))
}

/// No order for these names is open any more, and none becomes a certificate: gives back what only that costs.
pub(super) fn no_certificate(page: &mut Page, names: &Names, now: SystemTime) {
    if let Some(order) = page.open.remove(&set(names)) {
        give_back(page, &order, now);
    }
}

/// Takes what it costs; if one bucket has not enough, nothing is taken.
pub(super) fn spend(page: &mut Page, cost: &Cost, now: SystemTime) -> Result<(), Short> {
    let mut short: Option<Short> = None;
    for Taking { bucket, limit, wanted, kind } in &cost.0 {
        let full = page.full_at.get(bucket).copied();
        let left = limit.left(full, now);
        if left < *wanted {
            let until = limit.when(full, *wanted, now);
            // The longest wait of all, as the CA would say.
            if short.as_ref().is_none_or(|short| short.until < until) {
                let kept = if left > 0 { ", of which one is kept for emergencies" } else { "" };
                let cure = if *kind == Kind::Pausing { LIFT } else { "" };
                let what = format!("{left} left for {bucket}{kept}; again {}{cure}", clock::rfc3339(until));
                short = Some(Short { what, until });
            }
        }
    }
    if let Some(short) = short {
        return Err(short);
    }
    for Taking { bucket, limit, kind, .. } in &cost.0 {
        if matches!(kind, Kind::Spent | Kind::Issued) {
            take(page, bucket, *limit, now);
        }
    }
    Ok(())
}

/// What is left for another certificate with these names: of the set, then of each domain.
pub(super) fn left(page: &Page, limits: &Limits, names: &Names, now: SystemTime) -> Vec<Left> {
    let set = (set(names), limits.set);
    let domains = domains(names).into_iter().map(|bucket| (bucket, limits.domain));
    let left = |(bucket, limit): (String, Limit)| {
        let full = page.full_at.get(&bucket).copied();
        let left = limit.left(full, now);
        let more_at = (left < limit.burst()).then(|| limit.when(full, left + 1, now));
        Left { of: bucket, left, burst: limit.burst(), more_at }
    };
    std::iter::once(set).chain(domains).map(left).collect()
}

/// A name could not be verified.
pub(super) fn failed(page: &mut Page, limits: &Limits, account: &str, name: &Name, now: SystemTime) {
    take(page, &failures(account, name), limits.failures, now);
    take(page, &in_a_row(account, name), limits.in_a_row, now);
}

/// Names could be verified: none of them fails in a row any more, and their order may become a certificate.
pub(super) fn verified(page: &mut Page, account: &str, names: &Names) {
    for name in names {
        page.full_at.remove(&in_a_row(account, name));
    }
    if let Some(order) = page.open.get_mut(&set(names)) {
        order.proved = true;
    }
}

/// Takes what a certificate has cost that was issued before the ledger began.
pub(super) fn recollect(page: &mut Page, limits: &Limits, issued: &Issued) {
    take(page, &set(&issued.names), limits.set, issued.at);
    for bucket in domains(&issued.names) {
        take(page, &bucket, limits.domain, issued.at);
    }
    if let Some(account) = &issued.account {
        take(page, &orders(account), limits.orders, issued.at);
    }
}

/// Takes the CA's word for it that nothing is left. Which limit is meant only the words of Let's Encrypt tell.
pub(super) fn limited(
    page: &mut Page,
    limits: &Limits,
    expense: Expense<'_>,
    detail: &str,
    until: SystemTime,
    now: SystemTime,
) {
    let Expense { names, account, .. } = expense;
    let quoted =
        |bucket: &str| detail.contains(&format!("\"{}\"", bucket.rsplit(' ').next().unwrap_or_default()));
    let (limit, buckets) = if detail.contains("exact set") {
        (limits.set, vec![set(names)])
    } else if detail.contains("new orders") {
        (limits.orders, vec![orders(account)])
    } else if is_pause(detail) {
        // The names stand there bare, between commas.
        let named = |name: &&Name| detail.split([' ', ',']).any(|word| word == name.to_string());
        (limits.in_a_row, names.iter().filter(named).map(|name| in_a_row(account, name)).collect())
    } else if detail.contains("failed authorizations") {
        let all = names.iter().map(|name| failures(account, name));
        (limits.failures, all.filter(|bucket| quoted(bucket)).collect())
    } else if detail.contains("already issued for") {
        (limits.domain, domains(names).into_iter().filter(|bucket| quoted(bucket)).collect())
    } else {
        return;
    };
    for bucket in buckets.into_iter().filter(|_| until > now) {
        // The CA has not counted what others are about to give back.
        page.open.values_mut().for_each(|order| order.back_at.retain(|of, _| *of != bucket));
        let full = page.full_at.entry(bucket).or_insert(now);
        *full = limit.empty_until(until).max(*full);
    }
}

/// Whether a CA says by this that it does not listen to us about a name any more until a person has asked it to.
pub(in crate::issuer::acme) fn is_pause(detail: &str) -> bool {
    detail.contains("temporarily prevented from requesting")
}

fn take(page: &mut Page, bucket: &str, limit: Limit, at: SystemTime) {
    let full = limit.spend(page.full_at.get(bucket).copied(), at);
    page.full_at.insert(bucket.to_owned(), full);
}

/// Puts back what an order took, less what has come back by itself meanwhile: a bucket that was full in between cannot
/// become fuller by it.
fn give_back(page: &mut Page, order: &OpenOrder, now: SystemTime) {
    // A clock was set back since: nobody can tell how much has come back.
    if order.paid > now {
        return;
    }
    for (bucket, back_at) in &order.back_at {
        if let (Some(full), Ok(left)) = (page.full_at.get_mut(bucket), back_at.duration_since(now)) {
            // Full since long ago is full, whatever a ledger says that somebody else has written.
            *full = full.checked_sub(left).map_or(now, |full| full.max(now));
        }
    }
}

fn orders(account: &str) -> String {
    format!("orders {account}")
}

fn set(names: &Names) -> String {
    let sorted: Vec<String> = names.sorted().into_iter().map(ToString::to_string).collect();
    let all = sorted.join(" ");
    if all.len() <= LONGEST_NAME {
        return format!("set {all}");
    }
    let digest = crypto::hex(&crypto::sha256(all.as_bytes()));
    format!("set {} and {} more, {digest}", sorted[0], sorted.len() - 1)
}

fn domains(names: &Names) -> BTreeSet<String> {
    names.iter().map(|name| format!("domain {}", registered_domain(name))).collect()
}

fn failures(account: &str, name: &Name) -> String {
    format!("failures {account} {name}")
}

fn in_a_row(account: &str, name: &Name) -> String {
    format!("failures in a row {account} {name}")
}

#[cfg(test)]
mod tests;
