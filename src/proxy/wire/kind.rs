//! What a field is to a proxy, told once from its name.

/// What a field is, in either direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `Host`.
    Host,
    /// `Connection`.
    Connection,
    /// `Content-Length`.
    ContentLength,
    /// `Transfer-Encoding`.
    TransferEncoding,
    /// `Upgrade`.
    Upgrade,
    /// `Keep-Alive`.
    KeepAlive,
    /// `TE`.
    Te,
    /// `Proxy-Connection` and `Proxy-Authorization`.
    Proxying,
    /// `Expect`.
    Expect,
    /// `Cookie`.
    Cookie,
    /// `Date`.
    Date,
    /// `User-Agent`.
    UserAgent,
    /// `X-Request-Id`.
    RequestId,
    /// What a proxy says about a request, or what would be taken for that or lead past it.
    Forged,
    /// An underscore makes it something that a CGI-like interface cannot tell from a field of the proxy or of one
    /// connection: `X_Forwarded_For` reaches an app as the same variable as `X-Forwarded-For` does.
    Lookalike,
    /// Nothing that a proxy looks at.
    Other,
}

/// As long as the longest name below.
const LONGEST: usize = 19;

/// Frameworks know many fields that begin like this, and believe each.
const FORWARDED: &[u8] = b"x-forwarded-";

impl Kind {
    /// What a field with this name is, in whatever case.
    #[must_use]
    pub fn of(name: &[u8]) -> Self {
        match Self::known(name) {
            Self::Other if name.contains(&b'_') => Self::of_underscored(name),
            kind => kind,
        }
    }

    /// Whether a field ends with the connection it came on (RFC 9110 section 7.6.1).
    #[must_use]
    pub fn is_hop_by_hop(self) -> bool {
        matches!(
            self,
            Self::Connection
                | Self::TransferEncoding
                | Self::Upgrade
                | Self::KeepAlive
                | Self::Te
                | Self::Proxying
        )
    }

    /// Whether an upstream must not get it from a client: we say it ourselves, or nobody does.
    #[must_use]
    pub fn is_ours(self) -> bool {
        matches!(self, Self::Host | Self::ContentLength | Self::Forged | Self::Lookalike)
    }

    fn known(name: &[u8]) -> Self {
        let mut room = [0; LONGEST];
        let begins = |begin: &[u8]| name.get(..begin.len()).is_some_and(|b| b.eq_ignore_ascii_case(begin));
        let Some(lower) = room.get_mut(..name.len()) else {
            return if begins(FORWARDED) { Self::Forged } else { Self::Other };
        };
        lower.copy_from_slice(name);
        lower.make_ascii_lowercase();
        match &*lower {
            b"host" => Self::Host,
            b"connection" => Self::Connection,
            b"content-length" => Self::ContentLength,
            b"transfer-encoding" => Self::TransferEncoding,
            b"upgrade" => Self::Upgrade,
            b"keep-alive" => Self::KeepAlive,
            b"te" => Self::Te,
            b"proxy-connection" | b"proxy-authorization" => Self::Proxying,
            b"expect" => Self::Expect,
            b"cookie" => Self::Cookie,
            b"date" => Self::Date,
            b"user-agent" => Self::UserAgent,
            b"x-request-id" => Self::RequestId,
            b"forwarded" | b"x-real-ip" => Self::Forged,
            // httpoxy: becomes HTTP_PROXY in a CGI environment.
            b"proxy" => Self::Forged,
            // Offers h2c, which would tunnel past us.
            b"http2-settings" => Self::Forged,
            _ if lower.starts_with(FORWARDED) => Self::Forged,
            _ => Self::Other,
        }
    }

    fn of_underscored(name: &[u8]) -> Self {
        let dashed: Vec<u8> = name.iter().map(|&b| if b == b'_' { b'-' } else { b }).collect();
        let kind = Self::known(&dashed);
        if kind.is_ours() || kind.is_hop_by_hop() { Self::Lookalike } else { Self::Other }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_known_in_any_case_and_only_as_a_whole() {
        for (name, kind) in [
            ("HOST", Kind::Host),
            ("hosts", Kind::Other),
            ("Proxy-Authorization", Kind::Proxying),
            ("Proxy-Authorizations", Kind::Other),
            ("X-Forwarded-For", Kind::Forged),
            ("X-Forwarded-Client-Certificate", Kind::Forged),
            ("X-Forwarder", Kind::Other),
            ("x-forwarded_proto", Kind::Lookalike),
            ("X_REAL_IP", Kind::Lookalike),
            ("content_length", Kind::Lookalike),
            ("user_agent", Kind::Other),
            ("x_harmless", Kind::Other),
            ("", Kind::Other),
        ] {
            assert_eq!(Kind::of(name.as_bytes()), kind, "{name}");
        }
    }
}
