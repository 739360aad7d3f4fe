//! `sidegate status` and its short form, `sidegate list`.

mod table;

pub(super) use table::short;

use std::io::IsTerminal;

use clap::Args;
use tokio::runtime::LocalRuntime;

use super::act::{FAILED, json, say, show};
use super::flags::Place;
use crate::app::{Health, Report};
use crate::config::Env;

/// Neither a process nor the storage could tell, or nobody knows the name: what monitoring calls «unknown».
const UNKNOWN: u8 = 3;

/// `sidegate status`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
pub struct StatusArgs {
    /// Only the certificate with this name
    #[arg(value_name = "NAME")]
    pub name: Option<String>,
    /// JSON for programs
    #[arg(long)]
    pub json: bool,
    /// Of which storage.
    #[command(flatten)]
    pub place: Place,
}

/// `sidegate list`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
pub struct ListArgs {
    /// JSON for programs
    #[arg(long)]
    pub json: bool,
    /// Of which storage.
    #[command(flatten)]
    pub place: Place,
}

impl StatusArgs {
    pub(super) fn act(self, runtime: &LocalRuntime, env: &Env) -> Result<u8, u8> {
        let unknown = |code| if code == FAILED { UNKNOWN } else { code };
        let operator = self.place.operator(runtime, env).map_err(unknown)?;
        let report = runtime.block_on(operator.status(self.name.as_deref())).map_err(|error| {
            say(&error);
            UNKNOWN
        })?;
        if self.json {
            show(&json(&report));
        } else {
            let color = !env.no_color() && std::io::stdout().is_terminal();
            show(&table::long(&report, color));
        }
        Ok(code(&report))
    }
}

impl ListArgs {
    pub(super) fn act(self, runtime: &LocalRuntime, env: &Env) -> Result<u8, u8> {
        let operator = self.place.operator(runtime, env)?;
        let report = runtime.block_on(operator.status(None)).map_err(|error| say(&error))?;
        show(&if self.json { json(&report.certificates) } else { short(&report) });
        Ok(0)
    }
}

/// As monitoring has it: 0 well, 1 a warning, 2 critical.
fn code(report: &Report) -> u8 {
    match report.health() {
        Health::Ok => 0,
        Health::Warning => 1,
        Health::Critical => 2,
    }
}
