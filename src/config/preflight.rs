//! What is looked at before a certificate is ordered, and who is asked about it.

use crate::dns::Server;

use super::check::Checker;
use super::dns::SERVER;

impl Checker<'_> {
    /// Whether anything is.
    pub(super) fn preflight(&self) -> bool {
        self.layer.preflight.as_ref().is_none_or(|preflight| preflight.value)
    }

    /// The servers to ask instead of those of each name's zone; none if those are asked.
    pub(super) fn nameservers(&mut self) -> Vec<Server> {
        let Some(list) = self.layer.nameservers.take() else { return Vec::new() };
        self.not_empty(&list, SERVER);
        list.value.iter().filter_map(|words| self.dns_server(words)).collect()
    }
}
