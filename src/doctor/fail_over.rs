//! Several CAs: what is certain to go wrong at one of them is no contradiction while another could issue.

use super::{Finding, Outcome, Report};
use crate::ident::Name;

impl Report {
    /// Leaves what is certain to fail at a CA a failure only where it concerns a name that none of the CAs could issue
    /// for; elsewhere it is something to be warned of, since the next CA is asked. `could` tells which CAs are asked
    /// for a name, as findings call them.
    #[must_use]
    pub fn with_fail_over(mut self, could: impl Fn(&Name) -> Vec<String>) -> Self {
        // The CAs of names for which there is no way left.
        let mut needed = Vec::new();
        for (name, findings) in &mut self.names {
            let cas = could(name);
            let fails = |ca: &String| self.general.iter().chain(&*findings).any(|found| found.fails_at(ca));
            if cas.iter().all(fails) {
                needed.extend(cas);
            } else {
                findings.iter_mut().for_each(Finding::tone_down);
            }
        }
        for finding in &mut self.general {
            if !needed.iter().any(|ca| finding.fails_at(ca)) {
                finding.tone_down();
            }
        }
        self
    }
}

impl Finding {
    fn fails_at(&self, ca: &str) -> bool {
        self.outcome == Outcome::Fail && self.ca.as_deref() == Some(ca)
    }

    /// What concerns this machine or a name as such stays as it is: it does so for every CA.
    fn tone_down(&mut self) {
        if self.ca.is_some() && self.outcome == Outcome::Fail {
            self.outcome = Outcome::Warn;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Check;

    const CAS: [&str; 2] = ["https://a.test/dir", "https://b.test/dir"];

    /// What is found where these CAs do not answer, and these forbid themselves to issue for the name; a `house` name
    /// is signed by the second one only.
    fn report(silent: &[usize], forbidden: &[usize], house: bool) -> Report {
        let (no_answer, caa) =
            (Finding::fail(Check::Ca, "no", "Mend it."), Finding::fail(Check::Caa, "no", "Mend it."));
        let at = |finding: &Finding, cas: &[usize]| -> Vec<Finding> {
            cas.iter().map(|ca| finding.clone().at(Some(CAS[*ca]))).collect()
        };
        let name: Name = "example.com".parse().expect("a name");
        let report = Report { general: at(&no_answer, silent), names: vec![(name, at(&caa, forbidden))] };
        report.with_fail_over(|_| CAS[usize::from(house)..].iter().map(ToString::to_string).collect())
    }

    #[test]
    fn only_what_is_in_the_way_of_all_cas_is_a_contradiction() {
        use Outcome::{Fail, Warn};
        for (silent, forbidden, house, expected) in [
            (&[0][..], &[][..], false, &[Warn][..]),
            (&[], &[1], false, &[Warn]),
            (&[0, 1], &[], false, &[Fail, Fail]),
            (&[], &[0, 1], false, &[Fail, Fail]),
            (&[0], &[1], false, &[Fail, Fail]),
            (&[0], &[0], false, &[Warn, Warn]),
            (&[1], &[], true, &[Fail]),
            (&[0], &[], true, &[Warn]),
            (&[0], &[1], true, &[Warn, Fail]),
        ] {
            let report = report(silent, forbidden, house);
            let outcomes: Vec<Outcome> = report.findings().map(|finding| finding.outcome).collect();
            assert_eq!(outcomes, expected, "{silent:?} do not answer, {forbidden:?} may not, {house}");
        }
    }

    #[test]
    fn what_is_wrong_with_a_name_itself_is_so_for_every_ca() {
        let name: Name = "example.com".parse().expect("a name");
        let nowhere = Finding::fail(Check::Addresses, "leads nowhere", "Set it.");
        let report = Report { general: Vec::new(), names: vec![(name, vec![nowhere])] };
        let report = report.with_fail_over(|_| CAS.map(str::to_owned).to_vec());
        assert_eq!(report.worst(), Outcome::Fail);
    }
}
