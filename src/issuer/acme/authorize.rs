//! Proving the names of an order (RFC 8555 section 7.5).

use std::time::Duration;

use futures_util::future::try_join_all;
use instant_acme::{
    AuthorizationHandle, AuthorizationState, AuthorizationStatus, Authorizations, ChallengeStatus,
    ChallengeType, Error, Order, OrderStatus,
};

use super::failure::{printable, text_of};
use super::nonce::insist;
use super::order::{Desk, Origin, Patience};
use super::solvers::Choice;
use crate::ident::{Name, Names};
use crate::issuer::solver::{Challenge, ChallengeKind, Posted, SolveError, Solver};
use crate::issuer::{IssueError, Progress};
use crate::story::{Event, Text};

/// How long the other names' validations may go on after one has failed, before their answers are taken down.
const SETTLE: Duration = Duration::from_secs(15);

/// What there is to know of one authorization.
struct View {
    /// With its `*.`, if it is for a wildcard.
    name: String,
    status: AuthorizationStatus,
    challenges: Vec<Offer>,
    /// Everything on offer, in the CA's words.
    offered: Vec<String>,
}

/// A challenge of a kind we know.
struct Offer {
    kind: ChallengeKind,
    status: ChallengeStatus,
    token: String,
    error: Option<String>,
}

/// An answer that the CA has not been told about.
struct Hanging<'s> {
    index: usize,
    name: Name,
    solver: &'s dyn Solver,
    posted: Posted,
    /// What the CA has done about it so far.
    status: ChallengeStatus,
}

/// A name whose proof the CA is looking at.
struct Asked {
    index: usize,
    name: Name,
    /// None if it was decided before we answered.
    kind: Option<ChallengeKind>,
}

impl Desk<'_> {
    /// Proves every name of a pending order that is not proved yet; the order is no longer pending then. Gives the
    /// reason if it has died of it, which is written down by then.
    ///
    /// The answers hang until the CA has decided about all names, or this future is dropped.
    pub(super) async fn authorize(
        &self,
        order: &mut Order,
        names: &Names,
        origin: Origin,
        progress: &dyn Progress,
    ) -> Result<Option<IssueError>, IssueError> {
        let count = order.state().authorizations.len();
        if count > names.len() {
            return Err(self.nonsense(format!("{count} authorizations for {} names", names.len())));
        }
        let issuers = self.ca_directory().await?.meta.caa_identities;
        let mut hanging = Vec::with_capacity(count);
        for index in 0..count {
            let view = self.look(order, index, false).await?;
            let name = self.name_of(&view, names)?;
            match view.status {
                AuthorizationStatus::Pending => {
                    hanging.push(self.post_answer(index, name, &view, &issuers).await?);
                }
                AuthorizationStatus::Valid => self.recorder.tell([&name], Event::ProvedBefore),
                // The order shares its fate, whatever its own state still says.
                _ => {
                    let asked = [Asked { index, name, kind: None }];
                    return Ok(Some(self.why_unproved(order, names, &asked, origin).await?));
                }
            }
        }
        // All of them hang before any is waited for: the waits then go on at the same time.
        let sights = hanging.iter().map(|hanging| hanging.solver.until_seen(&hanging.name, &hanging.posted));
        try_join_all(sights).await.map_err(|e| self.unsolved(e))?;

        if hanging.iter().any(|hanging| hanging.solver.kind() == ChallengeKind::Http01) {
            self.membership.choose().await;
        }
        let mut asked = Vec::with_capacity(hanging.len());
        for Hanging { index, name, solver, status, .. } in &hanging {
            if *status == ChallengeStatus::Pending {
                self.set_ready(order, *index, solver.kind()).await?;
            }
            asked.push(Asked { index: *index, name: name.clone(), kind: Some(solver.kind()) });
        }

        let outcome = match self.wait_while(order, OrderStatus::Pending).await? {
            OrderStatus::Invalid => Some(self.why_unproved(order, names, &asked, origin).await?),
            _ => {
                self.note_validated(asked, progress).await?;
                None
            }
        };
        // Not before: with validation from several places some of them come late.
        drop(hanging);
        Ok(outcome)
    }

    /// Hangs up the answer to one of an authorization's challenges.
    async fn post_answer(
        &self,
        index: usize,
        name: Name,
        view: &View,
        issuers: &[String],
    ) -> Result<Hanging<'_>, IssueError> {
        let (solver, offer) = self.choose(&name, view)?;
        let challenge = Challenge {
            name: name.clone(),
            token: offer.token.clone(),
            // RFC 8555 section 8.1.
            key_authorization: format!("{}.{}", offer.token, self.account.key_thumbprint()),
            account: self.account.id().to_owned(),
            issuers: issuers.to_vec(),
        };
        let posted = solver.post(&challenge).await.map_err(|e| self.unsolved(e))?;
        if !matches!(posted, Posted::Standing) {
            self.recorder.tell([&name], Event::ChallengePosted { kind: Text::of(solver.kind()) });
        }
        Ok(Hanging { index, name, solver, posted, status: offer.status })
    }

    /// Notes by what the names were validated that the CA was asked about; those decided before are left out.
    async fn note_validated(&self, asked: Vec<Asked>, progress: &dyn Progress) -> Result<(), IssueError> {
        let validated: Vec<(Name, ChallengeKind)> =
            asked.into_iter().filter_map(|Asked { name, kind, .. }| Some((name, kind?))).collect();
        for (name, kind) in &validated {
            self.recorder.tell([name], Event::Validated { kind: Text::of(kind) });
            self.solvers.proved(name);
        }
        if !validated.is_empty() {
            progress.note_validated(&validated).await?;
        }
        Ok(())
    }

    /// The configured name an authorization is about.
    fn name_of(&self, view: &View, names: &Names) -> Result<Name, IssueError> {
        let name = Name::parse(&view.name).ok().filter(|name| names.contains(name));
        name.ok_or_else(|| self.nonsense("an authorization for a name that was not ordered"))
    }

    /// The challenge to answer, and who does: the one already under way, else the one most likely to work.
    fn choose<'v>(&self, name: &Name, view: &'v View) -> Result<(&dyn Solver, &'v Offer), IssueError> {
        let allowed = || view.challenges.iter().filter(|offer| self.challenges.contains(&offer.kind));
        let under_way = allowed().filter(|offer| offer.status == ChallengeStatus::Processing);
        let under_way: Vec<ChallengeKind> = under_way.map(|offer| offer.kind).collect();
        let offered: Vec<ChallengeKind> = allowed().map(|offer| offer.kind).collect();
        let last = self.validated.iter().find(|(validated, _)| validated == name).map(|(_, kind)| *kind);
        let choose = |kinds: &[ChallengeKind]| self.solvers.choose(name, kinds, last);
        let solver = choose(&under_way).or_else(|| choose(&offered));
        let chosen = solver.and_then(|solver| {
            Some((solver, view.challenges.iter().find(|offer| offer.kind == solver.kind())?))
        });
        let Some((solver, offer)) = chosen else {
            let offered = view.offered.join(", ");
            return Err(IssueError::Unprovable { name: name.clone(), offered });
        };
        if offer.kind == ChallengeKind::DnsPersist01 {
            return Ok((solver, offer));
        }
        // RFC 8555 section 8: base64url. It becomes part of a URL path and of a look-up.
        let is_token = !offer.token.is_empty()
            && offer.token.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
        if !is_token {
            return Err(self.nonsense("a challenge token with characters that do not belong"));
        }
        let (kind, under_way, allowed) = (solver.kind(), &under_way[..], self.challenges);
        let choice = Choice { name, kind, under_way, allowed, last };
        let offered: Vec<ChallengeKind> = view.challenges.iter().map(|offer| offer.kind).collect();
        self.recorder.tell([name], self.solvers.why(choice, &offered));
        Ok((solver, offer))
    }

    /// The kind did not work for the name, though the CA had no part in it.
    fn unsolved(&self, error: SolveError) -> IssueError {
        self.solvers.failed(&error.name, error.kind);
        error.into()
    }

    /// Asks the CA to look.
    async fn set_ready(
        &self,
        order: &mut Order,
        index: usize,
        kind: ChallengeKind,
    ) -> Result<(), IssueError> {
        let Err(error) = insist!(self.http, set_ready(order, index, kind)) else { return Ok(()) };
        let error = self.explain(error);
        // A validation that an earlier attempt asked for may have ended meanwhile; there is nothing to be ready
        // for then, and the authorization says how it ended.
        let view = self.look(order, index, true).await?;
        if view.status == AuthorizationStatus::Pending { Err(error) } else { Ok(()) }
    }

    /// Waits until the CA has decided about every name that was asked for, and gives the reason of those that failed,
    /// once it is written down that the order has come to nothing.
    async fn why_unproved(
        &self,
        order: &mut Order,
        names: &Names,
        asked: &[Asked],
        origin: Origin,
    ) -> Result<IssueError, IssueError> {
        let (mut unproved, mut failed) = (Vec::new(), Vec::new());
        let mut patience = Patience::new(SETTLE);
        for Asked { index, name, kind } in asked {
            let view = loop {
                let view = self.look(order, *index, true).await?;
                if view.status != AuthorizationStatus::Pending || patience.wait(self).await.is_err() {
                    break view;
                }
            };
            if matches!(view.status, AuthorizationStatus::Pending | AuthorizationStatus::Valid) {
                continue;
            }
            let (kind, detail) = self.tell_unproved(name, &view, *kind);
            if let Some(kind) = kind
                && origin == Origin::Placed
            {
                self.solvers.failed(name, kind);
            }
            failed.extend((view.status == AuthorizationStatus::Invalid).then(|| name.clone()));
            unproved.push((name.clone(), kind, detail));
        }
        self.budget.no_certificate(self.account.id(), names, &failed).await?;
        let others: Vec<String> = unproved.iter().skip(1).map(|(name, ..)| name.to_string()).collect();
        let Some((name, kind, mut detail)) = unproved.into_iter().next() else {
            return Ok(self.why_invalid(order));
        };
        if !others.is_empty() {
            detail = format!("{detail} (nor {})", others.join(", "));
        }
        Ok(match kind {
            Some(kind) => IssueError::Unverified { name, kind, detail },
            None => IssueError::Refused {
                directory: self.directory.to_owned(),
                detail: format!("{name}: {detail}"),
                for_good: false,
            },
        })
    }

    /// The names of an invalid order that could not be verified, as far as the CA still says.
    pub(super) async fn failed(&self, order: &mut Order, names: &Names) -> Result<Vec<Name>, IssueError> {
        let mut failed = Vec::new();
        for index in 0..order.state().authorizations.len().min(names.len()) {
            let view = match self.look(order, index, false).await {
                Err(IssueError::Refused { .. }) => break,
                looked => looked?,
            };
            if let (AuthorizationStatus::Invalid, Ok(name)) = (view.status, self.name_of(&view, names)) {
                self.tell_unproved(&name, &view, None);
                failed.push(name);
            }
        }
        Ok(failed)
    }

    /// Tells why the CA does not take a name for proved, and gives that in its words, with the kind of challenge that
    /// failed, or else that it was `asked` about.
    fn tell_unproved(
        &self,
        name: &Name,
        view: &View,
        asked: Option<ChallengeKind>,
    ) -> (Option<ChallengeKind>, String) {
        let failed = view.challenges.iter().find(|offer| offer.status == ChallengeStatus::Invalid);
        let kind = failed.map(|offer| offer.kind).or(asked);
        let detail = failed
            .and_then(|offer| offer.error.clone())
            .unwrap_or_else(|| format!("the authorization is {:?}", view.status));
        let told = Event::Unverified { kind: kind.map(Text::of), detail: detail.as_str().into() };
        self.recorder.tell([name], told);
        (kind, detail)
    }

    /// What the CA says of one authorization; with `again`, what it says now.
    async fn look(&self, order: &mut Order, index: usize, again: bool) -> Result<View, IssueError> {
        insist!(self.http, look(order, index, again)).map_err(|e| self.explain(e))
    }
}

impl View {
    fn of(state: &AuthorizationState) -> Self {
        let offer = |challenge: &instant_acme::Challenge| {
            let kind = kind_of(&challenge.r#type)?;
            let error = challenge.error.as_ref().map(text_of);
            Some(Offer { kind, status: challenge.status, token: challenge.token.clone(), error })
        };
        Self {
            name: state.identifier().to_string(),
            status: state.status,
            challenges: state.challenges.iter().filter_map(offer).collect(),
            offered: state.challenges.iter().map(|challenge| spelling(&challenge.r#type)).collect(),
        }
    }
}

async fn look(order: &mut Order, index: usize, again: bool) -> Result<View, Error> {
    let mut all = order.authorizations();
    let mut authorization = nth(&mut all, index).await?;
    if again {
        authorization.refresh().await?;
    }
    Ok(View::of(&authorization))
}

async fn set_ready(order: &mut Order, index: usize, kind: ChallengeKind) -> Result<(), Error> {
    let mut all = order.authorizations();
    let mut authorization = nth(&mut all, index).await?;
    let mut challenge = authorization.challenge(type_of(kind)).ok_or(Error::Str("the challenge is gone"))?;
    challenge.set_ready().await
}

/// The authorization at this place. Those that have been looked at before are not asked for again.
async fn nth<'a>(all: &'a mut Authorizations<'_>, index: usize) -> Result<AuthorizationHandle<'a>, Error> {
    for _ in 0..index {
        all.next().await.ok_or(Error::Str("an authorization is gone"))??;
    }
    all.next().await.ok_or(Error::Str("an authorization is gone"))?
}

/// What `instant_acme` calls a kind.
fn type_of(kind: ChallengeKind) -> ChallengeType {
    match kind {
        ChallengeKind::Http01 => ChallengeType::Http01,
        ChallengeKind::TlsAlpn01 => ChallengeType::TlsAlpn01,
        ChallengeKind::Dns01 => ChallengeType::Dns01,
        ChallengeKind::DnsPersist01 => ChallengeType::Unknown(kind.as_str().to_owned()),
    }
}

fn kind_of(r#type: &ChallengeType) -> Option<ChallengeKind> {
    ChallengeKind::ALL.into_iter().find(|kind| type_of(*kind) == *r#type)
}

fn spelling(r#type: &ChallengeType) -> String {
    match (kind_of(r#type), r#type) {
        (Some(kind), _) => kind.to_string(),
        (None, ChallengeType::Unknown(name)) => printable(name),
        (None, other) => format!("{other:?}"),
    }
}
