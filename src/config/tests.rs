//! How flags, variables, file and defaults combine.

use std::path::Path;
use std::time::Duration;

use crate::ident::Provider;
use crate::issuer::solver::ChallengeKind;
use crate::issuer::solver::dns01::{Options, Sight, Way};

use super::*;

fn direct(flags: &Flags, env: &Env) -> Settings {
    load(&Purpose::Direct, flags, env).unwrap_or_else(|faults| panic!("{faults}"))
}

fn flags(domain: &str) -> Flags {
    Flags { domain: vec![domain.to_owned()], to: Some("3000".to_owned()), ..Flags::default() }
}

/// Settings of a file of this content in a directory of its own.
fn of_file(text: &str, flags: &Flags, env: &Env) -> (tempfile::TempDir, Settings) {
    let folder = tempfile::tempdir().expect("a directory");
    let file = folder.path().join("x.toml");
    fs::write(&file, text).expect("written");
    let settings = load(&Purpose::Serve { file: Some(file) }, flags, env);
    (folder, settings.unwrap_or_else(|faults| panic!("{faults}")))
}

fn providers(settings: &Settings) -> Vec<(String, Provider)> {
    let line = |lineage: &crate::ident::Lineage| lineage.names().domain_list().trim_end().to_owned();
    settings.lineages().map(|lineage| (line(lineage), lineage.provider())).collect()
}

#[test]
fn a_flag_wins_over_a_variable_which_wins_over_the_file() {
    let text = "storage = \"/file\"\nworkers = 3\n[log]\nlevel = \"warn\"\n[acme]\nemail = \"a@file.example\"\n\
                [[site]]\ndomains = [\"file.example\"]\nto = 1\n";
    let env = Env::of([
        ("STORAGE_PATH", "/env"),
        ("LOG_LEVEL", "debug"),
        ("ACME_EMAIL", "a@env.example"),
        ("DRAIN", "8s"),
    ]);
    let given = Flags { storage: Some("/flag".into()), log: Some("trace".into()), ..Flags::default() };
    let (_folder, settings) = of_file(text, &given, &env);
    assert_eq!(settings.storage.path, Path::new("/flag"));
    assert_eq!(settings.log.level, "trace");
    assert_eq!(settings.acme.preferred.email.as_deref(), Some("a@env.example"));
    assert_eq!(settings.workers, 3);
    assert_eq!(settings.drain, Duration::from_secs(8));
    let (_folder, settings) = of_file(text, &Flags { drain: Some("2s".into()), ..given }, &env);
    assert_eq!(settings.drain, Duration::from_secs(2));
    let (_folder, settings) = of_file(text, &Flags::default(), &Env::default());
    assert_eq!(settings.drain, Duration::from_secs(25));
}

#[test]
fn our_own_variable_wins_over_its_common_twin() {
    let env = Env::of([
        ("STORAGE_PATH", "/common"),
        ("SIDEGATE_STORAGE_PATH", "/ours"),
        ("TARGET", "1"),
        ("SIDEGATE_TARGET_PORT", "2"),
    ]);
    let settings = direct(&Flags { domain: vec!["a.example".into()], ..Flags::default() }, &env);
    assert_eq!(settings.storage.path, Path::new("/ours"));
    assert_eq!(settings.sites[0].routes[0].1.to_string(), "http://localhost:2");
    let env = Env::of([("STORAGE_PATH", "/common"), ("SIDEGATE_STORAGE_PATH", "")]);
    assert_eq!(direct(&flags("a.example"), &env).storage.path, Path::new("/common"), "empty is unset");
}

#[test]
fn a_variable_can_be_kept_in_a_file() {
    let folder = tempfile::tempdir().expect("a directory");
    let secret = folder.path().join("email");
    fs::write(&secret, "ops@example.org\n").expect("written");
    let env = Env::of([("ACME_EMAIL_FILE", secret.to_str().expect("text"))]);
    assert_eq!(direct(&flags("a.example"), &env).acme.preferred.email.as_deref(), Some("ops@example.org"));
}

#[test]
fn variables_complete_the_one_site_of_a_file() {
    let env = Env::of([("TLS_DOMAIN", "env.example"), ("TARGET_PORT", "4000")]);
    let (_folder, settings) =
        of_file("[[site]]\ndomains = [\"file.example\"]\nto = 1\n", &Flags::default(), &env);
    assert_eq!(settings.sites.len(), 1);
    assert_eq!(settings.unnamed().expect("a name").to_string(), "env.example");
    assert_eq!(settings.sites[0].routes[0].1.to_string(), "http://localhost:4000");
    let (_folder, settings) = of_file("drain = \"1s\"\n", &Flags::default(), &env);
    assert_eq!(settings.unnamed().expect("a name").to_string(), "env.example");
}

#[test]
fn paths_of_a_file_are_relative_to_it() {
    let (folder, settings) = of_file("storage = \"here\"\n", &flags("a.example"), &Env::default());
    assert_eq!(settings.storage.path, folder.path().join("here"));
    assert_eq!(settings.storage.fallback, None, "what was chosen is used or refused");
}

#[test]
fn storage_that_nobody_chose_has_a_second_place() {
    let fallback = |env| direct(&flags("a.example"), &env).storage.fallback;
    let state = Env::of([("XDG_STATE_HOME", "/state"), ("HOME", "/home/x")]);
    assert_eq!(fallback(state).as_deref(), Some(Path::new("/state/sidegate")));
    let home = Env::of([("XDG_STATE_HOME", "relative"), ("HOME", "/home/x")]);
    assert_eq!(fallback(home).as_deref(), Some(Path::new("/home/x/.local/state/sidegate")));
    assert_eq!(fallback(Env::default()), None);
}

#[test]
fn staging_and_a_directory_are_two_answers_to_one_question() {
    let staging = Flags { staging: true, ..flags("a.example") };
    let env = Env::of([("ACME_DIRECTORY", "https://ca.example/dir")]);
    assert!(direct(&staging, &env).acme.preferred.directory.contains("staging"), "a flag wins");
    assert_eq!(direct(&flags("a.example"), &env).acme.preferred.directory, "https://ca.example/dir");
    let (_folder, settings) = of_file("[acme]\nstaging = true\n", &flags("a.example"), &env);
    assert_eq!(settings.acme.preferred.directory, "https://ca.example/dir", "a variable wins over the file");
    let both = Flags { acme_directory: Some("https://ca.example/dir".into()), ..staging };
    let faults = load(&Purpose::Direct, &both, &Env::default()).expect_err("which one?");
    assert_eq!(faults.to_string(), "--staging: --acme-directory is set as well. Accepted: one of the two");
}

#[test]
fn only_a_ca_of_ones_own_is_asked_for_names_of_the_house() {
    let names = "example.com,db.internal,localhost,192.0.2.1";
    let public = direct(&flags(names), &Env::default());
    let split = [
        ("example.com".to_owned(), Provider::Letsencrypt),
        ("db.internal 192.0.2.1 localhost".to_owned(), Provider::Selfsigned),
    ];
    assert_eq!(providers(&public), split);
    let zerossl = Flags { acme_directory: Some("https://acme.zerossl.com/v2/DV90".into()), ..flags(names) };
    assert_eq!(providers(&direct(&zerossl, &Env::default())), split);
    let own =
        Flags { acme_directory: Some("https://ca.internal:9000/acme/acme/directory".into()), ..flags(names) };
    assert_eq!(
        providers(&direct(&own, &Env::default())),
        [
            ("example.com db.internal localhost".to_owned(), Provider::Letsencrypt),
            ("192.0.2.1".to_owned(), Provider::Selfsigned),
        ]
    );
}

#[test]
fn without_http_a_name_is_proved_by_tls() {
    let (_folder, settings) = of_file("[listen]\nhttp = \"off\"\n", &flags("a.example"), &Env::default());
    assert_eq!(settings.listen.http, None);
    assert_eq!(settings.acme.challenges, [ChallengeKind::TlsAlpn01]);
    assert!(!settings.validates_by_http01(&settings.sites[0]));
}

#[test]
fn with_a_way_into_the_dns_names_can_be_proved_there_as_well() {
    let text = "[acme.dns]\nhook = [\"./hook\", \"./x\"]\n";
    let (folder, settings) = of_file(text, &flags("*.example.com"), &Env::default());
    let kinds = [ChallengeKind::Http01, ChallengeKind::TlsAlpn01, ChallengeKind::Dns01];
    assert_eq!(settings.acme.challenges, kinds, "nobody has said that a record stands");
    let hook = folder.path().join("./hook").to_string_lossy().into_owned();
    let within = Duration::from_secs(120);
    let options =
        Options { way: Way::Hook(vec![hook, "./x".to_owned()]), sight: Sight::Authority { within } };
    assert_eq!(settings.acme.dns, Some(options));

    let env = Env::of([("ACME_DNS_SERVER", "192.0.2.53"), ("ACME_DNS_KEY", "hmac-sha256:env:c2VjcmV0")]);
    let (_folder, settings) =
        of_file("[acme.dns]\nkey = \"nowhere\"\nwait = \"30s\"\n", &flags("*.example.com"), &env);
    let Some(Options { way: Way::Update { server, key }, sight }) = &settings.acme.dns else {
        panic!("updates")
    };
    assert_eq!((server.to_string().as_str(), key.name().as_str()), ("192.0.2.53:53", "env"));
    assert_eq!(*sight, Sight::After(Duration::from_secs(30)));
    assert_eq!(providers(&settings), [("*.example.com".to_owned(), Provider::Letsencrypt)]);
}

#[test]
fn a_wrapped_app_needs_no_setting_at_all() {
    let settings = load(&Purpose::Run, &Flags::default(), &Env::default()).expect("defaults");
    assert_eq!(providers(&settings), [("localhost".to_owned(), Provider::Selfsigned)]);
    assert_eq!(settings.child_port, Some(3000));
    assert_eq!(settings.hold, Duration::from_secs(5));
    let socket = Env::of([("TARGET", "unix:/run/app.sock")]);
    assert_eq!(load(&Purpose::Run, &Flags::default(), &socket).expect("good").child_port, None);
    assert_eq!(direct(&flags("a.example"), &Env::default()).hold, Duration::ZERO);
}

#[test]
fn a_demo_is_the_same_wherever_it_is_started() {
    let env = Env::of([
        ("TLS_DOMAIN", "example.com"),
        ("HTTPS_PORT", "nonsense"),
        ("KUBERNETES_SERVICE_HOST", "x"),
    ]);
    let demo = Purpose::Demo { storage: "/tmp/x".into(), port: 4711 };
    let settings = load(&demo, &Flags::default(), &env).expect("nothing can be wrong");
    assert_eq!(providers(&settings), [("localhost".to_owned(), Provider::Selfsigned)]);
    assert_eq!(settings.listen.https.to_string(), "127.0.0.1:8443");
    assert!(settings.listen.health.is_empty());
    assert_eq!(settings.sites[0].routes[0].1.to_string(), "http://localhost:4711");
}

#[test]
fn listing_needs_no_site() {
    let settings = load(&Purpose::List { file: None }, &Flags::default(), &Env::default()).expect("no site");
    assert!(settings.sites.is_empty());
}

#[test]
fn a_site_of_files_has_no_lineage() {
    let folder = tempfile::tempdir().expect("a directory");
    fs::write(folder.path().join("a.crt"), "-----BEGIN CERTIFICATE-----").expect("written");
    fs::write(folder.path().join("a.key"), "-----BEGIN EC PRIVATE KEY-----").expect("written");
    let file = folder.path().join("x.toml");
    let text = "[[site]]\ndomains = [\"*.example.com\"]\nto = 1\ncert = \"a.crt\"\nkey = \"a.key\"\n";
    fs::write(&file, text).expect("written");
    let settings = load(&Purpose::Serve { file: Some(file) }, &Flags::default(), &Env::default());
    let settings = settings.unwrap_or_else(|faults| panic!("{faults}"));
    assert_eq!(settings.lineages().count(), 0);
    assert!(!settings.asks_a_ca());
    let Keeper::Files(source) = &settings.sites[0].keeper else { panic!("files") };
    assert_eq!(source.cert(), folder.path().join("a.crt"));
}
