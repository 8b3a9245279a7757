//! Quantiles of a sorted sample.
//!
//! Type 7 of Hyndman and Fan 1996, "Sample Quantiles in Statistical Packages" (The American Statistician 50), which is the
//! default of numpy, R and Excel: the q-quantile of n sorted values sits at position (n - 1) q and is interpolated
//! linearly between its neighbours. Sorting and dropping missing values is the caller's part.

/// Returns the type-7 quantile of `sorted` at `q`, which is clamped to [0, 1] (NaN counts as 0).
///
/// `sorted` must be ascending and free of NaN. `None` for an empty slice. Between an infinite and another value there is
/// nothing to interpolate: the nearer of the two is returned.
///
/// ```
/// use driftless::stats::quantile_sorted;
/// assert_eq!(quantile_sorted(&[1.0, 2.0, 4.0, 8.0], 0.5), Some(3.0));
/// ```
pub fn quantile_sorted(sorted: &[f64], q: f64) -> Option<f64> {
    let last = sorted.len().checked_sub(1)?;
    let q = if q > 0.0 { q.min(1.0) } else { 0.0 };
    let position = last as f64 * q;
    let below_index = (position.floor() as usize).min(last);
    let below = *sorted.get(below_index)?;
    let above = *sorted.get((below_index + 1).min(last))?;
    Some(interpolate(below, above, position - below_index as f64))
}

/// Interpolates from the nearer end, so that a weight of 0 or 1 gives that end exactly.
fn interpolate(below: f64, above: f64, weight: f64) -> f64 {
    let gap = above - below;
    if weight <= 0.0 || gap == 0.0 {
        return below;
    }
    if !gap.is_finite() {
        return if weight < 0.5 { below } else { above };
    }
    if weight < 0.5 { below + gap * weight } else { above - gap * (1.0 - weight) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_sample_has_no_quantile() {
        assert_eq!(quantile_sorted(&[], 0.5), None);
    }

    #[test]
    fn one_value_is_every_quantile() {
        for q in [0.0, 0.3, 1.0, f64::NAN, -1.0, 7.0] {
            assert_eq!(quantile_sorted(&[2.5], q), Some(2.5));
        }
    }

    #[test]
    fn ends_are_minimum_and_maximum() {
        let sorted = [-1.0, 0.5, 9.0];
        assert_eq!(quantile_sorted(&sorted, 0.0), Some(-1.0));
        assert_eq!(quantile_sorted(&sorted, 1.0), Some(9.0));
        assert_eq!(quantile_sorted(&sorted, 0.25), Some(-0.25));
    }

    #[test]
    fn infinite_neighbours_are_not_mixed_into_nan() {
        let sorted = [f64::NEG_INFINITY, f64::INFINITY];
        assert_eq!(quantile_sorted(&sorted, 0.2), Some(f64::NEG_INFINITY));
        assert_eq!(quantile_sorted(&sorted, 0.7), Some(f64::INFINITY));
        let tail = [f64::INFINITY, f64::INFINITY];
        assert_eq!(quantile_sorted(&tail, 0.5), Some(f64::INFINITY));
        let wide = [-f64::MAX, f64::MAX];
        assert!(quantile_sorted(&wide, 0.4).is_some_and(f64::is_finite));
    }
}
