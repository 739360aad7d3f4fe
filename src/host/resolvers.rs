//! The DNS servers this machine asks.

use std::fs;
use std::net::{IpAddr, Ipv4Addr};

const FILE: &str = "/etc/resolv.conf";

/// The servers that `/etc/resolv.conf` names, in its order; without any it means one on this machine (resolv.conf(5)).
#[must_use]
pub fn resolvers() -> Vec<IpAddr> {
    named_in(&fs::read_to_string(FILE).unwrap_or_default())
}

fn named_in(text: &str) -> Vec<IpAddr> {
    let words = text.lines().map(|line| line.split_whitespace());
    let addresses = words.filter_map(|mut words| (words.next()? == "nameserver").then(|| words.next())?);
    let named: Vec<IpAddr> = addresses.filter_map(|address| address.parse().ok()).collect();
    if named.is_empty() { vec![Ipv4Addr::LOCALHOST.into()] } else { named }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_always_one_to_ask() {
        let text = "# nameserver 192.0.2.1\nsearch example.com\nnameserver 192.0.2.2\n nameserver\t2001:db8::1 x\nnameserver\n";
        let named: Vec<String> = named_in(text).iter().map(ToString::to_string).collect();
        assert_eq!(named, ["192.0.2.2", "2001:db8::1"]);
        assert_eq!(named_in("options edns0\n"), [IpAddr::from(Ipv4Addr::LOCALHOST)]);
    }
}
