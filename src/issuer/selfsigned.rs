//! The provider selfsigned: the request signs itself.

use std::time::Duration;

use async_trait::async_trait;

use super::{Advice, IssueError, IssueJob, Issuer, Progress};
use crate::clock::Clock;
use crate::ident::Provider;
use crate::pki::{Chain, Leaf};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// How long a self-signed certificate is valid. It stands in for one from a CA, so no longer than one from a CA.
const VALID: Duration = Duration::from_secs(90 * DAY.as_secs());

/// Signs requests with their own key, at once and without anybody's help.
pub struct SelfsignedIssuer {
    clock: Clock,
}

impl SelfsignedIssuer {
    /// An issuer that reads the present time from `clock`.
    #[must_use]
    pub fn new(clock: Clock) -> Self {
        Self { clock }
    }
}

#[async_trait]
impl Issuer for SelfsignedIssuer {
    fn provider(&self) -> Provider {
        Provider::Selfsigned
    }

    async fn issue(&self, job: IssueJob<'_>, _progress: &dyn Progress) -> Result<Chain, IssueError> {
        let now = self.clock.now();
        // From yesterday on: the clock of whoever looks at it may be behind ours.
        let der = job.request.self_sign(now - DAY, now + VALID)?;
        Ok(Chain::self_signed(Leaf::from_der(der.into())?))
    }

    async fn advise(&self, _leaf: &Leaf) -> Result<Option<Advice>, IssueError> {
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::parse_rfc3339;
    use crate::ident::Names;
    use crate::issuer::{NoteError, OrderNote};
    use crate::pki::{Bundle, KeyType, PrivateKey, SigningRequest};

    struct Unneeded;

    #[async_trait]
    impl Progress for Unneeded {
        fn order(&self) -> Option<OrderNote> {
            None
        }

        async fn note_order(&self, _order: &OrderNote) -> Result<(), NoteError> {
            Err(NoteError("a self-signed certificate has no order".to_owned()))
        }
    }

    #[tokio::test]
    async fn what_it_signs_fits_the_key_and_is_valid_from_yesterday_on() {
        let now = parse_rfc3339("2026-11-22T03:00:00Z").expect("a moment");
        let (clock, _hand) = Clock::manual(now);
        let names = Names::parse_domain_list("example.com 192.0.2.7 www.example.com").expect("names");
        let key = PrivateKey::generate(KeyType::P256);
        let request = SigningRequest::new(&key, &names).expect("a request");

        let issuer = SelfsignedIssuer::new(clock.clone());
        let job = IssueJob::new(&request, "a test", clock.epoch());
        let chain = issuer.issue(job, &Unneeded).await;
        let bundle = Bundle::join(key, chain.expect("it signs itself"), &names).expect("they fit");
        let leaf = bundle.leaf();
        assert_eq!(leaf.not_before(), now - DAY);
        assert_eq!(leaf.not_after(), now + VALID);
        assert_eq!(leaf.issuer(), "sidegate self-signed");
        assert_eq!(bundle.chain().chain_pem(), "");
        assert_eq!(bundle.chain().ca_pem(), bundle.chain().crt_pem());
    }
}
