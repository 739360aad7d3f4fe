//! What `check` and `demo` say when all is well.

use std::fmt::Write;
use std::net::SocketAddr;

use super::counted::counted;
use crate::config::{Keeper, Settings, Site};

/// What a configuration comes to: where, which CA, and for each site whose certificate and where to.
#[must_use]
pub fn summary(settings: &Settings) -> String {
    let listen = &settings.listen;
    let mut out = String::from("The configuration is good.\n\n");
    let http = listen.http.map_or_else(|| "off".to_owned(), |at| at.to_string());
    let health: Vec<String> = listen.health.iter().map(ToString::to_string).collect();
    let health = if health.is_empty() { "off".to_owned() } else { health.join(" and ") };
    let _ = writeln!(out, "listen    http {http}, https {}, health {health}", listen.https);
    let fallback = settings.storage.fallback.as_ref().map(|path| format!(", else {}", path.display()));
    let fallback = fallback.unwrap_or_default();
    let access = if settings.storage.read_only { ", only read" } else { "" };
    let _ = writeln!(out, "storage   {}{fallback}{access}", settings.storage.path.display());
    if settings.asks_a_ca() {
        let kinds: Vec<&str> = settings.acme.challenges.iter().map(|kind| kind.as_str()).collect();
        let _ = writeln!(out, "CA        {} by {}", settings.acme.preferred.directory, kinds.join(", "));
        for ca in &settings.acme.fallback {
            let _ = writeln!(out, "          else {}", ca.directory);
        }
    }
    if let Some(hooks) = &settings.hooks {
        let told: Vec<&str> = hooks.occasions.iter().map(|occasion| occasion.as_str()).collect();
        let _ = writeln!(out, "hook      {} for {}", hooks.program.name(), told.join(", "));
    }
    for site in &settings.sites {
        out.push('\n');
        describe(&mut out, site);
    }
    out
}

fn describe(out: &mut String, site: &Site) {
    if let Keeper::List(list) = &site.keeper {
        // A list may be long, and who wants to read it has it.
        let (names, certificates) =
            (counted(list.len(), "name"), counted(list.sources().len(), "certificate"));
        let _ = writeln!(out, "{}: {names}, {certificates}", list.path().display());
    } else {
        let names: Vec<String> = site.names().map(ToString::to_string).collect();
        let _ = writeln!(out, "{}", names.join(", "));
    }
    match &site.keeper {
        Keeper::List(_) => {}
        Keeper::Files(source) => {
            let _ = writeln!(out, "  certificate from {}", source.cert().display());
        }
        Keeper::Us { lineages, .. } => {
            for lineage in lineages {
                let _ = writeln!(
                    out,
                    "  {}: {}",
                    lineage.provider().as_str(),
                    lineage.names().domain_list().trim_end()
                );
            }
        }
    }
    for (path, target) in &site.routes {
        let _ = writeln!(out, "  {path} goes to {target}");
    }
    for (from, to) in &site.redirect {
        let _ = writeln!(out, "  {from} is sent on to {to}");
    }
}

/// What to do with a demo that listens here.
#[must_use]
pub fn demo(http: Option<SocketAddr>, https: SocketAddr) -> String {
    let port = https.port();
    let redirect =
        http.map(|at| format!("  curl -kL http://localhost:{}     # is sent on to https\n", at.port()));
    format!(
        "The demo is up: a tiny app behind sidegate, with a self-signed certificate.\n\n  \
         curl -k https://localhost:{port}\n{}\n\
         Ctrl-C ends it, and nothing is left behind.\n",
        redirect.unwrap_or_default()
    )
}

#[cfg(test)]
mod tests {
    use crate::config::{self, Env, Flags, Purpose};

    use super::*;

    #[test]
    fn a_summary_says_where_whose_and_where_to() {
        let flags = Flags {
            domain: vec!["example.com,db.internal".into()],
            to: Some("3000".into()),
            storage: Some("/data".into()),
            ..Flags::default()
        };
        let settings = config::load(&Purpose::Direct, &flags, &Env::default()).expect("good flags");
        let expected = "\
The configuration is good.

listen    http [::]:80, https [::]:443, health 127.0.0.1:9090 and [::1]:9090
storage   /data
CA        https://acme-v02.api.letsencrypt.org/directory by http-01, tls-alpn-01

example.com, db.internal
  letsencrypt: example.com
  selfsigned: db.internal
  / goes to http://localhost:3000
";
        assert_eq!(summary(&settings), expected);
    }

    #[test]
    fn a_demo_prints_the_line_that_works() {
        let at = |port| SocketAddr::from(([127, 0, 0, 1], port));
        assert!(demo(None, at(8443)).contains("\n  curl -k https://localhost:8443\n"));
        assert!(demo(Some(at(8080)), at(1)).contains("http://localhost:8080"));
    }
}
