//! Target encoding in training: what was known of a category when an event came, and nothing else.
//!
//! A row that is encoded with shares its own label went into tells the fit its label, and the more so the rarer its category.
//! Here a row has the shares of the rows whose event came before its own and whose label was known before it, strictly
//! both; its own label, and any that came later, cannot reach it. In service the whole table answers, which is what was
//! known before those events. Ordered target statistics are of Prokhorenkova and others 2018, "CatBoost: unbiased boosting
//! with categorical features" (NeurIPS 31), 3.2; there the order is drawn at random, here it is time.

use crate::data::{FixedMap, Timestamp};
use crate::model::Counted;

/// Labels that have to be known before a share over all of them is worth anything; rows from before are missing.
pub(super) const FIRST_KNOWN: u64 = 100;

/// What was known of a row, and when.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Labelled {
    /// Code of its category; NaN: none.
    pub code: f64,
    /// Event time.
    pub at: Timestamp,
    /// When its label became known.
    pub known_at: Timestamp,
    pub positive: bool,
}

/// For each row the share of positives of its category among the rows known before it, drawn towards that of all of
/// them; a category that `is_told_apart` says no to has the share of all. NaN while too little is known.
pub(super) fn ordered(rows: &[Labelled], prior_weight: f64, is_told_apart: impl Fn(f64) -> bool) -> Vec<f64> {
    let mut by_time: Vec<usize> = (0..rows.len()).collect();
    by_time.sort_by_key(|row| rows.get(*row).map(|row| row.at));
    let known_from = |row: &usize| rows.get(*row).map(|row| row.at.max(row.known_at));
    let mut by_known: Vec<usize> = (0..rows.len()).collect();
    by_known.sort_by_key(known_from);
    let mut to_come = by_known.into_iter().peekable();
    let mut all = Counted::default();
    let mut by_code: FixedMap<u64, Counted> = FixedMap::default();
    let mut shares = vec![f64::NAN; rows.len()];
    for row in by_time {
        let (Some(own), Some(share)) = (rows.get(row), shares.get_mut(row)) else { continue };
        while let Some(known) = to_come.next_if(|next| known_from(next) < Some(own.at)) {
            if let Some(known) = rows.get(known) {
                all.add(known.positive);
                by_code.entry(key(known.code)).or_default().add(known.positive);
            }
        }
        if all.rows >= FIRST_KNOWN {
            let own = if is_told_apart(own.code) { by_code.get(&key(own.code)).copied() } else { None };
            *share = own.unwrap_or_default().share(all, prior_weight).unwrap_or(f64::NAN);
        }
    }
    shares
}

/// The same for all that is missing.
fn key(code: f64) -> u64 {
    if code.is_finite() { code.to_bits() } else { u64::MAX }
}
