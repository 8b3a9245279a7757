//! A threshold, changed by a record of the control log.
//!
//! What cannot be is refused before anything is written; what became of the record is known once it is read in its place.

use std::io::Write;
use std::process::ExitCode;

use anyhow::bail;

use crate::cli::WrongUsage;
use crate::cli::connect::kafka;
use crate::cli::control_log::{Note, Told, follow, tell};
use crate::config::Config;
use crate::data::{ModelCommand, ModelRecord, Setting, SettingChange, SettingValue};
use crate::registry::Store;
use crate::rollout::{Effect, Ledger};

/// Writes the command, and says what counts from now on.
pub(super) fn set(setting: Setting, value: Option<&str>, note: &Note) -> anyhow::Result<ExitCode> {
    let config = note.config.load()?;
    let key = setting.name();
    let value = value.map(|text| read(setting, text)).transpose()?;
    let cluster = kafka(&config, "set")?;
    let log = follow(&cluster, &config)?;
    let ledger = &log.ledger;
    if let Some(value) = value
        && let Some(why) = config.contradiction(setting, value, |other| counts(other, &config, ledger))
    {
        return Err(WrongUsage::because(format!("`{key}`: {why}")));
    }
    if value.is_none() && ledger.settings().get(setting).is_none() {
        bail!("no command has changed `{key}`: it is what the configuration says, {}", config.setting(setting));
    }
    let change = SettingChange {
        key: key.to_owned(),
        value: value.map(|value| value.to_string()),
        was: was(setting, &config, ledger),
    };
    let record =
        ModelRecord { setting: Some(change.clone()), ..ModelRecord::plain(ModelCommand::Set, ledger.champion()) };
    let Told { effect, log: after } = tell(&cluster, &config, &note.sign(record, ledger))?;
    let mut out = std::io::stdout().lock();
    if !matches!(effect, Some(Effect::Noted | Effect::Switched)) {
        writeln!(out, "void, nothing changed: {}", state(setting, &config, &after.ledger))?;
        return Ok(ExitCode::FAILURE);
    }
    writeln!(out, "{change}")?;
    writeln!(out, "{}", state(setting, &config, &after.ledger))?;
    Ok(ExitCode::SUCCESS)
}

fn read(setting: Setting, text: &str) -> anyhow::Result<SettingValue> {
    let (key, wanted) = (setting.name(), setting.wanted());
    setting.read(text).ok_or_else(|| WrongUsage::because(format!("`{key}` cannot be `{text}`; write {wanted}")))
}

/// What counts of a setting: what a command says, else the configuration.
fn counts(setting: Setting, config: &Config, ledger: &Ledger) -> SettingValue {
    let commanded = ledger.settings().get(setting).and_then(|of| setting.read(&of.value));
    commanded.unwrap_or_else(|| config.setting(setting))
}

/// What counted before, in words of the audit. A model brings its own threshold, that of the configuration as it was when it
/// was trained; where its artifact cannot be read from here, nothing is said.
fn was(setting: Setting, config: &Config, ledger: &Ledger) -> Option<String> {
    if let Some(of) = ledger.settings().get(setting) {
        return Some(of.value.clone());
    }
    match ledger.artifact(ledger.champion()).filter(|_| setting == Setting::ScoreThreshold) {
        None => Some(config.setting(setting).to_string()),
        Some(artifact) if config.store.path.is_dir() => {
            let model = Store::local(&config.store.path).and_then(|store| store.model(artifact)).ok()?;
            Some(model.threshold().to_string())
        }
        Some(_) => None,
    }
}

fn state(setting: Setting, config: &Config, ledger: &Ledger) -> String {
    let configured = config.setting(setting);
    match ledger.settings().get(setting) {
        Some(of) => format!(
            "by command of {} at {}; the configuration says {configured}, and counts again after `driftless set {} \
             --default`",
            of.by,
            of.since,
            setting.name()
        ),
        None if setting == Setting::ScoreThreshold && ledger.champion() > 0 => {
            "the threshold that the model in charge was trained with counts".to_owned()
        }
        None => format!("the configuration says {configured}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_that_cannot_be_is_refused_with_what_can() {
        let refused = |setting, text| read(setting, text).map_err(|error| error.to_string());
        assert_eq!(
            refused(Setting::ScoreThreshold, "1.5"),
            Err("`score.threshold` cannot be `1.5`; write a number from 0 to 1".to_owned())
        );
        assert!(refused(Setting::RetrainCoolDown, "28").is_err_and(|why| why.ends_with("such as `28d`")));
        assert_eq!(refused(Setting::DriftMinN, "300"), Ok(SettingValue::Count(300)));
    }
}
