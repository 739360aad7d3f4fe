//! Certificates somebody else keeps: PEM files that are read, served, and never written.
//!
//! This room reads and proves; keeping the last good one when a file turns bad is its caller's part.

use std::io::Read;
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::ident::Names;
use crate::pki::{Bundle, Chain, PkiError, PrivateKey, Roots};

/// No chain and no key is larger; what is, is some other file.
const MAX_FILE: u64 = 1 << 20;

/// Where the certificate for some names lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// The names it is to be served for.
    pub names: Names,
    /// PEM: the leaf, then the intermediates.
    pub cert: PathBuf,
    /// PEM: the private key (PKCS#8, SEC 1 or PKCS#1, not encrypted).
    pub key: PathBuf,
}

/// Why the files cannot be served.
#[derive(Debug, Error)]
pub enum ForeignError {
    /// A file could not be read.
    #[error("{} cannot be read: {source}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file is not what it should be.
    #[error("{}: {source}", path.display())]
    Content {
        /// Which.
        path: PathBuf,
        /// Why.
        source: PkiError,
    },
    /// The certificate is for other names.
    #[error("{} does not cover {name}", path.display())]
    Uncovered {
        /// The certificate's file.
        path: PathBuf,
        /// The name it lacks.
        name: String,
    },
}

impl Source {
    /// Reads both files and proves that they belong together and cover the names.
    ///
    /// # Errors
    ///
    /// [`ForeignError`], which names the file.
    pub fn load(&self) -> Result<Bundle, ForeignError> {
        let content = |path: &Path| {
            let path = path.to_owned();
            move |source| ForeignError::Content { path, source }
        };
        let cert = read(&self.cert)?;
        let chain = Chain::from_pem(&cert, &Roots::well_known()).map_err(content(&self.cert))?;
        let key = PrivateKey::from_pem(&read(&self.key)?).map_err(content(&self.key))?;
        let bundle = Bundle::foreign(key, chain).map_err(content(&self.cert))?;
        let covered = |name: &&crate::ident::Name| {
            bundle.leaf().names().contains(name) || bundle.leaf().covers(&name.to_string())
        };
        match self.names.iter().find(|name| !covered(name)) {
            Some(name) => Err(ForeignError::Uncovered { path: self.cert.clone(), name: name.to_string() }),
            None => Ok(bundle),
        }
    }
}

fn read(path: &Path) -> Result<zeroize::Zeroizing<Vec<u8>>, ForeignError> {
    let fault = |source| ForeignError::Read { path: path.to_owned(), source };
    let file = std::fs::File::open(path).map_err(fault)?;
    let mut bytes = zeroize::Zeroizing::new(Vec::new());
    file.take(MAX_FILE + 1).read_to_end(&mut bytes).map_err(fault)?;
    if bytes.len() as u64 > MAX_FILE {
        return Err(fault(std::io::Error::other("it is larger than 1 MiB")));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::*;
    use crate::ident::Name;
    use crate::pki::{KeyType, Leaf, SigningRequest};

    fn names(list: &[&str]) -> Names {
        Names::new(list.iter().map(|text| Name::parse(text).expect("a name"))).expect("names")
    }

    fn pair(dir: &Path, list: &[&str]) -> Source {
        let names = names(list);
        let key = PrivateKey::generate(KeyType::P256);
        let start = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        let request = SigningRequest::new(&key, &names).expect("a request");
        let der = request.self_sign(start, start + Duration::from_secs(3600)).expect("a certificate");
        let source = Source { names, cert: dir.join("crt.pem"), key: dir.join("key.pem") };
        std::fs::write(&source.cert, Leaf::from_der(der.into()).expect("a leaf").pem()).expect("written");
        std::fs::write(&source.key, key.to_pem().as_bytes()).expect("written");
        source
    }

    #[test]
    fn a_pair_is_read_and_every_fault_names_its_file() {
        let dir = tempfile::tempdir().expect("a directory");
        let mut source = pair(dir.path(), &["*.example.com", "example.com"]);
        source.names = names(&["example.com", "www.example.com"]);
        assert!(source.load().expect("a bundle").leaf().covers("www.example.com"));

        source.names = names(&["example.org"]);
        assert!(source.load().is_err_and(|e| e.to_string().ends_with("crt.pem does not cover example.org")));

        std::fs::write(&source.key, PrivateKey::generate(KeyType::P256).to_pem().as_bytes())
            .expect("written");
        assert!(source.load().is_err_and(|e| e.to_string().contains("another key")));

        std::fs::remove_file(&source.key).expect("removed");
        assert!(source.load().is_err_and(|e| e.to_string().contains("key.pem cannot be read")));
    }
}
