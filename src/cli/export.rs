//! `sidegate export`.

use std::io::{IsTerminal, stdout};
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use tokio::runtime::LocalRuntime;

use super::act::{say, show};
use super::flags::Place;
use crate::app;
use crate::config::Env;
use crate::ops::{Export, Exported, Format, OpsError, Out};

/// What the command line says.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct ExportArgs {
    /// The name whose certificate it is
    #[arg(value_name = "NAME")]
    name: String,
    /// For whom it is
    #[arg(long, value_name = "FORMAT")]
    format: Target,
    /// A directory for the files, or - for standard output
    #[arg(long, value_name = "DIR", default_value = "-")]
    out: PathBuf,
    /// An item other than the one that is served
    #[arg(long, value_name = "ITEM")]
    item: Option<String>,
    /// Show the private key, although standard output is a terminal
    #[arg(long)]
    show_key: bool,
    /// Of which storage.
    #[command(flatten)]
    place: Place,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Target {
    /// fullchain.pem and key.pem
    Pem,
    /// the same, and the lines for the server block
    Nginx,
    /// one file
    Haproxy,
    /// a Secret of type kubernetes.io/tls
    K8sSecret,
}

impl ExportArgs {
    pub(super) fn act(self, runtime: &LocalRuntime, env: &Env) -> Result<u8, u8> {
        let out = if self.out.as_os_str() == "-" { Out::Text } else { Out::Directory(self.out) };
        if out == Out::Text && stdout().is_terminal() && !self.show_key {
            let ways = "name a directory with --out DIR, or give --show-key";
            let text = format!("this would show a private key on the terminal; {ways}");
            return Err(say(&OpsError::Refused(text)));
        }
        let format = match self.format {
            Target::Pem => Format::Pem,
            Target::Nginx => Format::Nginx,
            Target::Haproxy => Format::Haproxy,
            Target::K8sSecret => Format::K8sSecret,
        };
        let settings = self.place.settings(env)?;
        let asked = Export { name: self.name, item: self.item, format, out };
        match runtime.block_on(app::export(&settings, &asked)).map_err(|e| say(&e))? {
            Exported::Text(text) => show(&text),
            Exported::Files(files) => {
                files.iter().for_each(|file| show(&format!("{}\n", file.display())));
            }
        }
        Ok(0)
    }
}
