//! The program that is told what happens: `[hooks]`.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::hooks::{Occasion, Options};
use crate::host::Program;

use super::Purpose;
use super::check::Checker;
use super::written::{At, HooksWritten, Words};

const TIMEOUT: Duration = Duration::from_secs(30);
/// What comes after waits for it.
const LONGEST: Duration = Duration::from_secs(600);
const COMMAND: &str = "a program and its first arguments, such as [\"/etc/sidegate/hook\"]";

impl Checker<'_> {
    /// Who is told of what, if anybody is. The program is looked for.
    pub(super) fn hooks(&mut self) -> Option<Options> {
        let written = self.layer.hooks.take()?;
        let HooksWritten { place, command, events, timeout } = &written;
        let patience =
            timeout.as_ref().map_or(TIMEOUT, |words| self.bounded(words, Duration::from_secs(1), LONGEST));
        let occasions = events.as_ref().map_or_else(|| Occasion::ALL.into(), |list| self.occasions(list));
        let Some(command) = command else {
            // One of a wrong kind has been told.
            if !self.faults.iter().any(|fault| fault.key == "hooks.command") {
                self.missing(place, "hooks.command", "nothing says which program is told", COMMAND);
            }
            return None;
        };
        self.not_empty(command, COMMAND);
        let (program, arguments) = command.value.split_first()?;
        let name = program.program();
        let arguments = arguments.iter().map(|words| words.value.clone());
        let words: Vec<String> = std::iter::once(name.clone()).chain(arguments).collect();
        let options = Options { program: Program::new(words, patience), occasions };
        // Whoever only looks at certificates may be another user.
        let only_looks = matches!(self.purpose, Purpose::List { .. });
        if !only_looks && let Err(why) = options.program.look(self.env.path()) {
            let fault = program.fault(format!("{name} {why}"));
            self.faults.push(fault.accepted("the path of an executable file, or the name of one in PATH"));
        }
        Some(options)
    }

    fn occasions(&mut self, list: &At<Vec<Words>>) -> BTreeSet<Occasion> {
        let known = Occasion::ALL.map(Occasion::as_str);
        self.not_empty(list, &known.join(", "));
        let mut occasions = BTreeSet::new();
        for words in &list.value {
            match Occasion::ALL.into_iter().find(|occasion| occasion.as_str() == words.value) {
                Some(occasion) => drop(occasions.insert(occasion)),
                None => {
                    let fault =
                        words.fault(format!("{:?} is not an event that hooks are told of", words.value));
                    self.faults.push(fault.known(&words.value, &known));
                }
            }
        }
        occasions
    }
}
