//! An order, as far as a CA's limits are concerned. Pure.

use std::time::{Duration, SystemTime};

use crate::ident::Names;
use crate::issuer::Window;

/// A certificate for the same names within this time makes an order a renewal, in the eyes of Let's Encrypt.
const RENEWED_WITHIN: Duration = Duration::from_secs(120 * 24 * 60 * 60);

/// An order that is about to be placed.
#[derive(Debug, Clone, Copy)]
pub struct Expense<'a> {
    /// The names of the certificate.
    pub names: &'a Names,
    /// The URL of the account.
    pub account: &'a str,
    /// Which of the limits are about it.
    pub counted: Counted,
    /// Whether the last token may be spent on it.
    pub urgent: bool,
}

/// Against which of its limits a CA counts an order (<https://letsencrypt.org/docs/rate-limits/>).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counted {
    /// All of them.
    Fully,
    /// Neither by account nor by domain: it has issued a certificate for the same names lately.
    AsRenewal,
    /// None: the order says which certificate it replaces, and comes in the CA's window for that.
    ///
    /// RFC 9773 section 5 lets a CA do that, and Let's Encrypt does.
    Exempt,
}

impl Counted {
    /// How an order for the same names as those of the CA's certificate that was `made` then is counted.
    #[must_use]
    pub fn after(made: SystemTime, now: SystemTime) -> Self {
        let age = now.duration_since(made).unwrap_or_default();
        if age < RENEWED_WITHIN { Self::AsRenewal } else { Self::Fully }
    }

    /// The same where the order says which certificate it replaces, whose window this is.
    #[must_use]
    pub fn replacing(self, window: Option<Window>, now: SystemTime) -> Self {
        if window.is_some_and(|window| window.contains(now)) { Self::Exempt } else { self }
    }
}
