//! What can happen.

use serde::{Deserialize, Serialize};

use super::{Basis, Moment, Text};
use crate::ident::Name;

/// Something that happened, when, and to which names; to none if it concerns the process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// When it was told.
    pub at: Moment,
    /// The names it is about, the primary one first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub names: Vec<Name>,
    /// What.
    #[serde(flatten)]
    pub event: Event,
}

/// What happened or was decided, with the rule and the values that it was decided by.
///
/// The name of a variant and its fields are what programs read: they may become more, and none will change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
#[expect(missing_docs, reason = "fields say the same everywhere, and what that is stands in docs/explain.md")]
pub enum Event {
    /// A process began.
    Started { version: Text, storage: Text },
    /// It took the role of the one that issues.
    Leads,
    /// It ended as it was asked to.
    Stopped,
    /// A configuration was taken over. Of many names the first are listed.
    Configured { certificates: usize, came: Vec<Name>, went: Vec<Name> },
    /// The clock was set, or corrected: everything is planned anew.
    Replanned { before: Moment, now: Moment },
    /// Pointers were compared with the items, and what did not fit was mended.
    Swept { outcome: Text, clean: bool },
    /// The journal's last line was torn by a crash, and was cut off.
    Mended { bytes: u64 },
    /// This many events are not in the journal: it could not be written, or not fast enough.
    Untold { events: u64 },
    /// A certificate was there at the start.
    Found { item: Text, provider: Text, issuer: Text, not_after: Moment, valid: bool },
    /// None was.
    Missing {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        ca: Option<Text>,
    },
    /// A selfsigned certificate was made and shown, since nothing else could be.
    StoodIn { why: Text },
    /// An attempt to get a certificate began.
    Due {
        provider: Text,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        ca: Option<Text>,
        why: Text,
        attempt: u32,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        basis: Option<Basis>,
    },
    /// The moment of the next renewal was found, or found anew.
    Planned(Basis),
    /// The CA said that our key has an account.
    AccountFound { ca: Text, account: Text },
    /// Our key was registered.
    AccountRegistered { ca: Text, account: Text, terms: Text },
    /// The account has another key.
    AccountRolledOver { ca: Text, account: Text },
    /// A limit of the CA left nothing for an order; it was not placed.
    HeldBack { ca: Text, limit: Text, until: Moment },
    /// It is tried out at another CA first.
    Rehearsing { ca: Text },
    /// How that went.
    Rehearsed { ca: Text, outcome: Text, well: bool },
    /// An order was placed.
    OrderPlaced {
        ca: Text,
        order: Text,
        why: Text,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        replaces: Option<Text>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        profile: Option<Text>,
    },
    /// An earlier attempt's order was gone on with.
    OrderResumed { order: Text, status: Text },
    /// An earlier attempt's order was left.
    OrderLeft { order: Text, why: Text },
    /// The CA takes the name for proved.
    ProvedBefore,
    /// A kind of challenge was chosen, and what speaks against the others that are configured.
    ChallengeChosen { kind: Text, why: Text, others: Vec<Text> },
    /// The answer is where the CA will look.
    ChallengePosted { kind: Text },
    /// The CA has found it.
    Validated { kind: Text },
    /// The CA has not found it.
    Unverified {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        kind: Option<Text>,
        detail: Text,
    },
    /// The request was sent.
    Finalized { order: Text },
    /// The certificate came.
    Received { serial: Text, issuer: Text, not_before: Moment, not_after: Moment },
    /// It is an item now, and survives a power cut.
    Committed {
        item: Text,
        provider: Text,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        replaces: Option<Text>,
        /// The families in which its names' pointers lead to it.
        pointers: Vec<Text>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        not_after: Option<Moment>,
        /// Whether it only takes the place of the one that a CA is asked for.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        stands_in: bool,
    },
    /// An item is there that somebody else has put there, such as `import`.
    TakenIn { item: Text, why: Text },
    /// Handshakes show it from now on.
    Served { item: Text, issuer: Text, not_after: Moment },
    /// An attempt failed.
    Failed {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        ca: Option<Text>,
        error: Text,
        failures: u32,
        rule: Text,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        again: Option<Moment>,
    },
    /// An attempt was ended before it could succeed or fail.
    Dropped { why: Text },
    /// What is served nears its end and has not been renewed.
    Expiring { item: Text, not_after: Moment, rule: Text },
    /// The name was gone back to an earlier item.
    Pinned { item: Text },
    /// It is not any more.
    Unpinned { why: Text },
    /// The CA was told not to stand by a certificate any more.
    Revoked { item: Text, reason: Text },
    /// It was asked to, and that went wrong.
    Unrevoked { item: Text, error: Text },
    /// A handshake of our own was shown it.
    ServingProved { item: Text, serial: Text },
    /// One was shown something else.
    ServingDisproved { item: Text, detail: Text },
    /// An item that nobody needs was removed.
    Pruned { item: Text, not_after: Moment, why: Text },
    /// A name that nobody has listed gets a certificate.
    DemandAllowed { why: Text },
    /// Somebody came for a name that gets none. Of names that strangers choose, a few a day are told.
    DemandDenied { why: Text },
    /// A name that was let in is not renewed any more.
    DemandWithdrawn { why: Text },
    /// A name that was let in is not looked after any more.
    DemandOver,
    /// The operator's hook was told of the event on that line.
    HookRan { hook: Text, line: u64, attempt: u32 },
    /// It was to be, and did not do what it should.
    HookFailed {
        hook: Text,
        line: u64,
        attempt: u32,
        error: Text,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        again: Option<Moment>,
    },
    /// This many lines were gone or damaged before a hook could be told of them.
    HookMissed { lines: u64 },
    /// An operator asked for something.
    Commanded { command: Text, by: Text },
    /// Something that a later version tells.
    #[serde(other)]
    Other,
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::*;

    #[test]
    fn a_record_is_one_flat_object() {
        let at = Moment(SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000));
        let name = Name::parse("example.com").expect("a name");
        let event = Event::Planned(Basis {
            renew_at: at,
            rule: "a rule".into(),
            item: "an item".into(),
            not_before: at,
            not_after: at,
            source: "crt.pem".into(),
            window: None,
        });
        let record = Record { at, names: vec![name], event };
        let text = serde_json::to_string(&record).expect("JSON");
        assert_eq!(
            text,
            "{\"at\":\"2027-01-15T08:00:00Z\",\"names\":[\"example.com\"],\"event\":\"planned\",\
             \"renew_at\":\"2027-01-15T08:00:00Z\",\"rule\":\"a rule\",\"item\":\"an item\",\
             \"not_before\":\"2027-01-15T08:00:00Z\",\"not_after\":\"2027-01-15T08:00:00Z\",\"source\":\"crt.pem\"}"
        );
        assert_eq!(serde_json::from_str::<Record>(&text).expect("a record"), record);
    }

    #[test]
    fn what_a_later_version_tells_is_no_damage() {
        let text = "{\"at\":\"2027-01-15T08:00:00Z\",\"event\":\"moved-to-mars\",\"planet\":4}";
        assert_eq!(serde_json::from_str::<Record>(text).expect("a record").event, Event::Other);
    }
}
