//! An operator with a question: asks the process that uses the storage, or looks into the storage where none runs.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use http::Method;
use serde::Serialize;
use serde::de::DeserializeOwned;
use thiserror::Error;

use super::build::{self, Kit};
use super::{AppError, storage};
use crate::admin::{
    AskError, Desk, HistoryReport, ItemReport, LONGEST, Process, PruneReport, PruneRequest, Reason, Refusal,
    Renewal, RenewalRequest, Report, RevocationRequest, RollbackRequest, RolloverReport, RolloverRequest,
    Sources, ask,
};
use crate::catalog;
use crate::clock::Clock;
use crate::config::{Settings, Storage};
use crate::hooks::Calls;
use crate::host::control;
use crate::ident::{IdError, ItemId, Name, NameError};
use crate::manager::{AtRest, Past, Status};
use crate::proxy::Roots;
use crate::store::{Store, layout};

/// A process that works says at once who it is.
const AT_ONCE: Duration = Duration::from_secs(5);
/// For what takes some reading.
const A_WHILE: Duration = Duration::from_secs(60);

/// For a CA's word on something that it only has to look up.
const A_WORD: Duration = Duration::from_secs(5 * 60);

/// Why an operator did not get what was asked for.
#[derive(Debug, Error)]
pub enum OperatorError {
    /// The process, or what looks into the storage for it, said no.
    #[error(transparent)]
    Ask(#[from] AskError),
    /// A process runs, and this user may not ask it.
    #[error("a process uses the storage, and cannot be asked at {socket}; run this as the user it runs as")]
    Closed {
        /// Its socket.
        socket: String,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// What was given is no name.
    #[error(transparent)]
    Name(#[from] NameError),
    /// What was given is no item; if it is a name, that one has some.
    #[error("{error}{}", listing(.name.as_ref()))]
    Item {
        /// What is wrong with it.
        error: IdError,
        /// The name.
        name: Option<Name>,
    },
    /// There is no item behind the name.
    #[error("what is served for {0} is not an item of this storage")]
    Bare(Name),
    /// The storage cannot be looked into.
    #[error(transparent)]
    App(#[from] AppError),
}

impl OperatorError {
    /// What kind of answer it was, if it was one.
    #[must_use]
    pub fn reason(&self) -> Option<Reason> {
        match self {
            Self::Ask(AskError::Refused(refusal)) => Some(refusal.kind),
            _ => None,
        }
    }
}

fn listing(name: Option<&Name>) -> String {
    name.map_or_else(String::new, |name| format!("; `sidegate history {name}` lists those of the name"))
}

/// Whoever answers for a storage.
pub enum Operator {
    /// A process that uses it, at this socket.
    Process(Process, PathBuf),
    /// No process; this is what the storage says.
    Storage(Box<Desk>),
}

impl Operator {
    /// Finds the process that uses the storage; of several the one that issues. None if there is none.
    ///
    /// # Errors
    ///
    /// [`OperatorError`] where a process runs and cannot be asked: what the storage says may not be what it serves.
    pub async fn of_process(storage: &Storage) -> Result<Option<Self>, OperatorError> {
        let mut found = None;
        let mut failed = None;
        for socket in std::iter::once(&storage.path).chain(&storage.fallback).flat_map(|path| sockets(path)) {
            let socket = socket?;
            match call::<Process>(&socket, &get("/v1/process".to_owned()), &(), AT_ONCE).await {
                Ok(None) => {}
                Ok(Some(process)) if process.issues => return Ok(Some(Self::Process(process, socket))),
                Ok(Some(process)) => found = found.or(Some(Self::Process(process, socket))),
                Err(error) => failed = Some(error),
            }
        }
        match (found, failed) {
            (None, Some(error)) => Err(error),
            (found, _) => Ok(found),
        }
    }

    /// Looks into the storage, which no process uses.
    ///
    /// # Errors
    ///
    /// [`OperatorError::App`] if it cannot be looked into.
    pub async fn of_storage(settings: &Settings) -> Result<Self, OperatorError> {
        Ok(Self::Storage(Box::new(desk(settings).await?)))
    }

    /// Whether it is a process that issues.
    pub(super) fn issues(&self) -> bool {
        matches!(self, Self::Process(process, _) if process.issues)
    }

    /// How every certificate is, or `only` the one with this name.
    ///
    /// # Errors
    ///
    /// [`OperatorError`].
    pub async fn status(&self, only: Option<&str>) -> Result<Report, OperatorError> {
        let only = only.map(Name::parse).transpose()?;
        let one = only.as_ref().map(|name| format!("/{name}")).unwrap_or_default();
        let what = get(format!("/v1/status{one}"));
        self.answer(&what, &(), A_WHILE, async |desk| desk.status(only.as_ref()).await).await
    }

    /// One item.
    ///
    /// # Errors
    ///
    /// [`OperatorError`].
    pub async fn item(&self, id: &str) -> Result<ItemReport, OperatorError> {
        let id = item_id(id)?;
        let what = get(format!("/v1/items/{id}"));
        self.answer(&what, &(), A_WHILE, async |desk| desk.item(id.as_str()).await).await
    }

    /// All items for a name.
    ///
    /// # Errors
    ///
    /// [`OperatorError`].
    pub async fn history(&self, name: &str) -> Result<HistoryReport, OperatorError> {
        let name = Name::parse(name)?;
        let what = get(format!("/v1/history/{name}"));
        self.answer(&what, &(), A_WHILE, async |desk| desk.history(&name).await).await
    }

    /// Goes back to an earlier item of the certificate with this name, or no longer.
    ///
    /// # Errors
    ///
    /// [`OperatorError`].
    pub async fn roll_back(
        &self,
        name: &str,
        wanted: &RollbackRequest,
    ) -> Result<HistoryReport, OperatorError> {
        let name = Name::parse(name)?;
        let what = post(format!("/v1/rollback/{name}"));
        self.answer(&what, wanted, A_WHILE, async |desk| desk.roll_back(&name, wanted).await).await
    }

    /// The item with this id, or the one that the name is served with.
    ///
    /// # Errors
    ///
    /// [`OperatorError`].
    pub async fn item_or_served(&self, id_or_name: &str) -> Result<ItemReport, OperatorError> {
        if ItemId::parse(id_or_name).is_ok() {
            return self.item(id_or_name).await;
        }
        let history = self.history(id_or_name).await?;
        let served = history.items.into_iter().find(|item| history.served.as_ref() == Some(&item.item));
        served.ok_or(OperatorError::Bare(Name::parse(id_or_name)?))
    }

    /// Has an item revoked by its CA, and returns how it is then.
    ///
    /// # Errors
    ///
    /// [`OperatorError`]; also without a process.
    pub async fn revoke(&self, id: &str, wanted: &RevocationRequest) -> Result<ItemReport, OperatorError> {
        let id = item_id(id)?;
        let what = post(format!("/v1/revoke/{id}"));
        self.answer(&what, wanted, A_WORD, async |desk| desk.revoke(id.as_str(), wanted).await).await
    }

    /// Gives accounts other keys, and tells what became of each.
    ///
    /// # Errors
    ///
    /// [`OperatorError`].
    pub async fn roll_over(&self, wanted: &RolloverRequest) -> Result<RolloverReport, OperatorError> {
        let what = post("/v1/accounts/rollover".to_owned());
        self.answer(&what, wanted, LONGEST, async |desk| desk.roll_over(wanted).await).await
    }

    /// Removes items that nobody needs.
    ///
    /// # Errors
    ///
    /// [`OperatorError`]; also without a process.
    pub(super) async fn prune(&self, wanted: &PruneRequest) -> Result<PruneReport, OperatorError> {
        let what = post("/v1/prune".to_owned());
        self.answer(&what, wanted, LONGEST, async |desk| desk.prune(wanted).await).await
    }

    /// Renews the certificate with this name, or tries that out, and returns when it is known what came of it.
    ///
    /// # Errors
    ///
    /// [`OperatorError`]; also without a process.
    pub async fn renew(&self, name: &str, wanted: RenewalRequest) -> Result<Renewal, OperatorError> {
        let name = Name::parse(name)?;
        let what = post(format!("/v1/renew/{name}"));
        self.answer(&what, &wanted, LONGEST, async |desk| desk.renew(name, wanted).await).await
    }

    /// What the process says, or without one the desk.
    async fn answer<T: DeserializeOwned>(
        &self,
        what: &Question,
        body: &impl Serialize,
        patience: Duration,
        at_rest: impl AsyncFnOnce(&Desk) -> Result<T, Refusal>,
    ) -> Result<T, OperatorError> {
        match self {
            Self::Process(_, socket) => {
                let answer = call(socket, what, body, patience).await?;
                answer.ok_or_else(|| AskError::Broken("it has just ended".into()).into())
            }
            Self::Storage(desk) => Ok(at_rest(desk).await.map_err(AskError::Refused)?),
        }
    }
}

/// It becomes part of a path.
fn item_id(given: &str) -> Result<ItemId, OperatorError> {
    ItemId::parse(given).map_err(|error| OperatorError::Item { error, name: Name::parse(given).ok() })
}

/// What is asked for at a socket.
type Question = (Method, String);

fn get(path: String) -> Question {
    (Method::GET, path)
}

fn post(path: String) -> Question {
    (Method::POST, path)
}

/// Where the sockets of a storage are.
pub(super) fn folder(storage: &Path) -> PathBuf {
    storage.join(layout::control().as_str())
}

fn sockets(storage: &Path) -> Vec<Result<PathBuf, OperatorError>> {
    let folder = folder(storage);
    match control::sockets(&folder) {
        Ok(sockets) => sockets.into_iter().map(Ok).collect(),
        Err(source) if source.kind() == ErrorKind::PermissionDenied => {
            vec![Err(OperatorError::Closed { socket: folder.display().to_string(), source })]
        }
        // No storage, which is for whoever looks into it to say.
        Err(source) if source.kind() == ErrorKind::NotADirectory => Vec::new(),
        Err(source) => {
            let what = format!("{} cannot be listed", folder.display());
            vec![Err(AppError::setup(&what)(source).into())]
        }
    }
}

/// Asks the process at a socket; none if it is dead.
async fn call<T: DeserializeOwned>(
    socket: &Path,
    (method, path): &Question,
    body: &impl Serialize,
    patience: Duration,
) -> Result<Option<T>, OperatorError> {
    let closed = |source| OperatorError::Closed { socket: socket.display().to_string(), source };
    let Some(stream) = control::connect(socket).await.map_err(closed)? else { return Ok(None) };
    Ok(Some(ask(stream, (method.clone(), path), body, patience).await?))
}

/// A desk with nothing behind it but the storage.
async fn desk(settings: &Settings) -> Result<Desk, AppError> {
    let clock = Clock::system();
    let opened = storage::open_present(&settings.storage)?;
    let recorder = opened.journal(&clock, || {})?;
    let (store, storage) = (Store::new(opened.engine, clock.clone()), opened.path);
    // Nobody solves anything here, but whoever knows a CA's limits would.
    let (_, challenges, ..) = catalog::open();
    let kit = Kit { store, storage: storage.clone(), challenges, clock, recorder, roots: Roots::default() };
    let options = build::manager(settings, &kit)?;
    let Kit { store, clock, recorder, .. } = kit;
    let at_rest = AtRest::new(store.clone(), options.issuers.clone(), recorder);
    let status = Status::of_storage(options.desired, options.issuers, &store, clock.now()).await?;
    let past = Past::new(status.clone(), store);
    let calls = settings.hooks.as_ref().map(|_| Calls::of_storage(&storage)).unwrap_or_default();
    Ok(Desk::of_storage(Sources { status, past, calls }, at_rest, clock, storage))
}
