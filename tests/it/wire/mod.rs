//! HTTP/1.1 as bytes: what holds for any bytes whatever, and what others make of them.

mod checks;
mod connection;
mod differential;
mod echo;
mod generator;
mod oracles;
mod reading;

use std::fs;
use std::path::Path;

use crate::house::{client, front};
use connection::Street;
use generator::{Dice, damage};

/// Bytes made up for each target with every run of the tests; `make fuzz` goes on from there.
const ROUNDS: usize = 5_000;

#[test]
fn any_connection_is_answered_and_no_request_in_it_is_another_for_the_app() {
    let street = Street::build();
    run("connection", 1_000, |input| street.check(input), generator::requests);
    assert!(street.read() > 800, "and many are for the app: {}", street.read());
}

#[test]
fn any_request_head_is_read_or_refused() {
    run("request", ROUNDS, checks::request::check, generator::requests);
}

#[test]
fn any_response_head_is_read_or_refused() {
    run("response", ROUNDS, checks::response::check, generator::response);
}

#[test]
fn any_chunked_body_is_read_or_refused() {
    run("chunked", ROUNDS, checks::chunked::check, generator::chunks);
}

/// Checks the seeds of a fuzz target, each of them damaged in some ways, and bytes from a generator.
fn run(target: &str, rounds: usize, check: impl Fn(&[u8]), generate: fn(&mut Dice) -> Vec<u8>) {
    let mut dice = Dice::new(1);
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let mut seeds = 0;
    for entry in fs::read_dir(&corpus).expect("a corpus") {
        let seed = fs::read(entry.expect("a file").path()).expect("a seed");
        check(&seed);
        for _ in 0..50 {
            let mut input = seed.clone();
            damage(&mut dice, &mut input);
            check(&input);
        }
        seeds += 1;
    }
    assert!(seeds > 5, "{} has seeds", corpus.display());
    for _ in 0..rounds {
        check(&generate(&mut dice));
    }
}
