//! Nonces a CA throws away (RFC 8555 section 6.5): nobody's fault, and never a reason to wait.

use instant_acme::Error;

use super::failure::kind_of;

/// `instant_acme` tries each request so often within a call.
pub(super) const TRIES: u32 = 3;

/// This many rounds of that and the CA cannot mean it.
pub(super) const ROUNDS: u32 = 5;

/// Makes a call, and at once again as long as all that is wrong with it is its nonce. What the client has seen
/// afterwards belongs to this call.
///
/// A macro, since the compiler cannot yet prove that a closure giving a borrowing future gives one that is `Send`.
macro_rules! insist {
    ($http:expr, $call:expr) => {{
        let mut round = 1;
        loop {
            $http.begin();
            match $call.await {
                Err(error)
                    if round < $crate::issuer::acme::nonce::ROUNDS
                        && $crate::issuer::acme::nonce::is_bad(&error) =>
                {
                    round += 1;
                }
                done => break done,
            }
        }
    }};
}
pub(super) use insist;

/// Whether nothing was wrong with a call but its nonce.
pub(super) fn is_bad(error: &Error) -> bool {
    matches!(error, Error::Api(problem) if kind_of(problem) == "badNonce")
}
