//! Holds `docs/recovery.md` against the source: every message with which a role or a reset refuses is listed there.
//!
//! A message is a text in the files below that is longer than a word or two. What is looked for is its first clause, the
//! part that says what was found, with `…` where names and numbers stand.

#![allow(clippy::expect_used, clippy::indexing_slicing, reason = "a test that cannot read the source has failed")]

use std::fs;
use std::path::{Path, PathBuf};

#[path = "layers/source.rs"]
#[expect(dead_code, reason = "shared with tests/layers.rs")]
mod source;

/// Files whose texts are refusals.
const FILES: [&str; 4] = ["guards.rs", "history/feed.rs", "worker/mod.rs", "reset.rs"];
/// Folders of such files.
const FOLDERS: [&str; 1] = ["restore"];
/// Texts that go before or into others, or are of no refusal.
const PARTS: [&str; 3] = ["shard … cannot be restored", "does not exist", "partitions were lost"];

fn runtime() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src/runtime")
}

fn files() -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = FILES.iter().map(|file| runtime().join(file)).collect();
    for folder in FOLDERS {
        let entries = fs::read_dir(runtime().join(folder)).expect("a folder of src");
        files.extend(entries.map(|entry| entry.expect("an entry").path()));
    }
    files
}

/// The texts of a file outside its tests and comments, as they are printed but for what is filled in.
fn texts(source: &str) -> Vec<String> {
    let without_tests = source.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
    let lines = without_tests.lines().map(|line| match line.trim_start().starts_with("//") {
        true => "",
        false => line,
    });
    let code: String = lines.collect::<Vec<_>>().join("\n");
    let mut texts = Vec::new();
    let mut parts = code.split('"');
    parts.next();
    while let (Some(text), rest) = (parts.next(), parts.next()) {
        texts.push(printed(text));
        if rest.is_none() {
            break;
        }
    }
    texts
}

/// A text with its continuation lines joined and `…` for what is filled in.
fn printed(text: &str) -> String {
    let mut joined = String::new();
    for (number, line) in text.split("\\\n").enumerate() {
        joined += if number == 0 { line } else { line.trim_start() };
    }
    let mut out = String::new();
    let mut depth = 0;
    for c in joined.chars() {
        match c {
            '{' => {
                depth += 1;
                out.push('…');
            }
            '}' => depth -= 1,
            c if depth == 0 => out.push(c),
            _ => {}
        }
    }
    out
}

/// What was found: everything before the reason or the advice.
fn first_clause(message: &str) -> &str {
    let ends = [": ", "; "].iter().filter_map(|end| message.find(end));
    &message[..ends.min().unwrap_or(message.len())]
}

#[test]
fn every_refusal_is_explained() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/recovery.md");
    let page = fs::read_to_string(page).expect("the page");
    let mut n_messages = 0;
    let mut missing = Vec::new();
    for file in files() {
        for text in texts(&fs::read_to_string(&file).expect("text")) {
            let clause = first_clause(&text);
            if clause.split_whitespace().count() < 3 || PARTS.contains(&clause) {
                continue;
            }
            n_messages += 1;
            if !page.contains(clause) {
                missing.push(format!("{}: {clause}", file.display()));
            }
        }
    }
    assert!(missing.is_empty(), "not in docs/recovery.md:\n{}", missing.join("\n"));
    assert!(n_messages > 20, "only {n_messages} messages were found");
}

#[test]
fn texts_are_read_as_they_are_printed() {
    let source = "/// \"a comment\"\nlet x = format!(\"`{topic}` has {found:?} of \\\n    them: why; do\", y);\n";
    assert_eq!(texts(source), ["`…` has … of them: why; do"]);
    assert_eq!(first_clause("`…` has … of them: why; do"), "`…` has … of them");
}
