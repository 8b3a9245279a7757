//! The comparison of a candidate with the model in charge, on the same later rows, each row its own pair.
//!
//! Log loss comes with an interval that takes a day for one observation, because the rows of a day share its weather; the
//! AUC's interval is DeLong's, which takes rows as independent.

use crate::data::{Gain, HoldoutScore, Span, Timestamp};
use crate::stats::{Confidence, PairedScores, auc, loss, paired_difference};

/// Scores of both models for the same rows.
#[derive(Clone, Copy, Debug)]
pub struct Rivals<'a> {
    /// Event time of each row.
    pub times: &'a [Timestamp],
    /// Whether each row is of the positive class.
    pub labels: &'a [bool],
    /// Scores of the model in charge.
    pub champion: &'a [f64],
    /// Scores of the candidate.
    pub candidate: &'a [f64],
}

/// How the two did.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Comparison {
    /// The model in charge.
    pub champion: HoldoutScore,
    /// The candidate.
    pub candidate: HoldoutScore,
    /// Log loss of the champion minus that of the candidate, clustered by day.
    pub log_loss_gain: Gain,
    /// AUC of the candidate minus that of the champion; `None` when one class is missing.
    pub auc_gain: Option<Gain>,
}

/// Compares; `None` without rows, with lists of different lengths, or when all rows are of one day.
pub fn evaluate(rivals: &Rivals<'_>) -> Option<Comparison> {
    let Rivals { times, labels, champion, candidate } = *rivals;
    let score = |scores: &[f64]| {
        let log_loss = loss::mean_log_loss(labels, scores)?;
        Some(HoldoutScore { auc: auc(labels, scores).map(|found| found.auc), log_loss })
    };
    let pairs = labels.iter().zip(champion).zip(candidate);
    let differences: Vec<f64> = pairs
        .map(|((&label, &champion), &candidate)| loss::log_loss(label, champion) - loss::log_loss(label, candidate))
        .collect();
    let days: Vec<u64> = times.iter().map(|time| time.interval(Span::from_days(1)) as u64).collect();
    let gain = paired_difference(&differences, &days, Confidence::P95)?;
    let ranks = PairedScores { labels, first: champion, second: candidate }.auc_difference(Confidence::P95);
    Some(Comparison {
        champion: score(champion)?,
        candidate: score(candidate)?,
        log_loss_gain: Gain { mean: gain.mean, low: gain.low, high: gain.high },
        auc_gain: ranks.map(|found| Gain { mean: found.difference, low: found.low, high: found.high }),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_better_candidate_gains_on_both_counts_and_swapping_turns_the_sign() {
        let times: Vec<_> = (0..400).map(|i| Timestamp::from_millis(i * 3_600_000)).collect();
        let labels: Vec<bool> = (0..400).map(|i| i % 3 == 0).collect();
        let good: Vec<f64> = (0..400)
            .map(|i| if i % 3 == 0 { 0.6 + 0.01 * f64::from(i % 7) } else { 0.2 + 0.06 * f64::from(i % 8) })
            .collect();
        let base = vec![1.0 / 3.0; 400];
        let rivals = Rivals { times: &times, labels: &labels, champion: &base, candidate: &good };
        let found = evaluate(&rivals).unwrap();
        assert_eq!(found.champion.auc, Some(0.5));
        assert!(found.log_loss_gain.low > 0.0 && found.auc_gain.unwrap().low > 0.0, "{found:?}");
        let turned = evaluate(&Rivals { champion: &good, candidate: &base, ..rivals }).unwrap();
        assert_eq!(turned.log_loss_gain.mean, -found.log_loss_gain.mean);
        assert!(turned.auc_gain.unwrap().high < 0.0);
    }

    #[test]
    fn one_day_or_no_row_gives_no_comparison_and_one_class_no_auc() {
        let day = [Timestamp::from_millis(0), Timestamp::from_millis(1)];
        let two_days = [Timestamp::from_millis(0), Timestamp::from_millis(90_000_000)];
        let scores = [0.5, 0.6];
        let rivals = Rivals { times: &day, labels: &[true, false], champion: &scores, candidate: &scores };
        assert_eq!(evaluate(&rivals), None);
        assert_eq!(evaluate(&Rivals { times: &[], labels: &[], champion: &[], candidate: &[] }), None);
        let found = evaluate(&Rivals { times: &two_days, labels: &[true, true], ..rivals }).unwrap();
        assert_eq!((found.candidate.auc, found.auc_gain), (None, None));
    }
}
