//! A whole connection: the proxy on loopback with an app behind it. What has to hold is written where the tests hold
//! it too, and the proxy is set up as they do it.

#![no_main]
// The tests use more of this.
#![allow(dead_code)]

#[path = "../../tests/it/house/client.rs"]
mod client;
#[path = "../../tests/it/wire/connection.rs"]
mod connection;
#[path = "../../tests/it/wire/echo.rs"]
mod echo;
#[path = "../../tests/it/house/front.rs"]
mod front;
#[path = "../../tests/it/house/issued.rs"]
mod issued;
#[path = "../../tests/it/wire/reading.rs"]
mod reading;

use connection::Street;

thread_local! {
    static STREET: Street = Street::build();
}

libfuzzer_sys::fuzz_target!(|input: &[u8]| STREET.with(|street| street.check(input)));
