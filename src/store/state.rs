//! What is remembered about lineages between attempts, and across restarts.

use std::sync::Arc;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use super::engine::Engine;
use super::record::{self, Records};
use super::{StoreError, layout};
use crate::ident::{ItemId, Lineage, LineageId, Name, Names, Provider};

/// `state/lineages/<lineage id>.json`. Losing it costs an attempt too many, never a certificate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Written")]
pub struct LineageState {
    /// The lineage's names.
    #[serde(with = "super::moment::names")]
    pub names: Names,
    /// Who issues.
    pub provider: Provider,
    /// What is remembered of attempts, once for each CA.
    pub attempts: Vec<Attempts>,
    /// What the CA has said about renewing the newest item.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub advised: Option<Advised>,
}

/// What is remembered of a lineage's attempts at one CA. Neither a restart nor a reload forgets it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempts {
    /// The ACME directory of the CA; none where we sign ourselves.
    #[serde(default)]
    pub directory: Option<String>,
    /// How many have failed since the last success.
    #[serde(default)]
    pub failures: u32,
    /// Not before this moment again.
    #[serde(default, with = "super::moment::maybe_at")]
    pub next: Option<SystemTime>,
    /// Whether that moment is when a limit will allow what is in no hurry.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unhurried: bool,
    /// Whether another CA may give what this one did not give.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub elsewhere: bool,
    /// Why the last attempt failed.
    #[serde(default)]
    pub last_error: Option<String>,
    /// The name that could not be verified then, if it was that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed: Option<Name>,
    /// When.
    #[serde(default, with = "super::moment::maybe_at")]
    pub last_failure: Option<SystemTime>,
}

/// The record as it may stand on disk. There was a time when a lineage had one CA, and its attempts stood where the
/// CAs' list is now.
#[derive(Deserialize)]
struct Written {
    #[serde(with = "super::moment::names")]
    names: Names,
    provider: Provider,
    #[serde(default)]
    attempts: Vec<Attempts>,
    #[serde(default)]
    advised: Option<Advised>,
    #[serde(flatten)]
    only: Attempts,
}

impl From<Written> for LineageState {
    fn from(written: Written) -> Self {
        let Written { names, provider, mut attempts, advised, only } = written;
        if attempts.is_empty() && !only.is_blank() {
            attempts.push(only);
        }
        Self { names, provider, attempts, advised }
    }
}

impl LineageState {
    fn must_be_about(self, id: &LineageId) -> Result<(), StoreError> {
        let lineage = Lineage::new(self.names, self.provider);
        if lineage.id() == id {
            return Ok(());
        }
        Err(record::damaged(&layout::lineage_state(id), "it is about another lineage"))
    }
}

impl Attempts {
    /// Those at this CA, of which nothing is remembered.
    #[must_use]
    pub fn at(directory: Option<&str>) -> Self {
        Self { directory: directory.map(str::to_owned), ..Self::default() }
    }

    /// Whether nothing is remembered of them.
    #[must_use]
    pub fn is_blank(&self) -> bool {
        *self == Self::at(self.directory.as_deref())
    }

    /// Until when nothing is tried. A failure that lies ahead was noted by a clock that has been set back: what it says
    /// about moments means nothing.
    #[must_use]
    pub fn not_before(&self, now: SystemTime) -> Option<SystemTime> {
        self.next.filter(|_| self.last_failure.is_none_or(|failure| failure <= now))
    }
}

/// What a CA has said about renewing one item (RFC 9773).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Advised {
    /// The item.
    #[serde(with = "super::moment::item")]
    pub item: ItemId,
    /// When the CA is asked again.
    #[serde(with = "super::moment::at")]
    pub ask_at: SystemTime,
    /// The window it named, and what was drawn from it. None while it has not named one.
    #[serde(flatten)]
    pub drawn: Option<Drawn>,
}

/// A window to renew in, and the one moment in it that was drawn.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drawn {
    /// The window's first moment.
    #[serde(with = "super::moment::at")]
    pub start: SystemTime,
    /// The first moment after the window.
    #[serde(with = "super::moment::at")]
    pub end: SystemTime,
    /// Drawn once, and kept as long as the window is the same.
    #[serde(with = "super::moment::at")]
    pub renew_at: SystemTime,
    /// A page that tells people why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub explanation: Option<String>,
}

/// Reads and writes [`LineageState`].
#[derive(Clone)]
pub struct States {
    records: Records,
}

impl States {
    pub(super) fn new(engine: Arc<dyn Engine>) -> Self {
        Self { records: Records::new(engine) }
    }

    /// What is remembered about a lineage. A damaged record is set aside, and nothing is remembered then.
    ///
    /// # Errors
    ///
    /// [`StoreError::Engine`].
    pub async fn load(&self, id: &LineageId) -> Result<Option<LineageState>, StoreError> {
        self.records.load(&layout::lineage_state(id)).await
    }

    /// What is wrong with the record about a lineage, if anything. Nothing is changed.
    ///
    /// # Errors
    ///
    /// [`StoreError::Damaged`]; [`StoreError::Engine`] if it cannot be read.
    pub async fn check(&self, id: &LineageId) -> Result<(), StoreError> {
        let state = self.records.read::<LineageState>(&layout::lineage_state(id)).await?;
        state.map_or(Ok(()), |state| state.must_be_about(id))
    }

    /// Fails unless this is what can be remembered about the lineage.
    pub(super) fn prove(id: &LineageId, text: &[u8]) -> Result<(), StoreError> {
        record::parse::<LineageState>(&layout::lineage_state(id), text)?.must_be_about(id)
    }

    /// Remembers. It survives a power cut when this returns.
    ///
    /// # Errors
    ///
    /// [`StoreError::Engine`].
    pub async fn save(&self, id: &LineageId, state: &LineageState) -> Result<(), StoreError> {
        self.records.write(&layout::lineage_state(id), state).await
    }

    /// Forgets a lineage.
    ///
    /// # Errors
    ///
    /// [`StoreError::Engine`].
    pub async fn forget(&self, id: &LineageId) -> Result<(), StoreError> {
        self.records.remove(&layout::lineage_state(id)).await
    }

    /// The lineages something is remembered about.
    ///
    /// # Errors
    ///
    /// [`StoreError::Engine`].
    pub async fn list(&self) -> Result<Vec<LineageId>, StoreError> {
        let keys = self.records.list(&layout::lineages()).await?;
        let id = |name: &str| LineageId::parse(name.strip_suffix(".json")?).ok();
        Ok(keys.iter().filter_map(|key| id(key.name())).collect())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn moment(seconds: u64) -> Option<SystemTime> {
        Some(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds))
    }

    #[test]
    fn a_record_from_when_a_lineage_had_one_ca_is_read_without_loss() {
        let old = r#"{
            "names": ["example.com", "www.example.com"],
            "provider": "letsencrypt",
            "directory": "https://ca.example/dir",
            "failures": 3,
            "next": "2027-01-15T08:00:00Z",
            "unhurried": true,
            "last_error": "no answer",
            "failed": "www.example.com",
            "last_failure": "2027-01-15T07:59:00Z"
        }"#;
        let state: LineageState = serde_json::from_str(old).expect("a record");
        let expected = Attempts {
            directory: Some("https://ca.example/dir".to_owned()),
            failures: 3,
            next: moment(1_800_000_000),
            unhurried: true,
            elsewhere: false,
            last_error: Some("no answer".to_owned()),
            failed: Name::parse("www.example.com").ok(),
            last_failure: moment(1_799_999_940),
        };
        assert_eq!(state.attempts, [expected]);
        let after_success = r#"{"names": ["example.com"], "provider": "letsencrypt",
            "directory": "https://ca.example/dir", "failures": 0, "next": null, "last_error": null}"#;
        let state: LineageState = serde_json::from_str(after_success).expect("a record");
        assert_eq!(state.attempts, []);
    }

    #[test]
    fn attempts_at_each_ca_are_kept() {
        let at = |directory: &str, failures| Attempts {
            failures,
            next: moment(1_800_000_000),
            elsewhere: failures > 1,
            ..Attempts::at(Some(directory))
        };
        let state = LineageState {
            names: Names::parse_domain_list("example.com").expect("names"),
            provider: Provider::Letsencrypt,
            attempts: vec![at("https://one.example/dir", 1), at("https://two.example/dir", 2)],
            advised: None,
        };
        let text = serde_json::to_string(&state).expect("JSON");
        assert_eq!(serde_json::from_str::<LineageState>(&text).expect("a record"), state);
    }
}
