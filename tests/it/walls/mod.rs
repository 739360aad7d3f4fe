//! The walls of the house: who may name whom, and where a foreign crate may stand.
//!
//! Modules of one crate can name each other as they like; this test says no where the [`tables`] do. It
//! judges direction only. Test code is free.

mod source;
mod tables;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use self::source::Source;
use self::tables::{FOREIGN, ROOMS, Room};

#[test]
fn no_room_names_what_it_may_not() {
    let sources = sources();
    assert!(sources.len() > 10, "only {} files under src: is this the right directory?", sources.len());
    let faults: Vec<String> = sources.iter().flat_map(faults).collect();
    assert!(faults.is_empty(), "\n{}\n", faults.join("\n"));
}

#[test]
fn every_room_has_a_row() {
    let known: BTreeSet<&str> = ROOMS.iter().map(|room| room.name).collect();
    let without: BTreeSet<String> = sources()
        .iter()
        .map(|s| room_of(&s.file).to_owned())
        .filter(|r| !known.contains(r.as_str()))
        .collect();
    assert!(without.is_empty(), "rooms without a row in tests/it/walls/tables.rs: {without:?}");
}

#[test]
fn the_table_has_no_cycle() {
    let mut below: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for room in ROOMS {
        let own = room_of(room.name);
        let named = room.may_name.iter().filter(|n| !n.starts_with('*')).filter_map(|n| n.split("::").next());
        below.entry(own).or_default().extend(named);
    }
    // Whoever names only rooms that are gone can go; in a cycle nobody ever can.
    while let Some(free) = below.iter().find(|(_, named)| named.iter().all(|n| !below.contains_key(n))) {
        let free = *free.0;
        below.remove(free);
    }
    assert!(below.is_empty(), "these rooms name each other in a circle: {below:?}");
}

fn sources() -> Vec<Source> {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    collect(&src, &mut files);
    files.sort();
    files
        .iter()
        .map(|path| {
            let file = path.strip_prefix(&src).expect("found under src").to_string_lossy().into_owned();
            Source::read(&file, &fs::read_to_string(path).expect("a readable source file"))
        })
        .collect()
}

/// Every Rust file below `folder`, except those that hold tests only.
fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a readable folder") {
        let path = entry.expect("a readable entry").path();
        if path.file_stem().is_some_and(|stem| stem == "tests") {
            continue;
        }
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|e| e == "rs") {
            files.push(path);
        }
    }
}

fn room_of(file: &str) -> &str {
    file.split('/').next().unwrap_or(file).trim_end_matches(".rs")
}

fn faults(source: &Source) -> Vec<String> {
    let mut seen = BTreeSet::new();
    let mut faults = Vec::new();
    for named in &source.paths {
        let found = if named.path[0] == "crate" {
            wrong_room(source, &named.path)
        } else {
            wrong_crate(source, &named.path)
        };
        if let Some((what, cure)) = found
            && seen.insert(what.clone())
        {
            faults.push(format!("`{}` names `{what}` (line {}). {cure}", source.file, named.line));
        }
    }
    faults
}

fn wrong_room(source: &Source, path: &[String]) -> Option<(String, &'static str)> {
    let own = room_of(&source.file);
    let other = path.get(1)?;
    if other == own {
        return None;
    }
    if other == "*" {
        return Some(("crate::*".to_owned(), "Name what is needed, so that a reader sees the direction."));
    }
    let rows: Vec<&Room> = ROOMS.iter().filter(|room| stands_in(&source.file, room.name)).collect();
    if !ROOMS.iter().any(|room| room.name == other) {
        return Some((format!("crate::{other}"), "A new room needs a row in tests/it/walls/tables.rs."));
    }
    // In `store::Accounts` or `issuer::acme::Options` the first type is what is named.
    let first_type = path[2..].iter().find(|part| part.starts_with(|c: char| c.is_uppercase()));
    let allowed =
        rows.iter().flat_map(|room| room.may_name).any(|permission| match permission.split_once("::") {
            None => permission == other,
            Some((room, what)) => (room == "*" || room == other) && first_type.is_some_and(|t| t == what),
        });
    if allowed {
        return None;
    }
    let what = match first_type {
        Some(name)
            if rows.iter().any(|r| r.may_name.iter().any(|p| p.starts_with(&format!("{other}::")))) =>
        {
            format!("{other}::{name}")
        }
        _ => other.clone(),
    };
    Some((what, rows.last().map_or("", |room| room.cure)))
}

fn wrong_crate(source: &Source, path: &[String]) -> Option<(String, &'static str)> {
    FOREIGN.iter().find_map(|row| {
        let named = row.paths.iter().find(|foreign| {
            let parts: Vec<&str> = foreign.split("::").collect();
            path.len() >= parts.len() && parts.iter().zip(path).all(|(a, b)| a == b)
        })?;
        // A lone word is a variable as often as a crate; a crate is seen by what is taken out of it.
        let lone = path.len() == 1;
        let fine = lone || row.may_stand_in.iter().any(|place| stands_in(&source.file, place));
        (!fine).then(|| ((*named).to_owned(), row.cure))
    })
}

/// Whether `file` is `place.rs` or lies in the folder `place`.
fn stands_in(file: &str, place: &str) -> bool {
    file.strip_prefix(place).is_some_and(|rest| rest == ".rs" || rest.starts_with('/'))
}

/// What the checker says about one made-up file.
fn judge(file: &str, text: &str) -> Vec<String> {
    faults(&Source::read(file, text))
}

#[test]
fn a_broken_rule_is_named_with_its_cure() {
    assert_eq!(
        judge("proxy/http/forward.rs", "use http::Uri;\nuse crate::store::Store;\n"),
        [
            "`proxy/http/forward.rs` names `store` (line 2). The data plane sees certificates through `catalog::Resolver` only."
        ]
    );
    assert_eq!(
        judge("manager/plan.rs", "fn now() -> SystemTime { std::time::SystemTime::now() }"),
        [
            "`manager/plan.rs` names `std::time::SystemTime::now` (line 1). Take a `Clock`, or the time as an argument, so that a test can choose it."
        ]
    );
}

#[test]
fn every_way_of_naming_a_room_is_understood() {
    let ways = [
        "use crate::store::Item;",
        "use crate::{ident::Fqdn, store::{self, Item}};",
        "use super::super::super::store::Item;",
        "fn f() { let x = crate::store::sweep(); }",
        "pub use crate::store as cupboard;",
        "mod inner { use super::super::super::super::store::Item; }",
        "fn f(x: &[crate::store::Item]) {}",
        "macro_rules! m { () => { $crate::store::Item } }",
        "use sidegate::store::Item;",
    ];
    for way in ways {
        let found = judge("proxy/http/forward.rs", way);
        assert!(found.len() == 1 && found[0].contains("names `store`"), "{way}: {found:?}");
    }
}

#[test]
fn a_type_in_a_row_permits_that_type_only() {
    let fine = "use crate::catalog::{Resolver, Lookup};\nfn f() { crate::catalog::Resolver::lookup(); }";
    assert_eq!(judge("proxy/tls.rs", fine), Vec::<String>::new());
    let found = judge("proxy/tls.rs", "use crate::catalog::{Resolver, Publisher};");
    assert!(found[0].contains("names `catalog::Publisher`"), "{found:?}");
    assert_eq!(judge("proxy/tls.rs", "use crate::catalog;").len(), 1, "the whole room is more than the type");
    assert_eq!(judge("config/check.rs", "use crate::issuer::acme::Options;"), Vec::<String>::new());
    assert_eq!(judge("config/check.rs", "use crate::manager::Manager;").len(), 1);
}

#[test]
fn a_part_of_a_room_can_have_more_than_the_room() {
    assert_eq!(judge("store/fs/engine.rs", "use crate::host::limits;"), Vec::<String>::new());
    assert_eq!(judge("store/spool.rs", "use crate::host::limits;").len(), 1);
}

#[test]
fn every_way_of_naming_something_foreign_is_understood() {
    let ways = [
        ("manager/load.rs", "use std::{io, fs::File};", "std::fs"),
        ("manager/load.rs", "use std::fs;\nfn f() { fs::read(\"x\"); }", "std::fs"),
        (
            "manager/load.rs",
            "use tokio::task;\nfn f() { task::spawn_local(async {}); }",
            "tokio::task::spawn_local",
        ),
        (
            "manager/load.rs",
            "use std::time::SystemTime as Now;\nfn f() { Now::now(); }",
            "std::time::SystemTime::now",
        ),
        ("manager/load.rs", "fn f() { ::rustls::version(); }", "rustls"),
        ("proxy/listener.rs", "use hyper::body::Incoming;", "hyper"),
        ("ident/fqdn.rs", "use bytes::Bytes;", "bytes"),
    ];
    for (file, text, what) in ways {
        let found = judge(file, text);
        assert!(found.len() == 1 && found[0].contains(&format!("names `{what}`")), "{text}: {found:?}");
    }
}

#[test]
fn what_is_permitted_is_left_alone() {
    let fine = [
        ("proxy/tls.rs", "use rustls::ServerConfig;"),
        ("proxy/upstream/h2.rs", "use h2::client;"),
        ("store/fs/durable.rs", "use std::{fs, os::unix::fs::OpenOptionsExt};"),
        ("config/mod.rs", "use std::fs;"),
        ("app.rs", "use crate::{manager, proxy, store};\nfn f() { tokio::spawn(async {}); }"),
        ("main.rs", "use sidegate::{app, cli};\nfn main() { std::env::args_os(); }"),
        ("manager/load.rs", "fn f(hyper: u8) -> u8 { hyper + 1 }"),
    ];
    for (file, text) in fine {
        assert_eq!(judge(file, text), Vec::<String>::new(), "{file}: {text}");
    }
}

#[test]
fn comments_strings_and_tests_are_free() {
    let text = r##"
        //! Unlike `crate::store`, this `use crate::store::Item;` is prose.
        /* and /* so is */ use crate::store::Item; */
        fn words() -> [&'static str; 4] {
            let quote = '"';
            let escaped = '\'';
            ["use crate::store::Item;", r#"use "crate::store"::Item;"#, "\" crate::store::Item", b"crate::store::X"]
        }
        #[cfg(test)]
        use crate::store::{Item, Store};
        #[cfg(test)]
        #[allow(dead_code)]
        mod tests {
            use crate::store::Item;
        }
        #[cfg(test)]
        fn only_in_tests() -> crate::store::Item { loop {} }
    "##;
    assert_eq!(judge("proxy/tls.rs", text), Vec::<String>::new());
    let after = format!("{text}\nuse crate::store::Item;");
    assert_eq!(judge("proxy/tls.rs", &after).len(), 1, "reading goes on behind what was left out");
    assert_eq!(judge("proxy/tls.rs", "#[cfg(not(test))]\nuse crate::store::Item;").len(), 1);
}

#[test]
fn a_room_nobody_entered_in_the_table_is_a_fault() {
    let found = judge("proxy/tls.rs", "use crate::cellar::Wine;");
    assert!(found[0].contains("needs a row"), "{found:?}");
    assert_eq!(judge("clock.rs", "use crate::*;").len(), 1);
}
