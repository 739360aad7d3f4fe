//! What the operator wrote, in flags, variables and a file, and what it means.
//!
//! [`load`] is the one entrance. Each source becomes a layer of words with their places; the layers are
//! laid over each other, flags above variables above the file; what results is checked once, with every
//! fault gathered before any is reported. A key or variable nobody would read is a fault too: nothing is
//! accepted and then ignored.

mod ca;
mod check;
mod demand;
mod dns;
mod env;
mod error;
mod file;
mod flags;
mod hooks;
mod keys;
mod preflight;
mod profiles;
mod prune;
mod settings;
mod sites;
#[cfg(test)]
mod tests;
mod value;
mod written;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use self::check::Checker;
use self::written::{Layer, Words};

pub use self::env::Env;
pub use self::error::{Fault, Faults, Place};
pub use self::file::keys;
pub use self::flags::Flags;
pub use self::settings::{Acme, Ca, Keeper, KeptLimits, Listen, OnDemand, Settings, Site, Storage};

/// Read by `serve` and `check` if no other file is named.
pub const DEFAULT_FILE: &str = "/etc/sidegate/sidegate.toml";

/// What the settings are for.
///
/// Certificate files of somebody else that are bad are a fault for [`Check`](Self::Check) and for a [`reload`]. A start
/// and a tool take them as they are, and only that site has no certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Purpose {
    /// `sidegate --domain D --to T`: flags and variables, no file.
    Direct,
    /// `sidegate run -- CMD`: the same around an app of our own.
    Run,
    /// `sidegate serve`: a file as well.
    Serve {
        /// The file, [`DEFAULT_FILE`] if none is named.
        file: Option<PathBuf>,
    },
    /// `sidegate check`: as [`Serve`](Self::Serve), by somebody who wants to hear of every fault.
    Check {
        /// The file, [`DEFAULT_FILE`] if none is named.
        file: Option<PathBuf>,
    },
    /// `sidegate list` and the other tools: as [`Serve`](Self::Serve), but without any site there is merely nothing
    /// configured.
    List {
        /// The file, [`DEFAULT_FILE`] if none is named.
        file: Option<PathBuf>,
    },
    /// `sidegate demo`: an app of our own on this port, and nothing that lasts.
    Demo {
        /// Where to keep what does not last.
        storage: PathBuf,
        /// The app's port.
        port: u16,
    },
}

/// Reads everything that has a say and returns what it comes to.
///
/// Nothing is created or written, and nothing is listened on; a second call sees what has changed since.
///
/// # Errors
///
/// Every fault of every source.
pub fn load(purpose: &Purpose, flags: &Flags, env: &Env) -> Result<Settings, Faults> {
    read(purpose, flags, env, None)
}

/// As [`load`], for a process that runs with `before`: certificate files that are in use already may have turned bad
/// since, and a list that did not change is the same one.
///
/// # Errors
///
/// As for [`load`].
pub fn reload(purpose: &Purpose, flags: &Flags, env: &Env, before: &Settings) -> Result<Settings, Faults> {
    read(purpose, flags, env, Some(before))
}

/// Where certificates are kept, for tools that can do with no more: none if the words of a source are not understood, or
/// those about the storage are wrong. Whatever else is wrong is in nobody's way.
#[must_use]
pub fn storage(purpose: &Purpose, flags: &Flags, env: &Env) -> Option<Storage> {
    let mut faults = Vec::new();
    let layer = sources(purpose, flags, env, &mut faults)?;
    // An unknown key could be this one, misspelt.
    if !faults.is_empty() {
        return None;
    }
    let storage = checker(purpose, env, layer, &mut faults).storage();
    faults.is_empty().then_some(storage)
}

fn read(purpose: &Purpose, flags: &Flags, env: &Env, before: Option<&Settings>) -> Result<Settings, Faults> {
    let mut faults = Vec::new();
    let layer = sources(purpose, flags, env, &mut faults);
    let settings =
        layer.and_then(|layer| Checker { before, ..checker(purpose, env, layer, &mut faults) }.settings());
    match (Faults::of(faults), settings) {
        (None, Some(settings)) => Ok(settings),
        (faults, _) => Err(faults.unwrap_or_default()),
    }
}

/// What all sources say together; none if what else is wrong, or missing, cannot be known.
fn sources(purpose: &Purpose, flags: &Flags, env: &Env, faults: &mut Vec<Fault>) -> Option<Layer> {
    let variables = match purpose {
        // A demo is the same wherever it is started.
        Purpose::Demo { .. } => Layer::default(),
        _ => env::read(env, read_text, faults),
    };
    let file = match purpose.file() {
        Some(file) => read_file(file, faults)?,
        None => Layer::default(),
    };
    Some(flags.layer().over(variables).over(file))
}

fn checker<'a>(purpose: &'a Purpose, env: &'a Env, layer: Layer, faults: &'a mut Vec<Fault>) -> Checker<'a> {
    let without_file = purpose.file() == Some(None) && !Path::new(DEFAULT_FILE).exists();
    Checker { purpose, env, layer, without_file, before: None, read: &read_words, faults }
}

impl Purpose {
    /// Whether a file is read, and which one if it is named.
    fn file(&self) -> Option<Option<&Path>> {
        match self {
            Self::Serve { file } | Self::Check { file } | Self::List { file } => Some(file.as_deref()),
            Self::Direct | Self::Run | Self::Demo { .. } => None,
        }
    }
}

fn read_file(named: Option<&Path>, faults: &mut Vec<Fault>) -> Option<Layer> {
    let path = named.unwrap_or(Path::new(DEFAULT_FILE));
    match fs::read_to_string(path) {
        Ok(text) => file::read(path.to_owned(), &text, faults),
        // Without a file of that name, variables may say it all.
        Err(error) if named.is_none() && error.kind() == io::ErrorKind::NotFound => Some(Layer::default()),
        Err(error) => {
            faults.push(Fault::new(&Place::Nowhere, "", format!("{}: {}", path.display(), reason(&error))));
            None
        }
    }
}

fn read_text(path: &Path) -> Result<String, String> {
    fs::read_to_string(path).map_err(|error| reason(&error))
}

/// The file that `words` name, for those that are only looked at as PEM.
fn read_words(words: &Words) -> Result<Vec<u8>, String> {
    let path = words.path();
    fs::read(&path).map_err(|error| format!("{}: {}", path.display(), reason(&error)))
}

fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "there is no such file".to_owned(),
        io::ErrorKind::PermissionDenied => "this user may not read it".to_owned(),
        _ => error.to_string(),
    }
}
