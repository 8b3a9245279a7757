//! Holds `docs/logs.md` against the source: every log line that others may build on is listed with its level and fields,
//! and nothing is listed that is not written.
//!
//! Such a line is a call of `tracing::error!`, `warn!` or `info!` whose message is one word. Other lines are prose for a
//! person and may change.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that cannot read the source has failed"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

#[path = "layers/source.rs"]
#[expect(dead_code, reason = "shared with tests/layers.rs")]
mod source;

/// Level and fields of the lines with one message.
#[derive(Debug, Default, PartialEq, Eq)]
struct Line {
    levels: BTreeSet<String>,
    fields: BTreeSet<String>,
}

type Lines = BTreeMap<String, Line>;

fn written() -> Lines {
    let mut lines = Lines::new();
    collect(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut lines);
    lines
}

fn collect(folder: &Path, lines: &mut Lines) {
    for entry in fs::read_dir(folder).expect("a folder of src") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            collect(&path, lines);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            calls(&fs::read_to_string(&path).expect("text"), lines);
        }
    }
}

/// Adds the calls of one file. Comments, texts and tests are blanked, byte for byte, to find the calls and their ends;
/// the arguments are then read from the source itself.
fn calls(text: &str, lines: &mut Lines) {
    assert!(text.is_ascii() || source::code_only(text).len() <= text.len());
    // Blanking replaces a character by a space: positions hold where everything is ASCII.
    let text: String = text.chars().map(|c| if c.is_ascii() { c } else { '?' }).collect();
    let code = source::code_only(&text);
    for level in ["error", "warn", "info"] {
        let call = format!("tracing::{level}!(");
        let mut from = 0;
        while let Some(found) = code[from..].find(&call) {
            let start = from + found + call.len();
            let end = start + closing(&code[start..]);
            from = end;
            let arguments = split(&code[start..end], &text[start..end]);
            let Some((message, fields)) = arguments.split_last() else { continue };
            let Some(name) = message.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) else { continue };
            if !name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_') {
                continue;
            }
            let line = lines.entry(name.to_owned()).or_default();
            line.levels.insert(level.to_owned());
            line.fields.extend(fields.iter().map(|field| field_name(field)));
        }
    }
}

fn closing(code: &str) -> usize {
    let mut depth = 0;
    for (at, c) in code.char_indices() {
        match c {
            '(' | '[' | '{' => depth += 1,
            ')' if depth == 0 => return at,
            ')' | ']' | '}' => depth -= 1,
            _ => {}
        }
    }
    code.len()
}

/// The arguments as written, split at the commas of the blanked `code`.
fn split(code: &str, text: &str) -> Vec<String> {
    let mut parts = Vec::new();
    let (mut depth, mut start) = (0, 0);
    for (at, c) in code.char_indices().chain([(code.len(), ',')]) {
        match c {
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(text[start..at].trim().to_owned());
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.retain(|part| !part.is_empty());
    parts
}

/// `name` for `name = value`, `%name`, `?name` and `name`.
fn field_name(argument: &str) -> String {
    let name = argument.split('=').next().unwrap_or_default().trim();
    name.trim_start_matches(['%', '?']).to_owned()
}

/// The rows ``| `message` | level | `field`, `field` | meaning |``.
fn documented() -> Lines {
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/logs.md")).expect("the page");
    let ticked = |cell: &str| -> Vec<String> { cell.split('`').skip(1).step_by(2).map(str::to_owned).collect() };
    let mut lines = Lines::new();
    for row in page.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<&str> = row.split(" | ").collect();
        let [message, levels, fields, _] = cells[..] else { panic!("four cells in {row}") };
        let levels = levels.split(", ").map(str::to_owned).collect();
        lines.insert(ticked(message).remove(0), Line { levels, fields: ticked(fields).into_iter().collect() });
    }
    lines
}

#[test]
fn every_line_to_build_on_is_documented_with_level_and_fields() {
    let (written, documented) = (written(), documented());
    for (message, line) in &written {
        assert_eq!(documented.get(message), Some(line), "docs/logs.md on `{message}`, left is the page");
    }
    let only_documented: Vec<&String> = documented.keys().filter(|message| !written.contains_key(*message)).collect();
    assert!(only_documented.is_empty(), "in docs/logs.md, but not written: {only_documented:?}");
}

#[test]
fn calls_are_read_as_they_are_written() {
    let mut lines = Lines::new();
    let text = concat!(
        "// tracing::info!(no, \"comment\");\n",
        "tracing::info!(worker = self.id, ?partitions, seconds = f(1, 2), \"assigned\");\n",
        "tracing::warn!(\n    %error,\n    why = \"a, b\",\n    \"assigned\"\n);\n",
        "tracing::warn!(group, \"a sentence for a person\");\n",
        "tracing::debug!(group, \"committed\");\n",
        "tracing::info!(target: \"x\", \"{text}\");\n",
    );
    calls(text, &mut lines);
    let set = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>();
    let line =
        Line { levels: set(&["info", "warn"]), fields: set(&["worker", "partitions", "seconds", "error", "why"]) };
    assert_eq!(lines, Lines::from([("assigned".to_owned(), line)]));
}
