//! Which kind of challenge proves which name.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::ident::{Name, Names};
use crate::issuer::solver::{ChallengeKind, Solver};
use crate::story::{Event, Text};

/// The configured solvers, and what has not worked with them lately.
pub(super) struct Solvers {
    /// The preferred one first.
    all: Vec<Box<dyn Solver>>,
    /// How often a kind has failed for a name since it was last proved. In memory only: after a restart each gets its
    /// chance again.
    failures: Mutex<HashMap<(Name, ChallengeKind), u32>>,
}

/// A kind of challenge that was chosen for a name.
#[derive(Clone, Copy)]
pub(super) struct Choice<'a> {
    pub(super) name: &'a Name,
    pub(super) kind: ChallengeKind,
    /// The kinds whose validation had begun.
    pub(super) under_way: &'a [ChallengeKind],
    /// The kinds that the site may use.
    pub(super) allowed: &'a [ChallengeKind],
    /// The kind that validated the name the last time.
    pub(super) last: Option<ChallengeKind>,
}

impl Solvers {
    pub(super) fn new(all: Vec<Box<dyn Solver>>) -> Self {
        Self { all, failures: Mutex::default() }
    }

    /// The solver to try: of those that can prove the name and whose kind the CA offers, the one that has failed
    /// least for it; of those the one that validated it the last time, else the preferred one.
    pub(super) fn choose(
        &self,
        name: &Name,
        offered: &[ChallengeKind],
        last: Option<ChallengeKind>,
    ) -> Option<&dyn Solver> {
        let failures = self.failures();
        let failed = |solver: &dyn Solver| failures.get(&(name.clone(), solver.kind())).copied();
        self.all
            .iter()
            .map(AsRef::as_ref)
            .filter(|solver| offered.contains(&solver.kind()) && solver.can_prove(name))
            .min_by_key(|solver| (failed(*solver).unwrap_or_default(), last != Some(solver.kind())))
    }

    /// The kinds that may be used: those that are configured, of those that are allowed.
    pub(super) fn kinds(&self, allowed: &[ChallengeKind]) -> Vec<ChallengeKind> {
        self.all.iter().map(|solver| solver.kind()).filter(|kind| allowed.contains(kind)).collect()
    }

    /// The kinds that may be used to prove these names where we have another account, for which no record stands;
    /// none if one of the names cannot be proved so.
    pub(super) fn elsewhere(&self, names: &Names, allowed: &[ChallengeKind]) -> Option<Vec<ChallengeKind>> {
        let mut kinds = self.kinds(allowed);
        kinds.retain(|kind| *kind != ChallengeKind::DnsPersist01);
        names.iter().all(|name| self.choose(name, &kinds, None).is_some()).then_some(kinds)
    }

    /// Why a kind was chosen, and why none of the others that are configured.
    pub(super) fn why(&self, choice: Choice<'_>, offered: &[ChallengeKind]) -> Event {
        let Choice { name, kind, under_way, allowed, last } = choice;
        let failures = self.failures();
        let failed = |kind: ChallengeKind| failures.get(&(name.clone(), kind)).copied().unwrap_or_default();
        let against = |solver: &dyn Solver| {
            let other = solver.kind();
            if !solver.can_prove(name) {
                format!("{other}, which cannot prove {name}")
            } else if !allowed.contains(&other) {
                format!("{other}, which is not among the challenges of the site")
            } else if !offered.contains(&other) {
                format!("{other}, which the CA does not offer for this name")
            } else if under_way.contains(&kind) {
                format!("{other}, with which nothing has begun")
            } else if failed(other) > failed(kind) {
                format!("{other}, which has failed {} times", failed(other))
            } else if last == Some(kind) {
                format!("{other}, by which it was not validated the last time")
            } else {
                format!("{other}, which comes later in challenges")
            }
        };
        let others = self.all.iter().map(AsRef::as_ref).filter(|solver| solver.kind() != kind);
        let others: Vec<Text> = others.map(|solver| against(solver).into()).collect();
        let why = if under_way.contains(&kind) {
            "its validation is under way already"
        } else if failed(kind) > 0 {
            "all have failed for this name, and this one least"
        } else if last == Some(kind) {
            "the name was validated by it the last time"
        } else {
            "the first of challenges that can prove the name, is offered by the CA and has not failed"
        };
        Event::ChallengeChosen { kind: Text::of(kind), why: why.into(), others }
    }

    /// Takes down what answers that nobody needs any more have left with others.
    pub(super) async fn tidy(&self) {
        for solver in &self.all {
            solver.tidy().await;
        }
    }

    pub(super) fn failed(&self, name: &Name, kind: ChallengeKind) {
        *self.failures().entry((name.clone(), kind)).or_default() += 1;
    }

    pub(super) fn proved(&self, name: &Name) {
        self.failures().retain(|(failed, _), _| failed != name);
    }

    fn failures(&self) -> MutexGuard<'_, HashMap<(Name, ChallengeKind), u32>> {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;
    use crate::dns::Authority;
    use crate::issuer::solver::{DnsPersist01, Http01, TlsAlpn01};

    #[test]
    fn after_a_failure_the_other_kind_is_tried() {
        let (_publisher, challenges, _resolver, _misses) = crate::catalog::open();
        let solvers = Solvers::new(vec![
            Box::new(Http01::new(challenges.clone())),
            Box::new(TlsAlpn01::new(challenges)),
        ]);
        let name = Name::parse("example.com").expect("a name");
        let both = [ChallengeKind::TlsAlpn01, ChallengeKind::Http01];
        let chosen = |offered: &[ChallengeKind]| solvers.choose(&name, offered, None).map(Solver::kind);

        assert_eq!(chosen(&both), Some(ChallengeKind::Http01));
        solvers.failed(&name, ChallengeKind::Http01);
        assert_eq!(chosen(&both), Some(ChallengeKind::TlsAlpn01));
        assert_eq!(chosen(&[ChallengeKind::Http01]), Some(ChallengeKind::Http01));
        solvers.failed(&name, ChallengeKind::TlsAlpn01);
        assert_eq!(chosen(&both), Some(ChallengeKind::Http01));
        solvers.failed(&name, ChallengeKind::Http01);
        solvers.proved(&name);
        assert_eq!(chosen(&both), Some(ChallengeKind::Http01));
        assert_eq!(chosen(&[]), None);

        let why = |kind: ChallengeKind, offered: &[ChallengeKind]| {
            let choice =
                Choice { name: &name, kind, under_way: &[], allowed: &ChallengeKind::ALL, last: None };
            match solvers.why(choice, offered) {
                Event::ChallengeChosen { others, .. } => others,
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(
            why(ChallengeKind::Http01, &both),
            ["tls-alpn-01, which comes later in challenges".into()]
        );
        assert_eq!(
            why(ChallengeKind::Http01, &[ChallengeKind::Http01]),
            ["tls-alpn-01, which the CA does not offer for this name".into()]
        );
        solvers.failed(&name, ChallengeKind::Http01);
        assert_eq!(why(ChallengeKind::TlsAlpn01, &both), ["http-01, which has failed 1 times".into()]);

        let wildcard = Name::parse("*.example.com").expect("a name");
        assert!(solvers.choose(&wildcard, &both, None).is_none());
    }

    #[test]
    fn what_worked_the_last_time_comes_first_until_it_fails() {
        let (_publisher, challenges, _resolver, _misses) = crate::catalog::open();
        let (http, tls) = (ChallengeKind::Http01, ChallengeKind::TlsAlpn01);
        let solvers = Solvers::new(vec![
            Box::new(Http01::new(challenges.clone())),
            Box::new(TlsAlpn01::new(challenges)),
        ]);
        let name = Name::parse("example.com").expect("a name");
        let chosen = |offered: &[ChallengeKind], last| solvers.choose(&name, offered, last).map(Solver::kind);
        assert_eq!(chosen(&[http, tls], Some(tls)), Some(tls));
        assert_eq!(chosen(&[http], Some(tls)), Some(http), "what cannot be is not waited for");
        assert_eq!(chosen(&[http, tls], Some(ChallengeKind::Dns01)), Some(http));
        let choice =
            Choice { name: &name, kind: tls, under_way: &[], allowed: &ChallengeKind::ALL, last: Some(tls) };
        let Event::ChallengeChosen { why, others, .. } = solvers.why(choice, &[http, tls]) else {
            panic!("it was chosen")
        };
        assert_eq!(why.as_str(), "the name was validated by it the last time");
        assert_eq!(others, ["http-01, by which it was not validated the last time".into()]);
        solvers.failed(&name, tls);
        assert_eq!(chosen(&[http, tls], Some(tls)), Some(http));
        solvers.failed(&name, http);
        assert_eq!(chosen(&[http, tls], Some(tls)), Some(tls));
    }

    #[test]
    fn a_record_for_one_account_is_of_no_use_to_another() {
        let (_publisher, challenges, _resolver, _misses) = crate::catalog::open();
        let solvers = Solvers::new(vec![
            Box::new(DnsPersist01::new(Authority::Servers(Vec::new()), Clock::system())),
            Box::new(Http01::new(challenges)),
        ]);
        let names = |names: &[&str]| {
            Names::new(names.iter().map(|name| Name::parse(name).expect("a name"))).expect("names")
        };
        let (host, both) = (names(&["example.com"]), names(&["example.com", "*.example.com"]));
        assert_eq!(solvers.elsewhere(&host, &ChallengeKind::ALL), Some(vec![ChallengeKind::Http01]));
        assert_eq!(solvers.elsewhere(&both, &ChallengeKind::ALL), None);
        assert_eq!(solvers.elsewhere(&host, &[ChallengeKind::DnsPersist01]), None);
        let wildcard = both.iter().find(|name| name.is_wildcard()).expect("it is there");
        let here = solvers.choose(wildcard, &ChallengeKind::ALL, None).map(Solver::kind);
        assert_eq!(here, Some(ChallengeKind::DnsPersist01));
    }
}
