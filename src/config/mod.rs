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
    /// `sidegate list` and `sidegate doctor`: as [`Serve`](Self::Serve), but without any site there is merely nothing
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

fn read(purpose: &Purpose, flags: &Flags, env: &Env, before: Option<&Settings>) -> Result<Settings, Faults> {
    let mut faults = Vec::new();
    let variables = match purpose {
        // A demo is the same wherever it is started.
        Purpose::Demo { .. } => Layer::default(),
        _ => env::read(env, read_text, &mut faults),
    };
    let file = match purpose {
        Purpose::Serve { file } | Purpose::List { file } => read_file(file.as_deref(), &mut faults),
        Purpose::Direct | Purpose::Run | Purpose::Demo { .. } => Some(Layer::default()),
    };
    // What else is wrong, or missing, cannot be known without the file.
    let Some(file) = file else { return Err(Faults::of(faults).unwrap_or_default()) };
    let by_default = matches!(purpose, Purpose::Serve { file: None } | Purpose::List { file: None });
    let without_file = by_default && !Path::new(DEFAULT_FILE).exists();
    let layer = flags.layer().over(variables).over(file);
    let checker =
        Checker { purpose, env, layer, without_file, before, read: &read_words, faults: &mut faults };
    let settings = checker.settings();
    match (Faults::of(faults), settings) {
        (None, Some(settings)) => Ok(settings),
        (faults, _) => Err(faults.unwrap_or_default()),
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
