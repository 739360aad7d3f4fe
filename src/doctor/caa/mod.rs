//! Whether the owner of a name lets the CA issue for it (RFC 8659), to our account and in our way (RFC 8657).

#[cfg(test)]
mod tests;

use super::finding::{UNTIL_THEY_AGREE, listed, shown};
use super::{Ca, Check, Finding};
use crate::dns::{Authority, Caa, IssueValue, Said};
use crate::ident::Fqdn;

/// Tags that every CA knows; one that is not known and critical forbids everything (RFC 8659 section 4.1).
const KNOWN: [&str; 7] =
    ["issue", "issuewild", "iodef", "issuemail", "issuevmc", "contactemail", "contactphone"];

/// What stands at the name, or at the nearest name above it that has any (RFC 8659 section 3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Found {
    /// Nothing anywhere: anybody may issue.
    Nothing,
    /// These records at this name; several sets if its servers contradict each other.
    Set(Fqdn, Vec<Vec<Caa>>),
    /// The servers of this name do not answer.
    Unanswered(Fqdn, String),
}

/// What a set of records means for us.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Ruling {
    Allows,
    Forbids(String),
    Unclear(String),
}

/// Climbs from the name to the first that has records.
pub(super) async fn climb(authority: &Authority, name: &Fqdn) -> Found {
    let mut level = Fqdn::parse(name.base()).ok();
    while let Some(at) = level {
        match Said::from(authority.caa(&at).await) {
            Said::Alike(records) if records.is_empty() => {}
            Said::Alike(records) => return Found::Set(at, vec![records]),
            Said::Differently(views) => {
                return Found::Set(at, views.into_iter().map(|(_, records)| records).collect());
            }
            Said::Nothing(why) => return Found::Unanswered(at, why),
        }
        level = at.parent().and_then(|parent| Fqdn::parse(parent).ok());
    }
    Found::Nothing
}

/// What that means for a certificate with this name from each of these CAs, proved by one of these kinds of challenge.
pub(super) fn judge(name: &Fqdn, found: &Found, cas: &[&Ca], methods: &[&str]) -> Vec<Finding> {
    match found {
        Found::Nothing => vec![Finding::pass(Check::Caa, "no CAA record, so any CA may issue")],
        Found::Unanswered(at, why) => vec![Finding::unknown(
            Check::Caa,
            format!("nobody says whether {at} has CAA records: {}", shown(why)),
            "See that the name servers answer: a CA that hears nothing either will not issue.",
        )],
        Found::Set(at, sets) => {
            let judged = |ca: &&Ca| judge_one(name, (at, sets), ca, methods).at(ca.called.as_deref());
            cas.iter().map(judged).collect()
        }
    }
}

fn judge_one(name: &Fqdn, (at, sets): (&Fqdn, &[Vec<Caa>]), ca: &Ca, methods: &[&str]) -> Finding {
    let check = Check::Caa;
    let rulings: Vec<Ruling> = sets.iter().map(|set| rule(name, set, ca, methods)).collect();
    let forbids = rulings.iter().find_map(|ruling| match ruling {
        Ruling::Forbids(why) => Some(why),
        _ => None,
    });
    let unclear = rulings.iter().find_map(|ruling| match ruling {
        Ruling::Unclear(why) => Some(why),
        _ => None,
    });
    let tag = if name.is_wildcard() { "issuewild" } else { "issue" };
    let identity = ca.identities.first().map_or("…", String::as_str);
    let add = || format!("Set the record: {at}. CAA 0 {tag} \"{identity}\"");
    match (forbids, unclear) {
        (Some(why), _) if rulings.iter().all(|ruling| matches!(ruling, Ruling::Forbids(_))) => {
            Finding::fail(check, format!("the CAA records of {at} {why}"), add())
        }
        (Some(why), _) => {
            let reason =
                format!("one of its name servers says that the CAA records of {at} {why}; others do not");
            Finding::warn(check, reason, UNTIL_THEY_AGREE)
        }
        (None, Some(why)) => Finding::unknown(check, format!("the CAA records of {at} {why}"), add()),
        (None, None) => Finding::pass(check, format!("the CAA records of {at} let this CA issue")),
    }
}

fn rule(name: &Fqdn, set: &[Caa], ca: &Ca, methods: &[&str]) -> Ruling {
    let critical = set.iter().find(|caa| caa.critical && !KNOWN.contains(&caa.tag.as_str()));
    if let Some(Caa { tag, .. }) = critical {
        return Ruling::Forbids(format!("have the critical tag {:?}, which CAs do not know", shown(tag)));
    }
    let of = |tag: &str| set.iter().filter(|caa| caa.tag == tag).collect::<Vec<_>>();
    let wild = if name.is_wildcard() { of("issuewild") } else { Vec::new() };
    let relevant = if wild.is_empty() { of("issue") } else { wild };
    if relevant.is_empty() {
        return Ruling::Allows;
    }
    if ca.identities.is_empty() {
        return Ruling::Unclear("say who may issue, but not the CA which name means it".to_owned());
    }
    let rulings: Vec<Ruling> = relevant.iter().filter_map(|caa| rule_one(caa, ca, methods)).collect();
    if rulings.is_empty() {
        let others = listed(relevant.iter().map(|caa| format!("{:?}", shown(&caa.value))));
        return Ruling::Forbids(format!("allow {others}, not {}", listed(&ca.identities)));
    }
    let allows = |ruling: &Ruling| *ruling == Ruling::Allows;
    let unclear = |ruling: &Ruling| matches!(ruling, Ruling::Unclear(_));
    let best = rulings.iter().position(allows).or_else(|| rulings.iter().position(unclear));
    rulings.into_iter().nth(best.unwrap_or_default()).unwrap_or(Ruling::Allows)
}

/// What one record says; nothing if it is not about this CA.
fn rule_one(caa: &Caa, ca: &Ca, methods: &[&str]) -> Option<Ruling> {
    let value = IssueValue::parse(&caa.value)?;
    if !ca.identities.iter().any(|identity| identity.eq_ignore_ascii_case(&value.issuer)) {
        return None;
    }
    let wanted = value.parameter("validationmethods");
    if let Some(wanted) = wanted
        && !wanted.split(',').any(|method| methods.contains(&method))
    {
        let ours = if methods.is_empty() { "nothing".to_owned() } else { methods.join(", ") };
        return Some(Ruling::Forbids(format!("want a proof by {}, and ours is by {ours}", shown(wanted))));
    }
    Some(match (value.parameter("accounturi"), &ca.account) {
        (Some(wanted), Some(account)) if wanted != account => {
            Ruling::Forbids(format!("are for the account {}, and ours is {account}", shown(wanted)))
        }
        (Some(wanted), None) => {
            Ruling::Unclear(format!("are for the account {}, and we have none yet", shown(wanted)))
        }
        _ => Ruling::Allows,
    })
}
