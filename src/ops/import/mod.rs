//! Certificates that another program has got, taken over as items of our own.
//!
//! What the other program keeps is only read. Each certificate goes the way of every certificate: proved to fit its
//! key, put together as a draft, committed. One that is here already, or older than what is here, is passed over.

mod acme_sh;
mod caddy;
mod certbot;
mod directories;
mod files;
mod lego;
mod registration;
mod take;
mod traefik;

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use zeroize::Zeroizing;

use super::OpsError;
use crate::ident::{ItemId, Names};
use crate::store::{Claim, Store, StoreError};
use crate::story::{Event, Recorder};

/// Who has got them, and where they lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// Certbot: its configuration directory, `/etc/letsencrypt`.
    Certbot(PathBuf),
    /// acme.sh: its home, `~/.acme.sh`.
    AcmeSh(PathBuf),
    /// lego: its path, `.lego`.
    Lego(PathBuf),
    /// Caddy: its data directory.
    Caddy(PathBuf),
    /// Traefik: its `acme.json`.
    Traefik(PathBuf),
    /// Anybody: a certificate with its chain, and its key.
    Pair {
        /// The certificate, and what follows it.
        cert: PathBuf,
        /// The key.
        key: PathBuf,
    },
}

impl Source {
    /// Reads what is there. `directory` is the CA that is configured; it is taken for the one of certificates that do
    /// not say whose they are.
    ///
    /// # Errors
    ///
    /// [`OpsError`] if the other program's files cannot be found.
    pub fn open(&self, directory: &str) -> Result<Trove, OpsError> {
        match self {
            Self::Certbot(root) => certbot::find(root),
            Self::AcmeSh(root) => acme_sh::find(root),
            Self::Lego(root) => lego::find(root, directory),
            Self::Caddy(root) => caddy::find(root, directory),
            Self::Traefik(file) => traefik::find(file, directory),
            Self::Pair { cert, key } => {
                Ok(Trove { certificates: vec![pair(cert, key)?], ..Trove::default() })
            }
        }
    }

    /// The files that are looked for, and a question about the place, for somebody who has none of them.
    #[must_use]
    pub fn sought(&self) -> String {
        let (path, files, place) = match self {
            Self::Certbot(root) => {
                (root, "/live/*/fullchain.pem", "certbot's directory, such as /etc/letsencrypt")
            }
            Self::AcmeSh(root) => (root, "/*/fullchain.cer", "acme.sh's home, such as ~/.acme.sh"),
            Self::Lego(root) => (root, "/certificates/*.crt", "lego's path, such as .lego"),
            Self::Caddy(root) => {
                (root, "/certificates/*/*/*.crt", "Caddy's data directory, such as ~/.local/share/caddy")
            }
            Self::Traefik(file) => (file, "", "the acme.json that Traefik keeps certificates in"),
            Self::Pair { cert, .. } => (cert, "", "a certificate"),
        };
        let path = path.display();
        format!("{path}{files}: is {path} {place}?")
    }
}

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Import {
    /// From whom.
    pub source: Source,
    /// Also what has expired.
    pub expired: bool,
    /// Only say what would be done.
    pub dry_run: bool,
}

/// What became of one certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// It is an item now.
    Imported(ItemId),
    /// It would be one.
    Good,
    /// This item is the same.
    Known(ItemId),
    /// This item is valid, and was issued later for one of its names.
    Older(ItemId),
    /// It has expired.
    Expired,
    /// It cannot be used.
    Unusable(String),
}

/// One certificate that was found.
#[derive(Debug, Clone)]
pub struct Line {
    /// Where.
    pub from: String,
    /// Its names, the primary one first, as far as it can be read.
    pub names: Option<Names>,
    /// When it ends.
    pub expires: Option<SystemTime>,
    /// The CA's directory.
    pub directory: Option<String>,
    /// What became of it.
    pub fate: Fate,
}

impl Line {
    fn unusable(from: String, why: String) -> Self {
        Self { from, names: None, expires: None, directory: None, fate: Fate::Unusable(why) }
    }
}

/// What became of everything.
#[derive(Debug, Clone, Default)]
pub struct Imported {
    /// The certificates.
    pub lines: Vec<Line>,
    /// What there is to say about accounts, and about what could not be read.
    pub remarks: Vec<String>,
}

/// Takes over what another program has got, and tells that to `recorder`, if no process issues that would tell it.
/// `directory` is the CA that is configured.
///
/// # Errors
///
/// [`OpsError`] if the storage fails. One certificate that cannot be used is in the answer instead.
pub async fn import(
    store: &Store,
    trove: Trove,
    asked: &Import,
    (directory, now): (&str, SystemTime),
    recorder: &Recorder,
) -> Result<Imported, OpsError> {
    let role = if asked.dry_run { None } else { free_role(store).await? };
    if role.is_some() {
        recorder.keep().await;
        let event = Event::Commanded { command: "import".into(), by: "an operator".into() };
        recorder.tell([], event);
    }
    let done = take_all(store, trove, asked, (directory, now), role.is_some().then_some(recorder)).await;
    // While the role is ours, also if it did not get to its end.
    recorder.end().await;
    done
}

/// The role of the issuer, unless a process has it.
async fn free_role(store: &Store) -> Result<Option<Claim>, OpsError> {
    match store.claim_issuer().await {
        Ok(role) => Ok(Some(role)),
        Err(StoreError::Taken { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

async fn take_all(
    store: &Store,
    trove: Trove,
    asked: &Import,
    (directory, now): (&str, SystemTime),
    recorder: Option<&Recorder>,
) -> Result<Imported, OpsError> {
    let lines = trove.incomplete.into_iter().map(|(from, missing)| Line::unusable(from, missing));
    let mut imported = Imported { lines: lines.collect(), remarks: trove.remarks };
    for found in trove.certificates {
        let line = take::certificate(store, found, asked, directory, now).await?;
        if let (Some(recorder), Fate::Imported(item), Some(names)) = (recorder, &line.fate, &line.names) {
            recorder.tell(names, Event::TakenIn { item: item.as_str().into(), why: line.why().into() });
        }
        imported.lines.push(line);
    }
    for member in trove.accounts {
        imported.remarks.push(take::account(store, member, asked).await?);
    }
    Ok(imported)
}

impl Line {
    /// Why there is an item of it, as the item says.
    fn why(&self) -> String {
        format!("imported from {}", self.from)
    }
}

fn pair(cert: &Path, key: &Path) -> Result<Found, OpsError> {
    Ok(Found {
        from: cert.display().to_string(),
        primary: None,
        chain: files::needed(cert)?,
        key: Zeroizing::new(files::needed(key)?),
        directory: None,
    })
}

/// What another program keeps.
#[derive(Default)]
pub struct Trove {
    certificates: Vec<Found>,
    /// Where something is missing that a certificate needs: the place, and what.
    incomplete: Vec<(String, String)>,
    accounts: Vec<Member>,
    remarks: Vec<String>,
}

/// A certificate as it was found.
struct Found {
    from: String,
    /// What the other program takes for its first name.
    primary: Option<String>,
    /// PEM: the leaf, and what leads on from it.
    chain: Vec<u8>,
    /// PEM.
    key: Zeroizing<Vec<u8>>,
    directory: Option<String>,
}

/// An account as it was found.
struct Member {
    from: String,
    directory: Option<String>,
    url: Option<String>,
    contacts: Vec<String>,
    /// PEM; none if it is in no form that could be used here, as RSA keys are.
    key: Option<Zeroizing<Vec<u8>>>,
}
