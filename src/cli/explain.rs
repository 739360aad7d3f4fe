//! `sidegate explain`.

use std::fmt::Write;
use std::time::Duration;

use clap::Args;
use serde::Serialize;
use tokio::runtime::LocalRuntime;

use super::act::{FAILED, say, show};
use super::counted::counted;
use super::flags::{Configured, Place};
use crate::app::{Entry, Name, NotOurs, Outlook, Story, concerns, is_about, rfc3339};
use crate::config::Env;
use crate::host::output;

/// How often the journal is looked at while it is followed.
const LOOK: Duration = Duration::from_millis(200);

/// `sidegate explain`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
pub struct ExplainArgs {
    /// The name
    #[arg(value_name = "NAME", required_unless_present = "verify")]
    pub name: Option<String>,
    /// Go on with what happens, until Ctrl-C
    #[arg(long, conflicts_with = "verify")]
    pub follow: bool,
    /// JSON for programs; with --follow one line for each event
    #[arg(long, conflicts_with = "verify")]
    pub json: bool,
    /// Only say whether the journal is whole, with every line that is not
    #[arg(long)]
    pub verify: bool,
    /// Of which storage.
    #[command(flatten)]
    pub place: Place,
}

/// What `--json` says.
#[derive(Serialize)]
struct Told<'a> {
    name: &'a str,
    events: &'a [Entry],
    served: Option<&'a str>,
    served_because: &'a [String],
    next: Option<&'a str>,
    next_at: Option<String>,
    next_because: &'a [String],
}

impl ExplainArgs {
    pub(super) fn act(self, runtime: &LocalRuntime, env: &Env) -> Result<u8, u8> {
        let Self { name, follow, json, verify: only_verify, place } = self;
        let Configured { storage, settings } = place.configured(env)?;
        let mut story = Story::open(&storage, follow).map_err(|e| say(&e))?;
        if only_verify {
            return verify(&mut story);
        }
        let name = Name::parse(&name.unwrap_or_default()).map_err(|e| say(&e))?;
        if follow {
            return runtime.block_on(go_on(&mut story, &name, json));
        }
        let entries = entries(&mut story, &name)?;
        // What has happened is told all the same.
        let (outlook, code) = match settings {
            Ok(settings) => {
                let outlook = runtime.block_on(story.outlook(&settings, &name));
                (Some(outlook.map_err(|e| say(&e))?), 0)
            }
            Err(code) => (None, code),
        };
        if let Some(Err(not_ours)) = &outlook
            && !entries.iter().any(|entry| is_about(entry, &name))
        {
            return Err(say(not_ours));
        }
        show(&if json {
            object(&name, &entries, outlook.as_ref())
        } else {
            text(&entries, outlook.as_ref())
        });
        Ok(code)
    }
}

/// Shows what happens, until nobody reads it any more.
async fn go_on(story: &mut Story, name: &Name, json: bool) -> Result<u8, u8> {
    while output::is_read() {
        for entry in entries(story, name)? {
            show(&if json { line(&entry) } else { words(&entry) });
        }
        tokio::time::sleep(LOOK).await;
    }
    Ok(0)
}

/// What is new about the name. Lines that are damaged are told beside it.
fn entries(story: &mut Story, name: &Name) -> Result<Vec<Entry>, u8> {
    let mut entries = Vec::new();
    for read in story.read().map_err(|e| say(&e))? {
        match read {
            Ok(entry) => entries.extend(concerns(&entry, name).then_some(entry)),
            Err(damage) => eprintln!("sidegate: the journal is damaged: {damage}"),
        }
    }
    Ok(entries)
}

fn verify(story: &mut Story) -> Result<u8, u8> {
    let read = story.read().map_err(|e| say(&e))?;
    let (whole, damaged): (Vec<_>, Vec<_>) = read.into_iter().partition(Result::is_ok);
    for damage in damaged.iter().filter_map(|damage| damage.as_ref().err()) {
        show(&format!("{damage}\n"));
    }
    let count = whole.len();
    let first = whole.first().and_then(|entry| entry.as_ref().ok()).map_or(0, |entry| entry.n);
    if damaged.is_empty() {
        show(&format!("the journal is whole: {} from number {first} on\n", counted(count, "event")));
        Ok(0)
    } else {
        show(&format!("{} damaged, {count} whole\n", counted(damaged.len(), "line")));
        Err(FAILED)
    }
}

/// What happened, and what comes next as far as the configuration can say it.
fn text(entries: &[Entry], outlook: Option<&Result<Outlook, NotOurs>>) -> String {
    let mut out: String = entries.iter().map(words).collect();
    if entries.is_empty() {
        out.push_str("The journal knows nothing of it.\n");
    }
    out.push('\n');
    let outlook = match outlook {
        Some(Ok(outlook)) => outlook,
        Some(Err(not_ours)) => {
            let _ = writeln!(out, "{not_ours} (-c FILE, or TLS_DOMAIN, says what is configured)");
            return out;
        }
        None => return out + "What comes next is for the configuration to say, which is faulty.\n",
    };
    let mut part = |head: &str, what: &str, because: &[String]| {
        // Writing to a String cannot fail.
        let _ = writeln!(out, "{head}{what}");
        for why in because {
            let _ = writeln!(out, "    {why}");
        }
    };
    part("served  ", &outlook.served, &outlook.served_because);
    let at = outlook.next_at.map(|at| format!(" at {}", rfc3339(at))).unwrap_or_default();
    part("next    ", &format!("{}{at}", outlook.next), &outlook.next_because);
    out
}

/// An event for people: when and what, and below it why.
fn words(entry: &Entry) -> String {
    let record = &entry.record;
    let mut out = format!("{}  {}\n", record.at, record.event.what());
    for why in record.event.why() {
        let _ = writeln!(out, "    {why}");
    }
    out
}

fn line(entry: &Entry) -> String {
    // Names, words and moments always have a form in JSON.
    serde_json::to_string(entry).unwrap_or_default() + "\n"
}

fn object(name: &Name, events: &[Entry], outlook: Option<&Result<Outlook, NotOurs>>) -> String {
    let (name, outlook) = (name.to_string(), outlook.and_then(|outlook| outlook.as_ref().ok()));
    let none: &[String] = &[];
    let told = Told {
        name: &name,
        events,
        served: outlook.map(|outlook| outlook.served.as_str()),
        served_because: outlook.map_or(none, |outlook| &outlook.served_because),
        next: outlook.map(|outlook| outlook.next.as_str()),
        next_at: outlook.and_then(|outlook| outlook.next_at).map(rfc3339),
        next_because: outlook.map_or(none, |outlook| &outlook.next_because),
    };
    serde_json::to_string_pretty(&told).unwrap_or_default() + "\n"
}
