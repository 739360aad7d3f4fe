//! How the calls of the program go, for whoever watches over it.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use tracing::debug;

use super::Occasion;
use crate::clock::rfc3339;
use crate::ident::Name;
use crate::store::fs::journal::Reader;
use crate::story::{Event, Moment, Text};

/// What is known of the calls. Cloning shares it.
///
/// That a call failed is over when one for the same kind of event has done what it should, and when the configuration
/// is taken over anew: whoever did that has looked at it. The journal tells all of it to the next process.
#[derive(Clone, Default)]
pub struct Calls(Arc<Mutex<Course>>);

#[derive(Default)]
struct Course {
    running: Option<Running>,
    /// By kind of event.
    failed: BTreeMap<String, Failure>,
    /// This many events were lost before it was told of them.
    lost: u64,
    /// Why nothing is called at all.
    stuck: Option<String>,
}

/// A call that has not ended.
struct Running {
    hook: Occasion,
    name: Option<Name>,
    since: SystemTime,
    patience: Duration,
}

/// The last call for a kind of event, if it failed.
struct Failure {
    name: Option<Name>,
    at: Moment,
    error: Text,
    again: Option<Moment>,
}

impl Calls {
    /// As the journal of the storage in this directory tells, where no process can be asked.
    #[must_use]
    pub fn of_storage(storage: &Path) -> Self {
        let (calls, mut reader) = (Self::default(), Reader::new(storage));
        let (mut lines, mut more) = (Vec::new(), true);
        while more {
            more = reader.read_segment(&mut lines).unwrap_or_else(|error| {
                debug!(%error, "how the calls of hooks went cannot be read");
                false
            });
            for entry in lines.drain(..).flatten() {
                calls.hear(&entry.record.names, entry.record.at, &entry.record.event);
            }
        }
        calls
    }

    /// What somebody should look at now, a sentence each.
    #[must_use]
    pub fn trouble(&self, now: SystemTime) -> Vec<String> {
        let course = self.course();
        let stuck = course.stuck.as_ref().map(|why| format!("the hook is not called: {why}"));
        let hangs = course.running.as_ref().filter(|running| running.hangs(now)).map(|running| {
            let Running { hook, name, since, .. } = running;
            let since = rfc3339(*since);
            format!(
                "the hook has been running since {since} for {hook}{}, and all else waits for it",
                of(name.as_ref())
            )
        });
        let failed = course.failed.iter().map(|(hook, failure)| {
            let Failure { name, at, error, again } = failure;
            let then = again.map_or_else(|| "given up".to_owned(), |again| format!("again {again}"));
            format!("the hook failed for {hook}{} at {at} ({then}): {error}", of(name.as_ref()))
        });
        let lost = (course.lost > 0)
            .then(|| format!("the hook was not told of {} lines, which are not in the journal", course.lost));
        stuck.into_iter().chain(hangs).chain(failed).chain(lost).collect()
    }

    /// From here on what was is no trouble any more.
    pub fn forgive(&self) {
        let mut course = self.course();
        (course.failed, course.lost) = (BTreeMap::new(), 0);
    }

    /// Something was told of these names; what has nothing to do with a hook is passed over.
    pub(super) fn hear(&self, names: &[Name], at: Moment, event: &Event) {
        let mut course = self.course();
        match event {
            Event::HookRan { hook, .. } => drop(course.failed.remove(hook.as_str())),
            Event::HookFailed { hook, error, again, .. } => {
                let failure =
                    Failure { name: names.first().cloned(), at, error: error.clone(), again: *again };
                course.failed.insert(hook.to_string(), failure);
            }
            Event::HookMissed { lines: lost } | Event::Untold { events: lost } => {
                course.lost = course.lost.saturating_add(*lost);
            }
            Event::Configured { .. } => {
                drop(course);
                self.forgive();
            }
            _ => {}
        }
    }

    /// The program is called, and has so long.
    pub(super) fn begin(&self, hook: Occasion, names: &[Name], patience: Duration, since: SystemTime) {
        let name = names.first().cloned();
        self.course().running = Some(Running { hook, name, since, patience });
    }

    /// It has ended.
    pub(super) fn end(&self) {
        self.course().running = None;
    }

    /// Notes why nothing can be called; `None` once it can.
    pub fn set_stuck(&self, why: Option<String>) {
        self.course().stuck = why;
    }

    fn course(&self) -> MutexGuard<'_, Course> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Running {
    /// Whether it has taken half of the time it has: one that does its work ends sooner.
    fn hangs(&self, now: SystemTime) -> bool {
        now.duration_since(self.since).is_ok_and(|taken| taken >= self.patience / 2)
    }
}

fn of(name: Option<&Name>) -> String {
    name.map(|name| format!(" of {name}")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000 + seconds)
    }

    fn name() -> Name {
        Name::parse("example.com").expect("a name")
    }

    fn failed(hook: &str, attempt: u32, again: Option<u64>) -> Event {
        let again = again.map(|again| at(again).into());
        Event::HookFailed { hook: hook.into(), line: 7, attempt, error: "no such thing".into(), again }
    }

    fn ran(hook: &str) -> Event {
        Event::HookRan { hook: hook.into(), line: 7, attempt: 1 }
    }

    #[test]
    fn a_failure_is_told_until_the_same_has_been_done_or_somebody_has_looked() {
        let calls = Calls::default();
        let hear = |event: &Event| calls.hear(&[name()], at(0).into(), event);
        hear(&failed("issued", 1, Some(10)));
        let told = "the hook failed for issued of example.com at 2027-01-15T08:00:00Z \
                    (again 2027-01-15T08:00:10Z): no such thing";
        assert_eq!(calls.trouble(at(1)), [told]);
        hear(&failed("issued", 2, None));
        hear(&ran("served"));
        assert!(calls.trouble(at(1))[0].contains("(given up)"), "{:?}", calls.trouble(at(1)));
        hear(&ran("issued"));
        assert_eq!(calls.trouble(at(1)), Vec::<String>::new());
        hear(&failed("issued", 3, None));
        hear(&failed("failed", 3, None));
        hear(&Event::HookMissed { lines: 3 });
        hear(&Event::Untold { events: 4 });
        assert_eq!(calls.trouble(at(1)).len(), 3);
        assert!(calls.trouble(at(1))[2].contains("not told of 7 lines"), "{:?}", calls.trouble(at(1)));
        hear(&Event::Configured { certificates: 1, came: Vec::new(), went: Vec::new() });
        assert_eq!(calls.trouble(at(1)), Vec::<String>::new());
    }

    #[test]
    fn a_call_hangs_when_it_has_taken_half_of_its_time() {
        let calls = Calls::default();
        calls.begin(Occasion::Issued, &[name()], Duration::from_secs(30), at(0));
        assert_eq!(calls.trouble(at(14)), Vec::<String>::new());
        let told = "the hook has been running since 2027-01-15T08:00:00Z for issued of example.com, \
                    and all else waits for it";
        assert_eq!(calls.trouble(at(15)), [told]);
        calls.end();
        assert_eq!(calls.trouble(at(15)), Vec::<String>::new());
        calls.set_stuck(Some("no journal".to_owned()));
        assert_eq!(calls.trouble(at(15)), ["the hook is not called: no journal"]);
    }
}
