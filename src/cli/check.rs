//! `driftless check`: says whether a configuration is right and what it means, without a broker.
//!
//! What was understood is collected once and printed as text or JSON. Exit code 0 means the configuration can be run;
//! 2 means it cannot, with the reason on stderr. Warnings change nothing about that.

mod changes;
mod in_words;
mod settings;
mod text;
mod understand;
mod understood;
mod warnings;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::config::{Config, ConfigError};
use crate::runtime::pipeline_params;
use changes::Changes;
pub use understood::Understood;

/// Exit code of a wrong configuration.
const WRONG: u8 = 2;

/// Arguments of `driftless check`.
#[derive(Clone, Debug, clap::Args)]
pub struct CheckArgs {
    /// Configuration file.
    #[arg(long, value_name = "FILE", default_value = "driftless.toml")]
    pub config: PathBuf,
    /// Configuration that runs now: says what changing to `--config` does to it.
    #[arg(long, value_name = "FILE")]
    pub previous: Option<PathBuf>,
    /// Print what was understood as JSON.
    #[arg(long)]
    pub json: bool,
}

/// Checks the configuration and prints what it says.
///
/// # Errors
/// When stdout cannot be written to. A wrong configuration is no error but exit code 2.
pub fn run(args: &CheckArgs) -> anyhow::Result<ExitCode> {
    let code = check(args, &mut std::io::stdout().lock(), &mut std::io::stderr().lock())?;
    Ok(ExitCode::from(code))
}

fn check(args: &CheckArgs, results: &mut impl Write, complaints: &mut impl Write) -> anyhow::Result<u8> {
    let config = match usable(args) {
        Ok(config) => config,
        Err(error) => {
            writeln!(complaints, "error: {error}")?;
            return Ok(WRONG);
        }
    };
    let changes = match args.previous.as_deref().map(|previous| changes(previous, &config)).transpose() {
        Ok(changes) => changes,
        Err(error) => {
            writeln!(complaints, "error: {error}")?;
            return Ok(WRONG);
        }
    };
    let understood = Understood::of(&config);
    if args.json {
        serde_json::to_writer_pretty(&mut *results, &Answer { understood, changes })?;
        writeln!(results)?;
    } else {
        write!(results, "{} is right\n\n{understood}", args.config.display())?;
        changes.iter().try_for_each(|changes| write!(results, "{changes}"))?;
    }
    Ok(0)
}

/// What is printed as JSON.
#[derive(serde::Serialize)]
struct Answer {
    #[serde(flatten)]
    understood: Understood,
    #[serde(skip_serializing_if = "Option::is_none")]
    changes: Option<Changes>,
}

fn changes(previous: &Path, config: &Config) -> Result<Changes, String> {
    let old = Config::load(previous).map_err(|error| error.to_string())?;
    Changes::between(&old, config)
}

/// The configuration, if this binary on this machine could run it: secrets are there and nothing is built out.
fn usable(args: &CheckArgs) -> Result<Config, ConfigError> {
    let config = Config::load(&args.config)?;
    config.kafka.ensure_supported()?;
    config.kafka.client_properties()?;
    if let Some(registry) = &config.schema_registry {
        registry.ensure_supported()?;
        registry.password()?;
    }
    if let Some(notify) = &config.notify {
        notify.address()?;
    }
    if let Some(traces) = &config.traces {
        traces.target(&config.app, |name| std::env::var(name).ok())?;
    }
    pipeline_params(&config).map_err(|error| ConfigError::Unusable(error.to_string()))?;
    Ok(config)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Answer {
        code: u8,
        stdout: String,
        stderr: String,
    }

    fn answer(file: &str, json: bool) -> Answer {
        answer_to(&CheckArgs { config: PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(file), previous: None, json })
    }

    fn answer_to(args: &CheckArgs) -> Answer {
        let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
        let code = check(args, &mut stdout, &mut stderr).unwrap();
        Answer { code, stdout: String::from_utf8(stdout).unwrap(), stderr: String::from_utf8(stderr).unwrap() }
    }

    #[test]
    fn a_right_configuration_is_explained() {
        let Answer { code, stdout, stderr } = answer("tests/fixtures/config/valid.toml", false);
        assert_eq!((code, stderr.as_str()), (0, ""));
        for line in [
            "  read     flights.events           events.topic",
            "  label        `late` of `landed`: 1 is `positive`, 0 is `negative`, prior 0.5",
            "    0  distance                                   number of the event",
            "    1  origin_carrier.departed.count.4h           number of `departed` of the last 4h, in 12 panes of \
             20m, by origin, carrier",
            "groupings  origin_carrier",
        ] {
            assert!(stdout.lines().any(|printed| printed == line), "{line}\n{stdout}");
        }
    }

    #[test]
    fn the_json_names_the_features_in_layout_order() {
        let Answer { code, stdout, .. } = answer("tests/fixtures/config/valid.toml", true);
        let understood: serde_json::Value = serde_json::from_str(&stdout).unwrap();
        assert_eq!(code, 0);
        assert_eq!(understood["features"][2]["name"], "origin_carrier.departed.mean_dep_delay.4h");
        assert_eq!(understood["features"][2]["index"], 2);
        assert_eq!(understood["layout"].as_str().map(str::len), Some(16));
    }

    #[test]
    fn every_wrong_configuration_exits_with_2_and_says_why() {
        let fixtures = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/config");
        for entry in std::fs::read_dir(fixtures).unwrap() {
            let name = entry.unwrap().file_name().to_string_lossy().into_owned();
            if name == "valid.toml" {
                continue;
            }
            let Answer { code, stdout, stderr } = answer(&format!("tests/fixtures/config/{name}"), false);
            assert_eq!((code, stdout.as_str()), (2, ""), "{name}");
            assert!(stderr.starts_with("error: ") && stderr.contains(&name) && stderr.lines().count() == 1, "{stderr}");
        }
    }

    #[test]
    fn a_change_is_told_feature_by_feature() {
        let folder = tempfile::tempdir().unwrap();
        let valid = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/config/valid.toml");
        let text = std::fs::read_to_string(&valid).unwrap();
        let previous = folder.path().join("old.toml");
        let told = |text: &str, json: bool| {
            std::fs::write(&previous, text).unwrap();
            answer_to(&CheckArgs { config: valid.clone(), previous: Some(previous.clone()), json })
        };
        let Answer { code, stdout, .. } = told(&text, false);
        assert!(code == 0 && stdout.contains("change\n  none that needs `--previous`"), "{stdout}");
        let other = text.replace("\"4h\"", "\"8h\"");
        assert_ne!(other, text);
        let Answer { code, stdout, .. } = told(&other, false);
        assert_eq!(code, 0);
        for line in [
            "  kept     distance",
            "  added    origin_carrier.departed.count.4h: its window starts empty and is whole after 4h",
            "  removed  origin_carrier.departed.count.8h",
            "  - a model that uses a removed feature no longer answers: the base rate does, until a model without it is \
             promoted",
        ] {
            assert!(stdout.lines().any(|printed| printed == line), "{line}\n{stdout}");
        }
        let understood: serde_json::Value = serde_json::from_str(&told(&other, true).stdout).unwrap();
        assert_eq!(understood["changes"]["kept"][0], "distance");
        assert_eq!(understood["features"][0]["name"], "distance");
        let Answer { code, stderr, .. } = told(&text.replace("app = \"flights\"", "app = \"trains\""), false);
        assert!(code == 2 && stderr.starts_with("error: `app` is `flights`, and `trains` in the previous"), "{stderr}");
    }

    #[test]
    fn a_missing_file_is_named() {
        let Answer { code, stderr, .. } = answer("tests/fixtures/config/none.toml", false);
        assert_eq!(code, 2);
        assert!(stderr.contains("none.toml`: No such file"), "{stderr}");
    }
}
