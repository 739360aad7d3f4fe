//! A lineage: all certificates with the same names from the same provider, and the id they share.

use std::fmt;

use aws_lc_rs::digest;

use super::{IdError, Names, Provider};

/// Names and provider; what succeeds what.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Lineage {
    names: Names,
    provider: Provider,
    id: LineageId,
}

/// The layout's `fqdnsansidentifier`: `<label>-<provider>-<32 hex>`.
///
/// The same set of names and the same provider give the same id, whatever the order of the names, on any
/// machine, for ever. The label is only there so that a listing can be read; it decides nothing.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LineageId(Box<str>);

impl Lineage {
    /// The lineage of these names from this provider.
    #[must_use]
    pub fn new(names: Names, provider: Provider) -> Self {
        let id = LineageId::of(&names, provider);
        Self { names, provider, id }
    }

    /// The names each certificate of the lineage carries.
    #[must_use]
    pub fn names(&self) -> &Names {
        &self.names
    }

    /// Who issues them.
    #[must_use]
    pub fn provider(&self) -> Provider {
        self.provider
    }

    /// The id, which is also the name of the lineage's directory in the spool.
    #[must_use]
    pub fn id(&self) -> &LineageId {
        &self.id
    }
}

impl fmt::Display for Lineage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.names, self.provider)
    }
}

impl fmt::Debug for Lineage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl LineageId {
    fn of(names: &Names, provider: Provider) -> Self {
        let sorted = names.sorted();
        let mut text = format!("{provider}\n");
        for name in &sorted {
            text.push_str(&name.to_string());
            text.push('\n');
        }
        let sum = digest::digest(&digest::SHA256, text.as_bytes());
        let first = sorted[0].to_string();
        // An IPv6 address has colons, which some tools take for a path list.
        let label: String = first
            .strip_prefix("*.")
            .unwrap_or(&first)
            .chars()
            .take(100)
            .map(|c| if c == ':' { '_' } else { c })
            .collect();
        let mut id = format!("{label}-{provider}-");
        for half in sum.as_ref()[..16].iter().flat_map(|byte| [byte >> 4, byte & 15]) {
            id.push(char::from(b"0123456789abcdef"[usize::from(half)]));
        }
        Self(id.into())
    }

    /// Reads an id back from a directory's name.
    ///
    /// # Errors
    ///
    /// [`IdError`] if it does not have the shape of one.
    pub fn parse(given: &str) -> Result<Self, IdError> {
        let shaped = || {
            let (front, sum) = given.rsplit_once('-')?;
            let (label, provider) = front.rsplit_once('-')?;
            let plain =
                |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_' | b'.');
            (sum.len() == 32
                && sum.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
                && provider.parse::<Provider>().is_ok()
                && (1..=100).contains(&label.len())
                && label.bytes().all(plain)
                && !label.starts_with('.'))
            .then_some(())
        };
        shaped().map(|()| Self(given.into())).ok_or_else(|| IdError::new(given, "a lineage id"))
    }

    /// The id as it stands on disk.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for LineageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for LineageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::super::Name;
    use super::*;

    fn lineage(list: &[&str], provider: Provider) -> Lineage {
        let names = Names::new(list.iter().map(|s| Name::parse(s).expect("a name"))).expect("names");
        Lineage::new(names, provider)
    }

    #[test]
    fn order_does_not_matter_and_the_provider_does() {
        let a = lineage(&["www.example.com", "example.com"], Provider::Letsencrypt);
        let b = lineage(&["example.com", "www.example.com"], Provider::Letsencrypt);
        let c = lineage(&["example.com", "www.example.com"], Provider::Selfsigned);
        assert_eq!(a.id(), b.id());
        assert_ne!(b.id(), c.id());
    }

    /// The id is a promise to every later version: `printf 'letsencrypt\nexample.com\nwww.example.com\n' | sha256sum`.
    #[test]
    fn the_id_never_changes() {
        let id = lineage(&["www.example.com", "example.com"], Provider::Letsencrypt);
        assert_eq!(id.id().as_str(), "example.com-letsencrypt-5d99f298bccd8ca51b5fa7ba15bac015");
    }

    #[test]
    fn an_id_parses_to_itself_and_nothing_else_does() {
        for names in [&["*.example.com"][..], &["2001:db8::1"], &["localhost"]] {
            let id = lineage(names, Provider::Selfsigned).id().clone();
            assert_eq!(LineageId::parse(id.as_str()), Ok(id));
        }
        for bad in
            ["", "..", "example.com", "a-selfsigned-xyz", "a/b-selfsigned-00000000000000000000000000000000"]
        {
            assert!(LineageId::parse(bad).is_err(), "{bad}");
        }
    }
}
