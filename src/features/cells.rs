//! What is kept of the records of a pane, a session or a whole past: a bundle of cells.
//!
//! A bundle is the number of records and a cell for each field and purpose, all in 8-byte words. Every cell takes a
//! record in, merges with the same cell of a later bundle, and fades. Bundles are merged from the oldest to the newest,
//! always in that order, so that sums are the same bit for bit however often they are read.
//!
//! Variance: B. P. Welford (1962), merged as in T. Chan, G. Golub, R. LeVeque: Updating formulae and a pairwise algorithm
//! for computing sample variances (1979).

use super::rows::Values;
use super::sketch::{distinct, quantile, top};
use crate::data::Timestamp;
use crate::data::params::{FieldColumn, NumberIndex};

/// The cells of a bundle; word 0 is the number of records.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Bundle {
    pub cells: Vec<Cell>,
    /// Words of the bundle.
    pub stride: usize,
    /// All cells are [`CellKind::Basic`].
    is_basic: bool,
}

/// What is kept of one field for one purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cell {
    pub kind: CellKind,
    pub column: FieldColumn,
    /// Its first word in the bundle.
    pub at: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CellKind {
    /// How many values, their sum, the largest.
    Basic,
    /// How many values, their mean, the sum of squared distances from it.
    Moments,
    /// The smallest value.
    Min,
    /// Time and value of the earliest; NaN where there is none.
    First,
    /// Time and value of the latest; NaN where there is none.
    Last,
    Distinct,
    Quantile,
    Top,
}

/// The most words of one cell.
pub(super) const MAX_CELL: usize = 65;

impl CellKind {
    pub(super) fn words(self) -> usize {
        match self {
            CellKind::Basic | CellKind::Moments => 3,
            CellKind::Min => 1,
            CellKind::First | CellKind::Last => 2,
            CellKind::Distinct => distinct::WORDS,
            CellKind::Quantile => quantile::WORDS,
            CellKind::Top => top::WORDS,
        }
    }

    pub(super) fn clear(self, words: &mut [u64]) {
        words.fill(0);
        let initial = match self {
            CellKind::Basic => f64::NEG_INFINITY,
            CellKind::Min => f64::INFINITY,
            CellKind::First | CellKind::Last => f64::NAN,
            CellKind::Moments | CellKind::Distinct | CellKind::Quantile | CellKind::Top => return,
        };
        if let Some(last) = words.last_mut() {
            *last = initial.to_bits();
        }
    }

    /// Merges the cell of a later bundle.
    pub(super) fn merge(self, into: &mut [u64], from: &[u64]) {
        match self {
            CellKind::Basic => merge_basic(into, from),
            CellKind::Moments => merge_moments(into, from),
            CellKind::Min => put(into, 0, get(into, 0).min(get(from, 0))),
            CellKind::First => {
                if !get(from, 1).is_nan() && (get(into, 1).is_nan() || (from[0] as i64) < into[0] as i64) {
                    into.copy_from_slice(from);
                }
            }
            CellKind::Last => {
                if !get(from, 1).is_nan() && (get(into, 1).is_nan() || from[0] as i64 >= into[0] as i64) {
                    into.copy_from_slice(from);
                }
            }
            CellKind::Distinct => distinct::merge(into, from),
            CellKind::Quantile => quantile::merge(into, from),
            CellKind::Top => top::merge(into, from),
        }
    }

    fn add(self, words: &mut [u64], entry: &Entry<'_>, column: FieldColumn) {
        if let CellKind::Distinct | CellKind::Top = self {
            let Some(hash) = entry.values.hash(column) else { return };
            return if self == CellKind::Top { top::add(words, hash) } else { distinct::add(words, hash) };
        }
        let FieldColumn::Number(column) = column else { return };
        let x = entry.values.number(column);
        if x.is_nan() {
            return;
        }
        match self {
            CellKind::Basic => {
                put(words, 0, get(words, 0) + entry.weight);
                put(words, 1, get(words, 1) + entry.weight * x);
                put(words, 2, get(words, 2).max(x));
            }
            CellKind::Moments => {
                let n = get(words, 0) + entry.weight;
                let from_mean = x - get(words, 1);
                let mean = get(words, 1) + from_mean * entry.weight / n;
                put(words, 0, n);
                put(words, 1, mean);
                put(words, 2, get(words, 2) + entry.weight * from_mean * (x - mean));
            }
            CellKind::Min => put(words, 0, get(words, 0).min(x)),
            CellKind::First | CellKind::Last => {
                let (at, known) = (entry.at.millis(), words[0] as i64);
                let is_new = get(words, 1).is_nan() || if self == CellKind::First { at < known } else { at >= known };
                if is_new {
                    words[0] = at as u64;
                    put(words, 1, x);
                }
            }
            CellKind::Quantile => quantile::add(words, x),
            CellKind::Distinct | CellKind::Top => {}
        }
    }
}

/// A record on its way into a bundle.
#[derive(Clone, Copy)]
pub(super) struct Entry<'a> {
    pub at: Timestamp,
    pub values: Values<'a>,
    /// 1, or less for one that is late in a window that fades.
    pub weight: f64,
}

pub(super) fn get(words: &[u64], at: usize) -> f64 {
    f64::from_bits(words[at])
}

pub(super) fn put(words: &mut [u64], at: usize, value: f64) {
    words[at] = value.to_bits();
}

/// A bundle of one record and one basic cell.
#[inline]
pub(super) fn four(entry: &Entry<'_>, column: NumberIndex) -> [u64; 4] {
    let (x, weight) = (entry.values.number(column), entry.weight);
    let own = if x.is_nan() { [weight, 0.0, 0.0, x] } else { [weight, weight, weight * x, x] };
    own.map(f64::to_bits)
}

/// The number of records and one basic cell, merged with those of a later bundle.
#[inline]
pub(super) fn merged(into: &[u64; 4], from: &[u64; 4]) -> [u64; 4] {
    let (into, from) = (into.map(f64::from_bits), from.map(f64::from_bits));
    [into[0] + from[0], into[1] + from[1], into[2] + from[2], into[3].max(from[3])].map(f64::to_bits)
}

#[inline]
fn merge_basic(into: &mut [u64], from: &[u64]) {
    put(into, 0, get(into, 0) + get(from, 0));
    put(into, 1, get(into, 1) + get(from, 1));
    put(into, 2, get(into, 2).max(get(from, 2)));
}

fn merge_moments(into: &mut [u64], from: &[u64]) {
    let (a, b) = (get(into, 0), get(from, 0));
    if b == 0.0 {
        return;
    }
    if a == 0.0 {
        return into.copy_from_slice(from);
    }
    let n = a + b;
    let apart = get(from, 1) - get(into, 1);
    put(into, 0, n);
    put(into, 1, get(into, 1) + apart * b / n);
    put(into, 2, get(into, 2) + get(from, 2) + apart * apart * a * b / n);
}

impl Bundle {
    pub(super) fn new() -> Self {
        Bundle { cells: Vec::new(), stride: 1, is_basic: true }
    }

    /// The first word of the cell, which is added where there is none.
    pub(super) fn cell(&mut self, kind: CellKind, column: FieldColumn) -> usize {
        if let Some(cell) = self.find(kind, column) {
            return cell.at;
        }
        let at = self.stride;
        self.cells.push(Cell { kind, column, at });
        self.stride += kind.words();
        self.is_basic &= kind == CellKind::Basic;
        at
    }

    pub(super) fn find(&self, kind: CellKind, column: FieldColumn) -> Option<&Cell> {
        self.cells.iter().find(|cell| cell.kind == kind && cell.column == column)
    }

    pub(super) fn clear(&self, words: &mut [u64]) {
        words[0] = 0;
        for cell in &self.cells {
            cell.kind.clear(&mut words[cell.range()]);
        }
    }

    #[inline]
    pub(super) fn add(&self, words: &mut [u64], entry: &Entry<'_>) {
        if let (([words], []), Some(column)) = (words.as_chunks_mut::<4>(), self.single_basic()) {
            *words = merged(words, &four(entry, column));
            return;
        }
        put(words, 0, get(words, 0) + entry.weight);
        for cell in &self.cells {
            cell.kind.add(&mut words[cell.range()], entry, cell.column);
        }
    }

    /// Puts an empty bundle in place of what is there.
    #[inline]
    pub(super) fn empty(&self, words: &mut [u64], empty: &[u64]) {
        // Of four words it is no call.
        match (words.as_chunks_mut::<4>(), empty.as_chunks::<4>()) {
            (([words], []), ([empty], [])) => *words = *empty,
            _ => words.copy_from_slice(empty),
        }
    }

    /// A bundle of the number of records and one basic cell is four words, which are merged without a call.
    #[inline]
    pub(super) fn is_four_words(&self) -> bool {
        self.single_basic().is_some()
    }

    /// The column of the one basic cell that makes it four words.
    #[inline]
    pub(super) fn single_basic(&self) -> Option<NumberIndex> {
        match self.cells.as_slice() {
            [Cell { kind: CellKind::Basic, column: FieldColumn::Number(column), .. }] => Some(*column),
            _ => None,
        }
    }

    /// Merges later bundles that lie beside each other, the oldest first.
    #[inline]
    pub(super) fn fold(&self, into: &mut [u64], from: &[u64]) {
        if self.is_four_words()
            && let ([into], []) = into.as_chunks_mut::<4>()
        {
            *into = from.as_chunks::<4>().0.iter().fold(*into, |into, from| merged(&into, from));
            return;
        }
        for bundle in from.chunks_exact(self.stride) {
            self.merge(into, bundle);
        }
    }

    /// Merges a later bundle.
    #[inline]
    pub(super) fn merge(&self, into: &mut [u64], from: &[u64]) {
        put(into, 0, get(into, 0) + get(from, 0));
        if self.is_basic {
            for (into, from) in into[1..].chunks_exact_mut(3).zip(from[1..].chunks_exact(3)) {
                merge_basic(into, from);
            }
            return;
        }
        for cell in &self.cells {
            cell.kind.merge(&mut into[cell.range()], &from[cell.range()]);
        }
    }

    /// Makes all records count less by a factor; what cannot fade stays.
    pub(super) fn fade(&self, words: &mut [u64], factor: f64) {
        put(words, 0, get(words, 0) * factor);
        for cell in &self.cells {
            let faded: &[usize] = match cell.kind {
                CellKind::Basic => &[0, 1],
                CellKind::Moments => &[0, 2],
                _ => &[],
            };
            for at in faded {
                put(words, cell.at + at, get(words, cell.at + at) * factor);
            }
        }
    }
}

impl Cell {
    pub(super) fn range(&self) -> std::ops::Range<usize> {
        self.at..self.at + self.kind.words()
    }
}
