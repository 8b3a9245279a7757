//! The commands: one file each, with its arguments and a `run` that prints results on stdout and returns the exit code.
//!
//! 0 means done, 1 that the work failed, 2 that the command line or the configuration is wrong. Results go to stdout,
//! everything else to stderr.

pub mod check;
pub mod connect;
pub mod demo;
pub mod models;
pub mod produce;
pub mod run;
mod signals;
pub mod topics;

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
    let _ = std::io::Write::write_fmt(&mut std::io::stderr(), format_args!("error: {error:#}\n"));
    let wrong = error.chain().any(|cause| cause.is::<ConfigError>() || cause.is::<WrongUsage>());
    ExitCode::from(if wrong { WRONG } else { FAILED })
}
