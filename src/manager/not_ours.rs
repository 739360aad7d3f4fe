//! Names that we keep no certificate for, in words for whoever asks about one.

use std::path::PathBuf;
use std::sync::Arc;

use thiserror::Error;

use super::desired::Desired;
use crate::foreign::Source;
use crate::ident::Name;

/// More letters than these are no slip of the finger.
const SLIPS: usize = 2;

/// Why there is nothing of ours for a name.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum NotOurs {
    /// It is not configured.
    #[error("nobody has configured {name}{}", meant(.nearest.as_ref()))]
    Unknown {
        /// The name.
        name: Name,
        /// One that is, and may have been meant.
        nearest: Option<Name>,
    },
    /// It is served with files that somebody else keeps.
    #[error("the certificate of {name} is kept by somebody else, in {}", file.display())]
    Elsewhere {
        /// The name.
        name: Name,
        /// The certificate.
        file: PathBuf,
    },
}

fn meant(nearest: Option<&Name>) -> String {
    nearest.map_or_else(String::new, |name| format!("; did you mean {name}?"))
}

impl Desired {
    /// Why there is no wish for a name.
    #[must_use]
    pub fn not_ours(&self, name: &Name) -> NotOurs {
        match self.elsewhere(name) {
            Some(source) => NotOurs::Elsewhere { name: name.clone(), file: source.cert().to_owned() },
            None => NotOurs::Unknown { name: name.clone(), nearest: self.nearest(name).cloned() },
        }
    }

    /// Where somebody else keeps the certificate of this very name.
    pub(super) fn elsewhere(&self, name: &Name) -> Option<&Arc<Source>> {
        let own = self.files.iter().find(|source| source.names().contains(name));
        own.or_else(|| self.lists.iter().find_map(|list| list.sources().get(list.position(name)?)))
    }

    /// The configured name that was most likely meant.
    fn nearest(&self, given: &Name) -> Option<&Name> {
        let (above, given) = (given.wildcard(), given.to_string());
        let wished = self.wishes.iter().flat_map(|wish| wish.names());
        let kept = self.files.iter().flat_map(|source| source.names());
        let all = wished.chain(kept).chain(self.lists.iter().flat_map(|list| list.names()));
        let slips = all.filter_map(|name| {
            if above.as_ref() == Some(name) {
                return Some((0, name));
            }
            let known = name.to_string();
            // There may be a hundred thousand names.
            let comparable = known.len().abs_diff(given.len()) <= SLIPS;
            let slips = comparable.then(|| strsim::osa_distance(&given, &known))?;
            (slips <= SLIPS).then_some((slips, name))
        });
        slips.min_by_key(|(slips, _)| *slips).map(|(_, name)| name)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::ident::Names;
    use crate::manager::Wish;

    fn name(text: &str) -> Name {
        Name::parse(text).expect("a name")
    }

    #[test]
    fn a_slip_of_the_finger_is_seen_and_another_name_is_none() {
        let wish = |text| Wish::selfsigned(Names::one(name(text)));
        let kept = Source::new([name("kept.example")], Path::new("/x.pem"), Path::new("/x.pem"));
        let wishes = vec![wish("shop.example.com"), wish("www.example.com"), wish("*.a.example")];
        let desired = Desired { wishes, files: vec![Arc::new(kept)], ..Desired::default() };
        for (given, said) in [
            ("ww.example.com", "nobody has configured ww.example.com; did you mean www.example.com?"),
            ("shop.exmaple.com", "nobody has configured shop.exmaple.com; did you mean shop.example.com?"),
            ("x.a.example", "nobody has configured x.a.example; did you mean *.a.example?"),
            ("blog.example.com", "nobody has configured blog.example.com"),
            ("kpet.example", "nobody has configured kpet.example; did you mean kept.example?"),
            ("kept.example", "the certificate of kept.example is kept by somebody else, in /x.pem"),
        ] {
            assert_eq!(desired.not_ours(&name(given)).to_string(), said);
        }
    }
}
