//! Errors as they are told.

use std::error::Error;

/// An error and what lies under it, in one line. What an error has said already of what lies under it is not said
/// again.
#[must_use]
pub fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let under = error.to_string();
        if !text.contains(&under) {
            text.push_str(": ");
            text.push_str(&under);
        }
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use std::io;

    use thiserror::Error;

    use super::*;

    #[derive(Debug, Error)]
    #[error("{what}")]
    struct Above {
        what: &'static str,
        source: io::Error,
    }

    #[test]
    fn a_cause_is_said_once() {
        let told = |what| with_causes(&Above { what, source: io::Error::other("the disk is full") });
        assert_eq!(told("not written"), "not written: the disk is full");
        assert_eq!(told("not written, since the disk is full"), "not written, since the disk is full");
    }
}
