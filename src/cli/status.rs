//! `driftless status`: one look at a running application, as text or JSON.
//!
//! Exit code 0 means that nothing is critical, 1 that something is. What does not answer is part of the answer.

use std::io::{IsTerminal, Write};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use super::FAILED;
use super::live::{Canvas, Level, LookArgs, View, draw, now};
use super::terminal;

/// Between two looks; rates need two.
const INTERVAL: Duration = Duration::from_millis(1_500);
/// What has not answered by then does not.
const LIMIT: Duration = Duration::from_secs(20);
/// Columns where nobody says how many there are.
const COLUMNS: usize = 120;

/// Arguments of `driftless status`.
#[derive(Clone, Debug, clap::Args)]
pub struct StatusArgs {
    /// What to look at.
    #[command(flatten)]
    pub look: LookArgs,
    /// Print everything as JSON.
    #[arg(long)]
    pub json: bool,
    /// Columns of the text; those of the terminal by default.
    #[arg(long, value_name = "COLUMNS", value_parser = clap::value_parser!(u16).range(40..=1000))]
    pub width: Option<u16>,
    /// No colours, as with `NO_COLOR`.
    #[arg(long)]
    pub no_color: bool,
}

/// Looks and prints.
///
/// # Errors
/// A wrong configuration or command line.
pub fn run(args: &StatusArgs) -> anyhow::Result<ExitCode> {
    let view = look(&args.look)?;
    let mut out = std::io::stdout().lock();
    if args.json {
        serde_json::to_writer_pretty(&mut out, &view)?;
        writeln!(out)?;
    } else {
        let width = args.width.map(usize::from).or_else(|| terminal::size().map(|size| size.width));
        let colours = terminal::colours(args.no_color) && std::io::stdout().is_terminal();
        print(&view, width.unwrap_or(COLUMNS), colours, &mut out)?;
    }
    Ok(if view.verdict.level == Level::Critical { ExitCode::from(FAILED) } else { ExitCode::SUCCESS })
}

/// One look with rates in it, as soon as everything has answered or has been found not to.
pub(super) fn look(args: &LookArgs) -> anyhow::Result<View> {
    let lookout = args.start(INTERVAL)?;
    let until = Instant::now() + LIMIT;
    while !lookout.complete() && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok(lookout.view(now()))
}

/// Prints a view as text.
pub(super) fn print(view: &View, width: usize, colours: bool, out: &mut impl Write) -> std::io::Result<()> {
    let lines = draw(view, Canvas { width, height: None });
    lines.iter().try_for_each(|line| writeln!(out, "{}", line.render(colours)))
}
