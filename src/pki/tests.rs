use std::time::{Duration, SystemTime};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, PublicKeyData};

use x509_parser::prelude::{FromDer, X509Certificate};

use super::*;
use crate::ident::{Name, Names};

fn names(list: &[&str]) -> Names {
    Names::new(list.iter().map(|s| Name::parse(s).expect("a name"))).expect("names")
}

fn ca(common_name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, common_name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params
}

/// A root, an intermediate and a leaf for `request`, as the PEM an ACME CA would send, and the root's PEM.
fn issue(key: &PrivateKey, names: &Names) -> (String, String) {
    let pair = || KeyPair::generate().expect("a key");
    let root = CertifiedIssuer::self_signed(ca("test root"), pair()).expect("a root");
    let middle = CertifiedIssuer::signed_by(ca("test intermediate"), pair(), &root).expect("an intermediate");
    let sans: Vec<String> = names.iter().map(ToString::to_string).collect();
    let leaf = CertificateParams::new(sans).expect("names").signed_by(key.pair(), &middle).expect("a leaf");
    (leaf.pem() + &middle.pem(), root.pem())
}

#[test]
fn a_chain_is_taken_apart_and_its_root_is_found() {
    let names = names(&["example.com", "www.example.com", "192.0.2.1"]);
    let key = PrivateKey::generate(KeyType::P256);
    let (sent, root) = issue(&key, &names);
    let roots = Roots::with_pem(root.as_bytes()).expect("roots");
    let chain = Chain::from_pem(sent.as_bytes(), &roots).expect("a chain");
    let same = |a: &str, b: &str| a.replace('\r', "") == b.replace('\r', "");
    assert!(same(&chain.ca_pem(), &root));
    assert!(same(&chain.crt_chain_pem(), &sent));
    let bundle = Bundle::join(key, chain, &names).expect("they fit");
    assert_eq!(bundle.certified_key().cert.len(), 2);
    assert!(bundle.leaf().covers("www.example.com") && !bundle.leaf().covers("a.example.com"));

    let with_root =
        Chain::from_pem((sent.clone() + &root).as_bytes(), &Roots::well_known()).expect("a chain");
    assert!(same(&with_root.ca_pem(), &root), "a root that was sent along is not served, but kept as the CA");
    assert!(same(&with_root.crt_chain_pem(), &sent));

    let unknown = Chain::from_pem(sent.as_bytes(), &Roots::well_known()).expect("a chain");
    assert_eq!(
        unknown.ca_pem(),
        unknown.chain_pem(),
        "no root is known: the top-most intermediate is copied"
    );
}

#[test]
fn a_chain_reads_back_from_its_files() {
    let names = names(&["example.com"]);
    let key = PrivateKey::generate(KeyType::P256);
    let (sent, root) = issue(&key, &names);
    let chain =
        Chain::from_pem(sent.as_bytes(), &Roots::with_pem(root.as_bytes()).expect("roots")).expect("a chain");
    let again = Chain::from_parts(
        chain.crt_pem().as_bytes(),
        chain.chain_pem().as_bytes(),
        chain.ca_pem().as_bytes(),
    )
    .expect("its own files");
    assert_eq!(again.crt_chain_pem(), chain.crt_chain_pem());

    let (other, _) = issue(&key, &names);
    let other = Chain::from_pem(other.as_bytes(), &Roots::well_known()).expect("a chain");
    let torn = Chain::from_parts(
        chain.crt_pem().as_bytes(),
        other.chain_pem().as_bytes(),
        chain.ca_pem().as_bytes(),
    );
    assert!(matches!(torn, Err(PkiError::Mismatch(_))), "{torn:?}");
}

#[test]
fn what_does_not_belong_together_is_refused() {
    let (names, more) = (names(&["example.com"]), names(&["example.com", "www.example.com"]));
    let key = PrivateKey::generate(KeyType::P256);
    let (sent, _) = issue(&key, &names);
    let chain = Chain::from_pem(sent.as_bytes(), &Roots::well_known()).expect("a chain");
    let stranger = PrivateKey::generate(KeyType::P256);
    assert!(matches!(Bundle::join(stranger, chain.clone(), &names), Err(PkiError::Mismatch(_))));
    assert!(matches!(Bundle::join(key, chain, &more), Err(PkiError::Mismatch(_))));
}

#[test]
fn a_request_signs_itself() {
    let names = names(&["localhost", "*.example.com", "::1"]);
    let key = PrivateKey::generate(KeyType::P256);
    let request = SigningRequest::new(&key, &names).expect("a request");
    let start = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
    let der = request.self_sign(start, start + Duration::from_secs(86_400 * 90)).expect("a certificate");
    let leaf = Leaf::from_der(der.into()).expect("a leaf");
    assert_eq!((leaf.not_before(), leaf.lifetime()), (start, Duration::from_secs(86_400 * 90)));
    assert_eq!(leaf.issuer(), "sidegate self-signed");
    assert!(leaf.is_self_issued() && leaf.covers("a.example.com") && leaf.covers("[::1]"));
    assert_eq!(leaf.spki(), key.pair().subject_public_key_info());
    let chain = Chain::self_signed(leaf);
    assert_eq!((chain.chain_pem().as_str(), chain.ca_pem()), ("", chain.crt_pem()));
    Bundle::join(key, chain, &names).expect("they fit");
}

#[test]
fn damage_is_an_error_and_never_a_panic() {
    let names = names(&["example.com"]);
    let key = PrivateKey::generate(KeyType::P256);
    let (sent, _) = issue(&key, &names);
    let der = pem::certificates(sent.as_bytes()).expect("certificates").remove(0);
    let (_, parsed) = X509Certificate::from_der(&der).expect("a certificate");
    // After the outer header stands what is signed.
    let covered = 4..4 + parsed.tbs_certificate.as_ref().len();
    for at in 0..der.len() {
        let mut bytes = der.to_vec();
        bytes[at] ^= 0x41;
        if let Ok(leaf) = Leaf::from_der(bytes.into()) {
            // A flipped bit that still parses must not pass as signed.
            let text = leaf.pem() + &sent[sent.find("END CERTIFICATE").expect("an end") + 20..];
            let taken = Chain::from_pem(text.as_bytes(), &Roots::well_known()).is_ok();
            assert!(!(taken && covered.contains(&at)), "byte {at}");
        }
        assert!(Leaf::from_der(der[..at].to_vec().into()).is_err());
    }
}
