//! Counting rows of a batch into the bins of a profile, column by column.

use super::Profile;
use crate::stats::BinCounts;

/// Rows to count from, with their scores.
#[derive(Clone, Copy, Debug)]
pub struct Batch<'a> {
    /// Features in layout order; NaN is missing.
    pub columns: &'a [Vec<f64>],
    /// Score of each row.
    pub scores: &'a [f64],
}

/// Adds the given rows of a batch to `into`, which [`Profile::empty_counts`] made. A row that a column does not have is
/// missing there, so that every signal's total is the number of rows counted.
#[expect(clippy::needless_pass_by_value, reason = "a range or the like, walked once per signal")]
pub fn count(profile: &Profile, batch: Batch<'_>, rows: impl Iterator<Item = usize> + Clone, into: &mut [BinCounts]) {
    let columns = batch.columns.iter().map(Vec::as_slice).take(profile.len().saturating_sub(1)).chain([batch.scores]);
    for ((signal, column), counts) in profile.iter().zip(columns).zip(into) {
        let mut missing = 0;
        for row in rows.clone() {
            let x = column.get(row).copied().unwrap_or(f64::NAN);
            let is_missing = x.is_nan();
            missing += u64::from(is_missing);
            if let Some(count) = counts.bins.get_mut(signal.bin(x)) {
                *count += u64::from(!is_missing);
            }
        }
        counts.missing += missing;
    }
}

#[cfg(test)]
mod tests {
    use super::super::{ProfileInputs, Sample};
    use super::*;
    use crate::data::{Span, Timestamp};

    #[test]
    fn counts_do_not_depend_on_how_rows_were_batched() {
        let names = ["a".to_owned(), "b".to_owned()];
        let times: Vec<_> = (0..300).map(Timestamp::from_millis).collect();
        let columns = [(0..300).map(f64::from).collect(), (0..300).map(|i| f64::from(i % 7)).collect::<Vec<_>>()];
        let scores: Vec<f64> = (0..300).map(|i| f64::from(i * 7 % 300) / 300.0).collect();
        let profile = Profile::build(&ProfileInputs {
            names: &names,
            features: Sample { columns: &columns, times: &times },
            scores: Sample { columns: std::slice::from_ref(&scores), times: &times },
            window: Span::from_millis(50),
            importance: &[],
        });
        let batch = Batch { columns: &columns, scores: &scores };
        let mut whole = profile.empty_counts();
        count(&profile, batch, 0..300, &mut whole);
        let mut parts = profile.empty_counts();
        count(&profile, batch, 250..300, &mut parts);
        count(&profile, batch, (0..250).filter(|row| row % 2 == 0), &mut parts);
        count(&profile, batch, (0..250).filter(|row| row % 2 == 1), &mut parts);
        assert_eq!(whole, parts);
        assert!(profile.iter().zip(&whole).all(|(signal, counts)| signal.reference() == counts));
        count(&profile, batch, 300..310, &mut whole);
        assert!(whole.iter().all(|counts| counts.missing == 10));
    }
}
