//! What is wrong with a configuration is said all at once, each with its place and what would be right.

use std::path::PathBuf;

use sidegate::config::{self, Env, Flags, Purpose};

/// The faults of a file of this content, without the name of the file.
pub(crate) fn faults_of(text: &str) -> Vec<String> {
    let folder = tempfile::tempdir().expect("a directory");
    let file = folder.path().join("x.toml");
    std::fs::write(&file, text).expect("written");
    let check = Purpose::Check { file: Some(file.clone()) };
    match config::load(&check, &Flags::default(), &Env::default()) {
        Ok(_) => Vec::new(),
        Err(faults) => {
            assert_eq!(faults.exit_code(), 78);
            let file = format!("{}:", file.display());
            faults.to_string().lines().map(|line| line.replace(&file, "")).collect()
        }
    }
}

pub(crate) const SITE: &str = "[[site]]\ndomains = [\"example.com\"]\nto = 3000\n";

/// The one fault of a file that is good but for `text` in front of a site.
pub(crate) fn fault_before_site(text: &str) -> String {
    let faults = faults_of(&format!("{text}\n{SITE}"));
    assert_eq!(faults.len(), 1, "{text}: {faults:#?}");
    faults[0].clone()
}

pub(crate) fn fault_in_site(text: &str) -> String {
    let faults = faults_of(&format!("{SITE}{text}\n"));
    assert_eq!(faults.len(), 1, "{text}: {faults:#?}");
    faults[0].clone()
}

pub(crate) fn fault_of_variable(name: &str, value: &str) -> String {
    let env = Env::of([("TLS_DOMAIN", "example.com"), ("TARGET", "3000"), (name, value)]);
    let faults = config::load(&Purpose::Direct, &Flags::default(), &env).expect_err(name);
    assert_eq!(faults.exit_code(), 78);
    assert_eq!(faults.iter().count(), 1, "{faults}");
    faults.to_string()
}

#[test]
fn all_faults_are_reported_together_in_the_order_of_the_file() {
    let faults = faults_of(
        "storge = \"/data\"\n\
         drain = \"25\"\n\
         [listen]\n\
         https = \"example.com:443\"\n\
         [acme]\n\
         directory = \"http://ca.example\"\n\
         [[site]]\n\
         domains = [\"exa mple.com\", \"example.com\"]\n\
         upstream = 3000\n",
    );
    let expected = [
        "1:1: storge: unknown key. Did you mean `storage`?",
        "2:9: drain: \"25\" is not a duration.",
        "4:9: listen.https: \"example.com:443\" is not an address to listen on.",
        "6:13: acme.directory: \"http://ca.example\" is not the URL of an ACME directory.",
        "7:1: site.to: nothing says where requests go.",
        "8:12: site.domains: ",
        "9:1: site.upstream: unknown key. Did you mean `to`?",
    ];
    assert_eq!(faults.len(), expected.len(), "{faults:#?}");
    for (fault, expected) in faults.iter().zip(expected) {
        assert!(fault.starts_with(expected), "{fault}\nis not {expected}");
        assert!(fault.contains("Accepted: ") || expected.contains("domains"), "{fault}");
    }
}

#[test]
fn what_is_not_built_is_an_unknown_key() {
    for key in ["tls", "timeouts", "limits", "admin", "trusted_proxies", "metrics"] {
        let fault = fault_before_site(&format!("[{key}]"));
        assert!(fault.contains(&format!("1:2: {key}: unknown key.")), "{fault}");
        assert!(
            fault.contains(
                "Accepted: storage, read_only, workers, drain, listen, acme, on_demand, log, prune, hooks, site"
            ),
            "{fault}"
        );
    }
    for key in ["hsts = true", "health = \"/up\"", "client_auth = {}"] {
        assert!(fault_in_site(key).contains("unknown key."), "{key}");
    }
}

#[test]
fn a_file_that_is_not_toml_says_where() {
    let faults = faults_of("storage = \n[listen\n");
    assert!(faults[0].starts_with("1:"), "{faults:#?}");
    assert!(faults.iter().all(|fault| fault.contains("not TOML")), "{faults:#?}");
}

#[test]
fn a_file_cut_off_anywhere_is_good_or_says_why_not() {
    let reference = concat!(env!("CARGO_MANIFEST_DIR"), "/config/reference.toml");
    let whole = std::fs::read_to_string(reference).expect("the reference");
    let folder = tempfile::tempdir().expect("a directory");
    let file = folder.path().join("x.toml");
    let serve = Purpose::Serve { file: Some(file.clone()) };
    let mut good = 0;
    for end in (0..=whole.len()).step_by(7).filter(|end| whole.is_char_boundary(*end)) {
        std::fs::write(&file, &whole[..end]).expect("written");
        match config::load(&serve, &Flags::default(), &Env::default()) {
            Ok(settings) => {
                good += 1;
                assert!(!settings.sites.is_empty(), "cut at {end}");
            }
            Err(faults) => assert!(faults.iter().count() > 0, "cut at {end}"),
        }
    }
    assert!(good > 1, "some of its beginnings are good");
}

#[test]
fn each_value_has_its_kind() {
    for (text, fault) in [
        ("read_only = \"yes\"", "1:13: read_only: this is a TOML string. Accepted: true or false"),
        ("storage = true", "1:11: storage: this is a TOML boolean. Accepted: a string"),
        ("listen = 443", "1:10: listen: this is a TOML integer. Accepted: a table: [listen]"),
        (
            "workers = \"many\"",
            "1:11: workers: \"many\" is not a number of threads. Accepted: a number from 1 to 1024",
        ),
        ("workers = 0", "1:11: workers: \"0\" is not a number of threads."),
        ("[acme]\nstaging = \"yes\"", "2:11: acme.staging: this is a TOML string. Accepted: true or false"),
        ("[acme]\nretry = \"1m\"", "2:9: acme.retry: this is a TOML string. Accepted: a list of strings"),
        ("[acme]\nretry = []", "2:9: acme.retry: the list is empty."),
        (
            "[acme]\nretry = [\"100ms\"]",
            "2:10: acme.retry: \"100ms\" is too short. Accepted: a number and a unit",
        ),
        ("[acme]\nemail = \"ops\"", "2:9: acme.email: \"ops\" is not an e-mail address."),
        ("[acme]\nemail = \"mailto:ops@example.org\"", "2:9: acme.email: \"mailto:ops@example.org\" is not"),
        (
            "[acme]\nchallenges = [\"http01\"]",
            "2:15: acme.challenges: \"http01\" is not a challenge we can answer. Did you mean `http-01`?",
        ),
        (
            "[acme]\nchallenges = [\"dns-01\"]",
            "2:15: acme.challenges: dns-01 needs a way to set records. Accepted: [acme.dns] with server and key, with provider",
        ),
        (
            "[acme]\nchallenges = [\"http-01\"]\n[acme.dns]\nhook = [\"x\"]",
            "2:14: acme.challenges: [acme.dns] is of no use without dns-01. Accepted: dns-01 in this list as well",
        ),
        ("[acme]\napi_root = \"none.pem\"", "2:12: acme.api_root: "),
        ("[log]\nlevel = \"inof\"", "2:9: log.level: \"inof\" is not a log level. Did you mean `info`?"),
        (
            "[log]\nformat = \"jsno\"",
            "2:10: log.format: \"jsno\" is none of the choices. Did you mean `json`? Accepted: text, json",
        ),
        ("[log]\naccess = \"on\"", "2:10: log.access: \"on\" is none of the choices."),
        (
            "[prune]\nkeep = \"all\"",
            "2:8: prune.keep: \"all\" is not a number. Accepted: how many items before the current one are kept, such as 2",
        ),
        ("[prune]\nexpired_for = \"never\"", "2:15: prune.expired_for: \"never\" is not a duration."),
        ("[listen]\nhttps = \"off\"", "2:9: listen.https: https cannot be switched off."),
        ("[listen]\nhttp = 443", "2:8: listen.http: http and https cannot both have port 443."),
    ] {
        let said = fault_before_site(text);
        assert!(said.starts_with(fault), "{text}\nsaid   {said}\nnot    {fault}");
    }
}

#[test]
fn a_site_says_whose_certificate_and_where_to() {
    for (text, fault) in [
        ("issuer = \"letsencrypt\"", "site.issuer: \"letsencrypt\" is none of the choices."),
        ("key = \"x.pem\"", "site.key: key is of use only with cert. Accepted: cert as well"),
        ("redirect = \"www\"", "site.redirect: this is a TOML string."),
        (
            "redirect = { \"www.example.com\" = \"example.com\" }",
            "site.redirect: www.example.com is not one of the site's domains.",
        ),
        (
            "redirect = { \"example.com\" = \"example.com\" }",
            "site.redirect: example.com is redirected itself.",
        ),
        ("[[site.route]]\npath = \"api\"\nto = 1", "site.route.path: \"api\" is not a path."),
        (
            "[[site.route]]\npath = \"/\"\nto = 1",
            "site.route.path: / has a route already (`to` is the route of /).",
        ),
        ("[[site.route]]\npath = \"/x\"", "site.route.to: missing."),
        ("[[site.route]]\nto = 1", "site.route.path: missing."),
        (
            "[[site]]\ndomains = [\"EXAMPLE.com.\"]\nto = 1",
            "site.domains: example.com is given twice, first at ",
        ),
        ("[[site]]\ndomains = []\nto = 1", "site.domains: no domain is given."),
        ("[[site]]\nto = 1", "site.domains: missing."),
        ("[[site]]\ndomains = [\"a.example.com\"]\nto = \"ftp://x\"", "site.to: "),
    ] {
        let said = fault_in_site(text);
        assert!(said.contains(fault), "{text}\nsaid   {said}\nnot    {fault}");
    }
    let faults = faults_of(&format!("{SITE}cert = \"x.pem\"\nkey = \"y.pem\"\n"));
    assert_eq!(faults.len(), 2, "each missing file is named: {faults:#?}");
    assert!(faults.iter().all(|fault| fault.contains("there is no such file")), "{faults:#?}");
}

#[test]
fn a_variable_that_would_be_ignored_is_a_fault() {
    let fault = fault_of_variable("SIDEGATE_TLS_DOMIAN", "x");
    assert!(
        fault.starts_with("SIDEGATE_TLS_DOMIAN: unknown variable. Did you mean `TLS_DOMAIN`?"),
        "{fault}"
    );
    assert!(fault_of_variable("SIDEGATE_DRAIN_TIMEOUT", "5").contains("unknown variable"));
}

#[test]
fn what_kubernetes_says_about_services_is_not_meant_for_us() {
    let env = Env::of([
        ("TLS_DOMAIN", "example.com"),
        ("TARGET_PORT", "3000"),
        ("KUBERNETES_SERVICE_HOST", "10.0.0.1"),
        ("SIDEGATE_SERVICE_HOST", "10.0.0.2"),
        ("SIDEGATE_SERVICE_PORT", "443"),
        ("SIDEGATE_SERVICE_PORT_HTTPS", "443"),
        ("SIDEGATE_PORT", "tcp://10.0.0.2:443"),
        ("SIDEGATE_PORT_443_TCP_ADDR", "10.0.0.2"),
        ("HTTP_PORT", "tcp://10.0.0.3:80"),
        ("HTTPS_PORT", "tcp://10.0.0.3:443"),
    ]);
    let settings = config::load(&Purpose::Direct, &Flags::default(), &env).expect("none of it is ours");
    assert_eq!(settings.listen.http.map(|at| at.port()), Some(8080));
}

#[test]
fn a_variable_with_a_bad_value_is_a_fault() {
    for (name, value, fault) in [
        ("HTTP_PORT", "80a", "HTTP_PORT: \"80a\" is not an address to listen on."),
        ("HTTPS_PORT", "99999", "HTTPS_PORT: \"99999\" is not an address to listen on."),
        ("SIDEGATE_LOG_LEVEL", "loud", "SIDEGATE_LOG_LEVEL: \"loud\" is not a log level."),
        ("LOG_FORMAT", "xml", "LOG_FORMAT: \"xml\" is none of the choices."),
        ("TARGET_PORT", "3000", "TARGET_PORT: TARGET is set as well."),
        (
            "SIDEGATE_TARGET_PORT",
            "http://x",
            "SIDEGATE_TARGET_PORT: \"http://x\" is not a port. Accepted: a number from 1 to 65535",
        ),
        ("ACME_DIRECTORY", "letsencrypt", "ACME_DIRECTORY: \"letsencrypt\" is not the URL"),
        ("ACME_EMAIL_FILE", "/nonexistent", "ACME_EMAIL_FILE: there is no such file."),
        ("DRAIN", "soon", "DRAIN: \"soon\" is not a duration. Accepted: "),
        ("HEALTH_ADDR", "everywhere", "HEALTH_ADDR: \"everywhere\" is not an address to listen on."),
    ] {
        let said = fault_of_variable(name, value);
        assert!(said.starts_with(fault), "said {said}\nnot  {fault}");
    }
}

#[test]
fn a_bad_flag_is_a_usage_error_and_a_missing_file_is_not() {
    let flags = Flags { domain: vec!["exa mple.com".into()], to: Some("3000".into()), ..Flags::default() };
    let faults = config::load(&Purpose::Direct, &flags, &Env::default()).expect_err("no name");
    assert!(faults.to_string().starts_with("--domain: "), "{faults}");
    assert_eq!(faults.exit_code(), 64);
    let missing = Purpose::Serve { file: Some(PathBuf::from("/nonexistent/x.toml")) };
    let good = Flags { domain: vec!["example.com".into()], to: Some("3000".into()), ..Flags::default() };
    let faults = config::load(&missing, &good, &Env::default()).expect_err("no file");
    assert_eq!(faults.to_string(), "/nonexistent/x.toml: there is no such file.");
    assert_eq!(faults.exit_code(), 78);
}

#[test]
fn nothing_to_serve_names_the_ways_to_say_it() {
    let faults = config::load(&Purpose::Direct, &Flags::default(), &Env::default()).expect_err("nothing");
    let words = faults.to_string();
    for way in ["--domain example.com", "TLS_DOMAIN=example.com", "[[site]]", "--to 3000", "TARGET_PORT=3000"]
    {
        assert!(words.contains(way), "{way}: {words}");
    }
}

#[test]
fn one_flag_cannot_speak_of_many_sites() {
    let folder = tempfile::tempdir().expect("a directory");
    let file = folder.path().join("x.toml");
    let text = format!("{SITE}[[site]]\ndomains = [\"example.org\"]\nto = 1\n");
    std::fs::write(&file, text).expect("written");
    let env = Env::of([("TLS_DOMAIN", "example.net")]);
    let faults =
        config::load(&Purpose::Serve { file: Some(file) }, &Flags::default(), &env).expect_err("which?");
    assert!(faults.to_string().starts_with("TLS_DOMAIN: the file has 2 sites"), "{faults}");
}

/// The faults of a configuration beside which these lists lie, without the names of folders.
fn faults_with_lists(text: &str, lists: &[(&str, &str)]) -> Vec<String> {
    let folder = tempfile::tempdir().expect("a directory");
    for (name, lines) in lists {
        std::fs::write(folder.path().join(name), lines).expect("written");
    }
    let file = folder.path().join("x.toml");
    std::fs::write(&file, text).expect("written");
    let faults = config::load(&Purpose::Serve { file: Some(file) }, &Flags::default(), &Env::default());
    let here = format!("{}/", folder.path().display());
    faults.err().map_or_else(Vec::new, |faults| {
        faults.to_string().lines().map(|line| line.replace(&here, "")).collect()
    })
}

#[test]
fn a_name_stands_in_one_list_or_in_one_site() {
    let site = |about: &str| format!("[[site]]\n{about}\nto = 1\n");
    let text = [
        "domains = [\"a.example\", \"e.example\"]",
        "certificates = \"one\"",
        "certificates = \"two\"",
        "domains = [\"c.example\", \"d.example\"]",
    ];
    let lists =
        [("one", "a.example x.pem\nb.example x.pem\n"), ("two", "c.example x.pem\nb.example x.pem\n")];
    assert_eq!(
        faults_with_lists(&text.map(site).concat(), &lists),
        [
            "one:1:1: a.example is given twice, first at x.toml:2:12. Accepted: each name once",
            "two:2:1: b.example is given twice, first at one:2:1. Accepted: each name once",
            "x.toml:11:12: site.domains: c.example is given twice, first at two:1:1. Accepted: each name once",
        ]
    );
}

#[test]
fn a_list_names_the_domains_and_is_there() {
    let also = |key: &str| format!("[[site]]\ncertificates = \"list\"\n{key}\nto = 1\n");
    let list = [("list", "a.example x.pem\n*.b.example x.pem\n")];
    for (key, place) in [
        ("domains = [\"c.example\"]", "x.toml:3:11: site.domains: "),
        ("cert = \"x.pem\"", "x.toml:3:8: site.cert: "),
        ("issuer = \"acme\"", "x.toml:3:10: site.issuer: "),
    ] {
        let faults = faults_with_lists(&also(key), &list);
        let what = "the list names the site's domains and their certificates. Accepted: certificates alone";
        assert_eq!(faults, [format!("{place}{what}")]);
    }
    let redirect = |from: &str| also(&format!("redirect = {{ \"{from}\" = \"a.example\" }}"));
    assert_eq!(faults_with_lists(&redirect("www.b.example"), &list), [""; 0]);
    let faults = faults_with_lists(&redirect("b.example"), &list);
    assert!(faults[0].contains("b.example is not one of the site's domains"), "{faults:?}");
    let faults = faults_with_lists(&also(""), &[]);
    assert!(
        faults[0].starts_with("x.toml:2:16: site.certificates: list: there is no such file."),
        "{faults:?}"
    );
}

#[test]
fn a_list_needs_no_file_of_sites() {
    let folder = tempfile::tempdir().expect("a directory");
    let list = folder.path().join("list");
    std::fs::write(&list, "a.example x.pem\n").expect("written");
    let list = list.to_str().expect("text");
    let flags = Flags { certificates: Some(list.into()), to: Some("3000".into()), ..Flags::default() };
    let env = Env::of([("TLS_CERTIFICATES", list), ("TARGET", "3000")]);
    for (flags, env) in [(&flags, &Env::default()), (&Flags::default(), &env)] {
        let settings = config::load(&Purpose::Direct, flags, env).unwrap_or_else(|faults| panic!("{faults}"));
        assert_eq!(settings.unnamed().expect("a name").to_string(), "a.example");
    }
    let wrong = Env::of([("TLS_CERTIFICATES", "/no/such/list"), ("TARGET", "3000")]);
    let faults = config::load(&Purpose::Direct, &Flags::default(), &wrong).expect_err("no list");
    assert!(
        faults.to_string().starts_with("TLS_CERTIFICATES: /no/such/list: there is no such file."),
        "{faults}"
    );
}
