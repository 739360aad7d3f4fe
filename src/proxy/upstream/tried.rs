//! The addresses a request was offered to.

use std::sync::Arc;

/// Every address that was tried, in order, each once. The last one is where the answer came from, if there was one.
///
/// Nearly every request knows one address only, so the first takes no memory of its own.
#[derive(Default)]
pub(in crate::proxy) struct Tried {
    first: Option<Arc<str>>,
    others: Vec<Arc<str>>,
}

impl Tried {
    /// Writes down that this address is tried, if that is new.
    pub(in crate::proxy) fn note(&mut self, address: &Arc<str>) {
        if self.find(address).is_none() {
            self.push(Arc::clone(address));
        }
    }

    /// The same for an address that is not shared yet; returns the one that was written down.
    pub(in crate::proxy) fn note_new(&mut self, address: &str) -> Arc<str> {
        if let Some(known) = self.find(address) {
            return Arc::clone(known);
        }
        let address = Arc::from(address);
        self.push(Arc::clone(&address));
        address
    }

    /// The last address that was new.
    pub(in crate::proxy) fn last(&self) -> Option<&str> {
        self.others.last().or(self.first.as_ref()).map(|address| &**address)
    }

    /// Whether there was more than one.
    pub(in crate::proxy) fn is_plural(&self) -> bool {
        !self.others.is_empty()
    }

    /// All of them, in order.
    pub(in crate::proxy) fn iter(&self) -> impl Iterator<Item = &str> {
        self.first.iter().chain(&self.others).map(|address| &**address)
    }

    fn find(&self, address: &str) -> Option<&Arc<str>> {
        self.first.iter().chain(&self.others).find(|known| ***known == *address)
    }

    fn push(&mut self, address: Arc<str>) {
        match self.first {
            None => self.first = Some(address),
            Some(_) => self.others.push(address),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_address_stands_once_and_in_order() {
        let mut tried = Tried::default();
        assert_eq!((tried.last(), tried.iter().count()), (None, 0));
        let a = tried.note_new("a");
        assert!(Arc::ptr_eq(&a, &tried.note_new("a")), "the one that was written down");
        tried.note(&a);
        assert_eq!((tried.last(), tried.is_plural()), (Some("a"), false));
        let b = tried.note_new("b");
        tried.note(&"c".into());
        tried.note(&b);
        assert_eq!(tried.iter().collect::<Vec<_>>(), ["a", "b", "c"]);
        assert_eq!((tried.last(), tried.is_plural()), (Some("c"), true));
    }
}
