//! The parts of the screen, one question each, in the order in which a person on call asks them.

mod model;
mod running;

pub(super) use model::{done, drifting, right};
pub(super) use running::{alive, flowing};

use super::line::{Line, Tone, width};

/// How much of what may be long is shown.
#[derive(Clone, Copy, Debug)]
pub(in crate::cli::live) struct Limits {
    pub partitions: usize,
    pub signals: usize,
    pub decisions: usize,
    /// Whether what is as it has to be is counted instead of listed.
    pub terse: bool,
}

impl Limits {
    /// From much to little: the first that fits is taken.
    pub const DESCENDING: [Limits; 7] = [
        Limits { partitions: 64, signals: 64, decisions: 12, terse: false },
        Limits { partitions: 16, signals: 20, decisions: 8, terse: false },
        Limits { partitions: 8, signals: 12, decisions: 6, terse: false },
        Limits { partitions: 4, signals: 8, decisions: 4, terse: false },
        Limits { partitions: 4, signals: 6, decisions: 4, terse: true },
        Limits { partitions: 2, signals: 4, decisions: 2, terse: true },
        Limits { partitions: 1, signals: 1, decisions: 1, terse: true },
    ];
}

fn title(text: &str, columns: usize) -> Line {
    let rule = columns.saturating_sub(width(text) + 1);
    Line::new().and(Tone::Title, text).and(Tone::Plain, " ").and(Tone::Faint, "─".repeat(rule))
}

/// A line of a part, two columns in.
fn row() -> Line {
    Line::new().and(Tone::Plain, "  ")
}

fn fact(name: &str, value: String) -> Line {
    Line::new().and(Tone::Faint, name).and(Tone::Plain, " ").and(Tone::Strong, value)
}

/// Facts one after the other, on as many lines as it takes.
fn flowed(facts: Vec<Line>, columns: usize) -> Vec<Line> {
    let mut lines: Vec<Line> = Vec::new();
    for fact in facts {
        match lines.last_mut().filter(|line| line.width() + 3 + fact.width() <= columns) {
            Some(line) => {
                line.push(Tone::Plain, "   ");
                line.append(fact);
            }
            None => {
                let mut line = row();
                line.append(fact);
                lines.push(line);
            }
        }
    }
    lines
}
