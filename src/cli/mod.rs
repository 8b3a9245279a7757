//! The commands: one file each, with its arguments and a `run` that prints results on stdout and returns the exit code.

pub mod check;
