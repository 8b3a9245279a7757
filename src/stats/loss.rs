//! Losses of probabilistic predictions of a yes or no.
//!
//! Both are proper scores: the true probability minimises their mean. Log loss punishes confident errors without limit,
//! so probabilities are clipped to [1e-15, 1 - 1e-15], as scikit-learn long did; the worst single loss is 34.54.
//! The Brier score (Brier 1950) is the squared error, between 0 and 1.

/// Probabilities nearer than this to 0 or 1 count as this near.
pub const LOG_LOSS_CLIP: f64 = 1e-15;

/// Returns the log loss of one prediction, in nats; NaN is as bad as a certain error.
///
/// ```
/// use driftless::stats::loss::log_loss;
/// assert!((log_loss(true, 0.5) - std::f64::consts::LN_2).abs() < 1e-15);
/// ```
pub fn log_loss(label: bool, probability: f64) -> f64 {
    let probability = answer(label, probability).clamp(LOG_LOSS_CLIP, 1.0 - LOG_LOSS_CLIP);
    -libm::log(if label { probability } else { 1.0 - probability })
}

/// Returns the squared error of one prediction, after clipping to [0, 1]; NaN is as bad as a certain error.
pub fn brier(label: bool, probability: f64) -> f64 {
    let truth = if label { 1.0 } else { 0.0 };
    let error = answer(label, probability).clamp(0.0, 1.0) - truth;
    error * error
}

fn answer(label: bool, probability: f64) -> f64 {
    match (probability.is_nan(), label) {
        (false, _) => probability,
        (true, true) => 0.0,
        (true, false) => 1.0,
    }
}

/// Returns the mean log loss; `None` without rows or with lists of different length.
pub fn mean_log_loss(labels: &[bool], probabilities: &[f64]) -> Option<f64> {
    mean(labels, probabilities, log_loss)
}

/// Returns the mean Brier score; `None` without rows or with lists of different length.
pub fn mean_brier(labels: &[bool], probabilities: &[f64]) -> Option<f64> {
    mean(labels, probabilities, brier)
}

fn mean(labels: &[bool], probabilities: &[f64], loss: fn(bool, f64) -> f64) -> Option<f64> {
    if labels.is_empty() || labels.len() != probabilities.len() {
        return None;
    }
    let sum: f64 = labels.iter().zip(probabilities).map(|(&label, &probability)| loss(label, probability)).sum();
    Some(sum / labels.len() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn worst_and_strange_predictions_have_finite_losses() {
        for probability in [0.0, 1.0, f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -3.0, 2.0] {
            for label in [true, false] {
                let loss = log_loss(label, probability);
                assert!((0.0..35.0).contains(&loss), "{label} {probability}: {loss}");
                assert!((0.0..=1.0).contains(&brier(label, probability)));
            }
        }
        assert_eq!(brier(true, f64::NAN), 1.0);
        assert!(log_loss(false, f64::NAN) > 34.0);
    }

    #[test]
    fn no_rows_have_no_mean() {
        assert_eq!(mean_log_loss(&[], &[]), None);
        assert_eq!(mean_brier(&[true], &[]), None);
    }
}
