//! A file that names many certificates, one on a line.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::Source;
use crate::ident::{Fqdn, Name};
use crate::pki::crypto;

/// What a line has to be.
const LINE: &str = "a line is NAME PEM, or NAME CERT KEY";

/// The certificates of a list. Names whose lines lead to the same files share a certificate.
///
/// ```text
/// # name             certificate and key in one file, or in two
/// shop.example.com   shop.pem
/// *.example.org      example.org/fullchain.pem  example.org/privkey.pem
/// ```
pub struct List {
    path: PathBuf,
    /// Of the text it was made from.
    sum: [u8; 32],
    sources: Box<[Arc<Source>]>,
    index: HashMap<Name, Entry>,
}

/// Where a name leads, and where it was written.
struct Entry {
    source: u32,
    line: u32,
}

/// What is wrong with a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LineFault {
    /// Counted from one.
    pub line: usize,
    /// In words.
    pub what: String,
}

impl List {
    /// Reads the text of the list at `path`: on each line a name, or an IP address, and its files, relative to the
    /// list. A line that is empty or begins with `#` means nothing. No other file is looked at.
    ///
    /// # Errors
    ///
    /// Every line that is wrong, in order.
    pub fn parse(path: &Path, text: &[u8]) -> Result<Self, Vec<LineFault>> {
        let mut faults = Vec::new();
        let folder = path.parent().unwrap_or(Path::new(""));
        // Growing a map is hashing all of it again.
        let lines = text.iter().filter(|byte| **byte == b'\n').count() + 1;
        let mut index: HashMap<Name, Entry> = HashMap::with_capacity(lines);
        let mut places: HashMap<(&str, &str), u32> = HashMap::with_capacity(lines);
        let mut files: Vec<((&str, &str), Vec<Name>)> = Vec::new();
        for (line, bytes) in (1..).zip(text.split(|byte| *byte == b'\n')) {
            let mut fault = |what| faults.push(LineFault { line: line as usize, what });
            let Ok(text) = std::str::from_utf8(bytes) else {
                fault("this is not UTF-8".to_owned());
                continue;
            };
            let mut words = text.split_ascii_whitespace();
            let Some(name) = words.next().filter(|word| !word.starts_with('#')) else { continue };
            let (cert, key, more) = (words.next(), words.next(), words.next());
            let (Some(cert), None) = (cert, more) else {
                fault(format!("{LINE}; paths have no spaces"));
                continue;
            };
            let pair = (cert, key.unwrap_or(cert));
            let name = match Name::parse(name) {
                Ok(name) => name,
                Err(error) => {
                    fault(error.to_string());
                    continue;
                }
            };
            if let Some(first) = index.get(&name) {
                fault(format!("{name} is given twice, first on line {}", first.line));
                continue;
            }
            let source = *places.entry(pair).or_insert_with(|| {
                files.push((pair, Vec::with_capacity(1)));
                files.len() as u32 - 1
            });
            files[source as usize].1.push(name.clone());
            index.insert(name, Entry { source, line });
        }
        if !faults.is_empty() {
            return Err(faults);
        }
        let source = |((cert, key), names): ((&str, &str), Vec<Name>)| {
            Arc::new(Source::new(names, &folder.join(cert), &folder.join(key)))
        };
        let sources = files.into_iter().map(source).collect();
        Ok(Self { path: path.to_owned(), sum: crypto::sha256(text), sources, index })
    }

    /// Whether it was made from this text.
    #[must_use]
    pub fn is_of(&self, path: &Path, text: &[u8]) -> bool {
        self.path == path && self.sum == crypto::sha256(text)
    }

    /// Where it was read.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its certificates, in the order of their first lines.
    #[must_use]
    pub fn sources(&self) -> &[Arc<Source>] {
        &self.sources
    }

    /// All its names, in the order of [`sources`](Self::sources).
    pub fn names(&self) -> impl Iterator<Item = &Name> {
        self.sources.iter().flat_map(|source| source.names())
    }

    /// How many names there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.index.len()
    }

    /// Whether there is no name at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.index.is_empty()
    }

    /// Which of the [`sources`](Self::sources) is for this very name.
    #[must_use]
    pub fn position(&self, name: &Name) -> Option<usize> {
        self.index.get(name).map(|entry| entry.source as usize)
    }

    /// Whether a name of the list stands for `host`, itself or as a wildcard.
    #[must_use]
    pub fn covers(&self, host: &Fqdn) -> bool {
        let above = host.parent().and_then(|parent| Fqdn::parse(&format!("*.{parent}")).ok());
        let mut names = std::iter::once(host.clone()).chain(above).map(Name::Dns);
        names.any(|name| self.index.contains_key(&name))
    }

    /// The line this very name stands on.
    #[must_use]
    pub fn line(&self, name: &Name) -> Option<usize> {
        self.index.get(name).map(|entry| entry.line as usize)
    }
}

// What a list says follows from its text.
impl PartialEq for List {
    fn eq(&self, other: &Self) -> bool {
        self.path == other.path && self.sum == other.sum
    }
}

impl Eq for List {}

impl std::fmt::Debug for List {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("List").field("path", &self.path).field("names", &self.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<List, Vec<LineFault>> {
        List::parse(Path::new("/etc/tls/all.list"), text.as_bytes())
    }

    fn name(text: &str) -> Name {
        Name::parse(text).expect("a name")
    }

    #[test]
    fn lines_with_the_same_files_share_a_certificate() {
        let list = parse(
            "# ours\n\n  a.example  one.pem\r\n*.b.example\t/srv/b.crt /srv/b.key\nc.example one.pem\n192.0.2.1 x.pem x.pem",
        );
        let list = list.expect("a list");
        let shown: Vec<String> = list
            .sources()
            .iter()
            .map(|source| {
                format!("{:?} {} {}", source.names(), source.cert().display(), source.key().display())
            })
            .collect();
        assert_eq!(
            shown,
            [
                "[a.example, c.example] /etc/tls/one.pem /etc/tls/one.pem",
                "[*.b.example] /srv/b.crt /srv/b.key",
                "[192.0.2.1] /etc/tls/x.pem /etc/tls/x.pem",
            ]
        );
        assert_eq!(list.len(), 4);
        assert_eq!(list.position(&name("c.example")), Some(0));
        assert_eq!(list.line(&name("*.b.example")), Some(4));
        assert_eq!(list.position(&name("x.b.example")), None, "this very name");
        assert!(parse("# nothing yet\n").expect("a list").is_empty());
    }

    #[test]
    fn every_wrong_line_is_told_with_its_number() {
        let text = "a.example a.pem\nb.example\nA.example. b.pem\n-x b.pem\nc.example a b c\nd.example d.pem";
        let faults = parse(text).expect_err("faults");
        let shown: Vec<String> =
            faults.iter().map(|fault| format!("{}: {}", fault.line, fault.what)).collect();
        assert_eq!(
            shown,
            [
                "2: a line is NAME PEM, or NAME CERT KEY; paths have no spaces",
                "3: a.example is given twice, first on line 1",
                "4: `-x` is not a name: one of its labels begins or ends with `-`",
                "5: a line is NAME PEM, or NAME CERT KEY; paths have no spaces",
            ]
        );
        let odd = List::parse(Path::new("x"), b"\xff\xfe a.pem\n").expect_err("a fault");
        assert_eq!(odd[0].what, "this is not UTF-8");
    }
}
