//! What a storage holds, and what of it may never get lost.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use serde_json::Value;
use sidegate::pki::crypto;
use sidegate::store::Kept;

/// Items, each with the digest of everything in it, and where the pointers lead.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Held {
    items: BTreeMap<String, String>,
    pointers: BTreeMap<String, String>,
    /// Items that somebody went back to, by the name.
    pins: BTreeMap<String, String>,
    /// How many places have been emptied into quarantine.
    pub(super) aside: usize,
}

impl Held {
    /// What this storage holds; nothing if there is none.
    pub(super) fn of(storage: &Path) -> Self {
        let mut held = Self { aside: emptied(&storage.join("quarantine")), ..Self::default() };
        let items = storage.join("database/items");
        for item in names(&items) {
            let mut all = Vec::new();
            for file in names(&items.join(&item)) {
                all.extend(file.as_bytes());
                all.extend(crypto::sha256(&fs::read(items.join(&item).join(&file)).unwrap_or_default()));
            }
            held.items.insert(item, crypto::hex(&crypto::sha256(&all)));
        }
        for family in ["latest-by-fqdn", "latest-letsencrypt-by-fqdn", "latest-selfsigned-by-fqdn"] {
            let folder = storage.join("database").join(family);
            for name in names(&folder) {
                let Ok(target) = fs::read_link(folder.join(&name)) else { continue };
                let item = target.file_name().expect("an item").to_string_lossy().into_owned();
                held.pointers.insert(format!("{family}/{name}"), item);
            }
        }
        for name in names(&storage.join("state/pins")) {
            let pin = fs::read(storage.join("state/pins").join(&name)).unwrap_or_default();
            let pin: Value = serde_json::from_slice(&pin).unwrap_or_default();
            held.pins.insert(name, pin["item"].as_str().unwrap_or_default().to_owned());
        }
        held
    }

    /// The item that is to be served for a name: the one that somebody went back to, else the newest.
    pub(super) fn best(&self, name: &str) -> Option<&str> {
        self.pins
            .get(name)
            .or_else(|| self.pointers.get(&format!("latest-by-fqdn/{name}")))
            .map(String::as_str)
    }

    /// The item that was committed first.
    pub(super) fn oldest(&self) -> Option<&str> {
        self.items.keys().next().map(String::as_str)
    }

    /// The same without these items.
    pub(super) fn without(mut self, items: &[String]) -> Self {
        self.items.retain(|item, _| !items.contains(item));
        self
    }

    /// The items that are not there any more.
    pub(super) fn gone_in(&self, later: &Self) -> Vec<String> {
        self.items.keys().filter(|item| !later.items.contains_key(*item)).cloned().collect()
    }

    /// What is worse later: an item that is gone or has changed, a pointer to an item that was there and now is gone or
    /// leads to an older one.
    pub(super) fn lost_in(&self, later: &Self) -> Vec<String> {
        let mut lost = Vec::new();
        for (item, digest) in &self.items {
            match later.items.get(item) {
                None => lost.push(format!("{item} is gone")),
                Some(now) if now != digest => lost.push(format!("{item} has changed")),
                Some(_) => {}
            }
        }
        for (pointer, item) in self.pointers.iter().filter(|(_, item)| self.items.contains_key(*item)) {
            let now = later.pointers.get(pointer);
            if now.is_none_or(|now| now < item) {
                lost.push(format!("{pointer} led to {item} and leads to {now:?}"));
            }
        }
        lost
    }
}

/// Where in a storage there is something that a copy holds, as far as it can be told from the name alone.
pub(super) fn copied(storage: &Path) -> BTreeSet<String> {
    let mut places = BTreeSet::new();
    let mut folders = vec![String::new()];
    while let Some(folder) = folders.pop() {
        for name in names(&storage.join(&folder)) {
            let place = if folder.is_empty() { name } else { format!("{folder}/{name}") };
            if Kept::at(&place).is_some() {
                places.insert(place);
            } else if storage.join(&place).symlink_metadata().is_ok_and(|meta| meta.is_dir()) {
                folders.push(place);
            }
        }
    }
    places
}

/// The names of what is set aside end with something random.
fn emptied(quarantine: &Path) -> usize {
    let places = names(quarantine).into_iter();
    places
        .map(|name| name.rsplit_once('-').map_or(name.clone(), |(place, _)| place.to_owned()))
        .collect::<BTreeSet<_>>()
        .len()
}

fn names(folder: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut names: Vec<_> =
        entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}
