//! The flags that several commands share.

use std::path::PathBuf;

use clap::Args;
use tokio::runtime::LocalRuntime;

use super::act::{self, say};
use crate::app::Operator;
use crate::config::{self, Env, Flags, Purpose, Settings, Storage};

/// Which storage, and what should be in it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
pub struct Place {
    /// The configuration, beside variables such as TLS_DOMAIN [default: /etc/sidegate/sidegate.toml, if it exists]
    #[arg(short = 'c', long = "config", value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// Where certificates and keys are kept
    #[arg(long, value_name = "DIR")]
    pub storage: Option<String>,
}

/// What a configuration comes to, as far as it does.
pub(super) struct Configured {
    pub(super) storage: Storage,
    /// All of it, or the exit code for the faults that it has.
    pub(super) settings: Result<Settings, u8>,
}

impl Place {
    /// Reads the configuration; on faults they are printed and the exit code is the error.
    pub(super) fn settings(self, env: &Env) -> Result<Settings, u8> {
        self.configured(env)?.settings
    }

    /// Reads the configuration, for what may not need all of it. Faults are printed; the exit code is the error if they
    /// leave open where the storage is.
    pub(super) fn configured(self, env: &Env) -> Result<Configured, u8> {
        let flags = Flags { storage: self.storage, ..Flags::default() };
        let purpose = Purpose::List { file: self.file };
        let settings = act::load(&purpose, &flags, env);
        let storage = match &settings {
            Ok(settings) => settings.storage.clone(),
            Err(code) => config::storage(&purpose, &flags, env).ok_or(*code)?,
        };
        Ok(Configured { storage, settings })
    }

    /// Finds who answers for the storage: the process that uses it, whatever has become of the configuration since it
    /// was started, else the storage itself. If there is nobody, that is printed and the exit code is the error.
    pub(super) fn operator(self, runtime: &LocalRuntime, env: &Env) -> Result<Operator, u8> {
        let Configured { storage, settings } = self.configured(env)?;
        let process = runtime.block_on(Operator::of_process(&storage)).map_err(|e| say(&e))?;
        match process {
            Some(operator) => Ok(operator),
            None => runtime.block_on(Operator::of_storage(&settings?)).map_err(|e| say(&e)),
        }
    }
}

/// What is served.
#[derive(Debug, Args)]
pub(super) struct SiteFlags {
    /// A name to serve; more of them with commas or by repeating the flag
    #[arg(long, value_name = "DOMAIN")]
    domain: Vec<String>,
    /// Serve the names of a list, each with its PEM file
    #[arg(long, value_name = "FILE")]
    certificates: Option<String>,
    /// Where requests go: a port, host:port, http://, https://, h2c:// or unix:/path
    #[arg(long, value_name = "TARGET")]
    to: Option<String>,
    /// Where the CA may write to
    #[arg(long, value_name = "ADDRESS")]
    email: Option<String>,
    /// Use Let's Encrypt's staging CA, for trying out
    #[arg(long)]
    staging: bool,
    /// Use another CA, by its ACME directory
    #[arg(long, value_name = "URL")]
    acme_directory: Option<String>,
}

/// How and where.
#[derive(Debug, Args)]
pub(super) struct MachineFlags {
    /// Where certificates and keys are kept [default: /var/lib/sidegate]
    #[arg(long, value_name = "DIR")]
    storage: Option<String>,
    /// Write nothing there: serve what another process issues
    #[arg(long)]
    read_only: bool,
    /// There is something in it already; if not, it was lost, and little is ordered
    #[arg(long)]
    expect_state: bool,
    /// Order as usual although what was there is lost
    #[arg(long)]
    force: bool,
    /// Port for http [default: 80]
    #[arg(long, value_name = "PORT")]
    http_port: Option<String>,
    /// Port for https [default: 443]
    #[arg(long, value_name = "PORT")]
    https_port: Option<String>,
    /// Threads that serve connections [default: one for each processor]
    #[arg(long, value_name = "N")]
    workers: Option<String>,
    /// How long a stop waits for open connections, such as 10s [default: 25s]
    #[arg(long, value_name = "TIME")]
    drain: Option<String>,
    /// off, error, warn, info, debug or trace [default: info]
    #[arg(long, value_name = "LEVEL")]
    log: Option<String>,
}

impl SiteFlags {
    pub(super) fn flags(self, machine: MachineFlags) -> Flags {
        Flags {
            domain: self.domain,
            certificates: self.certificates,
            to: self.to,
            storage: machine.storage,
            read_only: machine.read_only,
            expect_state: machine.expect_state,
            force: machine.force,
            email: self.email,
            staging: self.staging,
            acme_directory: self.acme_directory,
            http_port: machine.http_port,
            https_port: machine.https_port,
            workers: machine.workers,
            drain: machine.drain,
            log: machine.log,
        }
    }
}
