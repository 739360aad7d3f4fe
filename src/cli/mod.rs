//! The command line: words to a [`Command`], rows to a table, and nothing else.
//!
//! Nothing is started or read here. What a flag's value means is for [`config`](crate::config) to judge,
//! together with what variables and files say, so that all faults are reported at once.

mod account;
mod act;
mod archive;
mod counted;
mod doctor;
mod explain;
mod export;
mod flags;
mod fsck;
mod import;
mod past;
mod prune;
mod renew;
mod revoke;
mod status;
mod tool;
mod words;

use std::ffi::OsString;
use std::path::PathBuf;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Parser, Subcommand};

use self::flags::{MachineFlags, SiteFlags};
use crate::config::{Flags, Purpose};

pub use self::account::AccountArgs;
pub use self::act::act;
pub use self::archive::{BackupArgs, RestoreArgs};
pub use self::doctor::DoctorArgs;
pub use self::explain::ExplainArgs;
pub use self::export::ExportArgs;
pub use self::flags::Place;
pub use self::fsck::FsckArgs;
pub use self::import::ImportArgs;
pub use self::past::{HistoryArgs, RollbackArgs, ShowArgs};
pub use self::prune::PruneArgs;
pub use self::renew::RenewArgs;
pub use self::revoke::RevokeArgs;
pub use self::status::{ListArgs, StatusArgs};
pub use self::tool::Tool;
pub use self::words::{demo, summary};

/// `EX_USAGE`: the command line was wrong.
pub const USAGE: u8 = 64;

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Serve until told to stop: [`Purpose::Direct`] or [`Purpose::Serve`].
    Serve {
        /// With a file or without.
        purpose: Purpose,
        /// What the flags say.
        flags: Flags,
    },
    /// Serve in front of a program that is started, relayed to and waited for.
    Run {
        /// What the flags say.
        flags: Flags,
        /// The program and its arguments; never empty.
        command: Vec<OsString>,
    },
    /// Say whether the configuration is good, and what it comes to.
    Check {
        /// The file that was named.
        file: Option<PathBuf>,
        /// What the flags say.
        flags: Flags,
    },
    /// Look after what is there.
    Tool(Tool),
    /// Show it all with an app of its own.
    Demo {
        /// What the flags say.
        flags: Flags,
    },
}

/// Why there is no [`Command`]: help was asked for, or the words were wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instead {
    /// To be printed as it is.
    pub text: String,
    /// 0 if help or the version was asked for, to be printed on standard output; else [`USAGE`], and standard error.
    pub code: u8,
}

/// Reads the words of a command line, the program's own name first.
///
/// # Errors
///
/// [`Instead`] if there is something to print and nothing to do.
pub fn parse(words: impl IntoIterator<Item = OsString>) -> Result<Command, Instead> {
    let line = Line::try_parse_from(words).map_err(|error| {
        let asked = matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
        let hint = if is_for_serving(&error) { ELSEWHERE } else { "" };
        Instead { text: format!("{}{hint}", error.render()), code: if asked { 0 } else { USAGE } }
    })?;
    Ok(match line.verb {
        None => Command::Serve { purpose: Purpose::Direct, flags: line.site.flags(line.machine) },
        Some(Verb::Run { site, machine, command }) => Command::Run { flags: site.flags(machine), command },
        Some(Verb::Serve { file, site, machine }) => {
            Command::Serve { purpose: Purpose::Serve { file }, flags: site.flags(machine) }
        }
        Some(Verb::Check { file, site, machine }) => Command::Check { file, flags: site.flags(machine) },
        Some(Verb::Tool(tool)) => Command::Tool(tool),
        Some(Verb::Demo { http_port, https_port, log }) => {
            Command::Demo { flags: Flags { http_port, https_port, log, ..Flags::default() } }
        }
    })
}

/// Whether a flag that says what is served was given to a command that does not serve it.
fn is_for_serving(error: &clap::Error) -> bool {
    let unknown = match error.get(ContextKind::InvalidArg) {
        Some(ContextValue::String(flag)) if error.kind() == ErrorKind::UnknownArgument => flag,
        _ => return false,
    };
    ["--domain", "--certificates", "--to"].contains(&unknown.as_str())
}

const ELSEWHERE: &str = "\n\
The tools are told what is served by the configuration (-c FILE), or by TLS_DOMAIN and TARGET_PORT.\n";

const EXAMPLES: &str = "\
Examples:
  sidegate --domain example.com --to 3000    HTTPS for example.com, requests to localhost:3000
  sidegate run -- npm start                  the same around an app, with TLS_DOMAIN from the environment
  sidegate serve -c sites.toml               several sites, from a file
  sidegate demo                              see it work on https://localhost:8443

Environment (a flag wins; SIDEGATE_X wins over X):
  TLS_DOMAIN or TLS_CERTIFICATES  TARGET_PORT or TARGET  HTTP_PORT  HTTPS_PORT  STORAGE_PATH  ACME_DIRECTORY
  ACME_EMAIL  LOG_FORMAT (text, json)  LOG_LEVEL  HEALTH_ADDR  DRAIN  NO_COLOR
  ACME_EMAIL_FILE and ACME_DIRECTORY_FILE name files that hold the value. docs/configuration.md has all of them.

Exit codes: 0 stopped as asked, 1 failed, 64 wrong command line, 78 wrong configuration;
under `run`, the program's own, or 128 and the number of the signal that ended it,
127 if there is no such program, 126 if it cannot be run;
of `status`, 0 all is well, 1 something needs a look, 2 a name has no valid certificate, 3 cannot be told;
of `doctor`, 0 nothing is wrong, 1 a warning, 2 something is certain to fail, 3 cannot be told;
of `fsck`, 0 nothing is wrong, 1 it can be repaired or is, 2 it needs a person.";

/// Automatic HTTPS in front of any app.
#[derive(Debug, Parser)]
#[command(name = "sidegate", version, after_help = EXAMPLES, args_conflicts_with_subcommands = true)]
struct Line {
    #[command(flatten)]
    site: SiteFlags,
    #[command(flatten)]
    machine: MachineFlags,
    #[command(subcommand)]
    verb: Option<Verb>,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Wrap a program: tell it its PORT, pass signals on, exit with its code
    Run {
        #[command(flatten)]
        site: SiteFlags,
        #[command(flatten)]
        machine: MachineFlags,
        /// The program and its arguments
        #[arg(last = true, required = true, value_name = "CMD")]
        command: Vec<OsString>,
    },
    /// Serve what a file says
    Serve {
        /// The file [default: /etc/sidegate/sidegate.toml, if it exists]
        #[arg(short = 'c', long = "config", value_name = "FILE")]
        file: Option<PathBuf>,
        #[command(flatten)]
        site: SiteFlags,
        #[command(flatten)]
        machine: MachineFlags,
    },
    /// Say whether the configuration is good, with every fault if not
    Check {
        /// The file [default: /etc/sidegate/sidegate.toml, if it exists]
        #[arg(short = 'c', long = "config", value_name = "FILE")]
        file: Option<PathBuf>,
        #[command(flatten)]
        site: SiteFlags,
        #[command(flatten)]
        machine: MachineFlags,
    },
    #[command(flatten)]
    Tool(Tool),
    /// A tiny app behind sidegate on https://localhost:8443, self-signed, leaving nothing behind
    Demo {
        /// Port for http [default: 8080]
        #[arg(long, value_name = "PORT")]
        http_port: Option<String>,
        /// Port for https [default: 8443]
        #[arg(long, value_name = "PORT")]
        https_port: Option<String>,
        /// off, error, warn, info, debug or trace
        #[arg(long, value_name = "LEVEL")]
        log: Option<String>,
    },
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn parsed(line: &str) -> Result<Command, Instead> {
        parse(std::iter::once("sidegate").chain(line.split_whitespace()).map(OsString::from))
    }

    #[test]
    fn the_definition_is_sound() {
        Line::command().debug_assert();
    }

    #[test]
    fn each_command_is_understood() {
        let flags =
            Flags { domain: vec!["a.example,b.example".into()], to: Some("3000".into()), ..Flags::default() };
        let direct = Command::Serve { purpose: Purpose::Direct, flags: flags.clone() };
        assert_eq!(parsed("--domain a.example,b.example --to 3000"), Ok(direct));
        let run = Command::Run { flags, command: vec!["app".into(), "--domain".into(), "x".into()] };
        assert_eq!(parsed("run --domain a.example,b.example --to 3000 -- app --domain x"), Ok(run));
        let file = Some(PathBuf::from("x.toml"));
        let flags = Flags { log: Some("debug".into()), ..Flags::default() };
        let serve = Command::Serve { purpose: Purpose::Serve { file: file.clone() }, flags };
        assert_eq!(parsed("serve -c x.toml --log debug"), Ok(serve));
        assert_eq!(parsed("check -c x.toml"), Ok(Command::Check { file, flags: Flags::default() }));
        let status = StatusArgs { name: Some("a.example".into()), json: true, place: Place::default() };
        assert_eq!(parsed("status a.example --json"), Ok(Command::Tool(Tool::Status(status))));
        assert_eq!(
            parsed("list --json"),
            Ok(Command::Tool(Tool::List(ListArgs { json: true, place: Place::default() })))
        );
        let fsck = FsckArgs { repair: true, json: false, place: Place::default() };
        assert_eq!(parsed("fsck --repair"), Ok(Command::Tool(Tool::Fsck(fsck))));
        let flags = Flags { expect_state: true, force: true, ..Flags::default() };
        let serve = Command::Serve { purpose: Purpose::Serve { file: None }, flags };
        assert_eq!(parsed("serve --expect-state --force"), Ok(serve));
        assert_eq!(parsed("doctor"), Ok(Command::Tool(Tool::Doctor(DoctorArgs::default()))));
        assert_eq!(parsed("demo"), Ok(Command::Demo { flags: Flags::default() }));
    }

    #[test]
    fn what_is_asked_for_is_not_an_error() {
        for words in ["--help", "-h", "--version", "run --help"] {
            assert_eq!(parsed(words).map_err(|instead| instead.code), Err(0), "{words}");
        }
        let version = parsed("--version").expect_err("a version").text;
        assert_eq!(version.trim(), concat!("sidegate ", env!("CARGO_PKG_VERSION")));
    }

    #[test]
    fn wrong_words_are_a_usage_error_that_helps() {
        for (words, hint) in [
            ("--domian x", "--domain"),
            ("sevre", "serve"),
            ("run", "CMD"),
            ("serve --grace 5", "--grace"),
            ("--to", "TARGET"),
            ("list extra", "extra"),
            ("status --domain a.example", "TLS_DOMAIN"),
            ("revoke a.example --reason lost", "keyCompromise"),
        ] {
            let instead = parsed(words).expect_err(words);
            assert_eq!(instead.code, USAGE, "{words}");
            assert!(instead.text.contains(hint), "{words}: {}", instead.text);
        }
    }
}
