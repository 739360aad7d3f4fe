//! Where requests go: one address of an app, parsed once.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use thiserror::Error;

/// How one speaks to a target, once connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(in crate::proxy) enum Scheme {
    /// HTTP/1.1 in clear.
    Http,
    /// HTTP/1.1 over verified TLS.
    Https,
    /// HTTP/2 in clear, with prior knowledge.
    H2c,
}

/// Where a target listens.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(in crate::proxy) enum Place {
    /// This machine, by whichever loopback address answers.
    Localhost(u16),
    /// An address that needs no look-up.
    Ip(IpAddr, u16),
    /// A name that is looked up anew for every connection, so that a moved app is found again.
    Name(Box<str>, u16),
    /// A socket in the file system.
    Unix(Box<Path>),
}

/// The address of an app: `3000`, `host:port`, `http://…`, `https://…`, `h2c://…` or `unix:/path`.
///
/// It has no path and no credentials: what a client asks for is forwarded as it is. [`fmt::Display`] writes the
/// long form, which parses to the same target.
///
/// ```
/// use sidegate::proxy::Target;
/// assert_eq!(Target::parse("3000")?.to_string(), "http://localhost:3000");
/// # Ok::<(), sidegate::proxy::TargetError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Target {
    scheme: Scheme,
    place: Place,
}

impl Target {
    /// Reads a target as people write it.
    ///
    /// # Errors
    ///
    /// [`TargetError`] names what is wrong and what to write instead.
    pub fn parse(text: &str) -> Result<Self, TargetError> {
        let text = text.trim();
        if text.is_empty() {
            return Err(TargetError::Empty);
        }
        if text.bytes().all(|b| b.is_ascii_digit()) {
            let place = Place::Localhost(port(text, text)?);
            return Ok(Self { scheme: Scheme::Http, place });
        }
        if let Some(path) = strip_prefix(text, "unix:") {
            return Ok(Self { scheme: Scheme::Http, place: unix(text, path)? });
        }
        let (scheme, rest) = match text.split_once("://") {
            None => (None, text),
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => (Some(Scheme::Http), rest),
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("https") => (Some(Scheme::Https), rest),
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("h2c") => (Some(Scheme::H2c), rest),
            Some((scheme, _)) => {
                return Err(TargetError::Scheme { text: text.into(), scheme: scheme.into() });
            }
        };
        let default = match scheme {
            None => None,
            Some(Scheme::Http | Scheme::H2c) => Some(80),
            Some(Scheme::Https) => Some(443),
        };
        Ok(Self { scheme: scheme.unwrap_or(Scheme::Http), place: authority(text, rest, default)? })
    }

    /// Whether it is reached over TLS, and has to prove who it is.
    #[must_use]
    pub fn is_https(&self) -> bool {
        self.scheme == Scheme::Https
    }

    /// What is spoken there.
    pub(in crate::proxy) fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// Where it is.
    pub(in crate::proxy) fn place(&self) -> &Place {
        &self.place
    }

    /// What stands for the target in a `Host`, where a client named none.
    pub(in crate::proxy) fn authority(&self) -> String {
        let text = self.to_string();
        match (&self.place, text.split_once("://")) {
            (Place::Unix(_), _) | (_, None) => "localhost".to_owned(),
            (_, Some((_, authority))) => authority.to_owned(),
        }
    }

    /// Whether the target is on this machine, where an answer takes microseconds.
    pub(in crate::proxy) fn is_near(&self) -> bool {
        match &self.place {
            Place::Localhost(_) | Place::Unix(_) => true,
            Place::Ip(ip, _) => ip.to_canonical().is_loopback(),
            Place::Name(..) => false,
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match self.scheme {
            Scheme::Http => "http",
            Scheme::Https => "https",
            Scheme::H2c => "h2c",
        };
        match &self.place {
            Place::Localhost(port) => write!(f, "{scheme}://localhost:{port}"),
            Place::Ip(IpAddr::V4(ip), port) => write!(f, "{scheme}://{ip}:{port}"),
            Place::Ip(IpAddr::V6(ip), port) => write!(f, "{scheme}://[{ip}]:{port}"),
            Place::Name(name, port) => write!(f, "{scheme}://{name}:{port}"),
            Place::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

impl FromStr for Target {
    type Err = TargetError;

    fn from_str(text: &str) -> Result<Self, TargetError> {
        Self::parse(text)
    }
}

/// Why a text is no target, and what to write instead.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TargetError {
    /// Nothing was written.
    #[error("the target is empty; write the app's port, for example 3000")]
    Empty,
    /// The part before `://` is not one of ours.
    #[error("{text}: {scheme} is not spoken here; use http://, https://, h2c:// or unix:/path")]
    Scheme {
        /// The whole text.
        text: Box<str>,
        /// What stands before `://`.
        scheme: Box<str>,
    },
    /// A host without a port and without a scheme that has one.
    #[error("{text} has no port; write {text}:PORT, or http://{text} for port 80")]
    NoPort {
        /// The whole text.
        text: Box<str>,
    },
    /// The port is not a number between 1 and 65535.
    #[error("{text}: {port} is not a port; a port is a number from 1 to 65535")]
    Port {
        /// The whole text.
        text: Box<str>,
        /// What stands in the port's place.
        port: Box<str>,
    },
    /// The host is neither a name nor an address.
    #[error(
        "{text}: {host:?} is neither a host name nor an IP address (an IPv6 address needs brackets, as in [::1]:3000)"
    )]
    Host {
        /// The whole text.
        text: Box<str>,
        /// What stands in the host's place.
        host: Box<str>,
    },
    /// `user:password@` stands before the host.
    #[error(
        "credentials do not belong in a target; write only what stands after the @, the client's own credentials are forwarded"
    )]
    Credentials,
    /// A path, query or fragment follows the host.
    #[error(
        "{text}: a target is an address without a path; write {address}, requests are forwarded with the path they have"
    )]
    Path {
        /// The whole text.
        text: Box<str>,
        /// The text without its path.
        address: Box<str>,
    },
    /// The socket's path is not absolute, or longer than the system allows.
    #[error(
        "{text}: a unix socket is named by its whole path of at most 107 bytes, as in unix:/run/app.sock"
    )]
    Socket {
        /// The whole text.
        text: Box<str>,
    },
}

/// Like [`str::strip_prefix`], for a scheme in whatever case.
fn strip_prefix<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    let head = text.get(..prefix.len())?;
    head.eq_ignore_ascii_case(prefix).then(|| &text[prefix.len()..])
}

fn unix(text: &str, path: &str) -> Result<Place, TargetError> {
    let path = match path.strip_prefix("//") {
        // unix:///run/app.sock, the way URLs are written.
        Some(rest) if rest.starts_with('/') => rest,
        Some(_) => return Err(TargetError::Socket { text: text.into() }),
        None => path,
    };
    // The kernel's sun_path holds 108 bytes with the closing zero.
    if !path.starts_with('/') || path.len() < 2 || path.len() > 107 || path.contains('\0') {
        return Err(TargetError::Socket { text: text.into() });
    }
    Ok(Place::Unix(PathBuf::from(path).into_boxed_path()))
}

fn authority(text: &str, rest: &str, default: Option<u16>) -> Result<Place, TargetError> {
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    if authority.contains('@') {
        return Err(TargetError::Credentials);
    }
    if !path.is_empty() && path != "/" {
        let address = text[..text.len() - path.len()].into();
        return Err(TargetError::Path { text: text.into(), address });
    }
    let text = text.strip_suffix('/').unwrap_or(text);
    let bad_host = |host: &str| TargetError::Host { text: text.into(), host: host.into() };

    let (host, after) = if let Some(inner) = authority.strip_prefix('[') {
        let (inner, after) = inner.split_once(']').ok_or_else(|| bad_host(authority))?;
        let ip: Ipv6Addr = inner.parse().map_err(|_| bad_host(inner))?;
        (IpAddr::V6(ip).to_string(), after)
    } else {
        let colon = authority.find(':').unwrap_or(authority.len());
        let (host, after) = authority.split_at(colon);
        if after.matches(':').count() > 1 {
            return Err(bad_host(authority));
        }
        (host.to_ascii_lowercase(), after)
    };
    let host = host.strip_suffix('.').unwrap_or(&host);
    if host.is_empty() {
        return Err(bad_host(host));
    }
    let port = match after.strip_prefix(':') {
        Some(digits) => port(text, digits)?,
        None if after.is_empty() => default.ok_or_else(|| TargetError::NoPort { text: text.into() })?,
        None => return Err(bad_host(authority)),
    };
    if let Ok(ip) = host.parse::<IpAddr>() {
        return Ok(Place::Ip(ip, port));
    }
    // RFC 6761 section 6.3: localhost is loopback whatever a resolver says.
    if host == "localhost" || host.ends_with(".localhost") {
        return Ok(Place::Localhost(port));
    }
    if is_host_name(host) { Ok(Place::Name(host.into(), port)) } else { Err(bad_host(host)) }
}

fn port(text: &str, digits: &str) -> Result<u16, TargetError> {
    let number = digits.bytes().all(|b| b.is_ascii_digit()).then(|| digits.parse().ok()).flatten();
    match number {
        Some(0) | None => Err(TargetError::Port { text: text.into(), port: digits.into() }),
        Some(port) => Ok(port),
    }
}

/// Names as resolvers take them. Underscores are allowed, since container networks make names with them; a last
/// label of digits is not, since it is a mistyped address.
fn is_host_name(host: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    let last = host.rsplit('.').next().unwrap_or(host);
    host.len() <= 253 && host.split('.').all(label) && !last.bytes().all(|b| b.is_ascii_digit())
}

/// The loopback addresses, in the order in which they are tried at first.
pub(in crate::proxy) const LOOPBACK: [IpAddr; 2] =
    [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_has_one_long_form_that_means_the_same() {
        for (short, long) in [
            ("3000", "http://localhost:3000"),
            (" 80 ", "http://localhost:80"),
            ("localhost:3000", "http://localhost:3000"),
            ("LOCALHOST:3000", "http://localhost:3000"),
            ("app.localhost:1", "http://localhost:1"),
            ("127.0.0.1:8080", "http://127.0.0.1:8080"),
            ("[::1]:8080", "http://[::1]:8080"),
            ("my_app:8080", "http://my_app:8080"),
            ("http://App.Internal", "http://app.internal:80"),
            ("http://app./", "http://app:80"),
            ("HTTPS://app.internal", "https://app.internal:443"),
            ("https://[2001:db8::1]", "https://[2001:db8::1]:443"),
            ("h2c://localhost:50051", "h2c://localhost:50051"),
            ("unix:/run/app.sock", "unix:/run/app.sock"),
            ("unix:///run/app.sock", "unix:/run/app.sock"),
        ] {
            let target = Target::parse(short).expect(short);
            assert_eq!(target.to_string(), long, "{short}");
            assert_eq!(Target::parse(long).expect(long), target);
        }
    }

    #[test]
    fn what_is_refused_says_what_to_write_instead() {
        for (text, word) in [
            ("", "3000"),
            ("0", "1 to 65535"),
            ("65536", "1 to 65535"),
            ("app", "app:PORT"),
            ("app:http", "not a port"),
            ("app:+80", "not a port"),
            ("app:", "not a port"),
            ("::1:3000", "brackets"),
            ("[::1:3000", "brackets"),
            ("[app]:3000", "brackets"),
            ("[::1]3000", "brackets"),
            ("http://:80", "neither"),
            ("http://", "neither"),
            ("http://256.1.1.1:80", "neither"),
            ("http://a b:80", "neither"),
            ("http://a..b:80", "neither"),
            ("http://app:80/api", "http://app:80,"),
            ("app:80?x=1", "app:80,"),
            ("http://user:secret@app:80", "credentials"),
            ("tcp://app:80", "h2c://"),
            ("ftp://app", "https://"),
            ("unix:run/app.sock", "whole path"),
            ("unix:", "whole path"),
            ("unix://run/app.sock", "whole path"),
        ] {
            let error = Target::parse(text).expect_err(text).to_string();
            assert!(error.contains(word), "{text}: {error}");
        }
        let error = Target::parse("http://user:secret@app:80").expect_err("credentials").to_string();
        assert!(!error.contains("secret"), "{error}");
        assert!(Target::parse(&format!("unix:/{}", "x".repeat(107))).is_err());
    }

    #[test]
    fn near_is_this_machine() {
        for (text, near) in [
            ("3000", true),
            ("127.9.9.9:1", true),
            ("[::1]:1", true),
            ("[::ffff:127.0.0.1]:1", true),
            ("unix:/x", true),
            ("10.0.0.1:1", false),
            ("app:1", false),
        ] {
            assert_eq!(Target::parse(text).expect(text).is_near(), near, "{text}");
        }
    }
}
