//! What a failure leads to: what is remembered of it, and when the next attempt is. Pure.

use std::time::{Duration, SystemTime};

use super::schedule::Ladder;
use crate::ident::Name;
use crate::issuer::Verdict;
use crate::store::Attempts;

/// An attempt that came to nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Whether and when to come back.
    pub verdict: Verdict,
    /// The error, in one line.
    pub story: String,
    /// The name that could not be verified, if it was that.
    pub name: Option<Name>,
    /// Whether another CA may give what this one did not give.
    pub elsewhere: bool,
    /// Whether the attempt was allowed the last of a limit.
    pub urgent: bool,
    /// When the certificate ends whose place was to be taken, if there is one.
    pub ends: Option<SystemTime>,
}

/// What a CA refuses it may have refused by mistake, so that it is asked again; but it refuses most things for a
/// reason. A restart ends the wait no sooner, since it may be one of a crash loop.
const AFTER_REFUSAL: Duration = Duration::from_secs(24 * 60 * 60);

/// The rung of the ladder at which what counts as no failure is tried again, every time.
const SOON: u32 = 1;

/// The rung of the ladder at which what is blocked is looked at again, every time.
const BLOCKED: u32 = 2;

/// The ladder leads no further than to this part of the time that is left until the certificate ends: a day is a third
/// of what there is to renew one of 160 hours.
const OF_WHAT_IS_LEFT: u32 = 8;
/// Not that the last hours are spent with nothing else.
const AT_LEAST: Duration = Duration::from_secs(2 * 60 * 60);

impl Failure {
    /// That of an attempt which panicked.
    pub(super) fn died() -> Self {
        let story = "the attempt died; the log says where".to_owned();
        Self { verdict: Verdict::Never, story, name: None, elsewhere: false, urgent: false, ends: None }
    }

    /// What is remembered of the attempts at this CA after a failure at `now`; `jitter` is 0 to 1. Nothing new, if all
    /// there is to do is to plan anew.
    #[must_use]
    pub fn after(self, before: Attempts, ladder: &Ladder, jitter: f64, now: SystemTime) -> Attempts {
        let Self { verdict, story, name, elsewhere, urgent, ends } = self;
        let counts = u32::from(matches!(verdict, Verdict::After(_) | Verdict::Never));
        let failures = before.failures.saturating_add(counts);
        let next = match verdict {
            Verdict::Replan => return before,
            Verdict::Soon => now + ladder.wait(SOON, jitter),
            Verdict::Wait(until) => until,
            // Somebody has to do something about it, and may have done so already.
            Verdict::Blocked => now + ladder.wait(BLOCKED, jitter),
            Verdict::After(until) => {
                let left = ends.and_then(|ends| ends.duration_since(now).ok());
                let most = left.map_or(Duration::MAX, |left| (left / OF_WHAT_IS_LEFT).max(AT_LEAST));
                let next = now + ladder.wait(failures, jitter).min(most);
                until.map_or(next, |until| until.max(next))
            }
            Verdict::Never => now + AFTER_REFUSAL,
        };
        Attempts {
            failures,
            next: Some(next),
            unhurried: matches!(verdict, Verdict::Wait(_)) && !urgent,
            elsewhere,
            last_error: Some(story),
            failed: name,
            last_failure: Some(now),
            ..before
        }
    }
}

/// The rule in words by which [`after`](Failure::after) found the next attempt, `failures` being those counted by then.
#[must_use]
pub(super) fn rule(verdict: Verdict, failures: u32, ladder: &Ladder) -> String {
    match verdict {
        Verdict::Replan => "at once, since nothing went wrong that counts".to_owned(),
        Verdict::Soon => {
            format!("{} later, since nothing went wrong that counts", length(ladder.wait(SOON, 0.0)))
        }
        Verdict::Wait(_) => "when the limit allows it".to_owned(),
        Verdict::Blocked => {
            let wait = length(ladder.wait(BLOCKED, 0.0));
            format!(
                "nothing was ordered, since that is certain to fail as things are; looked at again every {wait}"
            )
        }
        Verdict::After(said) => {
            let (wait, least) = (length(ladder.wait(failures, 0.0)), length(AT_LEAST));
            let ca = if said.is_some() { ", and not before the moment that the CA names" } else { "" };
            format!(
                "{wait} after failure {failures} in a row, up to a tenth longer, or an eighth of what is left of the \
                 certificate, but no less than {least}, if that is sooner{ca}"
            )
        }
        Verdict::Never => {
            format!("{} after a refusal, or at once when the configuration changes", length(AFTER_REFUSAL))
        }
    }
}

fn length(wait: Duration) -> String {
    match wait.as_secs() {
        seconds if seconds > 0 && seconds.is_multiple_of(3600) => format!("{} h", seconds / 3600),
        seconds if seconds > 0 && seconds.is_multiple_of(60) => format!("{} min", seconds / 60),
        _ => format!("{} s", wait.as_secs_f64()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000)
    }

    fn failure(verdict: Verdict, ends: Option<SystemTime>) -> Failure {
        Failure { verdict, story: "no".into(), name: None, elsewhere: false, urgent: false, ends }
    }

    fn after(before: Attempts, verdict: Verdict) -> Attempts {
        failure(verdict, None).after(before, &Ladder::default(), 0.0, now())
    }

    #[test]
    fn a_failure_is_a_step_up_the_ladder_and_not_sooner_than_the_ca_says() {
        let once = after(Attempts::default(), Verdict::After(None));
        assert_eq!((once.failures, once.next), (1, Some(now() + Duration::from_secs(60))));
        let twice = after(once.clone(), Verdict::After(Some(now() + Duration::from_secs(30))));
        assert_eq!((twice.failures, twice.next), (2, Some(now() + Duration::from_secs(600))));
        let limited = after(twice, Verdict::After(Some(now() + Duration::from_secs(900_000))));
        assert_eq!(limited.next, Some(now() + Duration::from_secs(900_000)));
        assert_eq!(after(once.clone(), Verdict::Replan), once);
    }

    #[test]
    fn the_rule_names_the_wait_that_was_taken() {
        let ladder = Ladder::new([0.5, 60.0, 86_400.0].map(Duration::from_secs_f64).to_vec());
        for (failures, wait) in [(1, "0.5 s after"), (2, "1 min after"), (3, "24 h after"), (9, "24 h after")]
        {
            let rule = rule(Verdict::After(None), failures, &ladder);
            assert!(rule.starts_with(wait) && !rule.contains("the CA names"), "{rule}");
        }
        assert!(rule(Verdict::After(Some(now())), 1, &ladder).ends_with("the CA names"));
        assert!(rule(Verdict::Blocked, 0, &ladder).ends_with("every 1 min"));
    }

    #[test]
    fn the_nearer_the_end_the_shorter_the_wait() {
        let wait = |hours_left: Option<u64>| {
            let ends = hours_left.map(|hours| now() + Duration::from_secs(hours * 3600));
            let before = Attempts { failures: 9, ..Attempts::default() };
            let after = failure(Verdict::After(None), ends).after(before, &Ladder::default(), 0.0, now());
            let next = after.next.expect("a moment");
            next.duration_since(now()).expect("later").as_secs() / 3600
        };
        assert_eq!([None, Some(720), Some(80), Some(4), Some(0)].map(wait), [24, 24, 10, 2, 2]);
    }

    #[test]
    fn what_is_no_failure_is_no_step() {
        let until = now() + Duration::from_secs(5);
        let waits = after(Attempts::default(), Verdict::Wait(until));
        assert_eq!((waits.failures, waits.next, waits.unhurried), (0, Some(until), true));
        let again = after(Attempts { failures: 7, ..Attempts::default() }, Verdict::Soon);
        assert_eq!((again.failures, again.next), (7, Some(now() + Duration::from_secs(60))));
        assert!(!again.unhurried);
        let blocked = after(Attempts { failures: 7, ..Attempts::default() }, Verdict::Blocked);
        assert_eq!((blocked.failures, blocked.next), (7, Some(now() + Duration::from_secs(600))));
        assert_eq!(after(Attempts::default(), Verdict::Never).next, Some(now() + AFTER_REFUSAL));
    }
}
