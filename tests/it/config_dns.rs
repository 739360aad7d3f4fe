//! What is wrong with `[acme.dns]` is told before anybody is asked.

use std::process::Command;

use sidegate::config::{self, Env, Flags, Purpose};

use crate::config_faults::{SITE, fault_before_site, fault_of_variable, faults_of};
use crate::house::tool::ran;

#[test]
fn a_way_into_the_dns_is_whole_and_one() {
    for (keys, fault) in [
        ("server = \"192.0.2.53\"", "2:10: acme.dns.server: nothing says which key updates are signed with."),
        ("hook = []", "2:8: acme.dns.hook: the list is empty. Accepted: a program and its first arguments"),
        ("hook = \"x\"", "2:8: acme.dns.hook: this is a TOML string. Accepted: a list of strings"),
        ("hook = [\"x\"]\nserver = \"ns1\"", "2:8: acme.dns.hook: acme.dns.server is set as well."),
        (
            "server = \"ns1\"\ncredentials = \"x\"",
            "2:10: acme.dns.server: acme.dns.credentials is set as well.",
        ),
        (
            "provider = \"cloudflare\"",
            "2:12: acme.dns.provider: nothing says what the account there is opened with.",
        ),
        ("credentials = \"x\"", "2:15: acme.dns.credentials: nothing says which provider has this account."),
        (
            "provider = \"x\"\ncredentials = \"/nowhere\"",
            "3:15: acme.dns.credentials: /nowhere: there is no such file",
        ),
        (
            "wait = \"30s\"",
            "2:8: acme.dns.wait: nothing says how records are set. Accepted: [acme.dns] with server",
        ),
        ("nameservers = [\"ns1\"]", "2:15: acme.dns.nameservers: nothing says how records are set."),
        ("hook = [\"x\"]\nwait = \"1h\"", "3:8: acme.dns.wait: \"1h\" is too long. Accepted: 600s at most"),
        ("hook = [\"x\"]\nwait = \"30\"", "3:8: acme.dns.wait: \"30\" is not a duration."),
        ("hook = [\"x\"]\ntimeout = \"0s\"", "3:11: acme.dns.timeout: \"0s\" is too short."),
        (
            "hook = [\"x\"]\nnameservers = [\"ns 1\"]",
            "3:16: acme.dns.nameservers: \"ns 1\" is not the address of",
        ),
        ("hook = [\"x\"]\nnameservers = []", "3:15: acme.dns.nameservers: the list is empty."),
        (
            "hook = [\"x\"]\nwait = \"30s\"\ntimeout = \"1m\"",
            "3:8: acme.dns.wait: acme.dns.timeout is set as well, but with a wait nobody looks.",
        ),
        ("hoook = [\"x\"]", "2:1: acme.dns.hoook: unknown key. Did you mean `hook`?"),
    ] {
        let said = fault_before_site(&format!("[acme.dns]\n{keys}"));
        assert!(said.starts_with(fault), "{said}\nis not {fault}");
        assert!(said.contains("Accepted: "), "{said}");
    }
    assert_eq!(
        faults_of(&format!("[acme.dns]\n{SITE}")),
        Vec::<String>::new(),
        "an empty table says nothing"
    );
}

#[test]
fn a_key_that_is_none_is_told_without_it() {
    const SECRET: &str = "c2VjcmV0IHNlY3JldCBzZWNyZXQ=";
    let folder = tempfile::tempdir().expect("a directory");
    let file = folder.path().join("dns.key");
    for (key, what, accepted) in [
        (
            format!("hmac-md5:sidegate:{SECRET}"),
            "hmac-md5 is not an algorithm we sign with",
            "hmac-sha256, hmac-sha",
        ),
        (
            format!("{SECRET}:sidegate:hmac-sha256"),
            "what stands first is not an algorithm",
            "hmac-sha256, hmac-sha",
        ),
        (
            format!("hmac-sha256:sidegate:{SECRET}%"),
            "the secret is not base64",
            "a file as tsig-keygen writes it",
        ),
        (
            format!("hmac-sha256:{SECRET}:sidegate"),
            "its name cannot be the name of a key",
            "a file as tsig-keygen",
        ),
        (
            SECRET.to_owned(),
            "this is not a TSIG key",
            "a file as tsig-keygen writes it, or with algorithm:name:secret",
        ),
    ] {
        std::fs::write(&file, &key).expect("written");
        let keys = format!("[acme.dns]\nserver = \"ns1\"\nkey = {file:?}");
        let variable = [("TLS_DOMAIN", "*.example.com"), ("TARGET", "1"), ("ACME_DNS_SERVER", "ns1")];
        let [domain, target, server] = variable;
        let env = Env::of([domain, target, server, ("ACME_DNS_KEY", &key)]);
        let of_variable = config::load(&Purpose::Direct, &Flags::default(), &env).expect_err("no key");
        let of_variable = of_variable.iter().next().expect("a fault").to_string();
        let of_file = fault_before_site(&keys);
        assert!(of_file.starts_with("3:7: acme.dns.key: "), "{of_file}");
        assert!(of_variable.starts_with("ACME_DNS_KEY: "), "{of_variable}");
        for fault in [of_file, of_variable] {
            assert!(fault.contains(what) && fault.contains(&format!("Accepted: {accepted}")), "{fault}");
            assert!(!fault.contains(SECRET), "{fault}");
        }
    }
    std::fs::remove_file(&file).expect("it is there");
    let missing = fault_before_site(&format!("[acme.dns]\nserver = \"ns1\"\nkey = {file:?}"));
    assert!(missing.contains("there is no such file"), "{missing}");
    let lonely = fault_of_variable("ACME_DNS_KEY", &format!("hmac-sha256:a:{SECRET}"));
    assert!(lonely.starts_with("ACME_DNS_KEY: nothing says which server has this key."), "{lonely}");
}

#[test]
fn credentials_that_are_none_are_told_without_them() {
    let folder = tempfile::tempdir().expect("a directory");
    let file = folder.path().join("credentials");
    for (provider, credentials, fault) in [
        (
            "cloudfare",
            "token=s3cret",
            "2:12: acme.dns.provider: unknown DNS provider \"cloudfare\". Accepted: azure, bunny,",
        ),
        (
            "cloudflare",
            "s3cret",
            "3:15: acme.dns.credentials: word 1 of the credentials is not name=value. Accepted: token=…",
        ),
        (
            "cloudflare",
            "api_token=s3cret",
            "3:15: acme.dns.credentials: cloudflare wants token, which is not among the credentials.",
        ),
        (
            "cloudflare",
            "token=s3cret\nemail=s3cret",
            "3:15: acme.dns.credentials: cloudflare has no use for \"email\", which is",
        ),
        (
            "ovh",
            "application_key=s3cret application_secret=s3cret consumer_key=s3cret endpoint=mars",
            "3:15: acme.dns.credentials: these are no credentials for ovh: ",
        ),
        (
            "vercel",
            "team=s3cret",
            "3:15: acme.dns.credentials: vercel wants token, which is not among the credentials. Accepted: token=… [team=…]",
        ),
    ] {
        std::fs::write(&file, credentials).expect("written");
        let said = fault_before_site(&format!("[acme.dns]\nprovider = {provider:?}\ncredentials = {file:?}"));
        assert!(said.starts_with(fault), "{said}\nis not {fault}");
        assert!(!said.contains("s3cret"), "{said}");
    }
    let lonely = fault_of_variable("ACME_DNS_CREDENTIALS", "token=s3cret");
    assert!(
        lonely.starts_with("ACME_DNS_CREDENTIALS: nothing says which provider has this account."),
        "{lonely}"
    );
}

#[test]
fn a_machine_that_knows_no_provider_by_its_certificate_is_told_of() {
    let folder = tempfile::tempdir().expect("a directory");
    let (credentials, config) = (folder.path().join("credentials"), folder.path().join("sidegate.toml"));
    std::fs::write(&credentials, "token=s3cret").expect("written");
    let dns = format!("[acme.dns]\nprovider = \"cloudflare\"\ncredentials = {credentials:?}\n");
    std::fs::write(&config, dns + SITE).expect("written");
    let mut command = Command::new(env!("CARGO_BIN_EXE_sidegate"));
    let nowhere = folder.path().join("nowhere");
    command.env("SSL_CERT_FILE", &nowhere).env("SSL_CERT_DIR", &nowhere);
    let said = ran(command.arg("check").arg("-c").arg(&config));
    assert_eq!(said.code, Some(78), "{said:?}");
    let told =
        "2:12: acme.dns.provider: this machine has no root certificates to know cloudflare by: install";
    assert!(said.err.contains(told), "{said:?}");
}
