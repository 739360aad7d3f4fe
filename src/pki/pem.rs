//! PEM framing (RFC 7468): text into certificates, certificates into text.

use pem::{EncodeConfig, LineEnding, Pem};
use rustls_pki_types::CertificateDer;

use super::PkiError;

/// More certificates than any chain holds; what an issuer sends beyond is refused.
const MAX_CERTIFICATES: usize = 32;

/// All certificates of a text, in order; text around the blocks is skipped.
///
/// # Errors
///
/// [`PkiError::Pem`] if the text is not PEM, holds no certificate, or holds more than a chain ever has.
pub fn certificates(text: &[u8]) -> Result<Vec<CertificateDer<'static>>, PkiError> {
    let fault = |fault: String| PkiError::Pem { wanted: "certificate", fault };
    let blocks = pem::parse_many(text).map_err(|e| fault(e.to_string()))?;
    let all: Vec<_> = blocks
        .into_iter()
        .filter(|block| block.tag() == "CERTIFICATE")
        .map(|block| CertificateDer::from(block.into_contents()))
        .collect();
    match all.len() {
        0 => Err(fault("the text has no CERTIFICATE block".to_owned())),
        n if n > MAX_CERTIFICATES => Err(fault(format!("{n} certificates are more than a chain has"))),
        _ => Ok(all),
    }
}

/// The certificates as text, one block after another; empty for none.
#[must_use]
pub fn join<'a>(certificates: impl IntoIterator<Item = &'a [u8]>) -> String {
    certificates.into_iter().map(|der| block("CERTIFICATE", der)).collect()
}

/// One block, lines of 64 characters, `\n` at their ends.
#[must_use]
pub(super) fn block(tag: &str, der: &[u8]) -> String {
    pem::encode_config(&Pem::new(tag, der), EncodeConfig::new().set_line_ending(LineEnding::LF))
}
