//! Fuzzing without a nightly compiler: the targets that `cargo fuzz` runs, with seeded mutants of a corpus that grows by
//! inputs which came to something new.
//!
//! `scripts/fuzz` says how long. Without `DRIFTLESS_FUZZ`, as in `cargo test`, each target takes its seeds and a few
//! hundred mutants. An input that makes a target panic, or take too long, is written to `target/tmp/fuzz` and named.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a harness that cannot be set up is to fail loudly")]

mod mutate;
mod seeds;
mod targets;

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use driftless::stats::SplitMix64;
use targets::{TARGETS, Target};

/// Mutants of a target where nobody says how long.
const FEW: u64 = 300;
/// One input may take this long, on a machine that has other things to do as well.
const LIMIT: Duration = Duration::from_secs(20);
/// Inputs kept of one target.
const CORPUS: usize = 4_096;

static PANIC: Mutex<String> = Mutex::new(String::new());

/// What `DRIFTLESS_FUZZ` asks for: `seconds=60 seed=1 target=event input=FILE`, each optional.
#[derive(Default)]
struct Asked {
    seconds: Option<u64>,
    seed: u64,
    target: Option<String>,
    input: Option<PathBuf>,
}

impl Asked {
    fn parse(text: &str) -> Result<Self, String> {
        let mut asked = Asked { seed: 1, ..Asked::default() };
        for word in text.split_whitespace() {
            let (name, value) = word.split_once('=').ok_or_else(|| format!("`{word}` is not NAME=VALUE"))?;
            let number = || value.parse().map_err(|_| format!("`{word}` needs a whole number"));
            match name {
                "seconds" => asked.seconds = Some(number()?),
                "seed" => asked.seed = number()?,
                "target" if TARGETS.iter().any(|target| target.name == value) => asked.target = Some(value.to_owned()),
                "target" => {
                    let known: Vec<&str> = TARGETS.iter().map(|target| target.name).collect();
                    return Err(format!("there is no target `{value}`; known are {}", known.join(", ")));
                }
                "input" => asked.input = Some(value.into()),
                _ => return Err(format!("`{name}` is nothing to ask for")),
            }
        }
        Ok(asked)
    }

    fn targets(&self) -> Vec<&'static Target> {
        TARGETS.iter().filter(|target| self.target.as_ref().is_none_or(|name| name == target.name)).collect()
    }
}

fn main() -> ExitCode {
    let asked = match Asked::parse(&std::env::var("DRIFTLESS_FUZZ").unwrap_or_default()) {
        Ok(asked) => asked,
        Err(why) => {
            eprintln!("fuzz: {why}");
            return ExitCode::from(2);
        }
    };
    set_hook(Box::new(|info| *PANIC.lock().unwrap_or_else(PoisonError::into_inner) = info.to_string()));
    let targets = asked.targets();
    println!("\nrunning {} tests", targets.len());
    let mut failed = 0;
    for target in &targets {
        let found = match &asked.input {
            Some(path) => {
                attempt(target, &std::fs::read(path).expect("the input can be read")).map(|_| "read".to_owned())
            }
            None => fuzz(target, &asked, targets.len() as u64),
        };
        match found {
            Ok(what) => println!("test fuzz_{} ... ok ({what})", target.name),
            Err(why) => {
                failed += 1;
                println!("test fuzz_{} ... FAILED\n{why}", target.name);
            }
        }
    }
    let verdict = if failed == 0 { "ok" } else { "FAILED" };
    let passed = targets.len() - failed;
    println!("\ntest result: {verdict}. {passed} passed; {failed} failed; 0 ignored; 0 measured; 0 filtered out");
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn fuzz(target: &Target, asked: &Asked, sharers: u64) -> Result<String, String> {
    let mut random = SplitMix64::new(asked.seed);
    let begun = Instant::now();
    let time = asked.seconds.map(|seconds| Duration::from_millis(seconds * 1_000 / sharers));
    let mut seen = BTreeSet::new();
    let mut corpus = Vec::new();
    let mut tried = 0u64;
    let mut slowest = Duration::ZERO;
    let mut try_one = |input: Vec<u8>, corpus: &mut Vec<Vec<u8>>, is_kept: bool| -> Result<u64, String> {
        let since = Instant::now();
        let outcome = attempt(target, &input)?;
        let took = since.elapsed();
        slowest = slowest.max(took);
        if took > LIMIT {
            return Err(kept(target, &input, &format!("took {:.1} s", took.as_secs_f64())));
        }
        if (seen.insert(outcome) || is_kept) && corpus.len() < CORPUS {
            corpus.push(input);
        }
        tried += 1;
        Ok(tried)
    };
    let seeds = seeds::seeds(target.name);
    assert!(!seeds.is_empty(), "{} has nothing to begin with", target.name);
    for seed in seeds {
        try_one(seed, &mut corpus, true)?;
    }
    let seeds = corpus.len() as u64;
    loop {
        let input = mutate::mutant(&corpus, &mut random);
        let tried = try_one(input, &mut corpus, false)?;
        let is_over = match time {
            Some(time) => begun.elapsed() >= time,
            None => tried >= seeds + FEW,
        };
        if is_over {
            break;
        }
    }
    Ok(format!("{tried} inputs, {} of them new, slowest {} ms", corpus.len(), slowest.as_millis()))
}

/// Runs a target on an input; its signature, or why it is a finding.
fn attempt(target: &Target, input: &[u8]) -> Result<u64, String> {
    catch_unwind(AssertUnwindSafe(|| (target.run)(input))).map_err(|_| {
        let why = PANIC.lock().unwrap_or_else(PoisonError::into_inner).clone();
        kept(target, input, &why)
    })
}

/// Writes a finding down, and says how to see it again.
fn kept(target: &Target, input: &[u8], why: &str) -> String {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("fuzz");
    let hash = xxhash_rust::xxh3::xxh3_64(input);
    let path = folder.join(format!("{}-{hash:016x}", target.name));
    let written = std::fs::create_dir_all(&folder).and_then(|()| std::fs::write(&path, input));
    let place = match written {
        Ok(()) => format!("scripts/fuzz --target {} --input {}", target.name, path.display()),
        Err(error) => format!("cannot be written to {}: {error}", path.display()),
    };
    format!("{why}\n{place}")
}
