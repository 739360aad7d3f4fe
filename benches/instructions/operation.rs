//! What is counted.

/// One thing the proxy does over and over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operation {
    Lookup,
    Head,
    Handshake,
    Resumption,
    Http1,
    Http1Logged,
    Http2,
}

impl Operation {
    pub(crate) const ALL: [Self; 7] = [
        Self::Lookup,
        Self::Head,
        Self::Handshake,
        Self::Resumption,
        Self::Http1,
        Self::Http1Logged,
        Self::Http2,
    ];

    /// What it is called where it is read.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Lookup => "look-up of a hello's name among 1,000",
            Self::Head => "parsing the head of a browser's request",
            Self::Handshake => "connection, full TLS 1.3 handshake (X25519MLKEM768, P-256)",
            Self::Resumption => "connection, resumed TLS 1.3 handshake (X25519MLKEM768)",
            Self::Http1 => "HTTP/1.1 exchange, 1 KiB",
            Self::Http1Logged => "the same with the access log on",
            Self::Http2 => "HTTP/2 exchange, 1 KiB",
        }
    }

    /// How often it is done for a figure: some tens of millions of instructions, in which what chance adds is lost.
    pub(crate) fn times(self) -> u32 {
        match self {
            Self::Lookup => 200_000,
            Self::Head => 20_000,
            Self::Handshake | Self::Resumption => 200,
            Self::Http1 | Self::Http1Logged | Self::Http2 => 1_000,
        }
    }

    /// Whether it needs nobody but the process that is measured.
    pub(crate) fn is_solitary(self) -> bool {
        matches!(self, Self::Lookup | Self::Head)
    }
}
