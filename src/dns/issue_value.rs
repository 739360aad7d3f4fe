//! The words of records that name a CA (RFC 8659 section 4.2): a domain, then parameters.

use std::fmt;

/// Whom a record names, and on what terms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IssueValue {
    /// The CA's domain in lower case, without a last dot; empty if nobody is meant.
    pub issuer: String,
    /// Tags in lower case, and their values.
    pub parameters: Vec<(String, String)>,
}

impl IssueValue {
    /// Reads the value of a record; `None` if it is not written as the standard has it, and so means nobody.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split(';').map(trim);
        let issuer = parts.next().unwrap_or_default();
        let is_odd = |c: char| !(c.is_ascii_alphanumeric() || c == '-' || c == '.');
        if issuer.contains(is_odd) {
            return None;
        }
        let issuer = issuer.strip_suffix('.').unwrap_or(issuer).to_ascii_lowercase();
        let parts: Vec<&str> = parts.collect();
        // The grammar wants no parameters behind the one semicolon of «nobody».
        if parts == [""] {
            return Some(Self { issuer, parameters: Vec::new() });
        }
        let parameter = |part: &str| {
            let (tag, value) = part.split_once('=')?;
            let (tag, value) = (trim(tag), trim(value));
            let fits = !tag.is_empty() && tag.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
            (fits && value.bytes().all(|b| b.is_ascii_graphic()))
                .then(|| (tag.to_ascii_lowercase(), value.to_owned()))
        };
        let parameters = parts.into_iter().map(parameter).collect::<Option<_>>()?;
        Some(Self { issuer, parameters })
    }

    /// The value of a parameter, by its tag in lower case; the first one if it stands there twice.
    #[must_use]
    pub fn parameter(&self, tag: &str) -> Option<&str> {
        self.parameters.iter().find(|(known, _)| known == tag).map(|(_, value)| value.as_str())
    }
}

impl fmt::Display for IssueValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.issuer)?;
        self.parameters.iter().try_for_each(|(tag, value)| write!(f, "; {tag}={value}"))
    }
}

fn trim(text: &str) -> &str {
    text.trim_matches([' ', '\t'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_names_a_ca_and_its_terms() {
        for (text, issuer, parameters) in [
            ("letsencrypt.org", "letsencrypt.org", &[][..]),
            (" LetsEncrypt.org. ", "letsencrypt.org", &[]),
            (";", "", &[]),
            ("", "", &[]),
            ("ca.test;", "ca.test", &[]),
            (
                "ca.test ; accountURI = https://ca.test/a/1?x=y\t;validationmethods=http-01,dns-01",
                "ca.test",
                &[("accounturi", "https://ca.test/a/1?x=y"), ("validationmethods", "http-01,dns-01")],
            ),
            ("ca.test; x=", "ca.test", &[("x", "")]),
        ] {
            let value = IssueValue::parse(text).expect(text);
            let parameters: Vec<_> = parameters.iter().map(|(a, b)| ((*a).into(), (*b).into())).collect();
            assert_eq!((value.issuer.as_str(), value.parameters), (issuer, parameters), "{text}");
        }
        for text in
            ["ca test", "ca.test; x", "ca.test; =y", "ca.test; x=a b", "ca.test; x=y;", "%%%", "ca.test;;"]
        {
            assert_eq!(IssueValue::parse(text), None, "{text}");
        }
    }
}
