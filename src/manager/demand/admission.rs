//! What can be said of a name without asking anybody. Pure.

use std::collections::HashSet;

use super::Options;
use crate::ident::Fqdn;

/// Whether a name may have a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Admission {
    /// Yes, for this reason.
    Allowed(&'static str),
    /// Whoever is asked decides.
    Ask,
    /// No, for this reason.
    Denied(&'static str),
}

/// Let's Encrypt signs no name with more labels.
const LABELS: usize = 10;
/// From this many labels on, no two may be the same: `www.www.example.com` is what a wildcard in the DNS makes of a
/// program that follows its own links, and no CA signs it for ever.
const DISTINCT: usize = 4;

/// What the rules say of a name.
pub(super) fn of(name: &Fqdn, options: &Options) -> Admission {
    if let Some(why) = fault(name, options.private) {
        return Admission::Denied(why);
    }
    if options.allow.contains(name) {
        return Admission::Allowed("it is in the allow-list");
    }
    let mut above = name.parent();
    while let Some(suffix) = above {
        if options.suffixes.contains(suffix) {
            return Admission::Allowed("it is below an allowed suffix");
        }
        above = suffix.split_once('.').map(|(_, parent)| parent);
    }
    if options.ask.is_some() { Admission::Ask } else { Admission::Denied("nothing allows it") }
}

/// What is wrong with a name, whoever allows it.
fn fault(name: &Fqdn, private: bool) -> Option<&'static str> {
    let labels: Vec<&str> = name.as_str().split('.').collect();
    if name.is_wildcard() {
        Some("it is a wildcard")
    } else if labels.len() < 2 {
        Some("it is a single label")
    } else if !private && !name.is_public() {
        Some("no public CA signs it")
    } else if labels.len() > LABELS {
        Some("it has too many labels")
    } else if labels.len() >= DISTINCT && labels.iter().collect::<HashSet<_>>().len() < labels.len() {
        Some("it repeats a label")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::options;
    use super::*;

    #[test]
    fn names_are_allowed_by_themselves_by_what_is_above_them_or_by_whoever_is_asked() {
        let mut options = options(&["one.example.com", "www.www.example.com"], &["shops.example.net"]);
        let say = |name: &str, options: &Options| of(&name.parse().expect("a name"), options);
        for (name, expected) in [
            ("one.example.com", Admission::Allowed("it is in the allow-list")),
            ("a.one.example.com", Admission::Denied("nothing allows it")),
            ("a.shops.example.net", Admission::Allowed("it is below an allowed suffix")),
            ("a.b.shops.example.net", Admission::Allowed("it is below an allowed suffix")),
            ("shops.example.net", Admission::Denied("nothing allows it")),
            ("ashops.example.net", Admission::Denied("nothing allows it")),
            ("www.www.example.com", Admission::Denied("it repeats a label")),
            ("shops.example.net.shops.example.net", Admission::Denied("it repeats a label")),
            ("a.a.shops.example.net", Admission::Denied("it repeats a label")),
            ("a.b.a.b", Admission::Denied("it repeats a label")),
            ("blog.blog.com", Admission::Denied("nothing allows it")),
            ("localhost", Admission::Denied("it is a single label")),
            ("db.internal", Admission::Denied("no public CA signs it")),
            ("7.2.0.192.in-addr.arpa", Admission::Denied("no public CA signs it")),
            ("*.shops.example.net", Admission::Denied("it is a wildcard")),
            ("a.b.c.d.e.f.g.shops.example.net", Admission::Allowed("it is below an allowed suffix")),
            ("a.b.c.d.e.f.g.h.shops.example.net", Admission::Denied("it has too many labels")),
        ] {
            assert_eq!(say(name, &options), expected, "{name}");
        }
        options.ask = Some("http://127.0.0.1:9000/check".parse().expect("a URL"));
        for (name, expected) in [
            ("one.example.com", Admission::Allowed("it is in the allow-list")),
            ("two.example.com", Admission::Ask),
            ("www.www.www.example.com", Admission::Denied("it repeats a label")),
            ("db.internal", Admission::Denied("no public CA signs it")),
        ] {
            assert_eq!(say(name, &options), expected, "{name}");
        }
        options.private = true;
        assert_eq!(say("db.internal", &options), Admission::Ask);
        assert_eq!(say("localhost", &options), Admission::Denied("it is a single label"));
    }
}
