//! A shop with one name, which a Pebble signs: the scene of most tests of what an operator does.

use std::fs;
use std::path::PathBuf;

use super::front_of_ca::FrontOfCa;
use super::pebble::{Pebble, Settings};
use super::process::Place;

/// A place, a CA that reaches it, and the configuration; nothing of ours runs yet.
pub(crate) async fn shop() -> (Place, Pebble, PathBuf) {
    let place = Place::new();
    let pebble = Pebble::start(Settings::new(place.http, place.https)).await;
    let config = configured(&place, &pebble);
    (place, pebble, config)
}

/// A configuration with one name, which this CA signs.
pub(crate) fn configured(place: &Place, pebble: &Pebble) -> PathBuf {
    configured_at(place, &pebble.directory(), &pebble.api_root(), pebble)
}

/// The same, with the CA behind this front.
pub(crate) fn configured_through(place: &Place, front: &FrontOfCa, pebble: &Pebble) -> PathBuf {
    configured_at(place, &front.directory(), &front.api_root(), pebble)
}

fn configured_at(place: &Place, directory: &str, api_root: &[u8], pebble: &Pebble) -> PathBuf {
    let file = |name: &str, text: &[u8]| {
        let path = place.path(name);
        fs::write(&path, text).expect("written");
        path
    };
    let api = file("api.pem", api_root);
    let issuance = file("issuance.pem", &pebble.issuance_root());
    let acme = format!(
        "directory = {directory:?}\napi_root = {api:?}\nissuance_root = {issuance:?}\nchallenges = [\"http-01\"]\n"
    );
    place.configure(&acme, "[[site]]\ndomains = [\"shop.example.com\"]\nto = 3000\n")
}
