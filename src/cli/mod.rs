//! The commands: one file each, with its arguments and a `run` that prints results on stdout and returns the exit code.
//!
//! 0 means done, 1 that the work failed, 2 that the command line or the configuration is wrong. Results go to stdout,
//! everything else to stderr.

pub mod check;
pub mod connect;
pub mod models;
pub mod run;
pub mod topics;

use std::io::ErrorKind;
use std::process::ExitCode;

use crate::config::ConfigError;

/// Exit code of work that failed.
const FAILED: u8 = 1;
/// Exit code of a wrong command line or configuration.
const WRONG: u8 = 2;

/// The exit code of a command; an error is told on stderr. A reader that has gone away (`| head`) is none.
pub fn exit_code(result: anyhow::Result<ExitCode>) -> ExitCode {
    let Err(error) = result else { return result.unwrap_or(ExitCode::SUCCESS) };
    let gone = |cause: &(dyn std::error::Error + 'static)| {
        cause.downcast_ref::<std::io::Error>().is_some_and(|error| error.kind() == ErrorKind::BrokenPipe)
    };
    if error.chain().any(gone) {
        return ExitCode::SUCCESS;
    }
    // A second sentence on a closed stderr helps nobody.
    let _ = std::io::Write::write_fmt(&mut std::io::stderr(), format_args!("error: {error:#}\n"));
    let wrong = error.chain().any(|cause| cause.downcast_ref::<ConfigError>().is_some());
    ExitCode::from(if wrong { WRONG } else { FAILED })
}
