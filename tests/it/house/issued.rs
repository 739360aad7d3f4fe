//! Certificates as issuers would give them, made on the spot.

use std::time::{Duration, SystemTime};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use sidegate::ident::{Lineage, Name, Names, Provider};
use sidegate::pki::{Bundle, Chain, Leaf, PrivateKey, Roots, SigningRequest};

/// These names, the first one primary.
pub(crate) fn names(list: &[&str]) -> Names {
    Names::new(list.iter().map(|name| Name::parse(name).expect("a name"))).expect("names")
}

/// The lineage of these names.
pub(crate) fn lineage(list: &[&str], provider: Provider) -> Lineage {
    Lineage::new(names(list), provider)
}

/// What the lineage's provider would answer to this request: one certificate of the key itself, or a leaf under an
/// intermediate under a root that is known.
pub(crate) fn answer(lineage: &Lineage, key: &PrivateKey, request: &SigningRequest) -> Bundle {
    let chain = match lineage.provider() {
        Provider::Selfsigned => self_signed(request),
        Provider::Letsencrypt => by_a_ca(lineage.names(), key),
    };
    Bundle::join(key.clone(), chain, lineage.names()).expect("they fit")
}

fn self_signed(request: &SigningRequest) -> Chain {
    let day = Duration::from_secs(86_400);
    let now = SystemTime::now();
    let der = request.self_sign(now - day, now + 90 * day).expect("signed");
    Chain::self_signed(Leaf::from_der(der.into()).expect("its own certificate"))
}

fn by_a_ca(names: &Names, key: &PrivateKey) -> Chain {
    by_a_ca_until(names, key, None)
}

/// A leaf that ends at this moment, or in a far future, under an intermediate under a root that is known.
pub(crate) fn by_a_ca_until(names: &Names, key: &PrivateKey, end: Option<SystemTime>) -> Chain {
    let pair = || KeyPair::generate().expect("a key");
    let root = CertifiedIssuer::self_signed(authority("the root"), pair()).expect("a root");
    let middle =
        CertifiedIssuer::signed_by(authority("the intermediate"), pair(), &root).expect("an intermediate");
    let sans: Vec<String> = names.iter().map(ToString::to_string).collect();
    let own = KeyPair::from_pem(&key.to_pem()).expect("the key");
    let mut params = CertificateParams::new(sans).expect("names");
    if let Some(end) = end {
        params.not_after = end.into();
    }
    let leaf = params.signed_by(&own, &middle).expect("a leaf");
    let roots = Roots::with_pem(root.pem().as_bytes()).expect("a root");
    Chain::from_pem((leaf.pem() + &middle.pem()).as_bytes(), &roots).expect("a chain")
}

fn authority(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params
}
