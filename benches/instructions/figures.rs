//! The recorded figures, and what may become of them.

use std::fmt;

use serde::{Deserialize, Serialize};

/// How many percent more an operation may cost than it did when the figures were recorded. Two runs differ by a few
/// tenths at most: what is random in a handshake takes more or less work, and once in a while the date changes.
const TOLERANCE: f64 = 2.0;

/// The same on a machine that counts differently. What is caught there is a blunder.
const ELSEWHERE: f64 = 20.0;

/// How many system calls more. Now and then a timer runs out, in one of a hundred exchanges.
const CALLS: f64 = 0.25;

/// Costs, and where they were counted.
#[derive(Debug, Clone, Deserialize, Serialize)]
pub(crate) struct Figures {
    pub(crate) machine: Machine,
    #[serde(rename = "operation")]
    pub(crate) costs: Vec<Cost>,
}

/// What a count depends on beside the code.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
pub(crate) struct Machine {
    pub(crate) rustc: String,
    pub(crate) libc: String,
    pub(crate) valgrind: String,
    /// As programs see it under valgrind.
    pub(crate) processor: String,
}

/// What one operation costs.
#[derive(Debug, Clone, Deserialize, Serialize)]
pub(crate) struct Cost {
    pub(crate) name: String,
    pub(crate) instructions: u64,
    /// Looks at the clock are among them, since valgrind has them go through the kernel.
    pub(crate) system_calls: f64,
}

/// What there is to say about new figures.
#[derive(Debug, Default)]
pub(crate) struct Verdict {
    pub(crate) notes: Vec<String>,
    pub(crate) faults: Vec<String>,
}

/// Between these two lines of a page stands the table.
const BEGIN: &str = "<!-- `make instructions-record` writes this table. -->\n";
const END: &str = "<!-- Its end. -->\n";

impl Figures {
    pub(crate) fn parse(text: &str) -> Self {
        toml::from_str(text).expect("figures")
    }

    pub(crate) fn to_toml(&self) -> String {
        let figures = toml::to_string(self).expect("figures");
        format!("# What the proxy's operations cost. Written by `make instructions-record`.\n\n{figures}")
    }

    /// Compares newer figures with these.
    pub(crate) fn judge(&self, newer: &Self) -> Verdict {
        let mut verdict = Verdict::default();
        let mut tolerance = TOLERANCE;
        if self.machine != newer.machine {
            tolerance = ELSEWHERE;
            verdict.notes.push(format!(
                "NOT THE WHOLE GATE: {ELSEWHERE} % more is allowed and not {TOLERANCE} %.\nrecorded by {}\ncounted by  {}",
                self.machine, newer.machine
            ));
        }
        for cost in &newer.costs {
            match self.cost(&cost.name) {
                Some(known) => verdict.compare(known, cost, tolerance),
                None => verdict.faults.push(format!("{}: was never recorded", cost.name)),
            }
        }
        let gone = self.costs.iter().filter(|known| newer.cost(&known.name).is_none());
        verdict.faults.extend(gone.map(|known| format!("{}: is no longer counted", known.name)));
        verdict
    }

    /// The page with the table of these figures in the place of the one it has.
    pub(crate) fn put_into(&self, page: &str) -> String {
        let (before, rest) = page.split_once(BEGIN).expect("the page has a place for the table");
        let (_, after) = rest.split_once(END).expect("the place has an end");
        let row = |cost: &Cost| {
            format!("| {} | {} | {} |\n", cost.name, grouped(cost.instructions), cost.system_calls)
        };
        let rows: String = self.costs.iter().map(row).collect();
        let head = "| operation | instructions | system calls |\n|---|---|---|\n";
        format!("{before}{BEGIN}\n{head}{rows}\n{END}{after}")
    }

    fn cost(&self, name: &str) -> Option<&Cost> {
        self.costs.iter().find(|cost| cost.name == name)
    }
}

impl Verdict {
    fn compare(&mut self, known: &Cost, newer: &Cost, tolerance: f64) {
        let change = (newer.instructions as f64 / known.instructions as f64 - 1.0) * 100.0;
        let told = format!(
            "{}: {} instructions, recorded are {} ({change:+.1} %)",
            newer.name, newer.instructions, known.instructions
        );
        if change > tolerance {
            self.faults.push(told);
        } else if change < -tolerance {
            self.notes.push(format!("{told}. Better: `make instructions-record` holds it"));
        }
        if newer.system_calls > known.system_calls + CALLS {
            self.faults.push(format!(
                "{}: {} system calls, recorded are {}",
                newer.name, newer.system_calls, known.system_calls
            ));
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for note in &self.notes {
            writeln!(f, "{note}")?;
        }
        for fault in &self.faults {
            writeln!(f, "WORSE: {fault}")?;
        }
        f.write_str(if self.faults.is_empty() {
            "no operation costs more than recorded"
        } else {
            "If that is meant to be: `make instructions-record`"
        })
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; {}; {}; {}", self.rustc, self.libc, self.valgrind, self.processor)
    }
}

impl fmt::Display for Cost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, instructions, system_calls } = self;
        write!(f, "{:>11} instructions {system_calls:>6} system calls  {name}", grouped(*instructions))
    }
}

/// With a comma before each three digits.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let groups = digits.as_bytes().rchunks(3).rev().map(|group| String::from_utf8_lossy(group).into_owned());
    groups.collect::<Vec<_>>().join(",")
}
