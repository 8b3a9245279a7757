//! False-discovery rate over many tests at once.
//!
//! Twenty features tested every hour at 5 % would raise 24 false alarms a day. Alerting on q-values <= alpha instead keeps
//! the expected share of false ones among the alerts of a window below alpha (Benjamini and Hochberg 1995, "Controlling the
//! False Discovery Rate", JRSS B 57; valid for independent or positively dependent tests, Benjamini and Yekutieli 2001).

/// Returns the Benjamini-Hochberg adjusted p-value of each test, in the order given: min over j >= i of p_(j) k / j.
///
/// A q-value is never below its p-value, never above 1, and keeps the order of the p-values. A NaN p-value counts as 1, one
/// outside [0, 1] is clamped. No tests, no q-values.
///
/// ```
/// use driftless::stats::q_values;
/// assert_eq!(q_values(&[0.01, 0.5, 0.02, 0.03]), [0.04, 0.5, 0.04, 0.04]);
/// ```
pub fn q_values(p_values: &[f64]) -> Vec<f64> {
    let mut ranked: Vec<(usize, f64)> =
        p_values.iter().map(|&p| if p.is_nan() { 1.0 } else { p.clamp(0.0, 1.0) }).enumerate().collect();
    ranked.sort_by(|left, right| left.1.total_cmp(&right.1));
    let tests = ranked.len() as f64;
    let mut q_values = vec![1.0; p_values.len()];
    let mut smallest = 1.0_f64;
    for (rank, &(index, p)) in ranked.iter().enumerate().rev() {
        smallest = smallest.min(p * tests / (rank + 1) as f64);
        if let Some(q) = q_values.get_mut(index) {
            *q = smallest.max(p); // rounding may put p k / k below p
        }
    }
    q_values
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Oracle: scipy 1.17.1, `stats.false_discovery_control`.
    #[test]
    fn q_values_agree_with_scipy() {
        let p_values = [0.0201, 0.7, 1e-9, 0.04, 0.04, 0.0499, 0.31, 1.0];
        for (q, expected) in q_values(&p_values).into_iter().zip(SCIPY) {
            assert!((q - expected).abs() < 1e-14, "{q} is not {expected}");
        }
    }

    #[test]
    fn degenerate_lists_have_answers() {
        assert!(q_values(&[]).is_empty());
        assert_eq!(q_values(&[f64::NAN, -3.0, 8.0]), [1.0, 0.0, 1.0]);
        assert_eq!(q_values(&[0.2]), [0.2]);
    }

    proptest! {
        #[test]
        fn q_values_keep_the_order_and_never_fall_below_p(p_values in prop::collection::vec(0.0..=1.0f64, 0..40)) {
            let q = q_values(&p_values);
            for i in 0..p_values.len() {
                prop_assert!((p_values[i]..=1.0).contains(&q[i]));
                for j in 0..p_values.len() {
                    prop_assert!(p_values[i] > p_values[j] || q[i] <= q[j]);
                }
            }
        }
    }

    const SCIPY: [f64; 8] = [
        0.07984000000000001,
        0.7999999999999999,
        8e-09,
        0.07984000000000001,
        0.07984000000000001,
        0.07984000000000001,
        0.41333333333333333,
        1.0,
    ];
}
