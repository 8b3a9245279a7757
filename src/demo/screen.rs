//! Progress for a person: a block redrawn in place on a terminal, plain lines where nobody watches.
//!
//! Everything goes to stderr; 80 columns are enough. `NO_COLOR` is respected.

use std::fmt::Write as _;
use std::io::{IsTerminal, Result, Write};
use std::time::{Duration, Instant};

use super::story::Happening;
use crate::data::{DriftAlert, PerformanceRecord, Span, Timestamp};

/// Columns used, one less than a narrow terminal has.
const COLUMNS: usize = 79;
/// A block is drawn this often at most.
const REDRAW: Duration = Duration::from_millis(80);
/// Where nobody watches, a line is written per so much simulated time.
const PLAIN_EVERY: Span = Span::from_days(28);
const BAR: usize = 40;

/// How things stand.
pub struct Progress<'a> {
    /// Simulated time.
    pub now: Timestamp,
    /// Share of the stream that has been replayed.
    pub done: f64,
    /// Since the beginning.
    pub elapsed: Duration,
    /// Events sent.
    pub events: u64,
    /// Predictions read.
    pub predictions: u64,
    /// Labels joined.
    pub labels: u64,
    /// Dead letters read.
    pub dead_letters: u64,
    /// Version in charge.
    pub champion: u32,
    /// For how long, in simulated time; `None` before the first promotion.
    pub age: Option<Span>,
    /// The newest window with an AUC.
    pub latest: Option<&'a PerformanceRecord>,
    /// Open alerts, the strongest first.
    pub open: Vec<&'a DriftAlert>,
}

/// Where progress is shown.
pub struct Screen {
    out: Box<dyn Write + Send>,
    live: bool,
    colour: bool,
    /// Lines of the block that stands at the bottom.
    drawn: usize,
    block: Vec<String>,
    last: Option<Instant>,
    next_line: Option<Timestamp>,
}

impl Screen {
    /// Stderr, live if it is a terminal.
    pub fn stderr() -> Screen {
        let live = std::io::stderr().is_terminal() && std::env::var_os("TERM").is_none_or(|term| term != "dumb");
        let colour = live && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        Screen::new(Box::new(std::io::stderr()), live, colour)
    }

    fn new(out: Box<dyn Write + Send>, live: bool, colour: bool) -> Screen {
        Screen { out, live, colour, drawn: 0, block: Vec::new(), last: None, next_line: None }
    }

    /// A line that stays.
    pub fn say(&mut self, line: &str) -> Result<()> {
        self.above(&[line.to_owned()])
    }

    /// Something happened.
    pub fn happened(&mut self, happening: &Happening) -> Result<()> {
        let date = day(happening.at);
        let colour = match happening.what {
            "alert" | "refused" | "failed" => "33",
            "promoted" | "recovered" => "32",
            _ => "36",
        };
        let what = self.paint(colour, &format!("{:<9}", happening.what));
        let room = if self.live { COLUMNS - 22 } else { usize::MAX };
        let lines: Vec<String> = wrap(&happening.text, room)
            .into_iter()
            .enumerate()
            .map(|(i, text)| if i == 0 { format!("{date}  {what} {text}") } else { format!("{:22}{text}", "") })
            .collect();
        self.above(&lines)
    }

    /// How things stand now.
    pub fn progress(&mut self, progress: &Progress<'_>) -> Result<()> {
        if !self.live {
            let due = self.next_line.is_none_or(|due| progress.now >= due);
            if due {
                self.next_line = Some(progress.now.plus(PLAIN_EVERY));
                writeln!(self.out, "{}  {}", day(progress.now), status(progress))?;
            }
            return Ok(());
        }
        self.block = self.lines(progress);
        if self.last.is_some_and(|last| last.elapsed() < REDRAW) {
            return Ok(());
        }
        self.last = Some(Instant::now());
        let block = self.block.clone();
        self.redraw(&[], &block)
    }

    /// The last state stays where it is.
    pub fn finish(&mut self) -> Result<()> {
        if self.live {
            let block = std::mem::take(&mut self.block);
            self.redraw(&[], &block)?;
            self.drawn = 0;
        }
        self.out.flush()
    }

    fn above(&mut self, lines: &[String]) -> Result<()> {
        if self.live {
            let block = self.block.clone();
            return self.redraw(lines, &block);
        }
        lines.iter().try_for_each(|line| writeln!(self.out, "{line}"))
    }

    /// Writes `lines` where the block stands and the block below them, in one piece so that nothing flickers.
    fn redraw(&mut self, lines: &[String], block: &[String]) -> Result<()> {
        let mut text = String::new();
        if self.drawn > 0 {
            let _ = write!(text, "\x1b[{}A", self.drawn);
        }
        text.push_str("\r\x1b[J");
        for line in lines.iter().chain(block) {
            text.push_str(line);
            text.push('\n');
        }
        self.drawn = block.len();
        self.out.write_all(text.as_bytes())?;
        self.out.flush()
    }

    fn lines(&self, progress: &Progress<'_>) -> Vec<String> {
        let filled = (progress.done.clamp(0.0, 1.0) * BAR as f64) as usize;
        let bar = format!("{}{}", "█".repeat(filled), "░".repeat(BAR - filled));
        let mut lines = vec![
            String::new(),
            format!("{}  {}  {:3.0} %", self.paint("1", &day(progress.now)), bar, progress.done * 100.0),
            cut(&status(progress)),
        ];
        let age =
            progress.age.map_or_else(|| "the base rate".to_owned(), |age| format!("{} days in charge", days(age)));
        let mut model = format!("model v{}, {age}", progress.champion);
        if let Some(latest) = progress.latest {
            let number = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |value| format!("{value:.3}"));
            let (auc, log_loss) = (number(latest.auc), number(latest.log_loss));
            let _ = write!(model, "; week of {}: AUC {auc}, log loss {log_loss}", day(latest.window_start));
        }
        lines.push(cut(&model));
        let mut drift = match progress.open.len() {
            0 => "no alert is open".to_owned(),
            1 => "1 alert open: ".to_owned(),
            n => format!("{n} alerts open: "),
        };
        let named = progress.open.iter().map(|alert| match alert.effect {
            Some(effect) => format!("{} {} {effect:.2}", alert.signal, alert.statistic),
            None => alert.signal.clone(),
        });
        drift.push_str(&named.collect::<Vec<_>>().join(", "));
        lines.push(if progress.open.is_empty() { drift } else { self.paint("33", &cut(&drift)) });
        lines
    }

    fn paint(&self, colour: &str, text: &str) -> String {
        if self.colour { format!("\x1b[{colour}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

fn status(progress: &Progress<'_>) -> String {
    let Progress { events, predictions, labels, dead_letters, .. } = *progress;
    let rate = events as f64 / progress.elapsed.as_secs_f64().max(1e-3);
    format!("{events} events ({rate:.0}/s), {predictions} predictions, {labels} labels, {dead_letters} dead letters")
}

fn days(span: Span) -> i64 {
    span.millis() / Span::from_days(1).millis()
}

/// The date of a point in time.
pub(super) fn day(at: Timestamp) -> String {
    at.to_string().chars().take(10).collect()
}

fn cut(line: &str) -> String {
    if line.chars().count() <= COLUMNS {
        return line.to_owned();
    }
    let mut cut: String = line.chars().take(COLUMNS - 1).collect();
    cut.push('…');
    cut
}

/// Breaks a text between words into lines of at most `room` characters; a longer word has a line of its own.
pub(super) fn wrap(text: &str, room: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ') {
        match lines.last_mut().filter(|line| line.chars().count() + 1 + word.chars().count() <= room) {
            Some(line) => {
                line.push(' ');
                line.push_str(word);
            }
            None => lines.push(word.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Paper(Arc<Mutex<Vec<u8>>>);

    impl Write for Paper {
        fn write(&mut self, bytes: &[u8]) -> Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> Result<()> {
            Ok(())
        }
    }

    fn shown(live: bool, show: impl FnOnce(&mut Screen)) -> String {
        let paper = Paper::default();
        show(&mut Screen::new(Box::new(paper.clone()), live, false));
        String::from_utf8(paper.0.lock().unwrap().clone()).unwrap()
    }

    fn progress(days: i64) -> Progress<'static> {
        Progress {
            now: Timestamp::from_millis(0).plus(Span::from_days(days)),
            done: 0.5,
            elapsed: Duration::from_secs(10),
            events: 1_000,
            predictions: 990,
            labels: 900,
            dead_letters: 10,
            champion: 2,
            age: Some(Span::from_days(3)),
            latest: None,
            open: Vec::new(),
        }
    }

    #[test]
    fn where_nobody_watches_there_is_a_line_every_28_days() {
        let text = shown(false, |screen| (0..57).for_each(|days| screen.progress(&progress(days)).unwrap()));
        let dates: Vec<&str> = text.lines().map(|line| &line[..10]).collect();
        assert_eq!(dates, ["1970-01-01", "1970-01-29", "1970-02-26"]);
        assert!(!text.contains('\x1b') && text.contains("1000 events (100/s), 990 predictions"), "{text}");
    }

    #[test]
    fn a_block_is_drawn_over_itself_and_lines_go_above_it() {
        let text = shown(true, |screen| {
            screen.progress(&progress(0)).unwrap();
            let what = Happening { at: Timestamp::from_millis(0), what: "alert", text: "word ".repeat(30) };
            screen.happened(&what).unwrap();
            screen.finish().unwrap();
        });
        assert_eq!(text.matches("\x1b[5A\r\x1b[J").count(), 2, "{text:?}");
        assert!(text.split(['\n', '\r']).all(|line| line.chars().count() <= 80 + 4), "{text}");
        assert!(text.contains("model v2, 3 days in charge") && text.contains("no alert is open"));
    }

    #[test]
    fn text_breaks_between_words() {
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
        assert_eq!(wrap("incomprehensible", 4), ["incomprehensible"]);
    }
}
