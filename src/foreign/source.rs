//! Where one certificate lies, and what is found there.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use thiserror::Error;
use zeroize::Zeroizing;

use super::Stamp;
use crate::ident::Name;
use crate::pki::{Bundle, Chain, PkiError, PrivateKey, Roots};

/// No chain and no key is larger; what is, is some other file.
const MAX_FILE: u64 = 1 << 20;

/// Where the certificate for some names lies.
///
/// There may be a hundred thousand of them, so what is held is no larger than it must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    names: Box<[Name]>,
    pub(super) cert: Box<Path>,
    /// None if it lies in the same file.
    pub(super) key: Option<Box<Path>>,
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
        source: io::Error,
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
    /// A certificate to be served for `names`, of which there is at least one. `cert` is PEM: the leaf, then the
    /// intermediates; `key` is PEM too (PKCS#8, SEC 1 or PKCS#1, not encrypted), and may be the same file.
    #[must_use]
    pub fn new(names: impl IntoIterator<Item = Name>, cert: &Path, key: &Path) -> Self {
        let key = (key != cert).then(|| key.into());
        Self { names: names.into_iter().collect(), cert: cert.into(), key }
    }

    /// The names it is to be served for.
    #[must_use]
    pub fn names(&self) -> &[Name] {
        &self.names
    }

    /// The file with the certificate and its chain.
    #[must_use]
    pub fn cert(&self) -> &Path {
        &self.cert
    }

    /// The file with the private key.
    #[must_use]
    pub fn key(&self) -> &Path {
        self.key.as_deref().unwrap_or(&self.cert)
    }

    /// What the files look like. Nothing is read.
    #[must_use]
    pub fn stamp(&self, now: SystemTime) -> Stamp {
        Stamp::of([&*self.cert].into_iter().chain(self.key.as_deref()), now)
    }

    /// Reads the files and proves that key and certificate belong together and cover the names.
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
        // Whose root it is, is for the client to know.
        let chain = Chain::from_pem(&cert, &Roots::none()).map_err(content(&self.cert))?;
        let key = match &self.key {
            None => PrivateKey::from_pem(&cert).map_err(content(&self.cert))?,
            Some(path) => PrivateKey::from_pem(&read(path)?).map_err(content(path))?,
        };
        let bundle = Bundle::foreign(key, chain).map_err(content(&self.cert))?;
        let leaf = bundle.leaf();
        let covered = |name: &&Name| leaf.names().contains(name) || leaf.covers(&name.to_string());
        match self.names.iter().find(|name| !covered(name)) {
            Some(name) => {
                Err(ForeignError::Uncovered { path: self.cert.to_path_buf(), name: name.to_string() })
            }
            None => Ok(bundle),
        }
    }
}

fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, ForeignError> {
    let fault = |source| ForeignError::Read { path: path.to_owned(), source };
    let about = fs::metadata(path).map_err(fault)?;
    // Opening a pipe waits for somebody who writes to it.
    if !about.is_file() {
        return Err(fault(io::Error::other("it is not a file")));
    }
    let file = File::open(path).map_err(fault)?;
    let size = about.len().min(MAX_FILE) as usize;
    // Room for all of it: a buffer that grows leaves copies of keys behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(size + 1));
    file.take(MAX_FILE + 1).read_to_end(&mut bytes).map_err(fault)?;
    if bytes.len() as u64 > MAX_FILE {
        return Err(fault(io::Error::other("it is larger than 1 MiB")));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::ident::Names;
    use crate::pki::{KeyType, Leaf, SigningRequest};

    fn names(list: &[&str]) -> Names {
        Names::new(list.iter().map(|text| Name::parse(text).expect("a name"))).expect("names")
    }

    /// A certificate for `list` and its key, as PEM.
    fn pair(list: &[&str]) -> (String, String) {
        let key = PrivateKey::generate(KeyType::P256);
        let start = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        let request = SigningRequest::new(&key, &names(list)).expect("a request");
        let der = request.self_sign(start, start + Duration::from_secs(3600)).expect("a certificate");
        (Leaf::from_der(der.into()).expect("a leaf").pem(), key.to_pem().to_string())
    }

    fn source(dir: &Path, list: &[&str], key: &str) -> Source {
        Source::new(names(list).iter().cloned(), &dir.join("crt.pem"), &dir.join(key))
    }

    #[test]
    fn a_pair_is_read_and_every_fault_names_its_file() {
        let dir = tempfile::tempdir().expect("a directory");
        let write = |file: &str, text: &str| fs::write(dir.path().join(file), text).expect("written");
        let (cert, key) = pair(&["*.example.com", "example.com"]);
        write("crt.pem", &cert);
        write("key.pem", &key);
        let good = source(dir.path(), &["example.com", "www.example.com"], "key.pem");
        assert!(good.load().expect("a bundle").leaf().covers("www.example.com"));

        let other = source(dir.path(), &["example.org"], "key.pem");
        assert!(other.load().is_err_and(|e| e.to_string().ends_with("crt.pem does not cover example.org")));

        write("key.pem", &pair(&["example.com"]).1);
        assert!(good.load().is_err_and(|e| e.to_string().contains("another key")));

        fs::remove_file(good.key()).expect("removed");
        assert!(good.load().is_err_and(|e| e.to_string().contains("key.pem cannot be read")));
    }

    #[test]
    fn a_pipe_is_not_waited_for() {
        let dir = tempfile::tempdir().expect("a directory");
        let pipe = source(dir.path(), &["example.com"], "crt.pem");
        let made = std::process::Command::new("mkfifo").arg(pipe.cert()).status().expect("mkfifo");
        assert!(made.success());
        assert!(
            pipe.load().is_err_and(|e| e.to_string().ends_with("crt.pem cannot be read: it is not a file"))
        );
    }

    #[test]
    fn certificate_and_key_may_stand_in_one_file_in_any_order() {
        let dir = tempfile::tempdir().expect("a directory");
        let (cert, key) = pair(&["example.com"]);
        let one = source(dir.path(), &["example.com"], "crt.pem");
        for text in [format!("{cert}{key}"), format!("{key}{cert}")] {
            fs::write(one.cert(), text).expect("written");
            assert!(one.load().is_ok());
        }
        fs::write(one.cert(), cert).expect("written");
        assert!(one.load().is_err_and(|e| e.to_string().contains("no private key found")));
    }
}
