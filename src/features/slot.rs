//! The windows of one group: panes in rings, and the time of the last record of each source.
//!
//! A window of span S in n panes covers, for an event at time t, the pane that holds t and the n-1 before it: between
//! S - S/n and S of time. Panes are combined from the oldest to the newest, always in that order, so that sums are the
//! same bit for bit however often they are read. The combination of all panes but the newest is kept until one
//! of them changes; it can be computed again at any time and is not state.
//!
//! A slot is two pieces of memory, because most events find theirs cold: numbers (for each ring its panes and the kept
//! combination) and marks (the last time of each source, then for each ring its newest pane and the pane for which the
//! combination was made).

use super::plan::{GroupPlan, Ring, Statistic};
use crate::data::params::NumberIndex;
use crate::data::{BinaryError, Reader, Timestamp, Writer};

/// Marks a pane number or time that is not there.
pub(super) const NONE: i64 = i64::MIN;

#[derive(Clone, Debug)]
pub(super) struct Slot {
    pub(super) doubles: Box<[f64]>,
    pub(super) marks: Box<[i64]>,
    /// Latest event time of the group: expiry counts from here.
    pub touched: Timestamp,
}

/// A reading of one ring at one point in time.
pub(super) struct Reading<'a> {
    closed: &'a [f64],
    newest: Option<&'a [f64]>,
}

impl Slot {
    pub(super) fn new(plan: &GroupPlan) -> Self {
        Slot { doubles: vec![0.0; plan.width].into(), marks: vec![NONE; plan.marks].into(), touched: Timestamp::MIN }
    }

    /// Takes over another slot of the same plan.
    pub(super) fn copy_from(&mut self, other: &Slot) {
        self.doubles.copy_from_slice(&other.doubles);
        self.marks.copy_from_slice(&other.marks);
        self.touched = other.touched;
    }

    /// The latest time of a source, if any.
    pub(super) fn last(&self, source: usize) -> Option<Timestamp> {
        self.marks.get(source).copied().filter(|time| *time != NONE).map(Timestamp::from_millis)
    }

    /// Notes a record of a source.
    pub(super) fn note(&mut self, source: usize, at: Timestamp) {
        if let Some(last) = self.marks.get_mut(source) {
            *last = (*last).max(at.millis());
        }
    }

    /// Adds a record to a ring; one older than the ring reaches is left out.
    pub(super) fn add(&mut self, ring: &Ring, at: Timestamp, value: impl Fn(NumberIndex) -> f64) {
        let pane = at.interval(ring.pane);
        let count = ring.panes as i64;
        let head = self.marks[ring.head];
        if head == NONE || pane > head {
            let from = if head == NONE { pane - count + 1 } else { (head + 1).max(pane - count + 1) };
            for stale in ring.ranges(from, pane) {
                ring.clear(&mut self.doubles[stale]);
            }
            self.marks[ring.head] = pane;
        } else if pane <= head - count {
            return;
        }
        // Of what the cache holds, an older record changes a pane, and a newer one than all before drops panes.
        let cached_for = self.marks[ring.cached_for];
        if pane < cached_for || head < self.marks[ring.head] && pane > cached_for {
            self.marks[ring.cached_for] = NONE;
        }
        let cells = &mut self.doubles[ring.range(pane)];
        cells[0] += 1.0;
        for (position, column) in ring.fields.iter().enumerate() {
            let x = value(*column);
            if x.is_nan() {
                continue;
            }
            let field = &mut cells[1 + 3 * position..4 + 3 * position];
            field[0] += 1.0;
            field[1] += x;
            field[2] = field[2].max(x);
        }
    }

    /// Reads a ring as of `at`; without `newest` the pane that holds `at` is left out.
    pub(super) fn read(&mut self, ring: &Ring, at: Timestamp, newest: bool) -> Reading<'_> {
        let pane = at.interval(ring.pane);
        let head = self.marks[ring.head];
        let (panes, after) = self.doubles.split_at_mut(ring.end());
        let closed = &mut after[..ring.stride()];
        if self.marks[ring.cached_for] != pane {
            ring.clear(closed);
            if head != NONE {
                let count = ring.panes as i64;
                let oldest = (pane - count + 1).max(head - count + 1);
                for older in ring.ranges(oldest, (pane - 1).min(head)) {
                    ring.merge(closed, &panes[older]);
                }
            }
            self.marks[ring.cached_for] = pane;
        }
        let held = head != NONE && pane <= head && pane > head - ring.panes as i64;
        let newest = if newest && held { Some(&panes[ring.range(pane)]) } else { None };
        Reading { closed, newest }
    }

    /// The panes of a ring that an event at `at` may read and that hold anything, with their numbers, the oldest first.
    pub(super) fn panes<'a>(&'a self, ring: &'a Ring, at: Timestamp) -> impl Iterator<Item = (i64, &'a [f64])> {
        let (pane, head, count) = (at.interval(ring.pane), self.marks[ring.head], ring.panes as i64);
        let (oldest, newest) = if head == NONE { (0, -1) } else { (pane.max(head) - count + 1, pane.min(head)) };
        let held = (oldest..=newest).map(move |pane| (pane, &self.doubles[ring.range(pane)]));
        held.filter(|(_, cells)| cells[0] != 0.0)
    }

    /// Appends the slot: times relative to the latest event, panes that hold something, and of those only what cannot be
    /// told from the rest.
    pub(super) fn encode(&self, plan: &GroupPlan, out: &mut Writer) {
        let touched = self.touched.millis();
        out.signed(touched);
        for time in &self.marks[..plan.sources.len()] {
            out.flag(*time != NONE);
            if *time != NONE {
                out.signed(touched.wrapping_sub(*time));
            }
        }
        for ring in &plan.rings {
            let head = self.marks[ring.head];
            out.flag(head != NONE);
            if head == NONE {
                continue;
            }
            out.signed(self.touched.interval(ring.pane).wrapping_sub(head));
            let oldest = head - ring.panes as i64 + 1;
            let held = || ring.ranges(oldest, head).enumerate().filter(|(_, range)| self.doubles[range.start] != 0.0);
            out.unsigned(held().count() as u64);
            for (position, range) in held() {
                out.unsigned(position as u64);
                write_pane(&self.doubles[range], out);
            }
        }
    }

    pub(super) fn decode(plan: &GroupPlan, reader: &mut Reader<'_>) -> Result<Self, BinaryError> {
        let mut slot = Slot::new(plan);
        let touched = reader.signed()?;
        slot.touched = Timestamp::from_millis(touched);
        for time in &mut slot.marks[..plan.sources.len()] {
            if reader.flag()? {
                *time = touched.wrapping_sub(reader.signed()?);
            }
        }
        for ring in &plan.rings {
            if !reader.flag()? {
                continue;
            }
            let invalid = BinaryError::Invalid { what: "pane", at: 0 };
            let head = slot.touched.interval(ring.pane).wrapping_sub(reader.signed()?);
            let oldest = head.checked_sub(ring.panes as i64 - 1).ok_or_else(|| invalid.clone())?;
            for range in ring.ranges(oldest, head) {
                ring.clear(&mut slot.doubles[range]);
            }
            slot.marks[ring.head] = head;
            for _ in 0..reader.count()? {
                let position = reader.small()?;
                if position as usize >= ring.panes {
                    return Err(invalid);
                }
                read_pane(&mut slot.doubles[ring.range(oldest + i64::from(position))], reader)?;
            }
        }
        Ok(slot)
    }
}

/// The count, then for each field how many were there, their sum and their maximum. How many there are is left out where
/// it is the count, the maximum where it is the sum.
fn write_pane(cells: &[f64], out: &mut Writer) {
    let count = cells[0];
    out.unsigned(count as u64);
    for field in cells[1..].chunks_exact(3) {
        let (is_all, is_sum) = (field[0] == count, field[1].to_bits() == field[2].to_bits());
        let known = if is_all { 0 } else { field[0] as u64 };
        out.unsigned(known << 2 | u64::from(is_all) << 1 | u64::from(is_sum));
        if field[0] == 0.0 {
            continue;
        }
        out.number(field[1]);
        if !is_sum {
            out.number(field[2]);
        }
    }
}

fn read_pane(cells: &mut [f64], reader: &mut Reader<'_>) -> Result<(), BinaryError> {
    let count = reader.unsigned()? as f64;
    cells[0] = count;
    for field in cells[1..].chunks_exact_mut(3) {
        let packed = reader.unsigned()?;
        let known = if packed & 2 == 2 { count } else { (packed >> 2) as f64 };
        if known == 0.0 {
            continue;
        }
        field[0] = known;
        field[1] = reader.number()?;
        field[2] = if packed & 1 == 1 { field[1] } else { reader.number()? };
    }
    Ok(())
}

impl Ring {
    fn range(&self, pane: i64) -> std::ops::Range<usize> {
        let start = self.start + pane.rem_euclid(self.panes as i64) as usize * self.stride();
        start..start + self.stride()
    }

    /// Where the panes `from` to `to` are, in order; nothing if `to` comes first. Needs one division in all.
    fn ranges(&self, from: i64, to: i64) -> impl Iterator<Item = std::ops::Range<usize>> + use<> {
        let (stride, begin, end) = (self.stride(), self.start, self.end());
        let mut next = self.range(from).start;
        (from..=to).map(move |_| {
            let start = next;
            next = if start + stride == end { begin } else { start + stride };
            start..start + stride
        })
    }

    pub(super) fn clear(&self, cells: &mut [f64]) {
        cells.fill(0.0);
        for field in cells[1..].chunks_exact_mut(3) {
            field[2] = f64::NEG_INFINITY;
        }
    }

    fn merge(&self, into: &mut [f64], from: &[f64]) {
        into[0] += from[0];
        for (into, from) in into[1..].chunks_exact_mut(3).zip(from[1..].chunks_exact(3)) {
            into[0] += from[0];
            into[1] += from[1];
            into[2] = into[2].max(from[2]);
        }
    }
}

impl Reading<'_> {
    fn sum(&self, cell: usize) -> f64 {
        self.closed[cell] + self.newest.map_or(0.0, |newest| newest[cell])
    }

    /// A statistic of the window; NaN where the window holds no value.
    pub(super) fn statistic(&self, statistic: Statistic) -> f64 {
        let (field, known) = match statistic {
            Statistic::Count => return self.sum(0),
            Statistic::Sum(field) | Statistic::Mean(field) | Statistic::Max(field) => {
                (1 + 3 * field, self.sum(1 + 3 * field))
            }
        };
        match statistic {
            Statistic::Sum(_) => self.sum(field + 1),
            _ if known == 0.0 => f64::NAN,
            Statistic::Mean(_) => self.sum(field + 1) / known,
            _ => self.closed[field + 2].max(self.newest.map_or(f64::NEG_INFINITY, |newest| newest[field + 2])),
        }
    }
}
