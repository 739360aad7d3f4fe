//! The gate on instruction counts: what it lets pass and what it does not. The counting itself is a bench.

#[path = "../../benches/instructions/figures.rs"]
mod figures;

use figures::{Cost, Figures, Machine};

fn cost(name: &str, instructions: u64, system_calls: f64) -> Cost {
    Cost { name: name.to_owned(), instructions, system_calls }
}

fn figures(costs: &[Cost]) -> Figures {
    let machine = Machine {
        rustc: "rustc 1.95.0".to_owned(),
        libc: "glibc 2.36".to_owned(),
        valgrind: "valgrind-3.19.0".to_owned(),
        processor: "x86_64 avx2".to_owned(),
    };
    Figures { machine, costs: costs.to_vec() }
}

fn recorded() -> Figures {
    figures(&[cost("look-up", 1_000, 0.0), cost("exchange", 36_600, 21.0)])
}

/// What the gate says when an exchange costs so much now.
fn faults(instructions: u64, system_calls: f64) -> Vec<String> {
    let now = figures(&[cost("look-up", 1_000, 0.0), cost("exchange", instructions, system_calls)]);
    recorded().judge(&now).faults
}

#[test]
fn what_chance_adds_is_let_pass() {
    assert_eq!(faults(36_700, 21.01), [""; 0]);
}

#[test]
fn three_percent_more_instructions_are_a_fault() {
    assert_eq!(faults(37_698, 21.0), ["exchange: 37698 instructions, recorded are 36600 (+3.0 %)"]);
}

#[test]
fn one_more_system_call_is_a_fault() {
    assert_eq!(faults(36_600, 22.0), ["exchange: 22 system calls, recorded are 21"]);
}

#[test]
fn what_is_better_is_no_fault_but_is_said() {
    let verdict = recorded().judge(&figures(&[cost("look-up", 900, 0.0), cost("exchange", 36_600, 21.0)]));
    assert!(verdict.faults.is_empty(), "{verdict}");
    assert!(
        verdict.notes[0].starts_with("look-up: 900 instructions, recorded are 1000 (-10.0 %)"),
        "{verdict}"
    );
}

#[test]
fn a_figure_that_is_missing_on_either_side_is_a_fault() {
    let fewer = figures(&[cost("look-up", 1_000, 0.0)]);
    assert_eq!(recorded().judge(&fewer).faults, ["exchange: is no longer counted"]);
    assert_eq!(fewer.judge(&recorded()).faults, ["exchange: was never recorded"]);
}

#[test]
fn another_machine_is_named_and_only_blunders_are_faults_there() {
    let elsewhere = |instructions| {
        let mut now = figures(&[cost("look-up", 1_000, 0.0), cost("exchange", instructions, 21.0)]);
        now.machine.libc = "glibc 2.41".to_owned();
        recorded().judge(&now)
    };
    let verdict = elsewhere(40_000);
    assert!(verdict.faults.is_empty(), "{verdict}");
    assert!(verdict.notes[0].contains("glibc 2.36") && verdict.notes[0].contains("glibc 2.41"), "{verdict}");
    assert_eq!(elsewhere(46_000).faults.len(), 1);
}

#[test]
fn what_is_recorded_is_what_is_read_again() {
    let text = recorded().to_toml();
    assert_eq!(Figures::parse(&text).to_toml(), text);
    assert!(Figures::parse(&text).judge(&recorded()).faults.is_empty());
}

#[test]
fn a_new_table_takes_the_place_of_the_old_one() {
    let page = include_str!("../../docs/performance.md");
    let with_table = recorded().put_into(page);
    assert!(with_table.contains("| exchange | 36,600 | 21 |\n"), "{with_table}");
    let again = Figures::parse(include_str!("../../benches/instructions/figures.toml")).put_into(&with_table);
    assert_eq!(again, page, "figures.toml and docs/performance.md are written together");
}
