//! Where a value stands: keys and prefixes that cannot leave the root.
//!
//! The only way from a string to a place is [`Prefix::child`], and it takes one plain name at a time.

use std::fmt;
use std::sync::Arc;

/// The place of one value or pointer, relative to the root of the storage.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(Arc<str>);

/// The place of a folder, and of everything below it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Prefix(Arc<str>);

impl Key {
    /// The place as it is written: names with `/` between them, none in front.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The last of its names.
    #[must_use]
    pub fn name(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or_default()
    }

    /// The folder it stands in.
    #[must_use]
    pub fn folder(&self) -> Prefix {
        Prefix(self.0.rsplit_once('/').map_or("", |(folder, _)| folder).into())
    }

    /// The same place, taken as a folder: for what may be either, such as something to remove.
    #[must_use]
    pub fn as_prefix(&self) -> Prefix {
        Prefix(Arc::clone(&self.0))
    }
}

impl Prefix {
    /// The root of the storage.
    #[must_use]
    pub fn root() -> Self {
        Self("".into())
    }

    /// The place called `name` directly below this one, or `None` if that is not a plain name: empty, `.` or
    /// `..`, longer than 255 bytes, or with a `/`, a NUL or another control character in it.
    #[must_use]
    pub fn child(&self, name: &str) -> Option<Key> {
        let plain = !name.is_empty()
            && name.len() <= 255
            && name != "."
            && name != ".."
            && !name.chars().any(|c| c == '/' || c.is_control());
        plain.then(|| {
            if self.0.is_empty() { Key(name.into()) } else { Key(format!("{}/{name}", self.0).into()) }
        })
    }

    /// The place as it is written; empty for the root.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The last of its names; empty for the root.
    #[must_use]
    pub fn name(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or_default()
    }

    /// The folder it stands in; the root stands in itself.
    #[must_use]
    pub fn folder(&self) -> Prefix {
        Prefix(self.0.rsplit_once('/').map_or("", |(folder, _)| folder).into())
    }

    /// The names that lead here from the root.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.split('/').filter(|name| !name.is_empty())
    }

    /// Where a relative link that stands in this folder leads; `None` if that is not a place in the storage.
    #[must_use]
    pub(super) fn resolve(&self, link: &str) -> Option<Prefix> {
        if link.is_empty() || link.starts_with('/') {
            return None;
        }
        let mut here = self.clone();
        for name in link.split('/') {
            here = match name {
                "" | "." => here,
                ".." if here.as_str().is_empty() => return None,
                ".." => here.folder(),
                name => here.child(name)?.as_prefix(),
            };
        }
        (!here.as_str().is_empty()).then_some(here)
    }

    /// The relative link that leads from this folder to `target`.
    #[must_use]
    pub(super) fn link_to(&self, target: &Prefix) -> String {
        let shared = self.names().zip(target.names()).take_while(|(a, b)| a == b).count();
        let up = self.names().skip(shared).map(|_| "..");
        up.chain(target.names().skip(shared)).collect::<Vec<_>>().join("/")
    }

    /// Whether `place`, written as [`Key::as_str`] writes it, is this one or lies below it.
    #[must_use]
    pub fn holds(&self, place: &str) -> bool {
        self.0.is_empty()
            || place.strip_prefix(&*self.0).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_empty() { "the storage directory" } else { &self.0 })
    }
}

impl fmt::Debug for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Whatever is taken for a name stays one name: a path built of such names never climbs.
        #[test]
        fn no_string_climbs_out_of_its_folder(names in prop::collection::vec("\\PC{0,8}|[./\\\\\0a]{0,6}|(\\.\\./){1,3}etc", 1..5)) {
            let mut here = Prefix::root();
            let mut depth = 0;
            for name in &names {
                if let Some(key) = here.child(name) {
                    depth += 1;
                    prop_assert_eq!(key.name(), name.as_str());
                    prop_assert_eq!(key.folder(), here);
                    here = key.as_prefix();
                }
            }
            let path = std::path::Path::new(here.as_str());
            let plain = path.components().filter(|c| matches!(c, std::path::Component::Normal(_))).count();
            prop_assert_eq!((plain, path.components().count()), (depth, depth));
        }
    }

    fn folder(path: &str) -> Prefix {
        path.split('/').fold(Prefix::root(), |above, name| above.child(name).expect("a name").as_prefix())
    }

    #[test]
    fn links_are_relative_and_lead_back() {
        let pointers = folder("database/latest-by-fqdn");
        assert_eq!(pointers.link_to(&folder("database/items/i")), "../items/i");
        assert_eq!(folder("letsencrypt-account").link_to(&folder("letsencrypt-account/a")), "a");
        assert_eq!(pointers.resolve("../items/i"), Some(folder("database/items/i")));
        assert_eq!(pointers.resolve("./..//items/i/"), Some(folder("database/items/i")));
        for elsewhere in ["/etc/passwd", "../../../etc", "../..", "", "../items/a\nb"] {
            assert_eq!(pointers.resolve(elsewhere), None, "{elsewhere:?}");
        }
    }

    #[test]
    fn a_folder_holds_what_is_below_it_and_nothing_that_only_begins_like_it() {
        let items = Prefix::root().child("items").expect("a name").as_prefix();
        assert!(items.holds("items") && items.holds("items/a"));
        assert!(!items.holds("items2/a") && !items.holds("item"));
        assert!(Prefix::root().holds("anything/at/all"));
    }
}
