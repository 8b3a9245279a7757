//! Runs a compiled schema over a datum, into the last row of a table.
//!
//! The loop reads each byte once, checks every bound, and allocates nothing. Recursion happens only into items of arrays
//! and maps and into records that are skipped, to a fixed depth.

use super::datum::{Datum, Flaw};
use super::program::{Kind, Op, Program};
use super::schema::Tick;
use crate::codec::cells::{Cell, Field};
use crate::data::Table;
use crate::data::params::TimeUnit;

/// The deepest nesting of values followed.
const MAX_DEPTH: u32 = 64;
/// Integers up to here, either way, have a double of their own.
const EXACT: u64 = 1 << 53;

pub(super) struct Run<'r> {
    pub program: &'r Program,
    pub fields: &'r [Field],
    pub table: &'r mut Table,
}

impl Run<'_> {
    /// Reads the whole datum.
    pub(super) fn all(&mut self, bytes: &[u8]) -> Result<(), Flaw> {
        let (first, end) = self.program.main;
        self.steps(first, end, Datum::new(bytes), 0)?.finish()
    }

    /// Runs operations; what they leave of the datum, which is handed on by value so that it can be in registers.
    fn steps<'d>(&mut self, first: u32, end: u32, mut datum: Datum<'d>, depth: u32) -> Result<Datum<'d>, Flaw> {
        let program = self.program;
        let ops = program.ops.get(..end as usize).unwrap_or_default();
        let mut at = first;
        while let Some(op) = ops.get(at as usize) {
            let here = at;
            at += 1;
            match *op {
                Op::Skip(bytes) => {
                    datum.take(bytes as usize)?;
                }
                Op::SkipLong => {
                    datum.unsigned()?;
                }
                Op::SkipSlice => {
                    datum.slice()?;
                }
                Op::SkipIndex(count) => {
                    datum.index(count)?;
                }
                Op::SkipBoolean => {
                    datum.boolean()?;
                }
                Op::Double(column) => {
                    let value = datum.double()?;
                    if !value.is_finite() {
                        return Err(Flaw::NonFinite(here));
                    }
                    // Adding zero turns -0.0 into 0.0, so that equal values have equal bits.
                    self.table.set_number(column as usize, value + 0.0);
                }
                Op::Float(column) => {
                    let value = datum.float()?;
                    if !value.is_finite() {
                        return Err(Flaw::NonFinite(here));
                    }
                    self.table.set_number(column as usize, f64::from(value) + 0.0);
                }
                Op::Long(column) => {
                    let value = exact(datum.long()?).ok_or(Flaw::Inexact(here))?;
                    self.table.set_number(column as usize, value);
                }
                Op::Millis(column) => self.table.set_number(column as usize, datum.long()? as f64),
                Op::Text(column) => {
                    let text = datum.text()?.ok_or(Flaw::Utf8(here))?;
                    self.table.set_text(column as usize, text);
                }
                Op::Value(kind) => datum = self.value(kind, here, datum)?,
                Op::Refuse => return Err(Flaw::Type(here)),
                Op::Optional { null, after } => {
                    if datum.index(2)? == null {
                        at = after;
                    }
                }
                Op::Union { first, count } => {
                    let branch = first + datum.index(count)?;
                    at = program.branches.get(branch as usize).copied().ok_or(Flaw::Index)?;
                }
                Op::Jump(to) => at = to,
                Op::Blocks { end, least } => {
                    datum = self.blocks(Items { first: at, end, least }, datum, depth)?;
                    at = end;
                }
                Op::Call { first, end } => {
                    if depth >= MAX_DEPTH {
                        return Err(Flaw::Depth);
                    }
                    datum = self.steps(first, end, datum, depth + 1)?;
                }
            }
        }
        Ok(datum)
    }

    /// Items that nobody needs: by their length together where the writer gives it, else one by one.
    #[inline(never)]
    fn blocks<'d>(&mut self, items: Items, mut datum: Datum<'d>, depth: u32) -> Result<Datum<'d>, Flaw> {
        if depth >= MAX_DEPTH {
            return Err(Flaw::Depth);
        }
        while let Some(block) = datum.block(items.least)? {
            if let Some(bytes) = block.bytes {
                datum.take(bytes)?;
                continue;
            }
            // Items of no bytes are over at once, however many there are.
            if items.first == items.end {
                continue;
            }
            for _ in 0..block.items {
                datum = self.steps(items.first, items.end, datum, depth + 1)?;
            }
        }
        Ok(datum)
    }

    /// A value that several cells take, or that is not taken as it is.
    #[inline(never)]
    fn value<'d>(&mut self, kind: Kind, here: u32, mut datum: Datum<'d>) -> Result<Datum<'d>, Flaw> {
        let field = self.program.fields.get(here as usize).and_then(|field| self.fields.get(*field as usize));
        let cells = field.map(|field| field.cells.as_slice()).unwrap_or_default();
        match kind {
            Kind::Boolean => {
                let value = f64::from(u8::from(datum.boolean()?));
                cells.iter().for_each(|cell| self.number(*cell, value));
            }
            Kind::Float => {
                let value = f64::from(datum.float()?);
                self.finite(value, cells, here)?;
            }
            Kind::Double => {
                let value = datum.double()?;
                self.finite(value, cells, here)?;
            }
            Kind::Long(tick) => {
                let value = datum.long()?;
                for cell in cells {
                    match (*cell, tick) {
                        (Cell::Whole(column), tick) => {
                            self.table.set_text(column, nanos(value, tick).to_string().as_bytes());
                        }
                        (Cell::Identifier(column), _) => self.table.set_text(column, value.to_string().as_bytes()),
                        (Cell::Time { column, unit }, Some(tick)) => {
                            self.table.set_number(column, moment(value, tick, unit));
                        }
                        (cell, _) => {
                            let value = exact(value).ok_or(Flaw::Inexact(here))?;
                            self.number(cell, value);
                        }
                    }
                }
            }
            Kind::Text => {
                let text = datum.text()?.ok_or(Flaw::Utf8(here))?;
                cells.iter().for_each(|cell| self.text(*cell, text));
            }
            Kind::Symbol { first, count } => {
                let symbol = first + datum.index(count)?;
                let symbol = self.program.symbols.get(symbol as usize).ok_or(Flaw::Index)?;
                cells.iter().for_each(|cell| self.text(*cell, symbol.as_bytes()));
            }
        }
        Ok(datum)
    }

    fn finite(&mut self, value: f64, cells: &[Cell], here: u32) -> Result<(), Flaw> {
        if !value.is_finite() {
            return Err(Flaw::NonFinite(here));
        }
        cells.iter().for_each(|cell| self.number(*cell, value + 0.0));
        Ok(())
    }

    fn number(&mut self, cell: Cell, value: f64) {
        if let Cell::Number(column)
        | Cell::Boolean(column)
        | Cell::NumberOrBoolean(column)
        | Cell::Time { column, .. } = cell
        {
            self.table.set_number(column, value);
        }
    }

    fn text(&mut self, cell: Cell, text: &[u8]) {
        if let Cell::Text(column) | Cell::Identifier(column) = cell {
            self.table.set_text(column, text);
        }
    }
}

#[derive(Clone, Copy)]
struct Items {
    first: u32,
    end: u32,
    least: u32,
}

/// The double of an integer, if it is the same number.
#[inline(always)]
fn exact(value: i64) -> Option<f64> {
    let float = value as f64;
    (value.unsigned_abs() <= EXACT || is_exact(float, value)).then_some(float)
}

#[cold]
fn is_exact(float: f64, value: i64) -> bool {
    float as i128 == i128::from(value)
}

/// A point in time of the schema's own unit, in the one that is configured; milliseconds are as fine as it gets.
fn moment(value: i64, tick: Tick, unit: TimeUnit) -> f64 {
    let millis = match tick {
        Tick::Millis => value,
        Tick::Micros => value.div_euclid(1_000),
        Tick::Nanos => value.div_euclid(1_000_000),
    };
    match unit {
        TimeUnit::Seconds => millis as f64 / 1_000.0,
        TimeUnit::Micros => millis as f64 * 1_000.0,
        TimeUnit::Millis | TimeUnit::Nanos | TimeUnit::Rfc3339 | TimeUnit::Formatted => millis as f64,
    }
}

/// A point in time in nanoseconds; a plain integer counts them already.
fn nanos(value: i64, tick: Option<Tick>) -> i128 {
    let scale = match tick {
        Some(Tick::Millis) => 1_000_000,
        Some(Tick::Micros) => 1_000,
        Some(Tick::Nanos) | None => 1,
    };
    i128::from(value) * scale
}
