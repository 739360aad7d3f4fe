//! What a CA counts certificates by: the domain somebody has registered, or the network of an address.

use std::net::IpAddr;

use crate::ident::Name;

/// The registered domain of a name by the public suffix list; an IPv4 address; the first half of an IPv6 address.
///
/// A name that is a public suffix itself counts by itself.
pub fn registered_domain(name: &Name) -> String {
    match name {
        Name::Dns(fqdn) => {
            let host = fqdn.base();
            psl::domain_str(host).unwrap_or(host).to_owned()
        }
        Name::Ip(IpAddr::V4(address)) => address.to_string(),
        Name::Ip(IpAddr::V6(address)) => {
            let [a, b, c, d, ..] = address.segments();
            format!("{a:x}:{b:x}:{c:x}:{d:x}::/64")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_count_by_what_was_registered() {
        for (name, counted) in [
            ("example.com", "example.com"),
            ("a.b.example.com", "example.com"),
            ("*.example.com", "example.com"),
            ("shop.example.co.uk", "example.co.uk"),
            ("me.github.io", "me.github.io"),
            ("a.me.github.io", "me.github.io"),
            ("co.uk", "co.uk"),
            ("host.internal", "host.internal"),
            ("192.0.2.7", "192.0.2.7"),
            ("2001:db8:1:2:3::4", "2001:db8:1:2::/64"),
        ] {
            assert_eq!(registered_domain(&Name::parse(name).expect("a name")), counted);
        }
    }
}
