//! The head of a client's request. What has to hold is written where the tests hold it too.

#![no_main]

#[path = "../../tests/it/wire/checks/request.rs"]
mod checks;

libfuzzer_sys::fuzz_target!(|input: &[u8]| checks::check(input));
