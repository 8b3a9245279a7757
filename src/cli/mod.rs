//! The commands: one file each, with its arguments and a `run` that prints results on stdout and returns the exit code.
//!
//! 0 means done, 1 that the work failed, 2 that the command line or the configuration is wrong. Results go to stdout,
//! everything else to stderr.

pub mod check;
pub mod connect;
mod control_log;
pub mod demo;
pub mod dlq;
pub mod health;
pub mod live;
pub mod models;
pub mod produce;
pub mod replay;
pub mod reset;
pub mod run;
pub mod set;
mod signals;
pub mod status;
mod terminal;
pub mod top;
pub mod topics;
pub mod why;

use std::io::ErrorKind;
use std::process::ExitCode;

use crate::config::ConfigError;

/// Exit code of work that failed.
const FAILED: u8 = 1;
/// Exit code of a wrong command line or configuration.
const WRONG: u8 = 2;

/// The command line asks for what cannot be done, in one sentence.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct WrongUsage(String);

impl WrongUsage {
    fn because(message: impl Into<String>) -> anyhow::Error {
        WrongUsage(message.into()).into()
    }
}

/// The exit code of a command; an error is told on stderr. A reader that has gone away (`| head`) is none.
pub fn exit_code(result: anyhow::Result<ExitCode>) -> ExitCode {
    let Err(error) = result else { return result.unwrap_or(ExitCode::SUCCESS) };
    let gone = |cause: &(dyn std::error::Error + 'static)| {
        let io = cause.downcast_ref::<std::io::Error>().map(std::io::Error::kind);
        let json = cause.downcast_ref::<serde_json::Error>().and_then(serde_json::Error::io_error_kind);
        io.or(json) == Some(ErrorKind::BrokenPipe)
    };
    if error.chain().any(gone) {
        return ExitCode::SUCCESS;
    }
    // A second sentence on a closed stderr helps nobody.
    let _ = std::io::Write::write_fmt(&mut std::io::stderr(), format_args!("error: {}\n", sentence(&error)));
    let wrong = error.chain().any(|cause| cause.is::<ConfigError>() || cause.is::<WrongUsage>());
    ExitCode::from(if wrong { WRONG } else { FAILED })
}

/// An error with its causes; a cause that the sentence before it already ends with is not said twice.
fn sentence(error: &anyhow::Error) -> String {
    let mut sentence = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if sentence.is_empty() {
            sentence = cause;
        } else if !sentence.ends_with(&cause) {
            sentence = format!("{sentence}: {cause}");
        }
    }
    sentence
}

#[cfg(test)]
mod tests {
    use anyhow::Context;

    use super::*;
    use crate::config::Config;

    #[test]
    fn a_cause_is_said_once() {
        let missing: anyhow::Error = Config::load(std::path::Path::new("none.toml")).unwrap_err().into();
        let said = sentence(&missing);
        assert_eq!(said.matches("No such file").count(), 1, "{said}");
        let error = anyhow::anyhow!("the disk is full").context("writing `report.json`");
        assert_eq!(sentence(&error), "writing `report.json`: the disk is full");
    }

    #[test]
    fn what_someone_has_to_change_exits_with_2_and_a_closed_pipe_with_0() {
        let code = |error: anyhow::Error| format!("{:?}", exit_code(Err(error)));
        let expected = |code: u8| format!("{:?}", ExitCode::from(code));
        let wrong = Config::parse("app = 1").context("while starting").unwrap_err();
        assert_eq!(code(wrong), expected(2));
        assert_eq!(code(WrongUsage::because("no such thing")), expected(2));
        assert_eq!(code(std::io::Error::from(ErrorKind::BrokenPipe).into()), expected(0));
        assert_eq!(code(anyhow::anyhow!("the work")), expected(1));
    }
}
