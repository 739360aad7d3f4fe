//! Which fields end with the connection they came on (RFC 9110 section 7.6.1).

use super::fields::Fields;
use super::kind::Kind;

/// The tokens of all `Connection` fields of a message.
#[derive(Debug, Default)]
pub struct Tokens {
    /// The sender ends the connection after this exchange.
    pub close: bool,
    /// The sender would like to keep it; only HTTP/1.0 has to say so.
    pub keep_alive: bool,
    /// An `Upgrade` field belongs to this message.
    pub upgrade: bool,
    /// Something was no token.
    pub malformed: bool,
    /// Other fields that end with the connection.
    nominated: Vec<Box<[u8]>>,
}

impl Tokens {
    /// Those of all `Connection` fields among these.
    #[must_use]
    pub fn of(fields: &Fields) -> Self {
        let mut tokens = Self::default();
        for value in fields.all(Kind::Connection) {
            tokens.add(value);
        }
        tokens
    }

    /// Reads one more field.
    fn add(&mut self, value: &[u8]) {
        // Empty elements are to be passed over (RFC 9110 section 5.6.1.2).
        for token in value.split(|&b| b == b',').map(<[u8]>::trim_ascii).filter(|t| !t.is_empty()) {
            if token.eq_ignore_ascii_case(b"close") {
                self.close = true;
            } else if token.eq_ignore_ascii_case(b"keep-alive") {
                self.keep_alive = true;
            } else if token.eq_ignore_ascii_case(b"upgrade") {
                self.upgrade = true;
            } else if !token.iter().all(|&b| is_token(b)) {
                self.malformed = true;
            } else if !is_end_to_end(token) {
                self.nominated.push(token.into());
            }
        }
    }

    /// Whether the field with this name ends with the connection because the message says so.
    #[must_use]
    pub fn nominates(&self, name: &[u8]) -> bool {
        self.nominated.iter().any(|nominated| nominated.eq_ignore_ascii_case(name))
    }
}

/// The comma-separated words of one value, in lower case.
pub fn words(value: &[u8]) -> impl Iterator<Item = String> + '_ {
    let words = str::from_utf8(value).unwrap_or_default().split(',');
    words.map(|word| word.trim().to_ascii_lowercase()).filter(|word| !word.is_empty())
}

/// Fields that say what a message is, for whom and from whom. A `Connection` that names one of them was written to
/// make a proxy lose it.
fn is_end_to_end(name: &[u8]) -> bool {
    let name = String::from_utf8_lossy(name).to_ascii_lowercase();
    matches!(
        &*name,
        "host"
            | "authorization"
            | "cookie"
            | "set-cookie"
            | "content-length"
            | "content-type"
            | "content-encoding"
            | "content-range"
            | "cache-control"
            | "expect"
            | "forwarded"
            | "location"
            | "origin"
            | "range"
            | "trailer"
            | "vary"
            | "www-authenticate"
            | "x-real-ip"
    ) || name.starts_with("x-forwarded-")
}

/// The bytes of a token (RFC 9110 section 5.6.2).
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(values: &[&str]) -> Tokens {
        let mut tokens = Tokens::default();
        for value in values {
            tokens.add(value.as_bytes());
        }
        tokens
    }

    #[test]
    fn fields_are_named_over_several_lines_and_in_any_case() {
        let tokens = tokens(&["Keep-Alive, ,\tX-Hop", "UPGRADE"]);
        assert!(tokens.keep_alive && tokens.upgrade && !tokens.close && !tokens.malformed);
        assert!(tokens.nominates(b"x-hop"));
        assert!(!tokens.nominates(b"x-other"));
    }

    #[test]
    fn what_makes_a_message_cannot_be_taken_out_of_it() {
        for name in ["host", "content-length", "authorization", "cookie", "forwarded", "x-forwarded-for"] {
            let tokens = tokens(&[name]);
            assert!(!tokens.nominates(name.as_bytes()), "{name}");
        }
    }

    #[test]
    fn what_is_no_token_is_noticed() {
        for value in ["a b", "close;x", "\"close\"", "clo\u{e9}se", "a/b", "@"] {
            assert!(tokens(&[value]).malformed, "{value}");
        }
        assert!(!tokens(&["", ",", "close,,x"]).malformed);
    }
}
