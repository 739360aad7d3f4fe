//! What the program is told: an object on its standard input, and the same as variables.

use std::path::Path;

use serde::Serialize;
use serde_json::Value;

use super::Occasion;
use crate::host::Call;
use crate::ident::{ItemId, Name};
use crate::store::journal::Entry;
use crate::store::layout::{self, File};
use crate::story::{Event, Moment};

/// Of what is told; fields may be added, none will change its meaning.
const VERSION: u32 = 1;

/// Every variable; each is `SIDEGATE_` and a field of the object.
pub(super) const VARIABLES: [&str; 19] = [
    "SIDEGATE_EVENT",
    "SIDEGATE_AT",
    "SIDEGATE_LINE",
    "SIDEGATE_ATTEMPT",
    "SIDEGATE_NAME",
    "SIDEGATE_NAMES",
    "SIDEGATE_STORAGE",
    "SIDEGATE_ITEM",
    "SIDEGATE_CERTIFICATE",
    "SIDEGATE_KEY",
    "SIDEGATE_PROVIDER",
    "SIDEGATE_REPLACES",
    "SIDEGATE_NOT_AFTER",
    "SIDEGATE_SERIAL",
    "SIDEGATE_REASON",
    "SIDEGATE_CA",
    "SIDEGATE_ERROR",
    "SIDEGATE_FAILURES",
    "SIDEGATE_AGAIN",
];

/// One thing that has happened. What does not belong to it is left out.
#[derive(Serialize)]
struct Notice<'a> {
    version: u32,
    event: &'static str,
    at: Moment,
    /// The line of the journal.
    line: u64,
    attempt: u32,
    /// The primary one.
    name: Option<&'a Name>,
    names: &'a [Name],
    storage: &'a str,
    #[serde(flatten)]
    files: Option<Files<'a>>,
    #[serde(flatten)]
    details: Details<'a>,
}

/// An item, and where its files stand. They may be gone when the program looks.
#[derive(Serialize)]
struct Files<'a> {
    item: &'a str,
    /// What is served: leaf and intermediates.
    certificate: String,
    key: String,
}

#[derive(Default, Serialize)]
struct Details<'a> {
    provider: Option<&'a str>,
    replaces: Option<&'a str>,
    not_after: Option<Moment>,
    serial: Option<&'a str>,
    reason: Option<&'a str>,
    ca: Option<&'a str>,
    error: Option<&'a str>,
    failures: Option<u32>,
    again: Option<Moment>,
}

/// How the program is told of an entry for the nth time.
pub(super) fn call(occasion: Occasion, entry: &Entry, attempt: u32, storage: &Path) -> Call {
    let record = &entry.record;
    let (item, details) = details(&record.event);
    let notice = Notice {
        version: VERSION,
        event: occasion.as_str(),
        at: record.at,
        line: entry.n,
        attempt,
        name: record.names.first(),
        names: &record.names,
        storage: &storage.to_string_lossy(),
        files: item.and_then(|item| Files::of(item, storage)),
        details,
    };
    let mut fields = match serde_json::to_value(notice) {
        Ok(Value::Object(fields)) => fields,
        // Names, words and moments always have a form in JSON.
        _ => serde_json::Map::new(),
    };
    fields.retain(|_, value| !value.is_null());
    let variables = fields.iter().filter(|(name, _)| *name != "version");
    let variables =
        variables.map(|(name, value)| (format!("SIDEGATE_{}", name.to_uppercase()), plain(value)));
    Call {
        variables: variables.collect(),
        input: format!("{}\n", Value::Object(fields.clone())).into_bytes(),
        ..Call::default()
    }
}

/// A value without JSON's marks; a list with spaces between.
fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(all) => all.iter().map(plain).collect::<Vec<_>>().join(" "),
        other => other.to_string(),
    }
}

impl<'a> Files<'a> {
    fn of(item: &'a str, storage: &Path) -> Option<Self> {
        let id = ItemId::parse(item).ok()?;
        let path = |file| storage.join(layout::item_file(&id, file).as_str()).to_string_lossy().into_owned();
        Some(Self { item, certificate: path(File::CrtChain), key: path(File::Key) })
    }
}

/// The item that an event is about, and what else is told of it.
fn details(event: &Event) -> (Option<&str>, Details<'_>) {
    match event {
        Event::Committed { item, provider, replaces, not_after, .. } => {
            let replaces = replaces.as_ref().map(|item| item.as_str());
            let provider = Some(provider.as_str());
            (Some(item.as_str()), Details { provider, replaces, not_after: *not_after, ..Details::default() })
        }
        Event::Failed { ca, error, failures, again, .. } => {
            let (ca, error) = (ca.as_ref().map(|ca| ca.as_str()), Some(error.as_str()));
            (None, Details { ca, error, failures: Some(*failures), again: *again, ..Details::default() })
        }
        Event::Expiring { item, not_after, .. } => {
            (Some(item.as_str()), Details { not_after: Some(*not_after), ..Details::default() })
        }
        Event::Revoked { item, reason } => {
            (Some(item.as_str()), Details { reason: Some(reason.as_str()), ..Details::default() })
        }
        Event::ServingProved { item, serial } => {
            (Some(item.as_str()), Details { serial: Some(serial.as_str()), ..Details::default() })
        }
        _ => (None, Details::default()),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::time::{Duration, SystemTime};

    use super::*;
    use crate::story::{Record, Text};

    const ITEM: &str = "20370101T000000.000000000Z-aaaaaaaaaaaaaaaa";

    fn events() -> Vec<Event> {
        let at = Moment(SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000));
        let item = || Text::from(ITEM);
        let committed = |replaces| Event::Committed {
            item: item(),
            provider: "letsencrypt".into(),
            replaces,
            pointers: Vec::new(),
            not_after: Some(at),
            stands_in: false,
        };
        vec![
            committed(None),
            committed(Some(item())),
            Event::Failed {
                ca: Some("https://ca.example/dir".into()),
                error: "no answer".into(),
                failures: 2,
                rule: "a rule".into(),
                again: Some(at),
            },
            Event::Expiring { item: item(), not_after: at, rule: "a rule".into() },
            Event::Revoked { item: item(), reason: "superseded".into() },
            Event::ServingProved { item: item(), serial: "0a".into() },
        ]
    }

    fn told(event: Event) -> Call {
        let names = ["a.example", "b.example"].map(|name| Name::parse(name).expect("a name")).to_vec();
        let at = Moment(SystemTime::UNIX_EPOCH);
        let occasion = Occasion::of(&event).expect("an occasion");
        let entry = Entry { n: 7, record: Record { at, names, event } };
        call(occasion, &entry, 2, Path::new("/var/lib/sidegate"))
    }

    #[test]
    fn every_occasion_is_told_and_every_variable_is_known() {
        let calls: Vec<Call> = events().into_iter().map(told).collect();
        let occasion = |call: &Call| {
            let event = call.variables.iter().find(|(name, _)| name == "SIDEGATE_EVENT");
            event.expect("it is told").1.clone()
        };
        let occasions: Vec<String> = calls.iter().map(occasion).collect();
        assert_eq!(occasions, Occasion::ALL.map(|occasion| occasion.to_string()));
        let used: BTreeSet<&str> =
            calls.iter().flat_map(|call| &call.variables).map(|(name, _)| name.as_str()).collect();
        assert_eq!(used, VARIABLES.into_iter().collect::<BTreeSet<&str>>());
    }

    #[test]
    fn paths_are_told_and_what_does_not_belong_to_it_is_not() {
        let call = told(Event::Revoked { item: ITEM.into(), reason: "superseded".into() });
        let object: Value = serde_json::from_slice(&call.input).expect("JSON");
        let place = format!("/var/lib/sidegate/database/items/{ITEM}");
        let expected = serde_json::json!({
            "version": 1,
            "event": "revoked",
            "at": "1970-01-01T00:00:00Z",
            "line": 7,
            "attempt": 2,
            "name": "a.example",
            "names": ["a.example", "b.example"],
            "storage": "/var/lib/sidegate",
            "item": ITEM,
            "certificate": format!("{place}/crt+chain.pem"),
            "key": format!("{place}/key.pem"),
            "reason": "superseded",
        });
        assert_eq!(object, expected);
        assert!(call.variables.contains(&("SIDEGATE_NAMES".to_owned(), "a.example b.example".to_owned())));
    }
}
