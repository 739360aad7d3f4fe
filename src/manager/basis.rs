//! What a moment of renewal was computed from, for those who ask. Pure.

use super::inventory::Held;
use super::schedule;
use crate::store::Advised;
use crate::story::{Basis, Text, Window};

/// Why an item is renewed when it is, its CA's advice taken into account.
pub(super) fn basis(held: &Held, advised: Option<&Advised>) -> Basis {
    let (renew_at, rule) = schedule::due(held, advised);
    let window = advised.and_then(|advised| advised.drawn.as_ref()).map(|drawn| Window {
        start: drawn.start.into(),
        end: drawn.end.into(),
        explanation: drawn.explanation.as_deref().map(Text::from),
    });
    Basis {
        renew_at: renew_at.into(),
        rule: rule.words(held).into(),
        item: held.id.as_str().into(),
        not_before: held.not_before.into(),
        not_after: held.not_after.into(),
        source: "crt.pem".into(),
        window,
    }
}
