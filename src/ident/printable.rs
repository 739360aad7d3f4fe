//! Somebody else's words, for a log or a terminal.

/// The text without what would steer a terminal or begin a new line, and with at most this many characters: an ellipsis
/// tells that there were more.
#[must_use]
pub fn printable(text: &str, longest: usize) -> String {
    let mut shown: String =
        text.chars().take(longest).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
    if text.chars().nth(longest).is_some() {
        shown.push('…');
    }
    shown
}

/// What is shown of something that is no name, or no id.
pub(super) const LONGEST_SHOWN: usize = 80;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_steers_a_terminal_is_made_visible_and_the_rest_is_bounded() {
        assert_eq!(printable("a\u{1b}[2J\nb", 80), "a\u{fffd}[2J\u{fffd}b");
        assert_eq!((printable("äöü", 3), printable("äöü", 2)), ("äöü".to_owned(), "äö…".to_owned()));
    }
}
