//! A [`View`] as lines of so many columns: what a tired person has to see, from top to bottom.
//!
//! A pure function. Invariant: no line is wider than the canvas, and if a height is given there are no more lines than
//! that; what is left out is counted where it is left out. Everything is said in words or figures, colours only repeat it.

use super::figures::moment;
use super::line::{Line, Tone};
use super::parts::{Limits, alive, done, drifting, flowing, right};
use super::view::{Level, View};

/// From this width on there are two columns.
const TWO_COLUMNS: usize = 150;
/// Between them.
const GAP: usize = 3;
/// Reasons told; the rest is counted.
const REASONS: usize = 4;

/// What is drawn on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Canvas {
    /// Columns.
    pub width: usize,
    /// Lines; `None`: as many as it takes.
    pub height: Option<usize>,
}

/// Draws.
pub fn draw(view: &View, canvas: Canvas) -> Vec<Line> {
    let width = canvas.width.max(20);
    let mut lines = Vec::new();
    for limits in Limits::DESCENDING {
        lines = header(view, width);
        lines.extend(body(view, width, limits));
        if canvas.height.is_none_or(|height| lines.len() <= height) {
            break;
        }
    }
    let mut lines: Vec<Line> = lines.into_iter().map(|line| line.cut(width)).collect();
    if let Some(height) = canvas.height.filter(|height| lines.len() > *height) {
        let hidden = lines.len() - height.saturating_sub(1);
        lines.truncate(height.saturating_sub(1));
        lines.push(Line::new().and(Tone::Faint, format!("… {hidden} more lines, in a higher window")).cut(width));
    }
    lines
}

fn header(view: &View, width: usize) -> Vec<Line> {
    let time = format!("{} UTC", moment(view.at));
    let first = Line::new().and(Tone::Strong, format!("driftless  {}", view.app));
    let mut lines = vec![first.to(width.saturating_sub(time.len())).and(Tone::Faint, time)];
    let (tone, word) = match view.verdict.level {
        Level::Ok => (Tone::Good, "OK"),
        Level::Attention => (Tone::Warn, "ATTENTION"),
        Level::Critical => (Tone::Bad, "CRITICAL"),
    };
    let verdict = Line::new().and(tone, word).to(11);
    if view.verdict.reasons.is_empty() {
        let n = view.processes.len();
        lines.push(verdict.and(Tone::Plain, format!("all {n} processes and the cluster answer, no alert is open")));
        return lines;
    }
    let n = view.verdict.reasons.len();
    let told = if n > REASONS { REASONS - 1 } else { n };
    for (at, reason) in view.verdict.reasons.iter().take(told).enumerate() {
        let start = if at == 0 { verdict.clone() } else { Line::new().to(11) };
        let tone = if reason.level == Level::Critical { Tone::Bad } else { Tone::Warn };
        lines.push(start.and(tone, &reason.what));
    }
    if n > told {
        lines.push(Line::new().to(11).and(Tone::Plain, format!("and {} more", n - told)));
    }
    lines
}

fn body(view: &View, width: usize, limits: Limits) -> Vec<Line> {
    if width < TWO_COLUMNS {
        let parts = [alive(view, width, limits), flowing(view, width, limits), right(view, width, limits)];
        let more = [drifting(view, width, limits), done(view, width, limits)];
        return parts.into_iter().chain(more).flatten().collect();
    }
    let left_width = (width - GAP) / 2;
    let right_width = width - GAP - left_width;
    let left: Vec<Line> =
        [alive(view, left_width, limits), flowing(view, left_width, limits), right(view, left_width, limits)]
            .into_iter()
            .flatten()
            .collect();
    let right: Vec<Line> =
        [drifting(view, right_width, limits), done(view, right_width, limits)].into_iter().flatten().collect();
    beside(left, right, left_width)
}

fn beside(left: Vec<Line>, right: Vec<Line>, left_width: usize) -> Vec<Line> {
    let rows = left.len().max(right.len());
    let mut left = left.into_iter();
    let mut right = right.into_iter();
    let row = |_| {
        let mut row = left.next().unwrap_or_default().cut(left_width).to(left_width + GAP);
        row.append(right.next().unwrap_or_default());
        row
    };
    (0..rows).map(row).collect()
}
