//! Where a name leads, and where the CA goes first.

use std::net::{IpAddr, UdpSocket};

use super::finding::{UNTIL_THEY_AGREE, listed, shown};
use super::{Check, Finding};
use crate::dns::Said;

/// The answers to both questions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Answers {
    pub(super) v4: Said<IpAddr>,
    pub(super) v6: Said<IpAddr>,
}

/// Whether an address is one of this machine's.
pub(super) fn is_ours(ip: IpAddr) -> bool {
    // Only what the machine has can be bound, and a datagram socket takes no port from anybody.
    UdpSocket::bind((ip, 0)).is_ok()
}

impl Answers {
    /// Every address, in the order in which a CA uses them: it goes to the first IPv6 address, and to the first IPv4
    /// address only if there is no connection.
    pub(super) fn in_order(&self) -> Vec<IpAddr> {
        let of = |said: &Said<IpAddr>| match said {
            Said::Alike(addresses) => addresses.clone(),
            Said::Differently(views) => views.iter().flat_map(|(_, addresses)| addresses.clone()).collect(),
            Said::Nothing(_) => Vec::new(),
        };
        [of(&self.v6), of(&self.v4)].concat()
    }

    /// Whether the CA can find this machine by them; `needed` if it has to, since the name is not proved in the DNS.
    pub(super) fn judge(&self, ours: impl Fn(IpAddr) -> bool, needed: bool) -> Finding {
        let check = Check::Addresses;
        if let Some(finding) = self.without_one_answer() {
            return finding;
        }
        let all = self.in_order();
        let Some(first) = all.first() else {
            let reason = "its name servers have neither an A nor an AAAA record";
            let remedy = "Set an A or AAAA record that leads to this machine.";
            return if needed {
                Finding::fail(check, reason, remedy)
            } else {
                Finding::warn(check, reason, remedy)
            };
        };
        let (v6, v4): (Vec<IpAddr>, Vec<IpAddr>) = all.iter().partition(|ip| ip.is_ipv6());
        let [here6, here4] = [&v6, &v4].map(|addresses| addresses.iter().any(|ip| ours(*ip)));
        let order = match (v6.first(), v4.first()) {
            (Some(v6), Some(v4)) => {
                format!("the CA goes to {v6} first, and to {v4} only if there is no connection")
            }
            _ => format!("the CA goes to {first}"),
        };
        if v6.is_empty() && here4 || here6 {
            return Finding::pass(check, format!("{order}; that is this machine"));
        }
        if here4 {
            return Finding::warn(
                check,
                format!("{order}; the IPv4 address is this machine's, the IPv6 address is not"),
                "Remove the AAAA record, or make it lead to this machine too.",
            );
        }
        if all.iter().all(|ip| is_local(*ip)) {
            return Finding::warn(
                check,
                format!("{order}; it is reached from this network only"),
                "Set a record with a public address, or prove the name in the DNS, which needs no way in.",
            );
        }
        Finding::unknown(
            check,
            format!(
                "{order}; whether that leads here cannot be told, since this machine has other addresses"
            ),
            "See that the address is that of the router or load balancer in front of this machine.",
        )
    }

    /// What there is to say where the name servers do not say one thing.
    fn without_one_answer(&self) -> Option<Finding> {
        let view = |(server, addresses): &(String, Vec<IpAddr>)| {
            let addresses = if addresses.is_empty() { "none".to_owned() } else { listed(addresses) };
            format!("{server}: {addresses}")
        };
        [&self.v6, &self.v4].into_iter().find_map(|said| match said {
            Said::Differently(views) => Some(Finding::warn(
                Check::Addresses,
                format!("its name servers do not agree ({})", listed(views.iter().map(view))),
                UNTIL_THEY_AGREE,
            )),
            Said::Nothing(why) => Some(Finding::unknown(
                Check::Addresses,
                format!("nobody says where it leads: {}", shown(why)),
                "See that the name has name servers and that they answer.",
            )),
            Said::Alike(_) => None,
        })
    }
}

/// Whether an address means something in one network only (RFC 6890).
fn is_local(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => {
            let shared = ip.octets()[0] == 100 && ip.octets()[1] & 0xc0 == 64;
            ip.is_private() || ip.is_loopback() || ip.is_link_local() || ip.is_unspecified() || shared
        }
        IpAddr::V6(ip) => {
            ip.is_loopback() || ip.is_unspecified() || ip.is_unique_local() || ip.is_unicast_link_local()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Outcome;

    fn answers(v6: &[&str], v4: &[&str]) -> Answers {
        let said = |list: &[&str]| Said::Alike(list.iter().map(|ip| ip.parse().expect(ip)).collect());
        Answers { v4: said(v4), v6: said(v6) }
    }

    /// This machine has 192.0.2.1 and 2001:db8::1.
    fn ours(ip: IpAddr) -> bool {
        ["192.0.2.1", "2001:db8::1"].contains(&ip.to_string().as_str())
    }

    #[test]
    fn what_the_ca_uses_first_decides() {
        for (v6, v4, outcome, words) in [
            (&[][..], &["192.0.2.1"][..], Outcome::Pass, "the CA goes to 192.0.2.1; that is this machine"),
            (&["2001:db8::1"], &[], Outcome::Pass, "the CA goes to 2001:db8::1; that"),
            // The router's address beside our own: the CA never needs it.
            (
                &["2001:db8::1"],
                &["198.51.100.7"],
                Outcome::Pass,
                "goes to 2001:db8::1 first, and to 198.51.100.7 only",
            ),
            (&["2001:db8::9"], &["192.0.2.1"], Outcome::Warn, "the IPv6 address is not"),
            (&[], &["198.51.100.7"], Outcome::Unknown, "cannot be told"),
            (&["2001:db8::9"], &["198.51.100.7"], Outcome::Unknown, "goes to 2001:db8::9 first"),
            (&[], &["10.1.2.3"], Outcome::Warn, "from this network only"),
            (&["fd00::1"], &["100.64.0.1"], Outcome::Warn, "from this network only"),
            (&[], &[], Outcome::Fail, "neither an A nor an AAAA record"),
        ] {
            let found = answers(v6, v4).judge(ours, true);
            assert_eq!(found.outcome, outcome, "{v6:?} {v4:?}: {found:?}");
            assert!(found.reason.contains(words), "{v6:?} {v4:?}: {}", found.reason);
        }
        assert_eq!(answers(&[], &[]).judge(ours, false).outcome, Outcome::Warn);
    }

    #[test]
    fn who_says_nothing_or_different_things_is_not_believed() {
        let whole = answers(&[], &["192.0.2.1"]);
        let silent = Answers { v6: Said::Nothing("no answer".to_owned()), ..whole.clone() };
        assert_eq!(silent.judge(ours, true).outcome, Outcome::Unknown);
        let ip = "192.0.2.1".parse().expect("an address");
        let views = vec![("ns1".to_owned(), vec![ip]), ("ns2".to_owned(), vec![])];
        let torn = Answers { v4: Said::Differently(views), ..whole }.judge(ours, true);
        assert_eq!(torn.outcome, Outcome::Warn);
        assert!(torn.reason.ends_with("(ns1: 192.0.2.1, ns2: none)"), "{}", torn.reason);
    }

    #[test]
    fn the_machine_has_its_loopback_and_not_the_worlds_addresses() {
        assert!(is_ours("127.0.0.1".parse().expect("an address")));
        assert!(!is_ours("192.0.2.1".parse().expect("an address")), "it is for documentation only");
    }
}
