//! The CAs of a configuration, asked what they say of themselves.

use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use futures_util::future::try_join_all;

use super::{AppError, build};
use crate::catalog;
use crate::clock::Clock;
use crate::config::{self, Settings};
use crate::doctor::{Ca, Finding, Word};
use crate::ident::Name;
use crate::issuer::{AcmeIssuer, Standing};
use crate::store::Store;
use crate::store::fs::FsEngine;
use crate::store::memory::MemoryEngine;
use crate::story::with_causes;

/// All of them, the preferred one first.
pub(super) struct Cas<'s>(Vec<Asked<'s>>);

struct Asked<'s> {
    configured: &'s config::Ca,
    ca: Ca,
    word: Word,
}

impl<'s> Cas<'s> {
    /// Asks each, at the same time, and looks into the storage at `place` for our account there.
    ///
    /// # Errors
    ///
    /// [`AppError::Setup`] if one of them is no CA. One that does not answer is none.
    pub(super) async fn ask(settings: &'s Settings, place: &Path, clock: &Clock) -> Result<Self, AppError> {
        let several = settings.acme.cas().count() > 1;
        let asked = settings.acme.cas().map(|ca| Asked::ask(settings, ca, several, (place, clock)));
        Ok(Self(try_join_all(asked).await?))
    }

    /// What there is to say of the CAs themselves.
    pub(super) fn findings(&self, now: SystemTime) -> Vec<Finding> {
        let of = |asked: &Asked<'_>| {
            let called = asked.ca.called.as_deref();
            asked.word.findings(now).into_iter().map(|finding| finding.at(called)).collect::<Vec<_>>()
        };
        self.0.iter().flat_map(of).collect()
    }

    /// Those that are asked for a certificate with this name; if none of them signs such a name, all.
    pub(super) fn of(&self, name: &Name) -> Vec<&Ca> {
        let signs = self.0.iter().filter(|asked| asked.configured.signs(name));
        let signing: Vec<&Ca> = signs.map(|asked| &asked.ca).collect();
        if signing.is_empty() { self.0.iter().map(|asked| &asked.ca).collect() } else { signing }
    }
}

impl<'s> Asked<'s> {
    async fn ask(
        settings: &Settings,
        configured: &'s config::Ca,
        several: bool,
        (place, clock): (&Path, &Clock),
    ) -> Result<Self, AppError> {
        let directory = configured.directory.clone();
        let (answered, identities) = match issuer(settings, configured, clock.clone())?.standing().await {
            Ok(Standing { date, identities }) => (Ok(date), identities),
            Err(error) => (Err(with_causes(&error)), Vec::new()),
        };
        let account = account(place, &directory, clock.clone()).await;
        let ca = Ca { called: several.then(|| directory.clone()), identities, account };
        Ok(Self { configured, ca, word: Word { directory, answered } })
    }
}

/// One that can ask the CA, and keeps nothing.
fn issuer(settings: &Settings, ca: &config::Ca, clock: Clock) -> Result<AcmeIssuer, AppError> {
    let store = Store::new(Arc::new(MemoryEngine::new()), clock.clone());
    let (_, challenges, ..) = catalog::open();
    let options = build::options(settings, ca);
    AcmeIssuer::new(&options, store.accounts(), store.ledger(), &challenges, clock)
        .map_err(AppError::setup("the CA cannot be set up"))
}

/// The URL of our account at the CA, if the storage holds one.
async fn account(place: &Path, directory: &str, clock: Clock) -> Option<String> {
    // A storage that is not there yet is not made for this.
    if !place.is_dir() {
        return None;
    }
    let engine = FsEngine::open_to_look(place).ok()?;
    let accounts = Store::new(Arc::new(engine), clock).accounts();
    accounts.find(directory).await.ok()??.url
}
