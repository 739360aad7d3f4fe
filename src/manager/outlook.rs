//! What will happen next with a certificate and why, and why nothing else does.

use std::time::SystemTime;

use super::basis::basis;
use super::desired::{Desired, Wish};
use super::elsewhere::Found;
use super::inventory::{Held, Inventory};
use super::load;
use super::preference;
use super::schedule::{Situation, situation};
use crate::clock::rfc3339;
use crate::ident::{Name, Provider};
use crate::store::{Store, StoreError};

/// Two things about a name, each with its reasons.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outlook {
    /// What it is served with.
    pub served: String,
    /// Why with that and nothing else.
    pub served_because: Vec<String>,
    /// What is done next.
    pub next: String,
    /// When.
    pub next_at: Option<SystemTime>,
    /// Why that, why then, and why not before.
    pub next_because: Vec<String>,
}

impl Outlook {
    /// That of a name which nobody has listed and which has no certificate on demand; what the rules say of it.
    #[must_use]
    pub fn on_demand(said: String) -> Self {
        Self {
            served: "nothing".to_owned(),
            served_because: vec!["nobody has listed the name, and it has not been let in".to_owned()],
            next: "nothing until somebody comes for it".to_owned(),
            next_at: None,
            next_because: vec![said],
        }
    }
}

/// The outlook of a configured name, from the storage alone, or from the files that somebody else keeps; none if nobody
/// has configured the name.
///
/// # Errors
///
/// [`StoreError`] if the storage cannot be listed.
pub async fn outlook(
    desired: &Desired,
    store: &Store,
    name: &Name,
    now: SystemTime,
) -> Result<Option<Outlook>, StoreError> {
    let owner = desired.owners().of(name);
    let Some(wish) = owner.and_then(|index| desired.wishes.get(index)) else {
        return Ok(desired.elsewhere(name).map(|source| Found::read(source, now).outlook()));
    };
    let only = Desired { wishes: vec![wish.clone()], ..Desired::default() };
    let inventory = load::inventory_of(&only, store, now).await?;
    Ok(Some(of(name, wish, &inventory, now)))
}

fn of(name: &Name, wish: &Wish, inventory: &Inventory, now: SystemTime) -> Outlook {
    let (served, served_because) = served(name, wish, inventory, now);
    let (next, next_at, next_because) = next(wish, inventory, now);
    Outlook { served, served_because, next, next_at, next_because }
}

fn served(name: &Name, wish: &Wish, inventory: &Inventory, now: SystemTime) -> (String, Vec<String>) {
    let Some((held, rule)) = preference::explain(name, wish, inventory, now) else {
        let why = "there is nothing for the name; a start signs one itself".to_owned();
        return ("nothing".to_owned(), vec![why]);
    };
    let what = format!("{} by {}, valid until {}", held.id, held.issuer, rfc3339(held.not_after));
    let mut because = vec![rule];
    if held.provider == Provider::Selfsigned {
        because.push(match wish.lineage.provider() {
            Provider::Letsencrypt => {
                "there is no valid certificate from the CA, and this one stands in".to_owned()
            }
            Provider::Selfsigned => "the configuration asks no CA for this name".to_owned(),
        });
        because.extend(said(wish, inventory));
    }
    (what, because)
}

fn next(wish: &Wish, inventory: &Inventory, now: SystemTime) -> (String, Option<SystemTime>, Vec<String>) {
    let situation = situation(wish, inventory, now);
    let (what, at) = situation.next(wish, now);
    let wait = |at: SystemTime, failures: u32| {
        let wait = (at > now).then(|| match failures {
            0 => "not before: it waits, though nothing that counts has failed".to_owned(),
            failures => format!("not before: it waits after {failures} failures"),
        });
        said(wish, inventory).into_iter().chain(wait)
    };
    let because = match situation {
        Situation::Refused { try_at, failures, .. } => wait(try_at, failures).collect(),
        Situation::Missing { try_at, failures } => {
            let because = std::iter::once("there is no valid certificate of this kind".to_owned());
            because.chain(wait(try_at, failures)).collect()
        }
        Situation::Held { due, renew_at, failures } => {
            let words = |held: &Held| {
                let mut words: Vec<String> = basis(held, inventory.advised_about(held)).words().collect();
                match due.duration_since(now) {
                    Ok(left) => {
                        words.push(format!("not before: that is in {} days", left.as_secs() / 86_400))
                    }
                    Err(_) => words.extend(wait(renew_at, failures)),
                }
                words
            };
            inventory.newest(wish).map(words).unwrap_or_default()
        }
    };
    (what, Some(at), because)
}

/// What the last failures said, at each CA that was asked.
fn said(wish: &Wish, inventory: &Inventory) -> Vec<String> {
    let attempts = inventory.all_attempts(wish.lineage.id()).iter();
    let asked = attempts.filter(|attempts| wish.directories().any(|at| at == attempts.directory.as_deref()));
    asked
        .filter_map(|attempts| Some(format!("the last attempt said: {}", attempts.last_error.as_ref()?)))
        .collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::ident::{ItemId, Names};
    use crate::store::Attempts;

    const DAY: Duration = Duration::from_secs(86_400);
    const CA: &str = "https://ca.example/directory";

    fn now() -> SystemTime {
        SystemTime::UNIX_EPOCH + 20_000 * DAY
    }

    fn wish() -> Wish {
        Wish::acme(Names::new([Name::parse("example.com").expect("a name")]).expect("names"), CA)
    }

    fn held(wish: &Wish, from: SystemTime, to: SystemTime) -> Held {
        Held {
            id: ItemId::next(from, None),
            lineage: wish.lineage.id().clone(),
            names: wish.names().clone(),
            provider: wish.lineage.provider(),
            directory: wish.directories().next().flatten().map(str::to_owned),
            issuer: "an issuer".into(),
            not_before: from,
            not_after: to,
        }
    }

    fn outlook_of(inventory: &Inventory) -> Outlook {
        of(wish().names().primary(), &wish(), inventory, now())
    }

    #[test]
    fn what_is_valid_is_not_renewed_and_the_rule_says_why() {
        let mut inventory = Inventory::default();
        inventory.hold(held(&wish(), now(), now() + 90 * DAY));
        let outlook = outlook_of(&inventory);
        assert_eq!(outlook.next, "renew");
        let because = outlook.next_because.join("\n");
        assert!(
            because.contains("a third of its life before its end") && because.contains("not_after = "),
            "{because}"
        );
        assert!(because.contains("not before: that is in 5"), "{because}");
    }

    #[test]
    fn a_stand_in_and_a_wait_are_explained_by_the_last_error() {
        let (wish, mut inventory) = (wish(), Inventory::default());
        inventory.hold(held(&wish.stand_in(), now(), now() + 90 * DAY));
        let attempts = Attempts {
            failures: 2,
            next: Some(now() + DAY),
            last_error: Some("the CA is down".into()),
            directory: Some(CA.into()),
            ..Attempts::default()
        };
        inventory.remember(wish.lineage.id(), attempts);
        let outlook = outlook_of(&inventory);
        assert_eq!(
            outlook.served_because[..2],
            ["it is the only one", "there is no valid certificate from the CA, and this one stands in"]
        );
        assert_eq!((outlook.next.as_str(), outlook.next_at), ("order, attempt 3", Some(now() + DAY)));
        let said = "the last attempt said: the CA is down".to_owned();
        assert!(
            outlook.served_because.contains(&said) && outlook.next_because.contains(&said),
            "{outlook:?}"
        );
        assert!(outlook.next_because.iter().any(|why| why.ends_with("after 2 failures")), "{outlook:?}");
    }
}
