//! The CA: whether it answers, and what time it is there.

use std::time::{Duration, SystemTime};

use super::finding::shown;
use super::{Check, Finding};
use crate::clock::rfc3339;

/// What has to be known of a CA that may issue.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ca {
    /// What findings call it; none if there is no other.
    pub called: Option<String>,
    /// The domains that mean it in CAA records (RFC 8555 section 7.1.1). A CA that names none need not look at the DNS
    /// that we see.
    pub identities: Vec<String>,
    /// The URL of our account there, if there is one yet.
    pub account: Option<String>,
}

/// What came of asking the CA.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Word {
    /// The URL of its directory.
    pub directory: String,
    /// What time it was there, if it answered with one, or why it did not answer.
    pub answered: Result<Option<SystemTime>, String>,
}

/// Differences that come of answers taking their time, and of clocks nobody minds.
const UNNOTICED: Duration = Duration::from_secs(60);

impl Word {
    /// Whether it answers, and whether our clock, which shows `now`, is right.
    #[must_use]
    pub fn findings(&self, now: SystemTime) -> Vec<Finding> {
        match &self.answered {
            Err(why) => vec![Finding::fail(
                Check::Ca,
                format!("{} gives no answer: {}", self.directory, shown(why)),
                "See that this machine reaches it: name resolution, firewall, proxy, its root certificate.",
            )],
            Ok(date) => {
                let mut findings = vec![Finding::pass(Check::Ca, format!("{} answers", self.directory))];
                findings.extend(date.map(|date| clock(date, now)));
                findings
            }
        }
    }
}

fn clock(date: SystemTime, now: SystemTime) -> Finding {
    let (by, which) = match now.duration_since(date) {
        Ok(by) => (by, "ahead of"),
        Err(error) => (error.duration(), "behind"),
    };
    if by <= UNNOTICED {
        return Finding::pass(Check::Clock, format!("within {} seconds of the CA's", UNNOTICED.as_secs()));
    }
    Finding::warn(
        Check::Clock,
        format!("{} seconds {which} the CA's, where it is {}", by.as_secs(), rfc3339(date)),
        "Set the clock, best by NTP: sidegate goes by the CA's time, but clients and other programs do not.",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::parse_rfc3339;
    use crate::doctor::Outcome;

    #[test]
    fn a_clock_that_is_off_is_told_of_with_its_direction() {
        let moment = |text| parse_rfc3339(text).expect("a moment");
        let now = moment("2026-11-22T12:00:00Z");
        for (date, outcome, reason) in [
            ("2026-11-22T12:00:00Z", Outcome::Pass, "within 60 seconds of the CA's"),
            ("2026-11-22T12:01:00Z", Outcome::Pass, "within 60 seconds of the CA's"),
            (
                "2026-11-22T12:01:01Z",
                Outcome::Warn,
                "61 seconds behind the CA's, where it is 2026-11-22T12:01:01Z",
            ),
            (
                "2026-11-21T12:00:00Z",
                Outcome::Warn,
                "86400 seconds ahead of the CA's, where it is 2026-11-21T12:00:00Z",
            ),
        ] {
            let found = clock(moment(date), now);
            assert_eq!((found.outcome, found.reason.as_str()), (outcome, reason), "{date}");
        }
    }

    #[test]
    fn a_ca_that_does_not_answer_says_nothing_of_the_time() {
        let word = |answered| {
            Word { directory: "https://ca.test/dir".to_owned(), answered }.findings(SystemTime::UNIX_EPOCH)
        };
        let silent = word(Err("connection refused\u{1b}[2J".to_owned()));
        assert_eq!((silent.len(), silent[0].outcome), (1, Outcome::Fail));
        assert_eq!(silent[0].reason, "https://ca.test/dir gives no answer: connection refused\u{fffd}[2J");
        assert_eq!(word(Ok(None)).len(), 1);
        assert_eq!(word(Ok(Some(SystemTime::UNIX_EPOCH))).len(), 2);
    }
}
