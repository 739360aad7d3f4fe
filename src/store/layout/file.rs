//! The files of an item and of an account: their names, and which of them hold a key.

use crate::store::engine::Secrecy;

/// The files of a draft and of an item: the layout's eleven, and `issuance.json`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum File {
    /// One line with the names.
    DomainList,
    /// The private key, PKCS#8.
    Key,
    /// The certificate signing request.
    Csr,
    /// The leaf.
    Crt,
    /// The intermediates.
    Chain,
    /// The root, or the top-most intermediate where the root is not known.
    Ca,
    /// Leaf and intermediates: what is served.
    CrtChain,
    /// Leaf, intermediates and key.
    CrtChainKey,
    /// Whether the last attempt failed.
    IsFailed,
    /// Whether the provider is `selfsigned`.
    IsSelfsign,
    /// Whether the provider is `letsencrypt`.
    IsLetsencrypt,
    /// Where the certificate comes from and why it was made.
    Issuance,
}

impl File {
    /// All of them.
    pub const ALL: [Self; 12] = [
        Self::DomainList,
        Self::Key,
        Self::Csr,
        Self::Crt,
        Self::Chain,
        Self::Ca,
        Self::CrtChain,
        Self::CrtChainKey,
        Self::IsFailed,
        Self::IsSelfsign,
        Self::IsLetsencrypt,
        Self::Issuance,
    ];

    /// The file's name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::DomainList => "domain.list",
            Self::Key => "key.pem",
            Self::Csr => "csr.pem",
            Self::Crt => "crt.pem",
            Self::Chain => "chain.pem",
            Self::Ca => "ca.pem",
            Self::CrtChain => "crt+chain.pem",
            Self::CrtChainKey => "crt+chain+key.pem",
            Self::IsFailed => "isfailed.bool",
            Self::IsSelfsign => "isselfsign.bool",
            Self::IsLetsencrypt => "isletsencrypt.bool",
            Self::Issuance => "issuance.json",
        }
    }

    /// The file of this name, if there is one.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|file| file.as_str() == name)
    }

    /// Whether the file holds a key.
    #[must_use]
    pub const fn secrecy(self) -> Secrecy {
        match self {
            Self::Key | Self::CrtChainKey => Secrecy::Secret,
            _ => Secrecy::Open,
        }
    }
}

/// The files of an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AccountFile {
    /// The private key, PKCS#8.
    Key,
    /// The public key, SPKI.
    Pub,
    /// Directory, URL and contacts.
    Record,
}

impl AccountFile {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Key, Self::Pub, Self::Record];

    /// The file of this name, if there is one.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|file| file.as_str() == name)
    }

    /// The file's name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Key => "account_key.pem",
            Self::Pub => "account_pub.pem",
            Self::Record => "account.json",
        }
    }

    /// Whether the file holds a key.
    #[must_use]
    pub const fn secrecy(self) -> Secrecy {
        match self {
            Self::Key => Secrecy::Secret,
            Self::Pub | Self::Record => Secrecy::Open,
        }
    }
}
