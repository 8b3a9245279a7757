//! A regular expression that a whole text has to match.
//!
//! The engine takes time in proportion to the text, whatever the expression (`regex` has no backtracking), and what it
//! compiles to is bounded, so neither a configuration nor a record can make checking expensive. Two patterns are equal
//! when they are written the same.

use regex::bytes::{Regex, RegexBuilder};
use serde::{Serialize, Serializer};

/// Bytes that an expression may compile to.
const SIZE_LIMIT: usize = 1 << 20;

/// A compiled expression, anchored at both ends.
#[derive(Clone, Debug)]
pub struct Pattern {
    text: String,
    compiled: Regex,
}

/// Why a text is no pattern.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// The engine cannot read it; its last line says why.
    #[error("is no regular expression: {0}")]
    Syntax(String),
    /// It would compile to too much.
    #[error("is too large: it would compile to more than {SIZE_LIMIT} bytes; repeat less, or allow a plain length")]
    Size,
}

impl Pattern {
    /// Compiles an expression.
    ///
    /// # Errors
    /// One that is wrong, or too large.
    pub fn new(text: &str) -> Result<Self, PatternError> {
        build(text)?;
        let compiled = build(&format!(r"\A(?:{text})\z"))?;
        Ok(Pattern { text: text.to_owned(), compiled })
    }

    /// Whether the whole of `value` matches.
    pub fn is_match(&self, value: &[u8]) -> bool {
        self.compiled.is_match(value)
    }

    /// The expression as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

fn build(text: &str) -> Result<Regex, PatternError> {
    RegexBuilder::new(text).size_limit(SIZE_LIMIT).dfa_size_limit(SIZE_LIMIT).build().map_err(|error| match error {
        regex::Error::CompiledTooBig(_) => PatternError::Size,
        error => {
            let text = error.to_string();
            let last = text.lines().next_back().unwrap_or_default();
            PatternError::Syntax(last.trim_start_matches("error: ").to_owned())
        }
    })
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Serialize for Pattern {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_whole_text_has_to_match_with_each_alternative() -> Result<(), PatternError> {
        let pattern = Pattern::new("[A-Z]{3}|[0-9]+")?;
        for (text, expected) in [("JFK", true), ("17", true), ("JFKX", false), ("JFK\n", false), ("", false)] {
            assert_eq!(pattern.is_match(text.as_bytes()), expected, "{text:?}");
        }
        assert!(Pattern::new("Z.rich")?.is_match("Zürich".as_bytes()), "a character is not a byte");
        Ok(())
    }

    #[test]
    fn wrong_and_oversized_expressions_are_refused() {
        let why = |text: &str| Pattern::new(text).err().map(|error| error.to_string()).unwrap_or_default();
        assert_eq!(why("[A-Z"), "is no regular expression: unclosed character class");
        assert!(why(r"(?x)a # b").contains("unclosed group"), "{}", why(r"(?x)a # b"));
        assert!(why(r"\w{900}{900}").starts_with("is too large"), "{}", why(r"\w{900}{900}"));
        assert!(why("a)|(b").starts_with("is no regular expression"), "the ends cannot be written away");
    }
}
