//! A slot in bytes: what is held, and of that only what cannot be told from the rest.
//!
//! Times are relative to the group's latest event. Numbers that are small integers or amounts take few bytes.

use super::cells::{Bundle, CellKind, get, put};
use super::ever::Ever;
use super::plan::{GroupPlan, SESSIONS, Shape, TOUCHED, Track};
use super::ring::{NONE, Ring};
use super::session::Sessions;
use super::sketch::{distinct, quantile, top};
use crate::data::{BinaryError, Reader, Timestamp, Writer};

fn invalid(what: &'static str) -> BinaryError {
    BinaryError::Invalid { what, at: 0 }
}

impl GroupPlan {
    pub(super) fn encode(&self, slot: &[u64], out: &mut Writer) {
        let touched = slot[TOUCHED] as i64;
        out.signed(touched);
        for time in &slot[TOUCHED + 1..=TOUCHED + self.sources.len()] {
            write_time(*time as i64, touched, out);
        }
        for track in &self.tracks {
            track.encode(slot, touched, out);
        }
    }

    /// Into a slot that is empty.
    pub(super) fn decode(&self, slot: &mut [u64], reader: &mut Reader<'_>) -> Result<(), BinaryError> {
        let touched = reader.signed()?;
        slot[TOUCHED] = touched as u64;
        for time in &mut slot[TOUCHED + 1..=TOUCHED + self.sources.len()] {
            *time = read_time(touched, reader)? as u64;
        }
        self.tracks.iter().try_for_each(|track| track.decode(slot, touched, reader))
    }
}

fn write_time(time: i64, touched: i64, out: &mut Writer) {
    out.flag(time != NONE);
    if time != NONE {
        out.signed(touched.wrapping_sub(time));
    }
}

fn read_time(touched: i64, reader: &mut Reader<'_>) -> Result<i64, BinaryError> {
    Ok(if reader.flag()? { touched.wrapping_sub(reader.signed()?) } else { NONE })
}

impl Track {
    fn encode(&self, slot: &[u64], touched: i64, out: &mut Writer) {
        match self.shape {
            Shape::Panes(panes) => {
                let ring = Ring { track: self, panes };
                let head = ring.head(slot);
                out.flag(head != NONE);
                if head == NONE {
                    return;
                }
                out.signed(ring.pane(Timestamp::from_millis(touched)).wrapping_sub(head));
                out.unsigned(ring.n_held(slot) as u64);
                for (pane, words) in ring.held(slot) {
                    out.unsigned(head.wrapping_sub(pane) as u64);
                    self.bundle.encode(words, touched, out);
                }
            }
            Shape::Session { gap, is_completed } => {
                let held = Sessions { track: self, gap, is_completed }.held(slot);
                out.unsigned(held.len() as u64);
                for (start, end, words) in held {
                    out.signed(touched.wrapping_sub(start));
                    out.signed(end.wrapping_sub(start));
                    self.bundle.encode(words, touched, out);
                }
            }
            Shape::Ever { half_life } => {
                let ever = Ever { track: self, half_life };
                write_time(ever.as_of(slot), touched, out);
                if ever.as_of(slot) != NONE {
                    self.bundle.encode(&slot[ever.range()], touched, out);
                }
            }
        }
    }

    fn decode(&self, slot: &mut [u64], touched: i64, reader: &mut Reader<'_>) -> Result<(), BinaryError> {
        match self.shape {
            Shape::Panes(panes) => {
                if !reader.flag()? {
                    return Ok(());
                }
                let ring = Ring { track: self, panes };
                let head = ring.pane(Timestamp::from_millis(touched)).wrapping_sub(reader.signed()?);
                ring.advance(slot, head);
                for _ in 0..reader.count()? {
                    let back = reader.small()?;
                    if i64::from(back) >= panes.capacity {
                        return Err(invalid("pane"));
                    }
                    let words = ring.open(slot, None, back as usize);
                    self.bundle.decode(&mut slot[words], touched, reader)?;
                }
            }
            Shape::Session { gap, is_completed } => {
                let sessions = Sessions { track: self, gap, is_completed };
                let n = reader.small()?;
                if n as usize > SESSIONS {
                    return Err(invalid("number of sessions"));
                }
                for _ in 0..n {
                    let start = touched.wrapping_sub(reader.signed()?);
                    let end = start.wrapping_add(reader.signed()?);
                    let words = sessions.push(slot, start, end).ok_or(invalid("number of sessions"))?;
                    self.bundle.decode(words, touched, reader)?;
                }
            }
            Shape::Ever { half_life } => {
                let as_of = read_time(touched, reader)?;
                slot[self.head] = as_of as u64;
                if as_of != NONE {
                    let words = Ever { track: self, half_life }.range();
                    self.bundle.decode(&mut slot[words], touched, reader)?;
                }
            }
        }
        Ok(())
    }
}

/// All values are there.
const ALL: u64 = 1;
/// The largest is the sum, as with one value.
const IS_SUM: u64 = 2;
/// There is no value.
const EMPTY: u64 = 4;

impl Bundle {
    fn encode(&self, words: &[u64], touched: i64, out: &mut Writer) {
        let count = get(words, 0);
        out.number(count);
        for cell in &self.cells {
            let own = &words[cell.range()];
            match cell.kind {
                CellKind::Basic => write_basic(own, count, out),
                CellKind::Moments => own.iter().for_each(|word| out.number(f64::from_bits(*word))),
                CellKind::Min => out.number(get(own, 0)),
                CellKind::First | CellKind::Last => {
                    out.flag(!get(own, 1).is_nan());
                    if !get(own, 1).is_nan() {
                        out.signed(touched.wrapping_sub(own[0] as i64));
                        out.number(get(own, 1));
                    }
                }
                CellKind::Distinct => write_words(own, distinct::used(own), out),
                CellKind::Quantile => write_words(own, quantile::used(own), out),
                CellKind::Top => write_words(own, top::used(own), out),
            }
        }
    }

    /// Into an empty bundle.
    fn decode(&self, words: &mut [u64], touched: i64, reader: &mut Reader<'_>) -> Result<(), BinaryError> {
        let count = reader.number()?;
        put(words, 0, count);
        for cell in &self.cells {
            let own = &mut words[cell.range()];
            let is_valid = match cell.kind {
                CellKind::Basic => {
                    read_basic(own, count, reader)?;
                    true
                }
                CellKind::Moments => {
                    for at in 0..own.len() {
                        put(own, at, reader.number()?);
                    }
                    true
                }
                CellKind::Min => {
                    put(own, 0, reader.number()?);
                    true
                }
                CellKind::First | CellKind::Last => {
                    if reader.flag()? {
                        own[0] = touched.wrapping_sub(reader.signed()?) as u64;
                        put(own, 1, reader.number()?);
                    }
                    true
                }
                CellKind::Distinct => read_words(own, reader, distinct::used, distinct::is_valid)?,
                CellKind::Quantile => read_words(own, reader, quantile::used, quantile::is_valid)?,
                CellKind::Top => read_words(own, reader, top::used, top::is_valid)?,
            };
            if !is_valid {
                return Err(invalid("sketch"));
            }
        }
        Ok(())
    }
}

fn write_basic(own: &[u64], count: f64, out: &mut Writer) {
    let known = get(own, 0);
    let is_sum = own[1] == own[2];
    let is_empty = known == 0.0 && get(own, 2) == f64::NEG_INFINITY;
    let flags = [(known == count, ALL), (is_sum, IS_SUM), (is_empty, EMPTY)];
    out.unsigned(flags.iter().filter(|(is_set, _)| *is_set).map(|(_, flag)| flag).sum());
    if is_empty {
        return;
    }
    if known != count {
        out.number(known);
    }
    out.number(get(own, 1));
    if !is_sum {
        out.number(get(own, 2));
    }
}

fn read_basic(own: &mut [u64], count: f64, reader: &mut Reader<'_>) -> Result<(), BinaryError> {
    let flags = reader.unsigned()?;
    if flags & EMPTY != 0 {
        return Ok(());
    }
    let known = if flags & ALL != 0 { count } else { reader.number()? };
    put(own, 0, known);
    put(own, 1, reader.number()?);
    own[2] = if flags & IS_SUM != 0 { own[1] } else { reader.number()?.to_bits() };
    Ok(())
}

fn write_words(own: &[u64], used: usize, out: &mut Writer) {
    own.iter().take(used).for_each(|word| out.raw(&word.to_le_bytes()));
}

/// Whether what was read can be a sketch.
fn read_words(
    own: &mut [u64],
    reader: &mut Reader<'_>,
    used: fn(&[u64]) -> usize,
    is_valid: fn(&[u64]) -> bool,
) -> Result<bool, BinaryError> {
    own[0] = reader.float()?.to_bits();
    if !is_valid(own) {
        return Ok(false);
    }
    for at in 1..used(own) {
        own[at] = reader.float()?.to_bits();
    }
    Ok(true)
}
