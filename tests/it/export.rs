//! `sidegate export`: what other programs are given, they can read.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use sidegate::ident::Provider;

use crate::house::tool::{Ran, commit, ran, sidegate, store};

/// A storage with a selfsigned certificate for `example.com` and a CA's for that and a wildcard.
struct Rig {
    home: tempfile::TempDir,
    chain: String,
    key: String,
    selfsigned: String,
}

impl Rig {
    async fn new() -> Self {
        let home = tempfile::tempdir().expect("a directory");
        let store = store(&home.path().join("storage"));
        let (selfsigned, _) = commit(&store, &["example.com"], Provider::Selfsigned, None).await;
        let names = ["example.com", "*.example.com"];
        let (_, bundle) = commit(&store, &names, Provider::Letsencrypt, Some("https://ca.example/dir")).await;
        let (chain, key) = (bundle.chain().crt_chain_pem(), bundle.key().to_pem().to_string());
        Self { home, chain, key, selfsigned: selfsigned.to_string() }
    }

    fn export(&self, words: &[&str]) -> Ran {
        let storage = self.home.path().join("storage");
        let mut all = vec!["export", "--storage", storage.to_str().expect("text")];
        all.extend(words);
        sidegate(&all)
    }

    /// Exports into a directory, and returns the files.
    fn files(&self, folder: &str, words: &[&str]) -> Vec<String> {
        let folder = self.home.path().join(folder);
        let said = self.export(&[words, &["--out", folder.to_str().expect("text")]].concat()).good();
        let names = fs::read_dir(&folder).expect("a folder").map(|entry| {
            let entry = entry.expect("an entry");
            let mode = entry.metadata().expect("there").permissions().mode() & 0o777;
            assert_eq!(mode, 0o600, "{entry:?}");
            assert!(said.contains(entry.path().to_str().expect("text")), "{entry:?} is not in {said}");
            entry.file_name().into_string().expect("text")
        });
        let mut names: Vec<_> = names.collect();
        names.sort();
        names
    }

    fn read(&self, path: &str) -> String {
        fs::read_to_string(self.home.path().join(path)).expect("readable")
    }
}

#[tokio::test]
async fn pem_is_two_files_or_one_text() {
    let rig = Rig::new().await;
    assert_eq!(rig.files("pem", &["example.com", "--format", "pem"]), ["fullchain.pem", "key.pem"]);
    assert_eq!(
        (rig.read("pem/fullchain.pem"), rig.read("pem/key.pem")),
        (rig.chain.clone(), rig.key.clone())
    );
    let text = rig.export(&["*.example.com", "--format", "pem"]).good();
    assert_eq!(text, rig.chain.clone() + &rig.key);
    // What was there before is replaced.
    let words = ["example.com", "--format", "pem", "--item", &rig.selfsigned];
    rig.files("pem", &words);
    assert_ne!(rig.read("pem/fullchain.pem"), rig.chain);
}

#[tokio::test]
async fn nginx_takes_the_lines_and_the_files() {
    let rig = Rig::new().await;
    let files = rig.files("for nginx", &["example.com", "--format", "nginx"]);
    assert_eq!(files, ["fullchain.pem", "key.pem", "nginx.conf"]);
    let work = rig.home.path();
    let config = work.join("test.conf");
    let text = format!(
        "pid {0}/pid;\nerror_log stderr;\nevents {{}}\nhttp {{\n access_log off;\n server {{\n  listen unix:{0}/socket ssl;\n  \
         include \"{0}/for nginx/nginx.conf\";\n }}\n}}\n",
        work.display()
    );
    fs::write(&config, text).expect("written");
    let mut nginx = Command::new("/usr/sbin/nginx");
    let said = ran(nginx.arg("-t").arg("-p").arg(work).arg("-c").arg(&config));
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(rig.export(&["example.com", "--format", "nginx"]).refused().contains("--out"));
}

#[tokio::test]
async fn haproxy_takes_the_one_file() {
    let rig = Rig::new().await;
    assert_eq!(rig.files("haproxy", &["*.example.com", "--format", "haproxy"]), ["wildcard.example.com.pem"]);
    let config = rig.home.path().join("haproxy.cfg");
    let bundle = rig.home.path().join("haproxy/wildcard.example.com.pem");
    let bind = format!(
        "defaults\n mode http\n timeout client 1s\n timeout server 1s\n timeout connect 1s\n\
         frontend f\n bind 127.0.0.1:65000 ssl crt {}\n http-request deny\n",
        bundle.display()
    );
    fs::write(&config, bind).expect("written");
    let said = ran(Command::new("/usr/sbin/haproxy").arg("-c").arg("-f").arg(&config));
    assert_eq!(said.code, Some(0), "{said:?}");
}

#[tokio::test]
async fn kubernetes_takes_a_secret() {
    let rig = Rig::new().await;
    assert_eq!(rig.files("k8s", &["example.com", "--format", "k8s-secret"]), ["example-com-tls.yaml"]);
    let yaml = rig.read("k8s/example-com-tls.yaml");
    assert_eq!(rig.export(&["example.com", "--format", "k8s-secret"]).good(), yaml);
    let value = |key: &str| {
        let line = yaml.lines().find_map(|line| line.trim().strip_prefix(key)?.strip_prefix(": "));
        line.unwrap_or_else(|| panic!("no {key} in {yaml}")).to_owned()
    };
    let decoded = |key: &str| {
        let bytes = BASE64_STANDARD.decode(value(key)).expect("base64");
        String::from_utf8(bytes).expect("text")
    };
    assert_eq!((value("kind"), value("type")), ("Secret".into(), "kubernetes.io/tls".into()));
    assert_eq!((decoded("tls.crt"), decoded("tls.key")), (rig.chain.clone(), rig.key.clone()));
}

#[tokio::test]
async fn what_cannot_be_given_is_refused_in_words() {
    let rig = Rig::new().await;
    let of = |words: &[&str]| rig.export(&[words, &["--format", "pem"]].concat()).refused();
    assert!(of(&["other.example"]).contains("no certificate for other.example"));
    assert!(of(&["exa mple"]).contains("exa mple"));
    assert!(of(&["www.example.com", "--item", &rig.selfsigned]).contains("not for www.example.com"));
    let file = Path::new("/dev/null/x");
    assert!(of(&["example.com", "--out", file.to_str().expect("text")]).contains("/dev/null/x"));
}

#[tokio::test]
async fn a_key_is_shown_on_a_terminal_only_if_that_is_said() {
    let rig = Rig::new().await;
    let storage = rig.home.path().join("storage");
    // script(1) runs it with a terminal.
    let shown = |more: &str| {
        let line = format!(
            "{} export example.com --format pem --storage {} {more}",
            env!("CARGO_BIN_EXE_sidegate"),
            storage.display()
        );
        ran(Command::new("script").args(["-qec", &line, "/dev/null"]))
    };
    let refused = shown("");
    assert!(refused.code == Some(1) && refused.out.contains("--show-key"), "{refused:?}");
    assert!(!refused.out.contains("PRIVATE KEY"));
    assert!(shown("--show-key").good().contains("BEGIN PRIVATE KEY"));
}
