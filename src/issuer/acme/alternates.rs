//! The other chains that a CA has for a certificate (RFC 8555 section 7.4.2), and which of them is wanted.
//!
//! A certificate is of use with any of its chains, so nothing that goes wrong here is a reason to be without it.

use http::HeaderMap;
use http::header::LINK;
use tracing::{info, warn};

use super::jws::Sender;
use super::order::Desk;
use crate::issuer::IssueError;
use crate::pki::{Chain, PkiError};

/// At most this many other chains are looked at; no CA has more than two or three.
const MOST: usize = 8;

impl Desk<'_> {
    /// Of a certificate's chains, the one that leads where it is preferred to lead; the one that the CA has sent, if
    /// that does, if nothing is preferred, or if none does.
    pub(super) async fn choose_chain(&self, sent: Chain, alternates: &[String]) -> Chain {
        let Some(preferred) = self.preferred_chain.filter(|name| *name != sent.top_issuer()) else {
            return sent;
        };
        let mut others = vec![sent.top_issuer()];
        for url in alternates {
            match self.alternate(url).await {
                Ok(other) if other.leaf().der() != sent.leaf().der() => {
                    warn!(url, "what should be another chain is another certificate; passed over");
                }
                Ok(other) if other.top_issuer() == preferred => {
                    info!(preferred, instead_of = others[0], "takes the preferred chain");
                    return other;
                }
                Ok(other) => others.push(other.top_issuer()),
                Err(error) => warn!(url, %error, "another chain could not be read; passed over"),
            }
        }
        warn!(preferred, offers = others.join(", "), "the CA has no such chain; takes the one it prefers");
        sent
    }

    async fn alternate(&self, url: &str) -> Result<Chain, IssueError> {
        let (signer, account) = self.membership.signer(&self.http).await?;
        let answer = signer.post(&self.http, url, Sender::Account(&account), None).await;
        let chain = Chain::from_pem(answer.map_err(|e| self.explain(e))?.body(), self.roots);
        chain.map_err(|e: PkiError| e.into())
    }
}

/// Where an answer says that there is an alternate to it (RFC 8288 section 3).
pub(super) fn named_in(headers: &HeaderMap) -> Vec<String> {
    let values = headers.get_all(LINK).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(links).take(MOST).collect()
}

/// The targets with the relation `alternate`.
fn links(value: &str) -> impl Iterator<Item = String> {
    // Not split at the commas between links: a URL may have commas as well.
    value.split('<').skip(1).filter_map(|link| {
        let (target, parameters) = link.split_once('>')?;
        let alternate = parameters.split([';', ',']).any(|parameter| {
            let (name, relation) = parameter.split_once('=').unwrap_or_default();
            let mut relations = relation.trim().trim_matches('"').split_ascii_whitespace();
            name.trim().eq_ignore_ascii_case("rel") && relations.any(|r| r.eq_ignore_ascii_case("alternate"))
        });
        alternate.then(|| target.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn named(values: &[&str]) -> Vec<String> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(LINK, HeaderValue::from_str(value).expect("a value"));
        }
        named_in(&headers)
    }

    #[test]
    fn alternates_are_found_however_they_are_written() {
        let index = "<https://ca.example/dir>;rel=\"index\"";
        assert_eq!(named(&[index]), [""; 0]);
        assert_eq!(named(&[index, "<https://ca.example/c/1>;rel=\"alternate\""]), ["https://ca.example/c/1"]);
        let line = "<https://ca.example/a,b>; title=\"x\"; REL=alternate, <https://ca.example/up>; rel=up,\
                    <https://ca.example/c>; rel=\"next alternate\"";
        assert_eq!(named(&[line]), ["https://ca.example/a,b", "https://ca.example/c"]);
        for odd in ["", "<", "<>", "rel=alternate", "<x>;rel", "<x;rel=alternate", "<x>;rel=alternates"] {
            assert_eq!(named(&[odd]), [""; 0], "{odd}");
        }
    }

    #[test]
    fn no_more_are_looked_at_than_a_ca_can_mean() {
        let many = "<https://ca.example/c>;rel=alternate,".repeat(1000);
        assert_eq!(named(&[&many, &many]).len(), MOST);
    }
}
