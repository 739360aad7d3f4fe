//! Words of bounded length.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Our words or somebody else's: on one line, without control characters, and never long.
#[derive(Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "String")]
pub struct Text(Box<str>);

impl Text {
    /// At most this many characters are kept; a CA that says more has said enough.
    pub const LONGEST: usize = 500;

    /// What it is shown as, cut.
    #[must_use]
    pub fn of(words: impl fmt::Display) -> Self {
        let words = words.to_string();
        let clean = |c: char| if c.is_control() { ' ' } else { c };
        let mut text: String = words.chars().take(Self::LONGEST).map(clean).collect();
        if words.chars().nth(Self::LONGEST).is_some() {
            text.push('…');
        }
        Self(text.into())
    }

    /// The words.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for Text {
    fn from(words: &str) -> Self {
        Self::of(words)
    }
}

impl From<String> for Text {
    fn from(words: String) -> Self {
        Self::of(words)
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_one_line_and_never_long() {
        assert_eq!(Text::from("a\nb\u{1b}[31m").as_str(), "a b [31m");
        let long = Text::of("ä".repeat(Text::LONGEST * 9));
        assert_eq!(long.as_str().chars().count(), Text::LONGEST + 1);
        assert!(long.as_str().ends_with("ä…"));
        assert_eq!(
            Text::of(&long).as_str().chars().count(),
            Text::LONGEST + 1,
            "what was cut stays as it is"
        );
        let exact = "x".repeat(Text::LONGEST);
        assert_eq!(Text::of(&exact).as_str(), exact);
    }
}
