//! What is seen in the text of a JSON value rather than in what it parses to: its depth, how it is broken, and integers
//! that lost digits.
//!
//! Costs nothing to speak of for a usual value: a count of brackets; everything else is looked at when something is wrong.

use crate::data::{Reject, RejectCode};

/// Objects and arrays within each other that are taken, the outermost included.
const MAX_DEPTH: usize = 32;
/// Integers from here on, 2^63, may not have been parsed as such.
pub(super) const BEYOND_64_BITS: f64 = 9_223_372_036_854_775_808.0;

/// Refuses a value that is nested more deeply than [`MAX_DEPTH`], before anything recurses into it.
pub(super) fn check_depth(value: &[u8]) -> Result<(), Reject> {
    // `[` and `{` differ in one bit.
    let opened: usize = value.iter().map(|byte| usize::from(byte | 0x20 == b'{')).sum();
    if opened <= MAX_DEPTH || depth(value) <= MAX_DEPTH {
        return Ok(());
    }
    Err(Reject::new(RejectCode::Depth, format!("the value is nested more than {MAX_DEPTH} deep")))
}

/// The deepest nesting; brackets in texts do not count.
fn depth(value: &[u8]) -> usize {
    let (mut depth, mut deepest) = (0usize, 0);
    outside_texts(value, |byte, _| match byte {
        b'[' | b'{' => {
            depth += 1;
            deepest = deepest.max(depth);
        }
        b']' | b'}' => depth = depth.saturating_sub(1),
        _ => {}
    });
    deepest
}

/// Calls `visit` with each byte that is not part of a text, and its position.
fn outside_texts(value: &[u8], mut visit: impl FnMut(u8, usize)) {
    let (mut is_text, mut is_escaped) = (false, false);
    for (at, byte) in value.iter().copied().enumerate() {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' if is_text => is_escaped = true,
            b'"' => is_text = !is_text,
            _ if !is_text => visit(byte, at),
            _ => {}
        }
    }
}

/// Whether `parsed`, from somewhere in `value`, is an integer there with digits that a double does not hold.
pub(super) fn is_inexact_integer(parsed: f64, value: &[u8]) -> bool {
    if parsed.abs() < BEYOND_64_BITS {
        return false;
    }
    let mut numbers: Vec<std::ops::Range<usize>> = Vec::new();
    outside_texts(value, |byte, at| {
        if !matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E') {
            return;
        }
        match numbers.last_mut().filter(|last| last.end == at) {
            Some(last) => last.end = at + 1,
            None => numbers.push(at..at + 1),
        }
    });
    numbers.into_iter().filter_map(|range| std::str::from_utf8(value.get(range)?).ok()).any(|number| {
        let is_integer = !number.contains(['.', 'e', 'E']);
        // Without a fraction a double is written with all its digits.
        is_integer && number.parse() == Ok(parsed) && number != format!("{parsed:.0}")
    })
}

/// How a value is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    code: RejectCode,
    what: &'static str,
    line: usize,
    column: usize,
}

impl Fault {
    /// What `error` says of `value`.
    pub(super) fn of(error: &serde_json::Error, value: &[u8]) -> Self {
        use serde_json::error::Category;
        let (line, column) = (error.line(), error.column());
        let (code, what) = match error.classify() {
            Category::Eof => (RejectCode::Decode, "it ends too early"),
            Category::Data => (RejectCode::Decode, "it is another kind of value"),
            _ if error.to_string().starts_with("number out of range") => {
                (RejectCode::NonFinite, "a number is too large for a double")
            }
            _ if is_at_non_finite(value, line, column) => (RejectCode::NonFinite, "a number is not finite"),
            _ => (RejectCode::Decode, "syntax error"),
        };
        Fault { code, what, line, column }
    }

    /// As a rejection, which quotes nothing of the value.
    pub(super) fn into_reject(self) -> Reject {
        let Fault { code, what, line, column } = self;
        Reject::new(code, format!("the value is not a JSON object: {what} at line {line} column {column}"))
    }
}

/// Whether the parser stopped at what some writers make of numbers that JSON has no word for.
fn is_at_non_finite(value: &[u8], line: usize, column: usize) -> bool {
    let mut lines = value.split(|byte| *byte == b'\n');
    let Some(text) = line.checked_sub(1).and_then(|before| lines.nth(before)) else { return false };
    // Columns count from 1, and after a sign the parser stops one further.
    let at = column.saturating_sub(1);
    let words: [&[u8]; 3] = [b"NaN", b"Infinity", b"-Infinity"];
    (at.saturating_sub(2)..=at).filter_map(|from| text.get(from..)).any(|rest| {
        let found = words.iter().find(|word| rest.starts_with(word));
        found.is_some_and(|word| rest.get(word.len()).is_none_or(|next| !next.is_ascii_alphanumeric()))
    })
}
