//! What operations of the proxy cost, in instructions and system calls.
//!
//! Time on a shared machine says nothing about a percent; counts do. A process with one worker of the proxy and
//! nothing else runs under callgrind ([`count`]) and is asked for a few operations, then another one for many: what
//! the second spent more is what the operations cost, and start and end are not in it. Whoever asks is a process of
//! its own, which is not counted and says nothing before the proxy sleeps ([`paced`]): so it takes the same path each
//! time.
//!
//! A figure is compared with the recorded one in `figures.toml`, and may be a little larger ([`figures`]). Compilers,
//! C libraries and processors count differently without anybody's fault, so the file says where it was recorded;
//! anywhere else much more is allowed, and the gate says that it is not the whole gate.
//!
//! ```text
//! make instructions                 compares
//! make instructions-record          writes figures.toml, and the table in docs/performance.md
//! cargo test --bench instructions   does each operation once, uncounted
//! ```

mod client;
mod count;
mod figures;
#[path = "../house/mod.rs"]
mod house;
mod machine;
mod measured;
mod operation;
mod paced;

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use figures::{Cost, Figures};
use operation::Operation;

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        ["--measured", operation, times, backend] => measured::run(
            Operation::ALL.into_iter().find(|known| format!("{known:?}") == operation).expect("an operation"),
            times.parse().expect("a number"),
            backend.parse().expect("an address"),
        ),
        ["--features"] => println!("{}", machine::features()),
        _ if words.contains(&"--record") => record(&measure()),
        _ if words.contains(&"--bench") => return compare(&measure()),
        _ => Operation::ALL.into_iter().for_each(count::try_once),
    }
    ExitCode::SUCCESS
}

/// The figures of this code on this machine.
fn measure() -> Figures {
    let machine = machine::describe();
    let costs = Operation::ALL.into_iter().map(|operation| {
        let (times, start) = (operation.times(), operation.times() / 10);
        let (less, more) = (count::callgrind(operation, start), count::callgrind(operation, start + times));
        let each = |less: u64, more: u64| (more - less) as f64 / f64::from(times);
        let cost = Cost {
            name: operation.title().to_owned(),
            instructions: each(less.instructions, more.instructions).round() as u64,
            system_calls: (each(less.system_calls, more.system_calls) * 10.0).round() / 10.0,
        };
        println!("{cost}");
        cost
    });
    Figures { machine, costs: costs.collect() }
}

fn compare(measured: &Figures) -> ExitCode {
    let recorded = Figures::parse(&fs::read_to_string(path(FIGURES)).expect("the recorded figures"));
    let verdict = recorded.judge(measured);
    println!("\n{verdict}");
    if verdict.faults.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn record(measured: &Figures) {
    fs::write(path(FIGURES), measured.to_toml()).expect("written");
    let page = fs::read_to_string(path(PAGE)).expect("the page");
    fs::write(path(PAGE), measured.put_into(&page)).expect("written");
    println!("\nrecorded in {FIGURES} and {PAGE}");
}

const FIGURES: &str = "benches/instructions/figures.toml";
const PAGE: &str = "docs/performance.md";

fn path(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(file)
}
