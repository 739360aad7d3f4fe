//! Words to values: addresses, durations and sizes.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

/// What is accepted where an address to listen on is asked for.
pub(super) const ADDRESS: &str =
    "a port such as 8443, or address:port such as [::]:8443, 192.0.2.1:8443 or localhost:8443";

/// What is accepted where a size is asked for.
pub(super) const SIZE: &str = "a number and a unit (B, kB, MB, GB, KiB, MiB, GiB), such as \"100MB\"";

/// What is accepted where a duration is asked for.
pub(super) const DURATION: &str = "a number and a unit (ms, s, m, h, d), such as \"25s\"";

/// Where to listen. A port alone means every address, `localhost` means both loopback addresses, and the
/// list is empty for `off`.
pub(super) fn addresses(text: &str) -> Option<Vec<SocketAddr>> {
    if text == "off" {
        return Some(Vec::new());
    }
    if let Ok(addr) = text.parse::<SocketAddr>() {
        return Some(vec![addr]);
    }
    let (host, port) = text.rsplit_once(':').unwrap_or(("", text));
    // `parse` would take «+80».
    let port = port.bytes().all(|b| b.is_ascii_digit()).then(|| port.parse::<u16>().ok()).flatten()?;
    match host {
        "" | "*" => Some(vec![(Ipv6Addr::UNSPECIFIED, port).into()]),
        "localhost" => Some(vec![(Ipv4Addr::LOCALHOST, port).into(), (Ipv6Addr::LOCALHOST, port).into()]),
        _ => None,
    }
}

/// A whole number with a unit.
pub(super) fn duration(text: &str) -> Option<Duration> {
    let unit = text.find(|c: char| !c.is_ascii_digit())?;
    let number: u64 = text[..unit].parse().ok()?;
    let milliseconds = match text[unit..].trim() {
        "ms" => 1,
        "s" => 1000,
        "m" => 60 * 1000,
        "h" => 3600 * 1000,
        "d" => 24 * 3600 * 1000,
        _ => return None,
    };
    number.checked_mul(milliseconds).map(Duration::from_millis)
}

/// A whole number of bytes with a unit.
pub(super) fn size(text: &str) -> Option<u64> {
    let unit = text.find(|c: char| !c.is_ascii_digit())?;
    let number: u64 = text[..unit].parse().ok()?;
    let bytes = match text[unit..].trim() {
        "B" => 1,
        "kB" => 1000,
        "MB" => 1000 * 1000,
        "GB" => 1000 * 1000 * 1000,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return None,
    };
    number.checked_mul(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_has_a_unit() {
        assert_eq!(size("100MB"), Some(100_000_000));
        assert_eq!(size("1 MiB"), Some(1 << 20));
        assert_eq!(size("0B"), Some(0));
        for wrong in
            ["", "100", "MB", "1.5MB", "-1B", "1 mb", "99999999999999999999B", "18446744073709551615kB"]
        {
            assert_eq!(size(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_port_alone_is_every_address() {
        let shown = |text| {
            addresses(text).map(|all| all.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "))
        };
        assert_eq!(shown("443").as_deref(), Some("[::]:443"));
        assert_eq!(shown(":443").as_deref(), Some("[::]:443"));
        assert_eq!(shown("192.0.2.1:443").as_deref(), Some("192.0.2.1:443"));
        assert_eq!(shown("localhost:9090").as_deref(), Some("127.0.0.1:9090 [::1]:9090"));
        assert_eq!(shown("off").as_deref(), Some(""));
        for wrong in ["", "x", "65536", "+80", "-1", "example.com:80", "192.0.2.1", "[::]", ":", "::"] {
            assert_eq!(shown(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_duration_has_a_unit() {
        assert_eq!(duration("25s"), Some(Duration::from_secs(25)));
        assert_eq!(duration("100 m"), Some(Duration::from_secs(6000)));
        assert_eq!(duration("250ms"), Some(Duration::from_millis(250)));
        assert_eq!(duration("1d"), duration("24h"));
        for wrong in
            ["", "25", "s", "1.5s", "-1s", "5 weeks", "99999999999999999999s", "18446744073709551615d"]
        {
            assert_eq!(duration(wrong), None, "{wrong}");
        }
    }
}
