use super::*;

/// Credentials for a provider, with its own word for each as the value.
fn given(kind: &Kind) -> String {
    kind.needs.iter().map(|name| format!("{name}=secret-{name}\n")).collect()
}

#[test]
fn every_provider_opens_with_what_it_wants_and_with_nothing_less() {
    let names = CloudAccount::providers();
    assert!(names.is_sorted(), "{names:?}");
    // Its library reads the private key at once.
    for kind in KINDS.iter().filter(|kind| kind.name != "google") {
        let all = given(kind);
        let account = CloudAccount::parse(kind.name, &all);
        assert!(account.is_ok(), "{}: {account:?}", kind.name);
        for name in kind.needs {
            let others = all.split_inclusive('\n').filter(|line| !line.starts_with(&format!("{name}=")));
            let fewer: String = others.collect();
            let missing = CloudError::Missing { provider: kind.name, name };
            assert_eq!(CloudAccount::parse(kind.name, &fewer), Err(missing));
        }
        let more = CloudAccount::parse(kind.name, &format!("{all}tokne=x"));
        assert_eq!(more, Err(CloudError::Needless { provider: kind.name, name: "tokne".to_owned() }));
        assert!(CloudAccount::wanted(kind.name).is_some_and(|words| words.starts_with(kind.needs[0])));
    }
}

#[test]
fn what_is_wrong_is_told_without_what_is_secret() {
    assert_eq!(CloudAccount::parse("cloudfare", "token=x"), Err(CloudError::Provider("cloudfare".into())));
    assert_eq!(CloudAccount::parse("cloudflare", "# a comment\ntoken = x"), Err(CloudError::Form(1)));
    assert_eq!(CloudAccount::parse("google", "{\"token\": 1}"), Err(CloudError::Form(1)));
    let account = CloudAccount::parse("cloudflare", "token=a/b+secret").expect("an account");
    assert_eq!(format!("{account:?}"), "CloudAccount(cloudflare)");
    let error = dns_update::Error::Api("GET https://x.test/?key=a%2Fb%2Bsecret failed:\n a/b+secret".into());
    assert_eq!(account.told(&error), "API error: GET https://x.test/?key=… failed: …");
}

#[test]
fn a_long_answer_is_cut() {
    let account = CloudAccount::parse("cloudflare", "token=x").expect("an account");
    let told = account.told(&dns_update::Error::Api("ä".repeat(10_000)));
    assert_eq!(told.chars().count(), LONGEST_ANSWER + 1);
}

#[test]
fn the_manual_has_every_provider_with_what_it_wants() {
    let manual = include_str!("../../../docs/dns.md");
    for provider in CloudAccount::providers().into_iter().filter(|provider| *provider != "google") {
        let wanted = CloudAccount::wanted(provider).expect("known");
        let row = format!("| `{provider}` | `{wanted}` |");
        assert!(manual.contains(&row), "docs/dns.md has no row {row}");
    }
}
