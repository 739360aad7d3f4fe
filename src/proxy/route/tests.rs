use super::*;

fn site(names: &[&str], routes: &[(&str, &str)]) -> Site {
    Site {
        names: names.iter().map(|n| host(n)).collect(),
        routes: routes
            .iter()
            .map(|(prefix, to)| ((*prefix).to_owned(), Target::parse(to).expect("a target")))
            .collect(),
        redirect: Vec::new(),
        http01: true,
        max_body: None,
    }
}

fn host(host: &str) -> Name {
    Name::parse(host).expect("a host")
}

#[test]
fn an_exact_host_comes_before_a_wildcard_and_a_wildcard_is_one_label() {
    let table = RouteTable::new(vec![
        site(&["*.example.com"], &[("/", "1")]),
        site(&["example.com", "www.example.com"], &[("/", "2")]),
        site(&["192.0.2.1"], &[("/", "3")]),
    ]);
    let port = |h: &str| {
        let upstream = table.site(&host(h))?.upstream("/").ok()?;
        Some(upstream.target().to_string())
    };
    assert_eq!(port("www.example.com").as_deref(), Some("http://localhost:2"));
    assert_eq!(port("api.example.com").as_deref(), Some("http://localhost:1"));
    assert_eq!(port("192.0.2.1").as_deref(), Some("http://localhost:3"));
    assert_eq!(port("a.b.example.com"), None);
    assert_eq!(port("example.org"), None);
}

#[test]
fn the_longest_prefix_wins_and_ends_at_a_segment() {
    let table = RouteTable::new(vec![site(
        &["example.com"],
        &[("/", "1"), ("/api/v2", "3"), ("/api", "2"), ("/files/", "4")],
    )]);
    let site = table.site(&host("example.com")).expect("the site");
    for (path, expected) in [
        ("/", "1"),
        ("*", "1"),
        ("/apis", "1"),
        ("/api", "2"),
        ("/api/", "2"),
        ("/api/v20", "2"),
        ("/api/v2", "3"),
        ("/api/v2/x%20y", "3"),
        ("/files", "4"),
        ("/files/x", "4"),
        ("/x//y", "1"),
        ("/api/a/../b", "2"),
    ] {
        let upstream = site.upstream(path).expect(path);
        assert_eq!(upstream.target().to_string(), format!("http://localhost:{expected}"), "{path}");
    }
}

#[test]
fn a_path_that_another_upstream_could_claim_is_refused() {
    let table =
        RouteTable::new(vec![site(&["example.com"], &[("/", "1"), ("/admin", "2"), ("/public", "3")])]);
    let site = table.site(&host("example.com")).expect("the site");
    for path in [
        "/public/../admin",
        "/public/%2e%2e/admin",
        "/public%2f..%2fadmin",
        "//admin",
        "/%61dmin",
        "/public/..",
        "/admin//../public",
    ] {
        assert_eq!(site.upstream(path).err(), Some(NoRoute::Ambiguous), "{path}");
    }
}

#[test]
fn a_site_without_a_root_has_paths_that_lead_nowhere() {
    let table = RouteTable::new(vec![site(&["example.com"], &[("/api", "1")])]);
    let site = table.site(&host("example.com")).expect("the site");
    assert_eq!(site.upstream("/").err(), Some(NoRoute::Unknown));
    assert_eq!(site.upstream("/x/../api").err(), Some(NoRoute::Ambiguous));
    assert!(site.upstream("/api/x").is_ok());
}

#[test]
fn routes_to_the_same_target_share_an_upstream() {
    let table = RouteTable::new(vec![
        site(&["a.example"], &[("/", "3000")]),
        site(&["b.example"], &[("/", "http://localhost:3000")]),
    ]);
    let upstream = |h: &str| {
        let site = table.site(&host(h)).expect("the site");
        Arc::clone(site.upstream("/").expect("a route"))
    };
    assert!(Arc::ptr_eq(&upstream("a.example"), &upstream("b.example")));
}
