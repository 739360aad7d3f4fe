//! `sidegate import`.

use std::fmt::Write;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use tokio::runtime::LocalRuntime;

use super::act::{FAILED, say, show};
use super::flags::Place;
use crate::app::{self, rfc3339};
use crate::config::{Env, Settings};
use crate::ops::{Fate, Import, Imported, Line, OpsError, Source};

/// What the command line says.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct ImportArgs {
    /// The program that has got them
    #[arg(
        long,
        value_name = "PROGRAM",
        required_unless_present = "cert",
        conflicts_with = "cert",
        requires = "path"
    )]
    from: Option<Program>,
    /// Where it keeps them
    #[arg(value_name = "PATH", requires = "from")]
    path: Option<PathBuf>,
    /// Instead: a certificate and its chain, as PEM
    #[arg(long, value_name = "FILE", requires = "key")]
    cert: Option<PathBuf>,
    /// And its key
    #[arg(long, value_name = "FILE", requires = "cert")]
    key: Option<PathBuf>,
    /// Also take what has expired
    #[arg(long)]
    expired: bool,
    /// Only say what would be done
    #[arg(long)]
    dry_run: bool,
    /// Of which storage.
    #[command(flatten)]
    place: Place,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Program {
    /// its configuration directory, /etc/letsencrypt
    Certbot,
    /// its home, ~/.acme.sh
    #[value(name = "acme.sh")]
    AcmeSh,
    /// its path, .lego
    Lego,
    /// its data directory, ~/.local/share/caddy
    Caddy,
    /// its acme.json
    Traefik,
}

impl ImportArgs {
    pub(super) fn act(self, runtime: &LocalRuntime, env: &Env) -> Result<u8, u8> {
        let source = match (self.from, self.path, self.cert, self.key) {
            (Some(program), Some(path), ..) => match program {
                Program::Certbot => Source::Certbot(path),
                Program::AcmeSh => Source::AcmeSh(path),
                Program::Lego => Source::Lego(path),
                Program::Caddy => Source::Caddy(path),
                Program::Traefik => Source::Traefik(path),
            },
            (_, _, Some(cert), Some(key)) => Source::Pair { cert, key },
            _ => return Err(say(&OpsError::Refused("from where is not said".to_owned()))),
        };
        let settings = self.place.settings(env)?;
        let asked = Import { source, expired: self.expired, dry_run: self.dry_run };
        let imported = runtime.block_on(app::import(&settings, &asked)).map_err(|e| say(&e))?;
        show(&report(&imported, &settings));
        if imported.lines.is_empty() {
            let sought = asked.source.sought();
            return Err(say(&OpsError::Refused(format!("no certificates were found: there is no {sought}"))));
        }
        let unusable = |line: &Line| matches!(line.fate, Fate::Unusable(_));
        if imported.lines.iter().any(unusable) { Err(FAILED) } else { Ok(0) }
    }
}

/// What became of each certificate, and what the configuration still needs for them.
fn report(imported: &Imported, settings: &Settings) -> String {
    let mut out = String::new();
    for line in &imported.lines {
        let names = line.names.as_ref().map(|names| names.domain_list().trim_end().to_owned());
        let what =
            names.as_ref().map_or_else(|| line.from.clone(), |names| format!("{names} ({})", line.from));
        let until = line.expires.map(rfc3339).unwrap_or_default();
        let _ = match &line.fate {
            Fate::Imported(item) => writeln!(out, "imported  {what}, valid until {until}, as {item}"),
            Fate::Good => writeln!(out, "would import  {what}, valid until {until}"),
            Fate::Known(item) => writeln!(out, "passed over  {what}: it is here as {item}"),
            Fate::Older(item) => writeln!(out, "passed over  {what}: {item} was issued later"),
            Fate::Expired => {
                writeln!(out, "passed over  {what}: it ended {until}; --expired takes it all the same")
            }
            Fate::Unusable(why) => writeln!(out, "cannot use  {what}: {why}"),
        };
    }
    for remark in &imported.remarks {
        let _ = writeln!(out, "{remark}");
    }
    out + &wanted(imported, settings)
}

/// The lines that a configuration needs for what it does not name yet.
fn wanted(imported: &Imported, settings: &Settings) -> String {
    let mut out = String::new();
    let usable = imported.lines.iter().filter(|line| !matches!(line.fate, Fate::Unusable(_) | Fate::Expired));
    for line in usable {
        let Some(names) = &line.names else { continue };
        if let Some(directory) = line
            .directory
            .as_ref()
            .filter(|directory| settings.acme.cas().all(|ca| ca.directory != **directory))
        {
            let _ = writeln!(out, "\n# served if [acme] has directory = \"{directory}\"");
        }
        if settings.lineages().any(|lineage| lineage.names().same_set(names)) {
            continue;
        }
        let quoted: Vec<String> = names.iter().map(|name| format!("\"{name}\"")).collect();
        let _ = writeln!(
            out,
            "\n[[site]]\ndomains = [{}]\nto = \"3000\" # where the app listens",
            quoted.join(", ")
        );
    }
    if out.is_empty() { out } else { format!("\nThe configuration needs for them:\n{out}") }
}
