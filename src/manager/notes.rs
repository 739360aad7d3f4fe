//! What is noted of an attempt, so that a later one can go on from there.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use async_trait::async_trait;

use super::Tools;
use super::plan::Step;
use crate::ident::Name;
use crate::issuer::{ChallengeKind, NoteError, OrderNote, Progress, Replacing};
use crate::store::{Draft, Issuance, StoreError};

/// The issuer's notes, kept in the draft's `issuance.json`.
pub(super) struct Notes<'a> {
    draft: &'a Draft,
    /// The order an earlier attempt left.
    order: Option<OrderNote>,
    noted: Mutex<Issuance>,
    tools: &'a Tools,
    step: &'a Step,
}

impl<'a> Notes<'a> {
    /// Reads what an earlier attempt noted; an order at another CA, or one that lacks the required profile, is not to
    /// be resumed. By what names were validated `before` is known as long as nothing newer is, and as long as the same
    /// kinds are configured in the same order: who changes that wants the first one to be tried.
    pub(super) async fn begin(
        draft: &'a Draft,
        tools: &'a Tools,
        step: &'a Step,
        before: Option<&Issuance>,
    ) -> Result<Self, StoreError> {
        let earlier = draft.issuance();
        let known = [before, earlier.as_ref()].into_iter().flatten();
        let configured = challenges(step);
        // Earlier versions did not note what was configured.
        let holds = |known: &&Issuance| known.challenges.is_empty() || known.challenges == configured;
        let known = known.filter(holds).flat_map(|issuance| issuance.validated.clone());
        let validated = known.filter(|(name, _)| step.wish.names().iter().any(|of| of.to_string() == *name));
        let validated = validated.collect();
        let noted = earlier.and_then(|noted| {
            let replacing = match (noted.replaces, noted.not_replacing) {
                (Some(id), _) => Replacing::Named(id),
                (None, Some(why)) => Replacing::Unnamed(why),
                (None, None) => Replacing::Nothing,
            };
            let (directory, account, order) = (noted.directory?, noted.account?, noted.order?);
            Some(OrderNote { directory, account, order, replacing, profile: noted.profile })
        });
        let required = step.profile().filter(|profile| profile.required);
        let order = noted.filter(|note| {
            Some(&*note.directory) == step.directory()
                && required.is_none_or(|profile| note.profile.as_ref() == Some(&profile.name))
        });
        let noted = Issuance { validated, ..issuance(step, order.as_ref(), tools.clock.now()) };
        draft.note_issuance(&noted).await?;
        Ok(Self { draft, order, noted: Mutex::new(noted), tools, step })
    }

    /// By which kind of challenge names were validated the last time, of the kinds that are known here.
    pub(super) fn validated(&self) -> Vec<(Name, ChallengeKind)> {
        let read = |(name, kind): (&String, &String)| Some((Name::parse(name).ok()?, kind.parse().ok()?));
        self.noted().validated.iter().filter_map(read).collect()
    }

    fn noted(&self) -> Issuance {
        self.noted.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn note(&self, noted: Issuance) -> Result<(), NoteError> {
        self.draft.note_issuance(&noted).await.map_err(|e| NoteError(e.to_string()))?;
        *self.noted.lock().unwrap_or_else(PoisonError::into_inner) = noted;
        Ok(())
    }
}

#[async_trait]
impl Progress for Notes<'_> {
    fn order(&self) -> Option<OrderNote> {
        self.order.clone()
    }

    async fn note_order(&self, order: &OrderNote) -> Result<(), NoteError> {
        let validated = self.noted().validated;
        self.note(Issuance { validated, ..issuance(self.step, Some(order), self.tools.clock.now()) }).await
    }

    async fn note_validated(&self, names: &[(Name, ChallengeKind)]) -> Result<(), NoteError> {
        let mut noted = self.noted();
        noted.validated.extend(names.iter().map(|(name, kind)| (name.to_string(), kind.to_string())));
        self.note(noted).await
    }
}

/// What `issuance.json` says of a step.
pub(super) fn issuance(step: &Step, order: Option<&OrderNote>, now: SystemTime) -> Issuance {
    let (replaces, not_replacing) = match order.map(|note| note.replacing.clone()).unwrap_or_default() {
        Replacing::Nothing => (None, None),
        Replacing::Named(id) => (Some(id), None),
        Replacing::Unnamed(why) => (None, Some(why)),
    };
    Issuance {
        replaces,
        not_replacing,
        directory: step.directory().map(str::to_owned),
        order: order.map(|note| note.order.clone()),
        account: order.map(|note| note.account.clone()),
        profile: order.and_then(|note| note.profile.clone()),
        validated: BTreeMap::new(),
        challenges: challenges(step),
        key_type: step.wish.key_type.as_str().to_owned(),
        why: step.why.clone(),
        noted: now,
    }
}

/// The kinds of challenge that are configured, as they are noted.
fn challenges(step: &Step) -> Vec<String> {
    step.wish.challenges.iter().map(ToString::to_string).collect()
}
