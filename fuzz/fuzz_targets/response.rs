//! The head of an upstream's response. What has to hold is written where the tests hold it too.

#![no_main]

#[path = "../../tests/it/wire/checks/response.rs"]
mod checks;

libfuzzer_sys::fuzz_target!(|input: &[u8]| checks::check(input));
