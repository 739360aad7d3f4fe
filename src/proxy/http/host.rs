//! Whom a request is for.

use http::Version;

use crate::ident::{Fqdn, Name};
use crate::proxy::wire::{Head, Kind};

/// The one host a request names, without its port.
///
/// There has to be exactly one: the `Host` field (RFC 9112 section 3.2), for HTTP/2 `:authority` (RFC 9113 section
/// 8.3.1), and where there is more than one place they have to agree, port included. `known` is the connection's own
/// name: it is nearly always the one, and need not be parsed again.
///
/// # Errors
///
/// A word for what is wrong with it.
pub(super) fn of(head: &Head, known: Option<&Fqdn>) -> Result<Name, &'static str> {
    let mut fields = head.fields.all(Kind::Host);
    let field = fields.next();
    if fields.next().is_some() {
        return Err("host_repeated");
    }
    let authority = head.uri.authority();
    match (field, authority) {
        (None, None) => return Err("host_missing"),
        // A proxy's absolute-form does not replace the field (RFC 9112 section 3.2.2).
        (None, Some(_)) if head.version != Version::HTTP_2 => return Err("host_missing"),
        (Some(field), Some(authority)) if !field.eq_ignore_ascii_case(authority.as_str().as_bytes()) => {
            return Err("host_disagrees");
        }
        _ => {}
    }
    let text = match (authority, field) {
        (Some(authority), _) => authority.as_str(),
        (None, Some(field)) => str::from_utf8(field).map_err(|_| "host_invalid")?,
        (None, None) => return Err("host_missing"),
    };
    let host = without_port(text).ok_or("host_invalid")?;
    if let Some(known) = known
        && known.as_str() == host
    {
        return Ok(Name::Dns(known.clone()));
    }
    match Name::parse(host) {
        // An IPv6 address is in brackets here, or it would not be clear where its port begins.
        Ok(Name::Ip(ip)) if ip.is_ipv6() && !host.starts_with('[') => Err("host_invalid"),
        Ok(name) if !name.is_wildcard() => Ok(name),
        _ => Err("host_invalid"),
    }
}

fn without_port(text: &str) -> Option<&str> {
    let split = match text.rfind(']') {
        Some(end) => text.split_at(end + 1),
        None => text.split_at(text.find(':').unwrap_or(text.len())),
    };
    match split {
        (host, "" | ":") => Some(host),
        (host, port) => {
            let digits = port.strip_prefix(':')?;
            let valid = digits.bytes().all(|b| b.is_ascii_digit()) && digits.parse::<u16>().is_ok();
            valid.then_some(host)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(uri: &str, fields: &[&str]) -> Result<String, &'static str> {
        let fields: Vec<(&str, &str)> = fields.iter().map(|host| ("Host", *host)).collect();
        of(&Head::get(uri, &fields), None).map(|name| name.to_string())
    }

    #[test]
    fn a_host_is_read_whatever_its_case_port_or_trailing_dot() {
        for (field, expected) in [
            ("example.com", "example.com"),
            ("EXAMPLE.com:8443", "example.com"),
            ("example.com.", "example.com"),
            ("example.com.:443", "example.com"),
            ("example.com:", "example.com"),
            ("localhost", "localhost"),
            ("192.0.2.1:80", "192.0.2.1"),
            ("[2001:db8::1]:443", "2001:db8::1"),
            ("[2001:db8::1]", "2001:db8::1"),
        ] {
            assert_eq!(host("/", &[field]).as_deref(), Ok(expected), "{field}");
        }
    }

    #[test]
    fn what_is_not_exactly_one_host_is_refused() {
        assert_eq!(host("/", &[]), Err("host_missing"));
        assert_eq!(host("/", &["a.example", "a.example"]), Err("host_repeated"));
        assert_eq!(host("http://a.example/", &[]), Err("host_missing"));
        assert_eq!(host("http://a.example/", &["b.example"]), Err("host_disagrees"));
        assert_eq!(host("http://a.example/", &["a.example:81"]), Err("host_disagrees"));
        assert_eq!(host("http://a.example/", &["A.example"]).as_deref(), Ok("a.example"));
        for field in [
            "",
            "a b",
            "a,b",
            "a@b",
            "u@a.example",
            "a.example/",
            "*.a.example",
            "a..example",
            "-a.example",
            "a.example:x",
            "a.example:65536",
            "a.example:+1",
            "a.example:80:80",
            "::1",
            "2001:db8::1",
            "[::1",
            "[a]",
            "[::1]x",
            "a.example\u{e9}",
            "..",
            ".",
        ] {
            assert_eq!(host("/", &[field]), Err("host_invalid"), "{field}");
        }
    }

    #[test]
    fn http2_names_its_host_in_either_place() {
        let request = |authority: Option<&str>, field: Option<&str>| {
            let uri = authority.map_or("/".to_owned(), |a| format!("https://{a}/"));
            let fields: Vec<(&str, &str)> = field.map(|host| ("host", host)).into_iter().collect();
            of(&Head { version: Version::HTTP_2, ..Head::get(&uri, &fields) }, None)
                .map(|name| name.to_string())
        };
        assert_eq!(request(Some("a.example:444"), None).as_deref(), Ok("a.example"));
        assert_eq!(request(None, Some("a.example")).as_deref(), Ok("a.example"));
        assert_eq!(request(Some("a.example"), Some("a.example")).as_deref(), Ok("a.example"));
        assert_eq!(request(Some("a.example"), Some("b.example")), Err("host_disagrees"));
        assert_eq!(request(None, None), Err("host_missing"));
    }
}
