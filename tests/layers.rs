//! Holds the layers of `docs/ARCHITECTURE.md`: what may import what, and what only the outer layers may touch.
//!
//! The deterministic part gives the same bytes on every machine because it cannot reach a clock, a file, a thread, a
//! random number or the platform's mathematics. That is a property of the imports, so it is held here. Parts under
//! `#[cfg(test)]` are not looked at.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that cannot read the source has failed"
)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

#[path = "layers/source.rs"]
mod source;

use source::{Child, children, code_only, crate_modules, line_of, words};

/// The modules by layer. A module imports from lower layers only.
const LAYERS: [&[&str]; 6] = [
    &["data", "stats"],
    &["codec", "validate", "facts", "features", "drift", "model"],
    &["score", "labels", "performance", "retrain", "rollout"],
    &["pipeline", "monitor", "config"],
    &["transport", "registry", "schema_registry", "telemetry"],
    &["runtime", "http", "demo", "cli"],
];
/// The first layer that may touch the world.
const WORLD: usize = 4;
/// The outermost layer: the only one with `anyhow`.
const OUTERMOST: usize = 5;
/// Lines of a source file, its tests not counted.
const LONGEST_FILE: usize = 350;
/// `main.rs` decides nothing.
const LONGEST_MAIN: usize = 99;

/// An import within a layer, and why it is right.
struct Beside {
    from: &'static str,
    to: &'static str,
    #[expect(dead_code, reason = "for the reader")]
    why: &'static str,
}

const BESIDE: [Beside; 7] = [
    Beside { from: "data", to: "stats", why: "summaries carry mergeable statistics" },
    Beside { from: "model", to: "drift", why: "an artifact carries the reference profile of its training rows" },
    Beside { from: "score", to: "rollout", why: "who answers follows from the folded control log" },
    Beside { from: "demo", to: "runtime", why: "the demonstration drives the real roles, step by step" },
    Beside { from: "cli", to: "runtime", why: "a command starts it" },
    Beside { from: "cli", to: "http", why: "a command starts it" },
    Beside { from: "cli", to: "demo", why: "a command starts it" },
];

/// `config` turns a file into parameters of other modules; it needs their types and nothing else.
const CONFIG_IMPORTS: [&str; 1] = ["data"];

/// A file below [`WORLD`] that may use something forbidden there, and why.
struct Exception {
    file: &'static str,
    name: &'static str,
    #[expect(dead_code, reason = "for the reader")]
    why: &'static str,
}

const EXCEPTIONS: [Exception; 6] = [
    Exception { file: "config/load.rs", name: "std::fs", why: "reads the configuration once, at the start" },
    Exception { file: "config/secret.rs", name: "std::env", why: "fetches a secret from the environment" },
    Exception { file: "config/params.rs", name: "std::net", why: "names the address to listen on; opens nothing" },
    Exception { file: "data/hash.rs", name: "hashbrown", why: "gives the map its fixed hasher, for everyone else" },
    Exception { file: "data/hash.rs", name: "HashMap", why: "gives the map its fixed hasher, for everyone else" },
    Exception { file: "features/near.rs", name: "unsafe", why: "a prefetch, which has no safe name; reads nothing" },
];

/// The one folder that may hold unsafe code, beside a file that is an exception.
const UNSAFE: &str = "transport/kafka/native/";

/// Parts of `std` that reach out of the program.
const FORBIDDEN_STD: [&str; 6] = ["fs", "net", "thread", "env", "process", "os"];
/// Words that mean a clock, a seed from outside, an order that changes, or I/O.
const FORBIDDEN_WORDS: [&str; 25] = [
    "Instant",
    "SystemTime",
    "HashMap",
    "HashSet",
    "RandomState",
    "hashbrown",
    "thread_rng",
    "ThreadRng",
    "OsRng",
    "SysRng",
    "from_os_rng",
    "from_entropy",
    "getrandom",
    "tokio",
    "rdkafka",
    "axum",
    "ureq",
    "object_store",
    "metrics",
    "metrics_exporter_prometheus",
    "tracing",
    "tracing_subscriber",
    "clap",
    "println",
    "eprintln",
];
/// Functions of `rand` that take their seed from outside.
const FORBIDDEN_RAND: [&str; 4] = ["rng", "random", "random_range", "random_bool"];
/// Methods of floats that differ between platforms in the last bit; `libm` has them all.
const FORBIDDEN_METHODS: [&str; 26] = [
    "exp", "exp2", "exp_m1", "ln", "ln_1p", "log", "log2", "log10", "powf", "powi", "cbrt", "hypot", "sin", "cos",
    "tan", "sin_cos", "asin", "acos", "atan", "atan2", "sinh", "cosh", "tanh", "asinh", "acosh", "atanh",
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

struct SourceFile {
    /// Relative to `src`, with `/`.
    name: String,
    text: String,
}

/// All files of `src`, but those that are tests as a whole.
fn sources() -> Vec<SourceFile> {
    fn collect(folder: &Path, into: &mut Vec<SourceFile>) {
        for entry in fs::read_dir(folder).expect("a folder of src") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                collect(&path, into);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path.strip_prefix(root()).expect("below src").to_string_lossy().replace('\\', "/");
                if !name.ends_with("/tests.rs") {
                    into.push(SourceFile { name, text: fs::read_to_string(&path).expect("text") });
                }
            }
        }
    }
    let mut files = Vec::new();
    collect(&root(), &mut files);
    files.sort_by(|one, other| one.name.cmp(&other.name));
    files
}

/// The path of the module a file holds: `a::b` for `a/b.rs` and `a/b/mod.rs`, none for `lib.rs` and `main.rs`.
fn module_of(name: &str) -> Vec<String> {
    let stem = name.trim_end_matches(".rs");
    let stem = stem.strip_suffix("/mod").unwrap_or(stem);
    if stem == "lib" || stem == "main" { Vec::new() } else { stem.split('/').map(str::to_owned).collect() }
}

fn layer_of(module: &str) -> Option<usize> {
    LAYERS.iter().position(|modules| modules.contains(&module))
}

fn modules() -> BTreeSet<String> {
    sources().iter().filter_map(|file| module_of(&file.name).into_iter().next()).collect()
}

/// Everything wrong with one file, one sentence each.
fn findings(name: &str, text: &str) -> Vec<String> {
    let module = module_of(name);
    let Some(top) = module.first() else { return Vec::new() };
    let Some(layer) = layer_of(top) else { return vec![format!("{name}: `{top}` has no layer in tests/layers.rs")] };
    let code = code_only(text);
    let mut found = Vec::new();
    for import in crate_modules(&code, &module) {
        found.extend(judge_import(top, &import).map(|why| format!("{name}:{}: {why}", import.line)));
    }
    for used in forbidden(&code, layer) {
        let audited = used.name == "unsafe" && name.starts_with(UNSAFE);
        if !audited && !EXCEPTIONS.iter().any(|exception| exception.file == name && exception.name == used.name) {
            found.push(format!("{name}:{}: `{}` is not for layer {layer}", used.line, used.name));
        }
    }
    found
}

fn judge_import(from: &str, import: &Child) -> Option<String> {
    let to = import.name.as_str();
    if to == from {
        return None;
    }
    let Some(to_layer) = layer_of(to) else { return Some(format!("`crate::{to}` is no module with a layer")) };
    if from == "config" && !CONFIG_IMPORTS.contains(&to) {
        return Some(format!("`config` imports {CONFIG_IMPORTS:?} only, not `{to}`"));
    }
    let from_layer = layer_of(from)?;
    if to_layer < from_layer || BESIDE.iter().any(|beside| beside.from == from && beside.to == to) {
        return None;
    }
    Some(format!("`{from}` (layer {from_layer}) imports `{to}` (layer {to_layer})"))
}

/// What the code of a layer uses and may not.
fn forbidden(code: &str, layer: usize) -> Vec<Child> {
    let mut found = children(code, "driftless");
    for child in &mut found {
        child.name = "driftless::".to_owned();
    }
    let mut add = |name: &str, at: usize| found.push(Child { name: name.to_owned(), line: line_of(code, at) });
    for word in words(code) {
        let before = code[..word.at].trim_end();
        let after = code[word.at + word.text.len()..].trim_start();
        if word.text == "unsafe" || (word.text == "anyhow" && layer < OUTERMOST) {
            add(word.text, word.at);
        }
        if layer >= WORLD {
            continue;
        }
        if FORBIDDEN_WORDS.contains(&word.text) {
            add(word.text, word.at);
        }
        let called =
            (before.ends_with('.') && after.starts_with('(')) || before.ends_with("f64::") || before.ends_with("f32::");
        if called && FORBIDDEN_METHODS.contains(&word.text) {
            add(&format!(".{}()", word.text), word.at);
        }
    }
    if layer < WORLD {
        let below = |root: &str, names: &[&str]| -> Vec<Child> {
            let children = children(code, root).into_iter().filter(|child| names.contains(&child.name.as_str()));
            children.map(|child| Child { name: format!("{root}::{}", child.name), line: child.line }).collect()
        };
        found.extend(below("std", &FORBIDDEN_STD));
        found.extend(below("rand", &FORBIDDEN_RAND));
    }
    found
}

#[test]
fn modules_import_from_lower_layers_and_the_inner_ones_do_not_touch_the_world() {
    let found: Vec<String> = sources().iter().flat_map(|file| findings(&file.name, &file.text)).collect();
    assert!(found.is_empty(), "\n{}\n", found.join("\n"));
}

#[test]
fn every_module_has_a_layer() {
    let without: Vec<String> = modules().into_iter().filter(|name| layer_of(name).is_none()).collect();
    assert!(without.is_empty(), "no layer in tests/layers.rs: {without:?}");
}

#[test]
fn every_exception_is_needed() {
    for exception in EXCEPTIONS {
        let text = fs::read_to_string(root().join(exception.file)).expect("the file of an exception");
        let layer = layer_of(&module_of(exception.file)[0]).expect("its layer");
        let used = forbidden(&code_only(&text), layer);
        assert!(
            used.iter().any(|used| used.name == exception.name),
            "{} no longer uses {}",
            exception.file,
            exception.name
        );
    }
}

#[test]
fn files_are_short_and_main_is_shorter() {
    let mut long = Vec::new();
    for file in sources() {
        let lines = code_only(&file.text).trim_end().lines().count();
        let most = if file.name == "main.rs" { LONGEST_MAIN } else { LONGEST_FILE };
        if lines > most {
            long.push(format!("{}: {lines} lines before its tests, {most} at most", file.name));
        }
    }
    assert!(long.is_empty(), "\n{}\n", long.join("\n"));
}

/// The rows ``| `name/` | layer |`` of a page.
fn documented(page: &str) -> BTreeSet<(String, usize)> {
    let row = |line: &str| {
        let (name, rest) = line.strip_prefix("| `")?.split_once("/` | ")?;
        let (layer, _) = rest.split_once(" |")?;
        Some((name.to_owned(), layer.parse().ok()?))
    };
    page.lines().filter_map(row).collect()
}

#[test]
fn the_architecture_page_names_every_folder_with_its_layer() {
    let page = fs::read_to_string(root().join("../docs/ARCHITECTURE.md")).expect("the page");
    let expected = modules().into_iter().map(|name| {
        let layer = layer_of(&name).expect("a layer");
        (name, layer)
    });
    assert_eq!(documented(&page), expected.collect());
}

#[test]
fn the_crate_documentation_is_a_map_of_all_modules() {
    let page = fs::read_to_string(root().join("lib.rs")).expect("the library");
    for module in modules() {
        assert!(page.contains(&format!("//! - [`{module}`]: ")), "{module} is missing");
    }
}

/// The reader is itself read: what it has to find is found, what only looks like it is not.
mod reader {
    use super::*;

    fn found(name: &str, text: &str) -> Vec<String> {
        findings(name, text).into_iter().map(|line| line.rsplit(": ").next().unwrap_or_default().to_owned()).collect()
    }

    #[test]
    fn an_import_from_above_is_found_in_every_spelling() {
        let spellings = [
            "use crate::pipeline::Pipeline;",
            "use crate::{\n    data::{Item, Record},\n    pipeline::{self, Pipeline},\n};",
            "fn f() { let _ = crate::pipeline::BATCH; }",
            "use super::super::pipeline::Pipeline;",
            "pub use super::super::{data, pipeline};",
            "use {crate::data::Item, crate::pipeline};",
        ];
        for text in spellings {
            assert_eq!(found("drift/count.rs", text), ["`drift` (layer 1) imports `pipeline` (layer 3)"], "{text}");
        }
    }

    #[test]
    fn an_import_from_a_sibling_needs_a_reason() {
        assert_eq!(found("model/tree.rs", "use crate::drift::Profile;"), Vec::<String>::new());
        assert_eq!(
            found("drift/count.rs", "use crate::model::Model;"),
            ["`drift` (layer 1) imports `model` (layer 1)"]
        );
    }

    #[test]
    fn imports_of_the_own_module_and_of_lower_layers_are_fine() {
        let text =
            "use super::profile::X;\nuse super::{signal, windows};\nuse crate::data::Item;\npub(crate) fn f() {}";
        assert_eq!(found("drift/count.rs", text), Vec::<String>::new());
        assert_eq!(found("drift/mod.rs", "use super::stats::psi;"), Vec::<String>::new());
    }

    #[test]
    fn config_takes_parameters_and_nothing_else() {
        assert_eq!(
            found("config/load.rs", "use crate::model::Model;"),
            ["`config` imports [\"data\"] only, not `model`"]
        );
    }

    #[test]
    fn what_touches_the_world_is_found_below_the_world() {
        let world = [
            ("use std::fs;", "std::fs"),
            ("use std::{fmt, thread};", "std::thread"),
            ("use std::time::{Duration, Instant};", "Instant"),
            ("let now = std::time::SystemTime::now();", "SystemTime"),
            ("use std::collections::HashMap;", "HashMap"),
            ("use tokio::sync::oneshot;", "tokio"),
            ("let x = rand::rng();", "rand::rng"),
            ("tracing::info!(\"hello\");", "tracing"),
            ("let y = x.exp();", ".exp()"),
            ("let y = (1.0 + x)\n    .powi(2);", ".powi()"),
            ("xs.map(f64::ln)", ".ln()"),
            ("unsafe { f() }", "unsafe"),
            ("use anyhow::Context;", "anyhow"),
            ("use driftless::data;", "driftless::"),
        ];
        for (text, name) in world {
            assert_eq!(found("pipeline/pass.rs", text), [format!("`{name}` is not for layer 3")], "{text}");
        }
        assert_eq!(found("transport/kafka/mod.rs", "use std::thread; use tokio::time;"), Vec::<String>::new());
        assert_eq!(found("transport/mod.rs", "unsafe { f() }"), ["`unsafe` is not for layer 4"]);
    }

    #[test]
    fn comments_texts_and_tests_are_not_code() {
        let text = concat!(
            "//! As [`crate::pipeline`] has it; x.exp() /* no */\n",
            "/* use std::fs; /* nested */ unsafe */\n",
            "const A: &str = \"use crate::cli; \\\" unsafe\";\n",
            "const B: &str = r#\"std::fs \" unsafe\"#;\n",
            "const C: char = '\"'; const D: char = '\\''; fn f<'a>(x: &'a str) {}\n",
            "#[cfg(test)]\nmod tests { use std::collections::HashMap; fn f() { x.ln(); } }\n",
            "#[cfg(test)]\nuse std::fs;\n",
            "fn g(logs: u8) { libm::exp(1.0); self.exp; }\n",
        );
        assert_eq!(findings("drift/count.rs", text), Vec::<String>::new());
        let after = format!("{text}use std::fs;\n");
        assert_eq!(findings("drift/count.rs", &after), ["drift/count.rs:11: `std::fs` is not for layer 1"]);
    }

    #[test]
    fn a_folder_without_a_layer_is_found() {
        assert_eq!(findings("helpers/mod.rs", ""), ["helpers/mod.rs: `helpers` has no layer in tests/layers.rs"]);
    }
}
