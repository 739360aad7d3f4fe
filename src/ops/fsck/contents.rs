//! What the files hold, as the store itself judges it.

use std::path::Path;

use super::finding::{Finding, Remedy};
use super::tree::Misplaced;
use crate::ident::ItemId;
use crate::store::sweep::{Found, Wrong, survey};
use crate::store::{AccountId, EngineError, Prefix, Store, StoreError, layout};

/// Adds what is wrong with items, pointers, drafts, accounts and notes; returns how many items are whole.
///
/// What is `misplaced` has been found already.
pub(super) async fn look(
    store: &Store,
    misplaced: &Misplaced,
    findings: &mut Vec<Finding>,
) -> Result<usize, StoreError> {
    let mut look = Look { store, misplaced, findings };
    let whole = unless_misplaced(look.database().await)?;
    unless_misplaced(look.accounts().await)?;
    unless_misplaced(look.notes().await)?;
    Ok(whole)
}

/// What is no folder cannot be looked into; the tree has shown it, and once it is out of the way there is another look.
fn unless_misplaced<T: Default>(looked: Result<T, StoreError>) -> Result<T, StoreError> {
    match looked {
        Err(StoreError::Engine(EngineError::Foreign { .. })) => Ok(T::default()),
        other => other,
    }
}

struct Look<'a> {
    store: &'a Store,
    misplaced: &'a Misplaced,
    findings: &'a mut Vec<Finding>,
}

impl Look<'_> {
    fn found(&mut self, place: &Prefix, wrong: impl Into<String>, remedy: Remedy) {
        if !self.misplaced.contains(Path::new(place.as_str())) {
            self.findings.push(Finding::new(place.as_str(), wrong, remedy));
        }
    }

    /// Whether something is damaged only because of what the tree has shown already.
    fn is_misplaced(&self, error: &StoreError) -> bool {
        matches!(error, StoreError::Damaged { place, .. } if self.misplaced.contains(Path::new(place.as_str())))
    }

    async fn database(&mut self) -> Result<usize, StoreError> {
        let survey = survey(self.store).await?;
        for (id, error) in &survey.items.damaged {
            if self.is_misplaced(error) {
                continue;
            }
            self.found(&layout::item(id), whole_of(&layout::item(id), error), Remedy::MoveAway);
        }
        for (id, error) in &survey.items.unreadable {
            self.unreadable(&layout::item(id), error);
        }
        for id in self.store.database().items().await? {
            // Those that are damaged have been found.
            for blemish in self.store.database().blemishes(&id).await.unwrap_or_default() {
                self.blemish(&id, &blemish);
            }
        }
        for wrong in survey.pointers {
            self.pointer(wrong);
        }
        for id in survey.drafts {
            self.judge(&layout::draft(&id), self.store.spool().check(&id).await);
        }
        Ok(survey.items.whole)
    }

    /// An item does not change, and what is served from this one is whole.
    fn blemish(&mut self, id: &ItemId, blemish: &StoreError) {
        let advice =
            "nobody reads it, so the certificate is served; once it has been renewed, move the item away";
        self.found(
            &layout::item(id),
            whole_of(&layout::item(id), blemish),
            Remedy::Person(advice.to_owned()),
        );
    }

    fn pointer(&mut self, wrong: Wrong) {
        let Wrong { family, name, found, best } = wrong;
        let place = layout::pointer(family, &name).as_prefix();
        let wrong = match found {
            Found::Nothing => "is missing".to_owned(),
            Found::Foreign => "is not a relative link to an item".to_owned(),
            Found::Link(target) if target.folder() != layout::items() => {
                format!("leads to {target}, which is no item")
            }
            Found::Link(target) => match &best {
                Some(_) => format!("leads to {}, not to the newest whole item of this name", target.name()),
                None => format!("leads to {}, and there is no whole item of this name", target.name()),
            },
        };
        let remedy = best.map_or(Remedy::MoveAway, |best| Remedy::Lead(best.to_string()));
        self.found(&place, wrong, remedy);
    }

    async fn accounts(&mut self) -> Result<(), StoreError> {
        let accounts = self.store.accounts();
        let (mut whole, mut registered) = (Vec::new(), None);
        for (id, sound) in accounts.check().await? {
            let place = layout::account(&id);
            match sound {
                Ok(is_registered) => {
                    if is_registered {
                        registered.get_or_insert_with(|| id.clone());
                    }
                    whole.push(id);
                }
                Err(error) if is_about(&error, &layout::public_key(&id)) => {
                    self.public_key(&id, &error).await?;
                    whole.push(id);
                }
                Err(error) => self.judge(&place, Err(error)),
            }
        }
        for id in accounts.changing().await? {
            let place = layout::next_account_key(&id).as_prefix();
            self.judge(&place, accounts.check_next_key(&id).await);
        }
        let chosen = registered.or_else(|| whole.first().cloned());
        self.current(&whole, chosen).await
    }

    /// It is made from the private one, once nothing is in its place.
    async fn public_key(&mut self, id: &AccountId, error: &StoreError) -> Result<(), StoreError> {
        let remedy = match self.store.accounts().has_public(id).await? {
            true => Remedy::MoveAway,
            false => Remedy::PublicKey(id.clone()),
        };
        let place = layout::public_key(id);
        self.found(&place, whole_of(&place, error), remedy);
        Ok(())
    }

    async fn current(&mut self, whole: &[AccountId], choice: Option<AccountId>) -> Result<(), StoreError> {
        let place = layout::current_account().as_prefix();
        let wrong = match self.store.accounts().current_target().await {
            Ok(None) if choice.is_none() => return Ok(()),
            Ok(None) => "is missing".to_owned(),
            Ok(Some(target)) if whole.iter().any(|id| layout::account(id) == target) => return Ok(()),
            Ok(Some(target)) => format!("leads to {target}, which is no whole account"),
            Err(StoreError::Engine(EngineError::Foreign { what, .. })) => what.to_owned(),
            Err(error) => return Err(error),
        };
        self.found(&place, wrong, choice.map_or(Remedy::MoveAway, Remedy::Choose));
        Ok(())
    }

    async fn notes(&mut self) -> Result<(), StoreError> {
        self.judge(&layout::ledger().as_prefix(), self.store.ledger().check().await);
        self.judge(&layout::demanded().as_prefix(), self.store.demands().check().await);
        self.judge(&layout::hooked().as_prefix(), self.store.hooks().check().await);
        for id in self.store.states().list().await? {
            self.judge(&layout::lineage_state(&id).as_prefix(), self.store.states().check(&id).await);
        }
        for (place, checked) in self.store.pins().check().await? {
            self.judge(&place.as_prefix(), checked);
        }
        for (place, checked) in self.store.pins().check_revoked().await? {
            let place = place.as_prefix();
            match checked {
                // Without it the item would count as good.
                Err(error @ StoreError::Damaged { .. }) => {
                    let advice = "it counts as revoked; `sidegate revoke` of the item writes the note anew";
                    self.found(&place, whole_of(&place, &error), Remedy::Person(advice.to_owned()));
                }
                checked => self.judge(&place, checked),
            }
        }
        Ok(())
    }

    /// What is damaged goes out of the way; what cannot be read is a person's.
    fn judge(&mut self, place: &Prefix, checked: Result<(), StoreError>) {
        match checked {
            Ok(()) => {}
            // The tree has shown it.
            Err(error) if self.is_misplaced(&error) => {}
            Err(error @ StoreError::Damaged { .. }) => {
                self.found(place, whole_of(place, &error), Remedy::MoveAway);
            }
            // Gone since the listing.
            Err(error) if error.is_absent() => {}
            // Another kind of thing stands there, which the tree has shown.
            Err(StoreError::Engine(EngineError::Foreign { .. })) => {}
            Err(error) => self.unreadable(place, &error),
        }
    }

    fn unreadable(&mut self, place: &Prefix, error: &StoreError) {
        let cause = std::error::Error::source(error).map_or_else(|| error.to_string(), ToString::to_string);
        if !self.misplaced.contains(Path::new(place.as_str())) {
            self.findings.push(Finding::unreadable(place.as_str(), cause));
        }
    }
}

fn is_about(error: &StoreError, wanted: &Prefix) -> bool {
    matches!(error, StoreError::Damaged { place, .. } if place == wanted)
}

/// What is wrong with the whole, where one file of it is damaged.
fn whole_of(place: &Prefix, error: &StoreError) -> String {
    match error {
        StoreError::Damaged { place: file, why } if file == place => format!("is damaged: {why}"),
        StoreError::Damaged { place: file, why } => format!("is damaged: {}: {why}", file.name()),
        other => other.to_string(),
    }
}
