//! Whether the record of dns-persist-01 is there, as far as the name servers tell.

use std::time::SystemTime;

use super::finding::{UNTIL_THEY_AGREE, shown};
use super::{Ca, Check, Finding};
use crate::ident::Fqdn;
use crate::issuer::{Held, Needed, Shown};

/// The kind of challenge that this is about.
pub(super) const METHOD: &str = "dns-persist-01";

const ANEW: &str = "without persistUntil, or with a later one";

/// The record that is looked for; or why none can be.
pub(super) fn needed<'a>(name: &Fqdn, ca: &'a Ca) -> Result<Needed<'a>, Finding> {
    let check = Check::Standing;
    if ca.identities.is_empty() {
        return Err(Finding::unknown(
            check,
            "the CA does not say which domain means it in records",
            "Ask whoever runs the CA: sidegate goes by caaIdentities in its directory.",
        ));
    }
    let Some(account) = &ca.account else {
        return Err(Finding::unknown(
            check,
            "the record names our account at the CA, and there is none yet",
            "Start sidegate: it registers the account before its first order, and tells the record in the log.",
        ));
    };
    Needed::new(name, &ca.identities, account).ok_or_else(|| {
        Finding::fail(check, "the record for it would have too long a name", "Prove the name in another way.")
    })
}

/// Whether it is there. If it is the `only` way to prove the name, nothing can be done without it.
pub(super) fn judge(needed: &Needed<'_>, seen: Shown, only: bool, now: SystemTime) -> Finding {
    let (check, place) = (Check::Standing, &needed.place);
    match seen {
        Shown::Everywhere(held @ Held::Granted(_)) if held.ends_soon(now) => {
            Finding::warn(check, format!("{place} {held}"), format!("Set it anew {ANEW}: {needed}"))
        }
        Shown::Everywhere(held @ Held::Granted(_)) => Finding::pass(check, format!("{place} {held}")),
        Shown::Everywhere(held) => {
            let remedy = match held {
                Held::Ended(_) => format!("Set the record anew, {ANEW}: {needed}"),
                _ => format!("Set the record: {needed}"),
            };
            let outcome = if only { Finding::fail } else { Finding::warn };
            outcome(check, format!("{place} {held}"), remedy)
        }
        Shown::NotEverywhere(held) => Finding::warn(
            check,
            format!("one of its name servers says that {place} {held}; others have the record"),
            format!("{UNTIL_THEY_AGREE} The record is {needed}"),
        ),
        Shown::Unknown(why) => Finding::unknown(
            check,
            format!("nobody says whether {place} has the record: {}", shown(&why)),
            format!("See that the name servers answer, and that this is set: {needed}"),
        ),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::dns::Said;
    use crate::doctor::Outcome;

    #[test]
    fn what_is_missing_fails_only_where_nothing_else_proves_the_name() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        let name = Fqdn::parse("*.example.com").expect("a name");
        let (identities, record) = (
            ["ca.test".to_owned()],
            "_validation-persist.example.com. TXT \"ca.test; accounturi=https://ca.test/1; policy=wildcard\"",
        );
        let needed = Needed::new(&name, &identities, "https://ca.test/1").expect("it is short enough");
        let all = |text: &str| needed.shown(Said::Alike(vec![text.to_owned()]), now);
        let good = "ca.test; accounturi=https://ca.test/1; policy=wildcard";
        for (seen, only, outcome, words) in [
            (all(good), true, Outcome::Pass, "_validation-persist.example.com has the record"),
            (all(&format!("{good}; persistUntil=1900000000")), true, Outcome::Pass, "until 2030-03-17"),
            (all(&format!("{good}; persistUntil=1801000000")), true, Outcome::Warn, "until 2027-01-26"),
            (all(&format!("{good}; persistUntil=1700000000")), true, Outcome::Fail, "it ended 2023-11-14"),
            (all("ca.test; accounturi=https://ca.test/1"), true, Outcome::Fail, "not for wildcards"),
            (all("ca.test; accounturi=https://ca.test/2"), true, Outcome::Fail, "another account, https"),
            (all("else"), true, Outcome::Fail, "has no record for this CA"),
            (all("else"), false, Outcome::Warn, "has no record for this CA"),
            (Shown::NotEverywhere(Held::Absent), true, Outcome::Warn, "others have the record"),
            (Shown::Unknown("silence".to_owned()), true, Outcome::Unknown, "silence"),
        ] {
            let found = judge(&needed, seen.clone(), only, now);
            assert_eq!(found.outcome, outcome, "{seen:?}");
            assert!(found.reason.contains(words), "{}", found.reason);
            let told = found.remedy.is_some_and(|remedy| remedy.ends_with(record));
            assert_eq!(
                told,
                outcome != Outcome::Pass,
                "who has something to do is told the record: {seen:?}"
            );
        }
    }

    #[test]
    fn a_record_that_cannot_be_named_is_not_looked_for() {
        let name = Fqdn::parse("example.com").expect("a name");
        let long = Fqdn::parse(&["a"; 120].join(".")).expect("a name");
        let identities = vec!["ca.test".to_owned()];
        let nameless = Ca::default();
        let unknown = Ca { identities: identities.clone(), ..Ca::default() };
        let known = Ca { called: None, identities, account: Some("https://ca.test/1".to_owned()) };
        for (name, ca, outcome, words) in [
            (&name, nameless, Outcome::Unknown, "which domain means it"),
            (&name, unknown, Outcome::Unknown, "there is none yet"),
            (&long, known, Outcome::Fail, "too long a name"),
        ] {
            let found = needed(name, &ca).expect_err("there is none");
            assert_eq!(found.outcome, outcome);
            assert!(found.reason.contains(words), "{}", found.reason);
        }
    }
}
