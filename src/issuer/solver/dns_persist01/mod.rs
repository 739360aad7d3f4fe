//! dns-persist-01: a TXT record beside the name that the name's owner sets once, and that lets our account at the CA
//! prove the name for as long as it stands (draft-ietf-acme-dns-persist).
//!
//! Nothing is put up or taken down here. The record is looked for before the CA is told to look, and who has to set
//! it is told its words.

mod record;

use async_trait::async_trait;
use tracing::{info, warn};

use super::{Challenge, ChallengeKind, Posted, SolveError, Solver};
use crate::clock::{Clock, rfc3339};
use crate::dns::{Authority, Said};
use crate::ident::Name;

pub use self::record::{Held, Needed, Shown};

/// Looks for standing records.
pub struct DnsPersist01 {
    authority: Authority,
    clock: Clock,
}

impl DnsPersist01 {
    /// One that looks there. Records end by `clock`.
    #[must_use]
    pub fn new(authority: Authority, clock: Clock) -> Self {
        Self { authority, clock }
    }

    /// Makes sure that the record stands, as far as that can be told.
    async fn look(&self, challenge: &Challenge) -> Result<(), String> {
        let Name::Dns(name) = &challenge.name else {
            return Err("an address has no place in the DNS for it".to_owned());
        };
        if challenge.issuers.is_empty() {
            return Err("the CA does not say which domain means it in records".to_owned());
        }
        let Some(needed) = Needed::new(name, &challenge.issuers, &challenge.account) else {
            return Err("the record for it would have too long a name".to_owned());
        };
        let (place, now) = (&needed.place, self.clock.now());
        match needed.shown(Said::from(self.authority.text(place).await), now) {
            Shown::Everywhere(held @ Held::Granted(until)) => {
                let until = until.map(rfc3339);
                info!(%name, record = %place, until, "the standing record is there");
                if held.ends_soon(now) {
                    warn!(%name, record = %needed, until,
                        "the standing record ends; it is to be set anew without persistUntil, or with a later one");
                }
                Ok(())
            }
            Shown::Everywhere(held) => Err(format!("{place} {held}. Set the record: {needed}")),
            Shown::NotEverywhere(held) => Err(format!(
                "one of the name servers of {place} {held}. On all of them there has to be: {needed}"
            )),
            Shown::Unknown(why) => {
                info!(%name, record = %place, why, "whether the standing record is there cannot be told; the CA will see");
                Ok(())
            }
        }
    }
}

#[async_trait]
impl Solver for DnsPersist01 {
    fn kind(&self) -> ChallengeKind {
        ChallengeKind::DnsPersist01
    }

    fn can_prove(&self, name: &Name) -> bool {
        matches!(name, Name::Dns(_))
    }

    async fn post(&self, challenge: &Challenge) -> Result<Posted, SolveError> {
        let looked = self.look(challenge).await;
        looked.map(|()| Posted::Standing).map_err(|fault| SolveError {
            kind: self.kind(),
            name: challenge.name.clone(),
            fault,
        })
    }
}
