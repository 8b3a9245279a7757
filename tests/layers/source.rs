//! Just enough Rust to read imports: comments, texts and tests are blanked out, then words and paths are looked for.
//!
//! Blanking keeps every line where it was, so that a finding names its line. It is no parser: macros that build paths
//! from pieces would escape it, and there are none here.

/// A word at its place.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Word<'a> {
    pub text: &'a str,
    /// Byte position in the code.
    pub at: usize,
}

/// A name that follows a root such as `crate` or `std` in a path or a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Child {
    pub name: String,
    pub line: usize,
}

/// The source without comments, texts, characters and `#[cfg(test)]` items.
pub(crate) fn code_only(source: &str) -> String {
    blank_tests(&blank_texts(source))
}

/// Line of a byte position, counted from 1.
pub(crate) fn line_of(code: &str, at: usize) -> usize {
    code.as_bytes()[..at].iter().filter(|byte| **byte == b'\n').count() + 1
}

/// All words: identifiers, keywords and numbers.
pub(crate) fn words(code: &str) -> Vec<Word<'_>> {
    let mut words = Vec::new();
    let mut start = None;
    for (at, c) in code.char_indices().chain([(code.len(), ' ')]) {
        let inside = c.is_alphanumeric() || c == '_';
        match (inside, start) {
            (true, None) => start = Some(at),
            (false, Some(begin)) => {
                words.push(Word { text: &code[begin..at], at: begin });
                start = None;
            }
            _ => {}
        }
    }
    words
}

/// The names directly below `root` in every path: `c` and `d` for `a` in `a::{c::X, d}` and `a::d::y()`.
pub(crate) fn children(code: &str, root: &str) -> Vec<Child> {
    let mut found = Vec::new();
    for word in words(code) {
        if word.text == root && !code[..word.at].trim_end().ends_with("::") {
            below(code, word.at + root.len(), &mut found);
        }
    }
    found
}

/// The modules at the root of the crate that a file of `module` (`["a", "b"]` for `src/a/b.rs`) names.
pub(crate) fn crate_modules(code: &str, module: &[String]) -> Vec<Child> {
    let mut found = children(code, "crate");
    let mut passed = 0;
    for word in words(code) {
        if word.text != "super" || word.at < passed {
            continue;
        }
        let mut end = word.at + "super".len();
        let mut ups = 1;
        while let Some(next) = after_colons(code, end).filter(|next| code[*next..].starts_with("super")) {
            ups += 1;
            end = next + "super".len();
        }
        passed = end;
        if ups == module.len() {
            below(code, end, &mut found);
        }
    }
    found
}

fn after_colons(code: &str, at: usize) -> Option<usize> {
    let rest = code[at..].trim_start().strip_prefix("::")?.trim_start();
    Some(code.len() - rest.len())
}

fn below(code: &str, at: usize, found: &mut Vec<Child>) {
    let Some(start) = after_colons(code, at) else { return };
    let first = |from: usize| {
        let name: String = code[from..].chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
        (!name.is_empty() && name != "self").then(|| Child { name, line: line_of(code, from) })
    };
    if !code[start..].starts_with('{') {
        found.extend(first(start));
        return;
    }
    let mut depth = 0;
    let mut item_begins = false;
    for (offset, c) in code[start..].char_indices() {
        match c {
            '{' => {
                depth += 1;
                item_begins = depth == 1;
            }
            '}' if depth == 1 => return,
            '}' => depth -= 1,
            ',' if depth == 1 => item_begins = true,
            c if c.is_whitespace() => {}
            _ if item_begins => {
                found.extend(first(start + offset));
                item_begins = false;
            }
            _ => {}
        }
    }
}

fn blank_texts(source: &str) -> String {
    let chars: Vec<char> = source.chars().collect();
    let mut out = String::with_capacity(source.len());
    let mut at = 0;
    while at < chars.len() {
        let end = text_end(&chars, at);
        match end {
            Some(end) => {
                out.extend(chars[at..end].iter().map(|c| if *c == '\n' { '\n' } else { ' ' }));
                at = end;
            }
            None => {
                out.push(chars[at]);
                at += 1;
            }
        }
    }
    out
}

/// Where the comment, text or character that begins at `at` ends; `None` when none begins there.
fn text_end(chars: &[char], at: usize) -> Option<usize> {
    let next = |ahead: usize| chars.get(at + ahead).copied();
    let word_before = at > 0 && (chars[at - 1].is_alphanumeric() || chars[at - 1] == '_');
    match chars[at] {
        '/' if next(1) == Some('/') => Some(find(chars, at, |c| c == '\n')),
        '/' if next(1) == Some('*') => Some(block_end(chars, at)),
        '"' => Some(quote_end(chars, at)),
        'r' if !word_before || matches!(chars[at - 1], 'b' | 'c') => raw_end(chars, at),
        '\'' if next(1) == Some('\\') => Some(find(chars, at + 3, |c| c == '\'') + 1),
        '\'' if next(2) == Some('\'') => Some(at + 3),
        _ => None,
    }
}

fn find(chars: &[char], from: usize, wanted: impl Fn(char) -> bool) -> usize {
    (from..chars.len()).find(|at| wanted(chars[*at])).unwrap_or(chars.len())
}

fn quote_end(chars: &[char], start: usize) -> usize {
    let mut at = start + 1;
    while at < chars.len() && chars[at] != '"' {
        at += if chars[at] == '\\' { 2 } else { 1 };
    }
    (at + 1).min(chars.len())
}

fn raw_end(chars: &[char], start: usize) -> Option<usize> {
    let hashes = chars[start + 1..].iter().take_while(|c| **c == '#').count();
    let open = start + 1 + hashes;
    if chars.get(open) != Some(&'"') {
        return None;
    }
    let closes = |at: usize| chars[at] == '"' && chars[at + 1..].iter().take_while(|c| **c == '#').count() >= hashes;
    let close = (open + 1..chars.len()).find(|at| closes(*at)).unwrap_or(chars.len());
    Some((close + 1 + hashes).min(chars.len()))
}

fn block_end(chars: &[char], start: usize) -> usize {
    let mut depth = 0;
    let mut at = start;
    while at + 1 < chars.len() {
        match (chars[at], chars[at + 1]) {
            ('/', '*') => {
                depth += 1;
                at += 2;
            }
            ('*', '/') => {
                depth -= 1;
                at += 2;
                if depth == 0 {
                    return at;
                }
            }
            _ => at += 1,
        }
    }
    chars.len()
}

fn blank_tests(code: &str) -> String {
    let mut out = String::with_capacity(code.len());
    let mut rest = code;
    while let Some(start) = rest.find("#[cfg(test)]") {
        out.push_str(&rest[..start]);
        let item = &rest[start..];
        let end = item_end(item);
        out.extend(item[..end].chars().map(|c| if c == '\n' { '\n' } else { ' ' }));
        rest = &item[end..];
    }
    out.push_str(rest);
    out
}

/// An item ends with its closing brace, or with a semicolon before any brace.
fn item_end(item: &str) -> usize {
    let mut depth = 0;
    for (at, c) in item.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 1 => return at + 1,
            '}' => depth -= 1,
            ';' if depth == 0 => return at + 1,
            _ => {}
        }
    }
    item.len()
}
