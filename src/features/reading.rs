//! What a feature reads from a track at one moment: one bundle, or the closed panes and the one that goes on.

use super::cells::{CellKind, MAX_CELL, get, merged};
use super::rows::Values;
use super::sketch::{distinct, quantile, top};
use crate::data::params::{FieldColumn, NumberIndex};

/// What a feature reads from a bundle; a number is the first word of the cell it is read from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Statistic {
    Count,
    Rate {
        /// What a count is multiplied by.
        per_hour: f64,
    },
    Sum(usize),
    Mean(usize),
    Max(usize),
    Ratio(usize, NumberIndex),
    Variance(usize),
    Std(usize),
    Min(usize),
    First(usize),
    Last(usize),
    Quantile(usize, f64),
    Distinct(usize),
    TopShare(usize),
    IsTop(usize, FieldColumn),
    Duration,
}

impl Statistic {
    /// Which of [`Basic::values`] it is, if it is one of them.
    pub(super) fn of_basic(self) -> Option<usize> {
        match self {
            Statistic::Count => Some(0),
            Statistic::Sum(_) => Some(1),
            Statistic::Mean(_) => Some(2),
            Statistic::Max(_) => Some(3),
            _ => None,
        }
    }

    /// The first word of the cell it reads, if it reads one.
    pub(super) fn cell(self) -> Option<usize> {
        match self {
            Statistic::Count | Statistic::Rate { .. } | Statistic::Duration => None,
            Statistic::Sum(at)
            | Statistic::Mean(at)
            | Statistic::Max(at)
            | Statistic::Ratio(at, _)
            | Statistic::Variance(at)
            | Statistic::Std(at)
            | Statistic::Min(at)
            | Statistic::First(at)
            | Statistic::Last(at)
            | Statistic::Quantile(at, _)
            | Statistic::Distinct(at)
            | Statistic::TopShare(at)
            | Statistic::IsTop(at, _) => Some(at),
        }
    }
}

/// A track as of one moment.
pub(super) struct Reading<'a> {
    pub closed: &'a [u64],
    /// Later than what is closed.
    pub newest: Option<&'a [u64]>,
    /// What every record counts.
    pub scale: f64,
    /// Records have different weights.
    pub is_weighted: bool,
    /// Seconds from the start of the session to its end.
    pub duration: f64,
}

impl<'a> Reading<'a> {
    pub(super) fn of(closed: &'a [u64]) -> Self {
        Reading { closed, newest: None, scale: 1.0, is_weighted: false, duration: f64::NAN }
    }

    /// The basic cell at `cell`, or only the number of records.
    #[inline]
    fn basic(&self, cell: Option<usize>) -> Basic {
        let own = cell.map_or([0.0, 0.0, f64::NEG_INFINITY], |cell| {
            let newest = self.newest.map_or(f64::NEG_INFINITY, |newest| get(newest, cell + 2));
            [self.sum(cell), self.sum(cell + 1), get(self.closed, cell + 2).max(newest)]
        });
        Basic::new(self.sum(0), own, self.scale)
    }

    /// All that a bundle of four words says.
    #[inline]
    pub(super) fn whole(&self) -> Option<Basic> {
        let closed = self.closed.first_chunk()?;
        let newest = self.newest.and_then(<[u64]>::first_chunk);
        let [records, own @ ..] = newest.map_or(*closed, |newest| merged(closed, newest)).map(f64::from_bits);
        Some(Basic::new(records, own, self.scale))
    }

    #[inline]
    fn sum(&self, word: usize) -> f64 {
        let closed = get(self.closed, word);
        self.newest.map_or(closed, |newest| closed + get(newest, word))
    }

    /// A cell of both put together.
    fn cell(&self, kind: CellKind, at: usize) -> [u64; MAX_CELL] {
        let mut words = [0; MAX_CELL];
        let of = at..at + kind.words();
        let own = &mut words[..kind.words()];
        own.copy_from_slice(&self.closed[of.clone()]);
        if let Some(newest) = self.newest {
            kind.merge(own, &newest[of]);
        }
        words
    }

    fn variance(&self, cell: usize) -> f64 {
        let words = self.cell(CellKind::Moments, cell);
        let (n, squares) = (get(&words, 0), get(&words, 2));
        let degrees = if self.is_weighted { n } else { n - 1.0 };
        if degrees > 0.0 { (squares / degrees).max(0.0) } else { f64::NAN }
    }

    /// A statistic; NaN where there is no value to compute it from. `own` are the fields of the event.
    #[inline]
    pub(super) fn statistic(&self, statistic: Statistic, own: &Values<'_>) -> f64 {
        match statistic {
            Statistic::Count
            | Statistic::Rate { .. }
            | Statistic::Sum(_)
            | Statistic::Mean(_)
            | Statistic::Max(_)
            | Statistic::Ratio(..) => self.basic(statistic.cell()).statistic(statistic, own),
            Statistic::Variance(cell) => self.variance(cell),
            Statistic::Std(cell) => libm::sqrt(self.variance(cell)),
            Statistic::Min(cell) => finite(get(&self.cell(CellKind::Min, cell), 0)),
            Statistic::First(cell) => get(&self.cell(CellKind::First, cell), 1),
            Statistic::Last(cell) => get(&self.cell(CellKind::Last, cell), 1),
            Statistic::Quantile(cell, share) => {
                quantile::quantile(&self.cell(CellKind::Quantile, cell), share).unwrap_or(f64::NAN)
            }
            Statistic::Distinct(cell) => distinct::estimate(&self.cell(CellKind::Distinct, cell)[..distinct::WORDS]),
            Statistic::TopShare(cell) => top::share(&self.cell(CellKind::Top, cell)).unwrap_or(f64::NAN),
            Statistic::IsTop(cell, column) => {
                let words = self.cell(CellKind::Top, cell);
                let is_top = own.hash(column).and_then(|hash| top::is_top(&words, hash));
                is_top.map_or(f64::NAN, |is_top| f64::from(u8::from(is_top)))
            }
            Statistic::Duration => self.duration,
        }
    }
}

/// What the number of records and one basic cell say.
#[derive(Clone, Copy)]
pub(super) struct Basic {
    records: f64,
    sum: f64,
    mean: f64,
    max: f64,
}

impl Basic {
    /// What a bundle of four words says.
    #[inline]
    pub(super) fn of(words: [u64; 4]) -> Self {
        let [records, own @ ..] = words.map(f64::from_bits);
        Basic::new(records, own, 1.0)
    }

    /// In the order of [`Statistic::of_basic`].
    #[inline]
    pub(super) fn values(&self) -> [f64; 4] {
        [self.records, self.sum, self.mean, self.max]
    }

    #[inline]
    fn new(records: f64, [known, sum, max]: [f64; 3], scale: f64) -> Self {
        let mean = if known > 0.0 { sum / known } else { f64::NAN };
        Basic { records: records * scale, sum: sum * scale, mean, max: finite(max) }
    }

    /// A statistic of those that need no more; NaN for others, and where there is no value to compute it from.
    #[inline]
    pub(super) fn statistic(&self, statistic: Statistic, own: &Values<'_>) -> f64 {
        match statistic {
            Statistic::Count => self.records,
            Statistic::Rate { per_hour } => self.records * per_hour,
            Statistic::Sum(_) => self.sum,
            Statistic::Mean(_) => self.mean,
            Statistic::Max(_) => self.max,
            Statistic::Ratio(_, column) => finite(own.number(column) / self.mean),
            _ => f64::NAN,
        }
    }
}

/// Infinite becomes missing: nothing was there, or it was divided by 0.
fn finite(x: f64) -> f64 {
    if x.is_finite() { x } else { f64::NAN }
}
