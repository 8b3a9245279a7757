//! `driftless top`: a running application on one screen, drawn anew as it changes.
//!
//! The loop here waits for keys, signals and time only; looking happens elsewhere, so `q` answers at once whatever the
//! network does. Where nobody sits at a terminal, one look is printed.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use super::live::{Canvas, LookArgs, Lookout, draw, now};
use super::signals::Signals;
use super::{status, terminal};
use crate::transport::failpoint;

/// Longest wait for a key; a signal or another size is noticed as late as that.
const STEP: Duration = Duration::from_millis(100);
/// The screen is drawn anew so often.
const REDRAW: Duration = Duration::from_millis(500);
/// Ctrl-C, which is a key like others while the screen is ours.
const INTERRUPT: u8 = 3;

/// Arguments of `driftless top`.
#[derive(Clone, Debug, clap::Args)]
pub struct TopArgs {
    /// What to look at.
    #[command(flatten)]
    pub look: LookArgs,
    /// Seconds between two looks.
    #[arg(long, value_name = "SECONDS", default_value = "2", value_parser = clap::value_parser!(u64).range(1..=600))]
    pub interval: u64,
    /// Print one look and end, as where there is no terminal.
    #[arg(long)]
    pub once: bool,
    /// No colours, as with `NO_COLOR`.
    #[arg(long)]
    pub no_color: bool,
}

/// Shows until `q` is pressed or a signal comes.
///
/// # Errors
/// A wrong configuration or command line, or a terminal that goes away.
pub fn run(args: &TopArgs) -> anyhow::Result<ExitCode> {
    if args.once || !terminal::is_interactive() {
        let args = status::StatusArgs { look: args.look.clone(), json: false, width: None, no_color: args.no_color };
        return status::run(&args);
    }
    let lookout = args.look.start(Duration::from_secs(args.interval))?;
    let signals = Signals::install()?;
    let colours = terminal::colours(args.no_color);
    let mut screen = terminal::Screen::open()?;
    let mut drawn: Option<(Instant, Canvas)> = None;
    while !signals.came() {
        let size = terminal::size().unwrap_or(Canvas { width: 80, height: Some(24) });
        if drawn.is_none_or(|(at, before)| at.elapsed() >= REDRAW || before != size) {
            failpoint::at("at_frame");
            screen.show(&frame(&lookout, size), size, colours)?;
            drawn = Some((Instant::now(), size));
        }
        if matches!(screen.key(STEP)?, Some(b'q' | b'Q' | INTERRUPT)) {
            break;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn frame(lookout: &Lookout, size: Canvas) -> Vec<super::live::Line> {
    draw(&lookout.view(now()), size)
}
