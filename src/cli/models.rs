//! `driftless models`: what the control log says, and an operator's records in it.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use serde::Serialize;

use super::connect::{ConfigArgs, kafka};
use super::control_log::{ControlLog, Note, Told, follow, now, tell};
use crate::config::Config;
use crate::data::{ModelCommand, ModelRecord};
use crate::model::{Model, import_scaled_logistic};
use crate::registry::Store;
use crate::rollout::{Effect, Ledger};

/// Arguments of `driftless models`.
#[derive(Clone, Debug, clap::Args)]
pub struct ModelsArgs {
    #[command(subcommand)]
    command: ModelsCommand,
}

#[derive(Clone, Debug, clap::Subcommand)]
enum ModelsCommand {
    /// List the versions: who is in charge, what became of the others, and their numbers.
    List {
        #[command(flatten)]
        config: ConfigArgs,
        /// Print the records as JSON lines.
        #[arg(long)]
        json: bool,
    },
    /// Register a model that was fitted elsewhere: a scaled logistic regression as JSON.
    Import {
        /// The file: `features`, `mean`, `std`, `coef`, `intercept`, and what is known of the training rows.
        #[arg(value_name = "FILE")]
        model: PathBuf,
        /// Take the features of the file to be those of the configuration, in their order, whatever their names.
        #[arg(long)]
        by_position: bool,
        #[command(flatten)]
        note: Note,
    },
    /// Put a registered version in charge.
    Promote {
        /// The version, such as `3`.
        version: u32,
        #[command(flatten)]
        note: Note,
    },
    /// Put the version in charge again that was before.
    Rollback {
        #[command(flatten)]
        note: Note,
    },
    /// Keep the monitor from promoting.
    Freeze {
        #[command(flatten)]
        note: Note,
    },
    /// Let the monitor promote again.
    Unfreeze {
        #[command(flatten)]
        note: Note,
    },
}

/// One version in a listing, or a training that brought none.
#[derive(Serialize)]
struct Listed<'a> {
    state: &'static str,
    #[serde(flatten)]
    record: &'a ModelRecord,
    /// Why it was refused, if it was.
    refused: Option<&'a str>,
}

/// Lists, or writes a record and says whether it took effect.
///
/// # Errors
/// A wrong configuration, a cluster that does not answer, a command that makes no sense as things stand.
pub fn run(args: &ModelsArgs) -> anyhow::Result<ExitCode> {
    match &args.command {
        ModelsCommand::List { config, json } => {
            let config = config.load()?;
            let log = follow(&kafka(&config, "models")?, &config)?;
            list(&log, *json, &mut std::io::stdout().lock())?;
            Ok(ExitCode::SUCCESS)
        }
        ModelsCommand::Import { model, by_position, note } => order(note, |config, ledger| {
            let names = &config.features.names;
            let model = import(model, names, *by_position)?;
            let artifact = Store::local(&config.store.path)?.put_model(&model)?;
            Ok(ModelRecord {
                family: Some(model.family().name().to_owned()),
                feature_layout: Some(model.layout().fingerprint().to_owned()),
                artifact: Some(artifact),
                ..ModelRecord::plain(ModelCommand::Registered, ledger.next_version())
            })
        }),
        ModelsCommand::Promote { version, note } => order(note, |_, ledger| {
            if *version != 0 && !ledger.versions().contains_key(version) {
                bail!("v{version} is not registered; `driftless models list` shows what is");
            }
            Ok(ModelRecord::plain(ModelCommand::Promoted, *version))
        }),
        ModelsCommand::Rollback { note } => order(note, |_, ledger| {
            let before = ledger.previous().context("no version was in charge before the present one")?;
            Ok(ModelRecord::plain(ModelCommand::RolledBack, before))
        }),
        ModelsCommand::Freeze { note } => {
            order(note, |_, ledger| Ok(ModelRecord::plain(ModelCommand::Frozen, ledger.champion())))
        }
        ModelsCommand::Unfreeze { note } => {
            order(note, |_, ledger| Ok(ModelRecord::plain(ModelCommand::Unfrozen, ledger.champion())))
        }
    }
}

fn list(log: &ControlLog, json: bool, out: &mut impl Write) -> anyhow::Result<()> {
    let champion = log.ledger.champion();
    if !json {
        let frozen = if log.ledger.is_frozen() { ", promotions are frozen" } else { "" };
        writeln!(out, "v{champion} is in charge{frozen}")?;
        if champion == 0 {
            writeln!(out, "(version 0 is the base rate, which answers before the first model)")?;
        }
    }
    for (version, known) in log.ledger.versions() {
        let was = log.records.iter().any(|(record, effect)| *effect == Effect::Switched && record.version == *version);
        let state = match (*version == champion, was, known.refused) {
            (true, ..) => "in charge",
            (_, true, _) => "was in charge",
            (.., true) => "refused",
            _ => "candidate",
        };
        let registered = &known.registered;
        let of_version = |command: ModelCommand| {
            let mut records = log.records.iter().rev().map(|(record, _)| record);
            records.find(|record| record.command == command && record.version == *version)
        };
        let refused = of_version(ModelCommand::Refused).filter(|_| known.refused);
        if json {
            let refused = refused.map(|record| record.why.as_str());
            serde_json::to_writer(&mut *out, &Listed { state, record: registered, refused })?;
            writeln!(out)?;
            continue;
        }
        let family = registered.family.as_deref().unwrap_or("");
        write!(out, "v{version:<4} {state:14} {family:8} {}", registered.at)?;
        if let Some(evidence) = &registered.evidence {
            let gain = evidence.log_loss_gain;
            let auc = evidence.candidate.auc.unwrap_or(f64::NAN);
            write!(
                out,
                "  auc {auc:.3}  log loss {:.4}, better by {:+.4} [{:+.4}, {:+.4}] than v{}",
                evidence.candidate.log_loss, gain.mean, gain.low, gain.high, registered.replaces
            )?;
        }
        writeln!(out, "  {}", registered.why)?;
        if let Some(refused) = refused {
            writeln!(out, "      refused by {}: {}", refused.by, refused.why)?;
        }
    }
    for (record, _) in log.records.iter().filter(|(record, _)| record.command == ModelCommand::TrainingFailed) {
        if json {
            serde_json::to_writer(&mut *out, &Listed { state: "training failed", record, refused: None })?;
            writeln!(out)?;
        } else {
            writeln!(out, "      training failed          {}  {}", record.at, record.why)?;
        }
    }
    Ok(())
}

/// The model of a file, for features of these names.
fn import(path: &Path, names: &[String], by_position: bool) -> anyhow::Result<Model> {
    let bytes = std::fs::read(path).with_context(|| path.display().to_string())?;
    let model = import_scaled_logistic(&bytes, now(), by_position.then_some(names));
    let model = model.with_context(|| path.display().to_string())?;
    if let Some(unknown) = model.layout().names().iter().find(|name| !names.contains(name)) {
        bail!("{}: the model needs `{unknown}`, which is no feature of this configuration", path.display());
    }
    Ok(model)
}

fn order(
    note: &Note,
    choose: impl FnOnce(&Config, &Ledger) -> anyhow::Result<ModelRecord>,
) -> anyhow::Result<ExitCode> {
    let config = note.config.load()?;
    let cluster = kafka(&config, "models")?;
    let log = follow(&cluster, &config)?;
    let record = note.sign(choose(&config, &log.ledger)?, &log.ledger);
    let (command, version) = (record.command, record.version);
    let Told { effect, log: after } = tell(&cluster, &config, &record)?;
    let mut out = std::io::stdout().lock();
    match effect {
        Some(Effect::Void) | None => {
            writeln!(
                out,
                "{} v{version}: void, nothing changed; v{} is in charge",
                command.name(),
                after.ledger.champion()
            )?;
            Ok(ExitCode::FAILURE)
        }
        Some(Effect::Switched | Effect::Noted) => {
            writeln!(out, "{} v{version}; v{} is in charge", command.name(), after.ledger.champion())?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::ArtifactRef;

    #[test]
    fn a_listing_says_why_a_candidate_was_refused_and_why_a_training_failed() {
        let mut log = ControlLog { records: Vec::new(), ledger: Ledger::default() };
        let commands = [
            (ModelCommand::Registered, 1, 0, "trained because of labels"),
            (ModelCommand::Promoted, 1, 0, "the first"),
            (ModelCommand::Registered, 2, 1, "trained because of drift"),
            (ModelCommand::Refused, 2, 1, "not surely better"),
            (ModelCommand::TrainingFailed, 1, 1, "too few rows"),
        ];
        for (command, version, replaces, why) in commands {
            let artifact = Some(ArtifactRef { sha256: "00".to_owned(), bytes: 1 });
            let (by, why) = ("monitor".to_owned(), why.to_owned());
            let record = ModelRecord { replaces, by, why, artifact, ..ModelRecord::plain(command, version) };
            let effect = log.ledger.apply(&record);
            log.records.push((record, effect));
        }
        let printed = |json| {
            let mut out = Vec::new();
            list(&log, json, &mut out).unwrap();
            String::from_utf8(out).unwrap()
        };
        let text = printed(false);
        for expected in ["v1 is in charge\n", "refused by monitor: not surely better\n", "too few rows\n"] {
            assert!(text.contains(expected), "{text}");
        }
        let lines: Vec<serde_json::Value> =
            printed(true).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let states: Vec<_> = lines.iter().map(|line| line["state"].as_str().unwrap()).collect();
        assert_eq!(states, ["in charge", "refused", "training failed"]);
        assert_eq!(
            (&lines[1]["refused"], &lines[0]["refused"]),
            (&"not surely better".into(), &serde_json::Value::Null)
        );
        assert_eq!(printed(true).matches("\"version\":").count(), 3, "each field stands once");
    }
}
