//! Where we accept a request, everybody else who accepts it understands the same.
//!
//! Requests are smuggled between two readers that do not agree where one ends. So connections are made up from a seed
//! and read by us, by llhttp (Node), by h11 and by hyper; each message that we and another one of them take must have
//! the same method, target, fields and body, and end at the same byte. What we refuse they may read as they like.
//!
//! A few thousand are compared with every run of the tests. `make differential` compares a million and more, by these
//! variables: `DIFFERENTIAL_INPUTS`, `DIFFERENTIAL_SECONDS` (an end, whichever comes first), `DIFFERENTIAL_SEED`.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::env;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use tokio::runtime::Builder;

use super::generator::{Dice, requests};
use super::oracles::{self, Others};
use super::reading::{End, Message, Reading, ours};

const THREADS: usize = 2;
const BATCH: usize = 200;

/// Who disagreed with us about what: how often, and what it was the first time.
type Disagreements = BTreeMap<(&'static str, &'static str), (usize, String)>;

/// What was compared, added up over all threads.
#[derive(Debug, Default)]
struct Counts {
    inputs: AtomicUsize,
    /// Inputs in which we accept something.
    accepted: AtomicUsize,
    /// Messages that we and another one have read.
    compared: AtomicUsize,
    disagreements: Mutex<Disagreements>,
}

#[test]
fn who_accepts_what_we_accept_understands_the_same() {
    let wanted = |name: &str| env::var(name).ok().and_then(|value| value.parse::<u64>().ok());
    let inputs = wanted("DIFFERENTIAL_INPUTS").unwrap_or(20_000) as usize;
    let seconds = wanted("DIFFERENTIAL_SECONDS").map(Duration::from_secs);
    let seed = wanted("DIFFERENTIAL_SEED").unwrap_or(1);
    let (counts, began) = (Counts::default(), Instant::now());
    thread::scope(|scope| {
        for number in 0..THREADS {
            let counts = &counts;
            scope.spawn(move || {
                let mut dice = Dice::new(seed.wrapping_mul(THREADS as u64).wrapping_add(number as u64));
                let mut rig = Rig::start();
                while counts.inputs.fetch_add(BATCH, Ordering::Relaxed) < inputs
                    && seconds.is_none_or(|limit| began.elapsed() < limit)
                {
                    rig.compare((0..BATCH).map(|_| requests(&mut dice)), counts);
                }
            });
        }
    });
    let Counts { inputs, accepted, compared, disagreements } = counts;
    let (inputs, accepted, compared) = (inputs.into_inner(), accepted.into_inner(), compared.into_inner());
    println!(
        "seed {seed}: {inputs} inputs, {accepted} accepted, {compared} messages in {:?}",
        began.elapsed()
    );
    let disagreements = disagreements.into_inner().expect("whole");
    let told = |((name, point), (times, first))| format!("{times} times, {name}: {point}\n{first}\n");
    let told: String = disagreements.into_iter().map(told).collect();
    assert!(told.is_empty(), "{told}");
    assert!(accepted * 3 > inputs, "enough of it is accepted to say something");
    assert!(compared > accepted * 3 / 2, "and by others too");
}

/// All readers.
struct Rig {
    others: Others,
    runtime: tokio::runtime::Runtime,
}

impl Rig {
    fn start() -> Self {
        let runtime = Builder::new_current_thread().build().expect("a runtime");
        Self { others: Others::start(), runtime }
    }

    fn compare(&mut self, inputs: impl Iterator<Item = Vec<u8>>, counts: &Counts) {
        let (inputs, ours): (Vec<Vec<u8>>, Vec<Reading>) = inputs
            .map(|input| {
                let ours = ours(&input);
                (input, ours)
            })
            .filter(|(_, ours)| !ours.messages.is_empty() || ours.end == End::Waits)
            .unzip();
        let others = self.others.read(&inputs);
        for ((input, ours), others) in inputs.iter().zip(&ours).zip(others) {
            counts.accepted.fetch_add(usize::from(!ours.messages.is_empty()), Ordering::Relaxed);
            let readings = Others::NAMES.into_iter().zip(others);
            for (name, theirs) in readings.chain([("hyper", oracles::hyper(&self.runtime, input))]) {
                let both = ours.messages.len().min(theirs.messages.len());
                counts.compared.fetch_add(both, Ordering::Relaxed);
                if let Some(point) = disagreement(ours, &theirs) {
                    let mut found = counts.disagreements.lock().expect("whole");
                    let (times, _) = found.entry((name, point)).or_insert_with(|| {
                        (0, format!("{}\nwe: {ours:?}\n{name}: {theirs:?}", input.escape_ascii()))
                    });
                    *times += 1;
                }
            }
        }
    }
}

/// On what two readers disagree, if they do.
fn disagreement(ours: &Reading, theirs: &Reading) -> Option<&'static str> {
    for (at, our) in ours.messages.iter().enumerate() {
        let Some(their) = theirs.messages.get(at) else {
            return (theirs.end == End::Waits).then_some("waits for more of a head that we have read");
        };
        if our.method != their.method || our.minor != their.minor {
            return Some("another method or version");
        }
        if our.target != their.target && as_uri(&our.target) != their.target {
            return Some("another target");
        }
        if sorted(our) != sorted(their) {
            return Some("other fields");
        }
        // llhttp takes a body for the beginning of the other protocol. We ask nobody to switch who sends a body.
        if theirs.end == End::Switches && at + 1 == theirs.messages.len() {
            return None;
        }
        let same = match (our.whole, their.whole) {
            (true, true) => our.body == their.body,
            // Whoever has less of it has no objection to what there is.
            (true, false) => theirs.end == End::Refuses && our.body.starts_with(&their.body),
            (false, true) => ours.end == End::Refuses && their.body.starts_with(&our.body),
            (false, false) => our.body.starts_with(&their.body) || their.body.starts_with(&our.body),
        };
        if !same {
            return Some("another body");
        }
    }
    let more = theirs.messages.len() > ours.messages.len();
    (more && ours.end == End::Waits).then_some("reads more than we do while we wait")
}

/// A target as hyper gives it out.
fn as_uri(target: &str) -> String {
    target.parse::<http::Uri>().map(|uri| uri.to_string()).unwrap_or_default()
}

/// Fields by name; those with the same name as they came.
fn sorted(message: &Message) -> Vec<(&str, Cow<'_, str>)> {
    let mut fields: Vec<_> = message
        .fields
        .iter()
        .map(|(name, value)| match name.as_str() {
            // h11 gives it out in lower case.
            name @ "transfer-encoding" => (name, value.to_ascii_lowercase().into()),
            name => (name, value.into()),
        })
        .collect();
    fields.sort_by_key(|&(name, _)| name);
    fields
}
