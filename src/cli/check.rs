//! `driftless check`: says whether a configuration is right and what it means, without a broker.
//!
//! What was understood is collected once and printed as text or JSON. Exit code 0 means the configuration can be run;
//! 2 means it cannot, with the reason on stderr. Warnings change nothing about that.

mod text;
mod understood;
mod warnings;

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use crate::config::{Config, ConfigError};
pub use understood::Understood;

/// Exit code of a wrong configuration.
const WRONG: u8 = 2;

/// Arguments of `driftless check`.
#[derive(Clone, Debug, clap::Args)]
pub struct CheckArgs {
    /// Configuration file.
    #[arg(long, value_name = "FILE", default_value = "driftless.toml")]
    pub config: PathBuf,
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
    let understood = Understood::of(&config);
    if args.json {
        serde_json::to_writer_pretty(&mut *results, &understood)?;
        writeln!(results)?;
    } else {
        write!(results, "{} is right\n\n{understood}", args.config.display())?;
    }
    Ok(0)
}

/// The configuration, if this binary on this machine could run it: secrets are there and nothing is built out.
fn usable(args: &CheckArgs) -> Result<Config, ConfigError> {
    let config = Config::load(&args.config)?;
    config.kafka.ensure_supported()?;
    config.kafka.client_properties()?;
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
        let config = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(file);
        let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
        let code = check(&CheckArgs { config, json }, &mut stdout, &mut stderr).unwrap();
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
            "    1  origin_carrier.departed.count.4h           number of `departed` of the last 4h, by origin, carrier, in \
             12 panes of 20m",
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
    fn a_missing_file_is_named() {
        let Answer { code, stderr, .. } = answer("tests/fixtures/config/none.toml", false);
        assert_eq!(code, 2);
        assert!(stderr.contains("none.toml`: No such file"), "{stderr}");
    }
}
