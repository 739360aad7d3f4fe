//! Where a DNS server is reached.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use thiserror::Error;

/// The address of a DNS server: a host and a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    host: String,
    port: u16,
}

/// This is no address of a server.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{0:?} is not the address of a DNS server")]
pub struct ServerError(String);

impl Server {
    /// Where servers listen unless it is said otherwise.
    const PORT: u16 = 53;

    /// Reads an address or a name, with a port after a colon or without: `192.0.2.53`, `[2001:db8::53]:5353`,
    /// `ns1.example.com`.
    ///
    /// # Errors
    ///
    /// [`ServerError`] if it is neither.
    pub fn parse(text: &str) -> Result<Self, ServerError> {
        if let Ok(address) = text.parse::<SocketAddr>() {
            return Ok(address.into());
        }
        let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
        if let Ok(address) = bare.parse::<IpAddr>() {
            return Ok(address.into());
        }
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) => (host, port.parse().ok().filter(|port| *port != 0)),
            None => (text, Some(Self::PORT)),
        };
        let odd = |c: char| !(c.is_ascii_alphanumeric() || ['-', '_', '.'].contains(&c));
        match port {
            Some(port) if !host.is_empty() && !host.contains(odd) => Ok(Self { host: host.to_owned(), port }),
            _ => Err(ServerError(text.to_owned())),
        }
    }

    /// What the system finds behind the name.
    pub(super) async fn addresses(&self) -> std::io::Result<Vec<SocketAddr>> {
        Ok(tokio::net::lookup_host((self.host.as_str(), self.port)).await?.collect())
    }
}

impl From<IpAddr> for Server {
    fn from(address: IpAddr) -> Self {
        SocketAddr::new(address, Self::PORT).into()
    }
}

impl From<SocketAddr> for Server {
    fn from(address: SocketAddr) -> Self {
        Self { host: address.ip().to_string(), port: address.port() }
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let brackets = if self.host.contains(':') { ("[", "]") } else { ("", "") };
        write!(f, "{}{}{}:{}", brackets.0, self.host, brackets.1, self.port)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_a_port_or_means_53() {
        for (given, meant) in [
            ("192.0.2.53", "192.0.2.53:53"),
            ("192.0.2.53:5353", "192.0.2.53:5353"),
            ("2001:db8::53", "[2001:db8::53]:53"),
            ("[2001:db8::53]", "[2001:db8::53]:53"),
            ("[2001:db8::53]:5353", "[2001:db8::53]:5353"),
            ("ns1.example.com", "ns1.example.com:53"),
            ("localhost:5353", "localhost:5353"),
        ] {
            assert_eq!(Server::parse(given).expect(given).to_string(), meant);
        }
        for wrong in ["", ":53", "ns1:", "ns1:0", "ns1:70000", "ns 1", "udp://ns1", "ns1/x"] {
            assert_eq!(Server::parse(wrong), Err(ServerError(wrong.to_owned())));
        }
    }
}
