//! Where an operator's questions are answered: by the process that runs, or by a tool from the storage alone.

use std::path::PathBuf;

use super::report::{Certificate, Hook, Process, Reason, Refusal, Renewal, RenewalRequest, Report, VERSION};
use crate::clock::Clock;
use crate::hooks::Calls;
use crate::ident::Name;
use crate::manager::{Asking, AtRest, Commands, NotOurs, NotRenewed, Past, Status};

/// Answers about one storage. Cloning shares what is looked at.
#[derive(Clone)]
pub struct Desk {
    pub(super) sources: Sources,
    pub(super) clock: Clock,
    storage: PathBuf,
    pub(super) behind: Behind,
}

/// Where the answers come from.
#[derive(Clone)]
pub struct Sources {
    /// How every certificate is.
    pub status: Status,
    /// What there is and was in the storage.
    pub past: Past,
    /// How the hook does.
    pub calls: Calls,
}

/// Who does what is asked for.
#[derive(Clone)]
pub(super) enum Behind {
    /// The manager of a running process.
    Process(Commands),
    /// A tool, as far as that can be done without a process.
    Storage(AtRest),
}

impl Desk {
    /// The desk of a running process.
    #[must_use]
    pub fn of_process(sources: Sources, commands: Commands, clock: Clock, storage: PathBuf) -> Self {
        Self { sources, clock, storage, behind: Behind::Process(commands) }
    }

    /// A desk with nothing behind it but the storage.
    #[must_use]
    pub fn of_storage(sources: Sources, at_rest: AtRest, clock: Clock, storage: PathBuf) -> Self {
        Self { sources, clock, storage, behind: Behind::Storage(at_rest) }
    }

    /// The manager that runs behind it, if one does.
    pub(super) fn commands(&self) -> Option<&Commands> {
        match &self.behind {
            Behind::Process(commands) => Some(commands),
            Behind::Storage(_) => None,
        }
    }

    /// Who answers, if a process does.
    #[must_use]
    pub fn process(&self) -> Option<Process> {
        self.commands().map(|_| Process {
            version: VERSION,
            pid: std::process::id(),
            program: env!("CARGO_PKG_VERSION").to_owned(),
            issues: self.sources.status.issues(),
            storage: self.storage.clone(),
        })
    }

    /// The manager that runs behind it, or why none can be asked.
    pub(super) fn commands_or(&self, otherwise: &str) -> Result<&Commands, Refusal> {
        self.commands().ok_or_else(|| {
            let elsewhere =
                "the storage is read-only here: ask the process that issues, where it can be written";
            let what = if self.sources.past.is_read_only() { elsewhere } else { otherwise };
            Refusal::new(Reason::Refused, what)
        })
    }

    /// How every certificate is, or `only` the one with this name.
    ///
    /// # Errors
    ///
    /// [`Reason::Unknown`] if nobody has configured the name.
    pub async fn status(&self, only: Option<&Name>) -> Result<Report, Refusal> {
        let now = self.clock.now();
        let rows = self.sources.status.certificates(only).await;
        if let (Some(name), true) = (only, rows.is_empty()) {
            return Err(Refusal::new(Reason::Unknown, self.sources.status.not_ours(name).to_string()));
        }
        let certificates = rows.into_iter().map(|(row, left)| Certificate::of(&row, left, now)).collect();
        let (process, storage) = (self.process(), self.storage.clone());
        let read_only = self.sources.past.is_read_only();
        // A hook is told of all certificates: its trouble says nothing about this one.
        let hook = only.is_none().then(|| Hook::of(self.sources.calls.trouble(now))).flatten();
        Ok(Report { version: VERSION, process, storage, read_only, certificates, hook })
    }

    /// Renews the certificate with this name, or tries that out, and returns when it is known what came of it.
    ///
    /// # Errors
    ///
    /// [`Refusal`]; also without a process, since nobody would answer the CA's questions.
    pub async fn renew(&self, name: Name, wanted: RenewalRequest) -> Result<Renewal, Refusal> {
        let what = "no process uses the storage, and a CA wants to be answered by one: start sidegate, and it renews what \
                    is due by itself";
        let commands = self.commands_or(what)?;
        let asking = match wanted {
            RenewalRequest { dry_run: true, .. } => Asking::Trial,
            RenewalRequest { force: true, .. } => Asking::Forced,
            RenewalRequest { .. } => Asking::Due,
        };
        commands.renew(name, asking).await.map(Renewal::of).map_err(|error| {
            let kind = match error {
                NotRenewed::NotOurs(NotOurs::Unknown { .. }) => Reason::Unknown,
                NotRenewed::NotOurs(NotOurs::Elsewhere { .. })
                | NotRenewed::Follower
                | NotRenewed::NotDue(_) => Reason::Refused,
                NotRenewed::Failed(_) | NotRenewed::GivenUp => Reason::Failed,
            };
            Refusal::new(kind, error.to_string())
        })
    }
}
