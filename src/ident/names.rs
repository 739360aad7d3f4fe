//! The names of one certificate, in the order in which they are kept.

use thiserror::Error;

use super::{Name, NameError};

/// The primary name and the other names of a certificate: no repeats, 1 to 100 of them.
///
/// The others are sorted, so two sets that differ only in order have the same [`domain_list`](Self::domain_list) but
/// for the primary.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Names {
    /// Primary first, then the others in order.
    all: Vec<Name>,
}

/// Why there is no certificate with these names.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum NamesError {
    /// One of them is no name.
    #[error(transparent)]
    Name(#[from] NameError),
    /// There is none.
    #[error("a certificate needs a name")]
    None,
    /// There are this many.
    #[error("{0} names do not fit one certificate")]
    TooMany(usize),
}

impl Names {
    /// What a public CA accepts in one certificate.
    pub const MAX: usize = 100;

    /// This name alone.
    #[must_use]
    pub fn one(name: Name) -> Self {
        Self { all: vec![name] }
    }

    /// Takes the first name as the primary one; a name that comes again counts once.
    ///
    /// # Errors
    ///
    /// [`NamesError::None`], or [`NamesError::TooMany`] if there are more than [`MAX`](Self::MAX).
    pub fn new(names: impl IntoIterator<Item = Name>) -> Result<Self, NamesError> {
        let mut names = names.into_iter();
        let primary = names.next().ok_or(NamesError::None)?;
        let mut others: Vec<Name> = names.filter(|name| *name != primary).collect();
        others.sort();
        others.dedup();
        if others.len() >= Self::MAX {
            return Err(NamesError::TooMany(others.len() + 1));
        }
        others.insert(0, primary);
        Ok(Self { all: others })
    }

    /// The name that stands first in `domain.list`.
    #[must_use]
    pub fn primary(&self) -> &Name {
        &self.all[0]
    }

    /// All names: the primary one, then the others in order.
    pub fn iter(&self) -> std::slice::Iter<'_, Name> {
        self.all.iter()
    }

    /// The same as a slice.
    #[must_use]
    pub fn as_slice(&self) -> &[Name] {
        &self.all
    }

    /// How many names there are; never zero.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "a set of names is never empty")]
    pub fn len(&self) -> usize {
        self.all.len()
    }

    /// Whether this very name is among them. A wildcard contains only itself.
    #[must_use]
    pub fn contains(&self, name: &Name) -> bool {
        self.all.contains(name)
    }

    /// All names in order, the primary one wherever it falls.
    #[must_use]
    pub fn sorted(&self) -> Vec<&Name> {
        let mut sorted: Vec<&Name> = self.all.iter().collect();
        sorted.sort();
        sorted
    }

    /// Whether both hold the same names, whichever is primary.
    #[must_use]
    pub fn same_set(&self, other: &Names) -> bool {
        self.sorted() == other.sorted()
    }

    /// The one line of `domain.list`: the names with one space between, and a newline.
    #[must_use]
    pub fn domain_list(&self) -> String {
        let mut line = self.to_string();
        line.push('\n');
        line
    }

    /// Reads back what [`domain_list`](Self::domain_list) wrote.
    ///
    /// # Errors
    ///
    /// [`NamesError`] if a word of it is not a name, if it holds none, or too many.
    pub fn parse_domain_list(line: &str) -> Result<Self, NamesError> {
        let names: Result<Vec<Name>, NameError> = line.split_whitespace().map(Name::parse).collect();
        Self::new(names?)
    }
}

impl std::fmt::Display for Names {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (i, name) in self.all.iter().enumerate() {
            if i > 0 {
                f.write_str(" ")?;
            }
            std::fmt::Display::fmt(name, f)?;
        }
        Ok(())
    }
}

impl std::fmt::Debug for Names {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}

impl<'a> IntoIterator for &'a Names {
    type Item = &'a Name;
    type IntoIter = std::slice::Iter<'a, Name>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(list: &[&str]) -> Names {
        Names::new(list.iter().map(|s| Name::parse(s).expect("a name"))).expect("names")
    }

    #[test]
    fn the_primary_stays_first_and_the_rest_is_sorted() {
        let n =
            names(&["www.example.com", "b.example.com", "a.example.com", "b.example.com", "www.example.com"]);
        assert_eq!(n.domain_list(), "www.example.com a.example.com b.example.com\n");
        assert_eq!(Names::parse_domain_list(&n.domain_list()), Ok(n));
    }

    #[test]
    fn none_and_too_many_are_refused() {
        assert_eq!(Names::new([]), Err(NamesError::None));
        let many = (0..101).map(|i| Name::parse(&format!("n{i}.example.com")).expect("a name"));
        assert_eq!(Names::new(many), Err(NamesError::TooMany(101)));
        let odd = Names::parse_domain_list("a.example.com -x").expect_err("one is no name").to_string();
        assert!(odd.starts_with("`-x` is not a name: "), "{odd}");
    }
}
