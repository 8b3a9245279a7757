//! The grid of score cells behind `score_histogram`.
//!
//! Fixed for good: stored histograms hold cell numbers. The halves of [0, 1] mirror each other; from the middle towards an
//! end, cell width halves with each octave, down to 2^-13 within 2^-8 of the end. So cells are at most 1/64 wide and keep
//! apart the small scores of a rare event.

/// Score cells over [0, 1].
pub(super) const CELLS: usize = 512;
/// Cells per octave; also those of the linear part below 2^-8.
const CELLS_PER_OCTAVE: usize = 32;

/// The cell of a score; ascending scores have ascending cells.
pub(super) fn cell_of(score: f64) -> usize {
    if score < 0.5 { half_cell(score.max(0.0)) } else { CELLS - 1 - half_cell(1.0 - score.min(1.0)) }
}

/// The cell, 0 to 255, of a distance in [0, 0.5] from an end: the top five mantissa bits within octaves 2^-8 .. 2^-1, and
/// equal steps of 2^-13 below them.
fn half_cell(distance: f64) -> usize {
    let linear_end = 1.0 / 256.0;
    if distance < linear_end {
        return (distance * 8192.0) as usize;
    }
    if distance >= 0.5 {
        return CELLS / 2 - 1;
    }
    let bits = distance.to_bits();
    let octave = (bits >> 52) as usize - (1023 - 8) + 1; // 2^-8 has octave 1
    let step = (bits >> 47 & 31) as usize;
    octave * CELLS_PER_OCTAVE + step
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_ascend_and_cover_the_unit_interval() {
        assert_eq!((cell_of(0.0), cell_of(1.0)), (0, CELLS - 1));
        assert_eq!((cell_of(0.5_f64.next_down()), cell_of(0.5)), (255, 256));
        let mut previous = 0;
        for step in 0..=200_000 {
            let cell = cell_of(f64::from(step) / 200_000.0);
            assert!(cell == previous || cell == previous + 1);
            previous = cell;
        }
    }
}
