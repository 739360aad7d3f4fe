//! What is wrong with the CAs, the challenges and the certificates that are asked for.

use crate::config_faults::{SITE, fault_before_site, faults_of};

#[test]
fn a_challenge_needs_its_listener() {
    let fault =
        fault_before_site("[listen]\nhttp = \"off\"\n[acme]\nchallenges = [\"http-01\", \"tls-alpn-01\"]");
    assert!(fault.contains("http-01 needs the listener that listen.http switches off"), "{fault}");
}

#[test]
fn nobody_is_promised_a_certificate_that_cannot_be_had() {
    let site = |domain: &str, issuer: &str| {
        faults_of(&format!("[[site]]\ndomains = [\"{domain}\"]\nto = 1\n{issuer}\n"))
    };
    let wildcard = site("*.example.com", "");
    assert_eq!(
        wildcard,
        [
            "2:12: site.domains: a CA signs *.example.com after a challenge in the DNS only. Accepted: [acme.dns] \
          with server and key, with provider and credentials, or with hook, dns-persist-01 in acme.challenges, issuer = \"selfsigned\", or cert and key of your own"
        ]
    );
    let proved = "[acme.dns]\nhook = [\"x\"]\n[[site]]\ndomains = [\"*.example.com\"]\nto = 1";
    assert_eq!(faults_of(proved), Vec::<String>::new());
    let narrowed = site("example.com", "challenges = [\"dns-01\"]");
    let what = "4:15: site.challenges: \"dns-01\" is none of the challenges of [acme]. Accepted: http-01, tls-alpn-01";
    assert_eq!(narrowed, [what]);
    let narrowed = faults_of(&format!("{proved}\nchallenges = [\"http-01\"]"));
    let way = "Accepted: dns-01 in the site's challenges, issuer";
    assert!(narrowed.len() == 1 && narrowed[0].contains(way), "{narrowed:#?}");
    let standing = "[acme]\nchallenges = [\"http-01\", \"dns-persist-01\"]\n\
                    [[site]]\ndomains = [\"*.example.com\"]\nto = 1";
    assert_eq!(faults_of(standing), Vec::<String>::new());
    let narrowed = faults_of(&format!("{standing}\nchallenges = [\"http-01\"]"));
    let way = "Accepted: dns-persist-01 in the site's challenges, issuer";
    assert!(narrowed.len() == 1 && narrowed[0].contains(way), "{narrowed:#?}");
    let address = "[acme]\nchallenges = [\"dns-01\"]\nprofile = \"shortlived\"\n[acme.dns]\nhook = [\"x\"]\n\
                   [[site]]\ndomains = [\"192.0.2.7\"]\nto = 1\nissuer = \"acme\"";
    let address = faults_of(address);
    assert!(address[0].contains("an address such as 192.0.2.7 cannot be proved in the DNS"), "{address:#?}");
    assert_eq!(site("*.example.com", "issuer = \"selfsigned\""), Vec::<String>::new());
    let internal = site("db.internal", "issuer = \"acme\"");
    assert!(internal[0].contains("no public CA can sign db.internal"), "{internal:#?}");
    let address = site("192.0.2.7", "issuer = \"acme\"");
    assert!(address[0].contains("under the profile shortlived only"), "{address:#?}");
    assert_eq!(site("192.0.2.7", ""), Vec::<String>::new());
}

#[test]
fn names_that_do_not_fit_one_certificate_are_told_how_many_do() {
    let site = |names: u32| {
        let domains: Vec<String> = (0..names).map(|n| format!("\"n{n}.example.com\"")).collect();
        format!("[[site]]\ndomains = [{}]\nto = 1\n", domains.join(", "))
    };
    assert_eq!(faults_of(&site(100)), Vec::<String>::new());
    let what = "2:11: site.domains: 101 names do not fit one certificate. \
                Accepted: 100 names at most; the others in another [[site]]";
    assert_eq!(faults_of(&site(101)), [what]);
    for (profile, most) in [("classic", 100), ("tlsserver", 25), ("shortlived", 25)] {
        for acme in ["", "staging = true\n"] {
            let acme = format!("[acme]\nprofile = \"{profile}\"\n{acme}");
            assert_eq!(faults_of(&format!("{acme}{}", site(most))), Vec::<String>::new(), "{profile}");
            let faults = faults_of(&format!("{acme}{}", site(most + 1)));
            let [fault] = &faults[..] else { panic!("{profile}: {faults:#?}") };
            assert!(fault.contains(&format!("{} names do not fit one certificate", most + 1)), "{fault}");
            assert!(
                fault.ends_with(&format!("{most} names at most; the others in another [[site]]")),
                "{fault}"
            );
        }
    }
    // What another CA has under that name is for that CA to say.
    let other = "[acme]\ndirectory = \"https://ca.example/dir\"\nprofile = \"shortlived\"\n";
    assert_eq!(faults_of(&format!("{other}{}", site(26))), Vec::<String>::new());
    let fallback = "[acme]\ndirectory = \"https://ca.example/dir\"\n[[acme.fallback]]\n\
                    directory = \"https://acme-v02.api.letsencrypt.org/directory\"\nprofile = \"tlsserver\"\n";
    let faults = faults_of(&format!("{fallback}{}", site(26)));
    assert!(faults.len() == 1 && faults[0].contains("under the profile tlsserver"), "{faults:#?}");
}

#[test]
fn keys_limits_and_profiles_are_among_those_there_are() {
    let fault = fault_before_site("[acme]\nkey_type = \"ed25519\"");
    assert!(fault.starts_with("2:12: acme.key_type: \"ed25519\" is none of the choices."), "{fault}");
    assert!(fault.ends_with("Accepted: p256, p384, rsa2048, rsa3072, rsa4096"), "{fault}");
    let fault = fault_before_site("[acme]\nreuse_key = \"yes\"");
    assert_eq!(fault, "2:13: acme.reuse_key: this is a TOML string. Accepted: true or false");
    let fault = fault_before_site("[acme]\npreflight = \"no\"");
    assert_eq!(fault, "2:13: acme.preflight: this is a TOML string. Accepted: true or false");
    let fault = fault_before_site("[acme]\nnameservers = [\"udp://ns1\"]");
    assert!(
        fault.starts_with("2:16: acme.nameservers: \"udp://ns1\" is not the address of a DNS server."),
        "{fault}"
    );
    let fault = fault_before_site("[acme]\nnameservers = []");
    assert!(fault.starts_with("2:15: acme.nameservers: the list is empty."), "{fault}");
    let fault = fault_before_site("[acme]\nlimits = \"lets-encrypt\"");
    assert!(fault.starts_with("2:10: acme.limits: \"lets-encrypt\" is none of the choices."), "{fault}");
    assert!(fault.ends_with("Did you mean `letsencrypt`? Accepted: letsencrypt, none"), "{fault}");
    let fault = fault_before_site("[acme]\nprofile = \"short lived\"");
    assert!(
        fault.starts_with("2:11: acme.profile: \"short lived\" is not the name of a profile."),
        "{fault}"
    );
    for acme in ["[acme]", "[acme]\nstaging = true"] {
        let fault = fault_before_site(&format!("{acme}\nprofile = \"shortlved\"\nprofile_required = true"));
        assert!(
            fault.contains("acme.profile: \"shortlved\" is none of Let's Encrypt's profiles."),
            "{fault}"
        );
        assert!(
            fault.ends_with("Did you mean `shortlived`? Accepted: classic, tlsserver, shortlived"),
            "{fault}"
        );
    }
    let other = "[acme]\ndirectory = \"https://ca.example/dir\"\nprofile = \"anything\"\n";
    assert_eq!(faults_of(&format!("{other}{SITE}")), Vec::<String>::new());
    let fault = fault_before_site("[acme]\nprofile_required = true");
    assert!(fault.starts_with("2:20: acme.profile_required: no profile is named"), "{fault}");
    let fault = fault_before_site("[acme]\npreferred_chain = \" \"");
    assert!(fault.starts_with("2:19: acme.preferred_chain: \" \" is not the name of a CA."), "{fault}");
    assert!(faults_of(&format!("[acme]\nprofile = \"classic\"\nkey_type = \"rsa2048\"\n{SITE}")).is_empty());
}

#[test]
fn an_address_needs_the_profile_under_which_public_cas_sign_addresses() {
    let site = "[[site]]\ndomains = [\"192.0.2.1\"]\nissuer = \"acme\"\nto = 3000\n";
    for acme in ["", "[acme]\nprofile = \"classic\"\n"] {
        let faults = faults_of(&format!("{acme}{site}"));
        let [fault] = &faults[..] else { panic!("{faults:#?}") };
        let words = "a CA signs addresses such as 192.0.2.1 under the profile shortlived only. \
                     Accepted: acme.profile = \"shortlived\", or issuer = \"selfsigned\"";
        assert!(fault.ends_with(words), "{fault}");
    }
    assert!(faults_of(&format!("[acme]\nprofile = \"shortlived\"\n{site}")).is_empty());
    assert!(faults_of(&format!("[acme]\ndirectory = \"https://ca.example/dir\"\n{site}")).is_empty());
}

#[test]
fn a_fallback_is_another_ca_whose_certificates_are_of_use() {
    const STAGING: &str = "https://acme-staging-v02.api.letsencrypt.org/directory";
    let fault = |ca: &str| fault_before_site(&format!("[[acme.fallback]]\n{ca}"));
    let missing = fault("email = \"ops@example.org\"");
    assert!(
        missing.starts_with("1:1: acme.fallback.directory: missing. Accepted: an https:// URL"),
        "{missing}"
    );
    let odd = fault("directory = \"ca.example\"");
    assert!(odd.starts_with("2:13: acme.fallback.directory: \"ca.example\" is not the URL of"), "{odd}");
    let same = fault("directory = \"https://acme-v02.api.letsencrypt.org/directory\"");
    assert!(
        same.contains("acme.fallback.directory: this CA is asked already. Accepted: each CA once"),
        "{same}"
    );
    let staging = fault(&format!("directory = {STAGING:?}"));
    assert!(staging.contains("no browser trusts the certificates of this CA"), "{staging}");
    let unknown = fault("directory = \"https://ca.example/dir\"\nretry = [\"1m\"]");
    assert!(unknown.starts_with("3:1: acme.fallback.retry: unknown key."), "{unknown}");
    let alone = fault("directory = \"https://ca.example/dir\"\neab_kid = \"k\"");
    assert!(alone.starts_with("3:11: acme.fallback.eab_kid: eab_kid and eab_key are"), "{alone}");
}

#[test]
fn a_binding_has_a_name_and_a_key_that_can_be_read() {
    let folder = tempfile::tempdir().expect("a directory");
    let file = folder.path().join("eab.key");
    let fault = |key: &str| {
        std::fs::write(&file, key).expect("written");
        faults_of(&format!("[acme]\neab_kid = \"k\"\neab_key = {file:?}\n{SITE}"))
    };
    assert_eq!(fault("dGhpcnR5LXR3byBieXRlcyBvZiB0aGUgY3VzdG9tZXI=\n"), Vec::<String>::new());
    assert!(fault("not base64!")[0].contains("holds no key in base64url"));
    assert!(fault("dGhp")[0].contains("is too short"));
    let alone = fault_before_site("[acme]\neab_kid = \"k\"");
    assert!(
        alone.starts_with("2:11: acme.eab_kid: eab_kid and eab_key are of use only together."),
        "{alone}"
    );
}
