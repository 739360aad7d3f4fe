//! Every file in `config/` loads and means what it says; the reference is complete and true.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sidegate::config::{self, Env, Flags, Keeper, Purpose, Settings};
use sidegate::hooks::Occasion;
use sidegate::ident::Provider;

fn sample(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("config").join(name)
}

fn text(name: &str) -> String {
    fs::read_to_string(sample(name)).expect("a sample")
}

fn serve(file: PathBuf, env: &Env) -> Settings {
    let purpose = Purpose::Serve { file: Some(file) };
    config::load(&purpose, &Flags::default(), env).unwrap_or_else(|faults| panic!("{faults}"))
}

fn providers(settings: &Settings) -> Vec<(String, Provider)> {
    settings.lineages().map(|lineage| (lineage.names().primary().to_string(), lineage.provider())).collect()
}

/// The reference with every example key and table switched on.
fn reference_with_examples() -> String {
    let is_key = |line: &str| line.starts_with(|c: char| c.is_ascii_lowercase() || c == '[');
    text("reference.toml")
        .lines()
        .map(|line| line.strip_prefix('#').filter(|rest| is_key(rest)).unwrap_or(line))
        .collect::<Vec<_>>()
        .join("\n")
}

#[test]
fn the_reference_has_the_defaults() {
    let reference = serve(sample("reference.toml"), &Env::default());
    let flags = Flags {
        domain: vec!["example.com,www.example.com".into()],
        to: Some("3000".into()),
        ..Flags::default()
    };
    let default = config::load(&Purpose::Direct, &flags, &Env::default()).expect("good flags");
    assert_eq!(reference.sites[0].keeper, default.sites[0].keeper);
    assert_eq!(reference.sites[0].routes[0], default.sites[0].routes[0]);
    assert_eq!(reference.storage.path, default.storage.path);
    let but_for_examples =
        Settings { sites: default.sites.clone(), storage: default.storage.clone(), ..reference };
    assert_eq!(but_for_examples, default);
}

#[test]
fn the_reference_has_every_key_and_no_other() {
    let folder = tempfile::tempdir().expect("a directory");
    let file = folder.path().join("reference.toml");
    let whole = reference_with_examples();
    // Each of these stands in place of other keys.
    let others = ["hook = ", "wait = ", "provider = ", "credentials = "];
    let instead = |line: &&str| others.iter().any(|other| line.starts_with(other));
    let consistent: Vec<&str> = whole.lines().filter(|line| !instead(line)).collect();
    fs::write(&file, consistent.join("\n")).expect("written");
    for (name, content) in [
        ("house-ca.pem", "-----BEGIN CERTIFICATE-----\n"),
        ("eab.key", "dGhpcnR5LXR3byBieXRlcyBvZiB0aGUgY3VzdG9tZXI\n"),
        ("intranet.crt", "-----BEGIN CERTIFICATE-----\n"),
        ("intranet.key", "-----BEGIN PRIVATE KEY-----\n"),
        ("dns.key", "hmac-sha256:sidegate:c2VjcmV0\n"),
        ("customers.list", "shop.example.org shop.pem\n"),
    ] {
        fs::write(folder.path().join(name), content).expect("written");
    }
    let hook = folder.path().join("hook");
    fs::write(&hook, "#!/bin/sh\n").expect("written");
    fs::set_permissions(&hook, fs::Permissions::from_mode(0o755)).expect("executable");
    let settings = serve(file, &Env::default());
    assert_eq!(settings.workers, 2);
    assert_eq!(settings.hooks.expect("a hook").occasions, Occasion::ALL.into());
    assert!(matches!(settings.sites[1].keeper, Keeper::Files(_)));
    assert!(matches!(&settings.sites[2].keeper, Keeper::List(list) if list.len() == 1));

    let document: toml::Table = whole.parse().expect("TOML");
    let mut present = BTreeSet::new();
    leaves("", &document, &mut present);
    let known: BTreeSet<String> = config::keys().collect();
    assert_eq!(present, known);
}

fn leaves(prefix: &str, table: &toml::Table, found: &mut BTreeSet<String>) {
    for (key, value) in table {
        let name = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
        match value {
            toml::Value::Table(inner) if key != "redirect" => leaves(&name, inner, found),
            toml::Value::Array(items) if items.iter().all(toml::Value::is_table) && !items.is_empty() => {
                items.iter().filter_map(toml::Value::as_table).for_each(|inner| leaves(&name, inner, found));
            }
            _ => {
                found.insert(name);
            }
        }
    }
}

#[test]
fn the_small_host_serves_three_sites() {
    let settings = serve(sample("small-host.toml"), &Env::default());
    assert_eq!(
        providers(&settings),
        [
            ("example.com".to_owned(), Provider::Letsencrypt),
            ("app.example.com".to_owned(), Provider::Letsencrypt),
            ("tool.internal".to_owned(), Provider::Selfsigned),
        ]
    );
    assert_eq!(settings.sites[0].redirect.len(), 1);
    assert_eq!(settings.sites[1].routes.len(), 3);
    assert_eq!(settings.acme.preferred.email.as_deref(), Some("ops@example.org"));
    assert!(settings.validates_by_http01(&settings.sites[0]));
    assert!(!settings.validates_by_http01(&settings.sites[2]));
}

#[test]
fn the_sidecar_takes_its_names_from_the_environment() {
    let env = Env::of([("TLS_DOMAIN", "app.example.com,www.example.com")]);
    let settings = serve(sample("sidecar.toml"), &env);
    let names: Vec<String> = settings.sites[0].names().map(ToString::to_string).collect();
    assert_eq!(names, ["app.example.com", "www.example.com"]);
    assert_eq!(settings.listen.https.to_string(), "[::]:8443");
    assert_eq!(settings.storage.path, Path::new("/data"));
    assert!(settings.log.json);
}

/// A file of `NAME=value` lines as an environment.
fn env_of(name: &str) -> Vec<(String, String)> {
    let lines = text(name);
    let pairs = lines.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once('='));
    pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

#[test]
fn two_variables_are_enough() {
    let variables = env_of("zero.env");
    let [first, second] = variables.as_slice() else { panic!("two variables: {variables:?}") };
    let env = Env::of([(&first.0, &first.1), (&second.0, &second.1)].map(|(a, b)| (a.as_str(), b.as_str())));
    let settings = config::load(&Purpose::Direct, &Flags::default(), &env).expect("enough");
    assert_eq!(providers(&settings), [("app.example.com".to_owned(), Provider::Letsencrypt)]);
    assert_eq!(settings.listen.http.map(|at| at.to_string()).as_deref(), Some("[::]:80"));
    assert_eq!(settings.drain, Duration::from_secs(25));
}

#[test]
fn the_pod_gives_the_sidecar_variables_it_understands() {
    let manifest = text("kubernetes/sidecar.yaml");
    let env: Vec<(&str, &str)> = manifest
        .lines()
        .take_while(|line| !line.contains("containers:") || line.contains("initContainers"))
        .filter_map(|line| line.trim().strip_prefix("- {name: ")?.strip_suffix('}')?.split_once(", value: "))
        .map(|(name, value)| (name, value.trim_matches('"')))
        .collect();
    let [a, b, c, d] = env.as_slice() else { panic!("four variables: {env:?}") };
    let env = Env::of([*a, *b, *c, *d, ("KUBERNETES_SERVICE_HOST", "10.0.0.1")]);
    let settings = config::load(&Purpose::Direct, &Flags::default(), &env).expect("a good pod");
    assert_eq!(settings.listen.health.iter().map(ToString::to_string).collect::<Vec<_>>(), ["[::]:9090"]);
    assert!(!settings.listen.https_port_is_public);
    let http = settings.listen.http.expect("on");
    for (name, port) in [("http", http.port()), ("https", settings.listen.https.port()), ("health", 9090)] {
        assert!(manifest.contains(&format!("{{name: {name}, containerPort: {port}}}")), "{name} is {port}");
    }
    for endpoint in manifest.lines().filter_map(|line| line.split("path: ").nth(1)?.split(',').next()) {
        assert!(["/livez", "/readyz"].contains(&endpoint), "{endpoint} does not exist");
    }
    let grace: u64 = value_after(&manifest, "terminationGracePeriodSeconds: ").parse().expect("seconds");
    assert!(Duration::from_secs(grace) > settings.drain, "the drain must end before the pod is killed");
}

#[test]
fn the_unit_lets_the_drain_end_and_starts_what_exists() {
    let unit = text("systemd/sidegate.service");
    let stop: u64 = value_after(&unit, "TimeoutStopSec=").parse().expect("seconds");
    assert!(Duration::from_secs(stop) > Duration::from_secs(25));
    let command: Vec<&str> = value_after(&unit, "ExecStart=").split_whitespace().skip(1).collect();
    let words = ["sidegate"].into_iter().chain(command);
    sidegate::cli::parse(words.map(Into::into)).expect("a command that exists");
    assert!(unit.contains("AmbientCapabilities=CAP_NET_BIND_SERVICE"));
}

#[test]
fn the_list_has_every_form_of_a_line() {
    let settings = serve(sample("reference.toml"), &Env::default());
    let Keeper::List(list) = &settings.sites[2].keeper else { panic!("a list") };
    assert_eq!((list.len(), list.sources().len()), (4, 3));
    assert!(list.sources().iter().any(|source| source.cert() == source.key()));
    assert!(list.names().any(sidegate::ident::Name::is_wildcard));
    assert!(list.names().any(|name| name.fqdn().is_none()));
}

fn value_after<'t>(text: &'t str, key: &str) -> &'t str {
    let start = text.find(key).unwrap_or_else(|| panic!("{key} is missing")) + key.len();
    text[start..].lines().next().unwrap_or_default().trim()
}

#[test]
fn the_handbook_names_every_key_and_variable() {
    let page = fs::read_to_string(sample("../docs/configuration.md")).expect("the page");
    for key in config::keys() {
        let shown =
            ["site.route.", "site.", "acme.fallback."].iter().find_map(|table| key.strip_prefix(table));
        let found = match shown {
            Some(of_site) => {
                page.contains(&format!("`{of_site}")) || page.contains(&format!("\n{of_site} = "))
            }
            None => page.contains(&format!("`{key}`")),
        };
        assert!(found, "{key} is not in docs/configuration.md");
    }
    for variable in Env::names() {
        assert!(page.contains(&format!("`{variable}`")), "{variable} is not in docs/configuration.md");
    }
}

#[test]
fn every_link_of_the_handbook_leads_somewhere() {
    let root = sample("..");
    let mut pages = vec![root.join("README.md"), root.join("CHANGELOG.md")];
    let docs = fs::read_dir(root.join("docs")).expect("the handbook");
    pages.extend(docs.map(|entry| entry.expect("an entry").path()));
    let mut links = 0;
    for page in pages {
        let text = fs::read_to_string(&page).expect("a page");
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let file = link.split('#').next().unwrap_or_default();
            if !link.starts_with("https://") && !file.is_empty() {
                links += 1;
                let target = page.parent().expect("a folder").join(file);
                assert!(target.exists(), "{}: {link} leads nowhere", page.display());
            }
        }
    }
    assert!(links > 10, "only {links} links: are these the pages?");
}

#[test]
fn every_sample_has_a_test() {
    let mut known: BTreeSet<&str> = ["reference.toml", "small-host.toml", "sidecar.toml", "zero.env"].into();
    known.extend(["systemd", "kubernetes", "customers.list"]);
    let present: Vec<String> = fs::read_dir(sample(""))
        .expect("the samples")
        .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
        .collect();
    assert_eq!(present.iter().map(String::as_str).collect::<BTreeSet<_>>(), known);
}
