//! Four ways to have scored the same events, week by week: the benefit as a number.
//!
//! Weeks are the windows performance is watched in. Only whole weeks after the first model took charge count, with
//! all rows whose label came; the AUC of a week is exact. A mean over weeks gives a quiet week the weight of a busy one,
//! and the weeks are the observations of the paired interval: rows within a week share their weather.

use serde::Serialize;
use statrs::distribution::{ContinuousCDF, StudentsT};

use super::scored::ScoredLog;
use crate::data::{Gain, Span, Timestamp};
use crate::stats::{auc, loss};

/// How one way did.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Standing {
    /// Mean of the weekly AUC.
    pub auc: f64,
    /// Mean of the weekly mean log loss, in nats.
    pub log_loss: f64,
}

/// A week's figures.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct WeekStanding {
    /// Start of the week.
    pub start: Timestamp,
    /// Labelled rows.
    pub n: usize,
    /// How it went.
    #[serde(flatten)]
    pub standing: Standing,
}

/// Which weeks count.
#[derive(Clone, Copy, Debug)]
pub struct Grid {
    /// Length of a week.
    pub window: Span,
    /// Shift of the grid from the epoch.
    pub offset: Span,
    /// Weeks before this are left out.
    pub from: Timestamp,
    /// Weeks that end after this are left out.
    pub to: Timestamp,
}

/// Rows of the weeks that count, as positions in a [`ScoredLog`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Weeks {
    weeks: Vec<Week>,
}

#[derive(Clone, Debug, PartialEq)]
struct Week {
    start: Timestamp,
    rows: Vec<usize>,
    labels: Vec<bool>,
}

impl Weeks {
    /// Gathers the labelled rows of whole weeks, in the order of time and id: how partitions came in is not to show, not
    /// even in the last digit of a sum.
    pub fn of(log: &ScoredLog, grid: &Grid) -> Weeks {
        let mut rows: Vec<_> = log.scored().iter().enumerate().collect();
        rows.sort_unstable_by(|(_, a), (_, b)| (a.event_time, &a.event_id).cmp(&(b.event_time, &b.event_id)));
        let mut weeks = std::collections::BTreeMap::<Timestamp, Week>::new();
        for (row, scored) in rows {
            let Some(label) = scored.label else { continue };
            let start = scored.event_time.floor(grid.window, grid.offset);
            if start < grid.from || start.plus(grid.window) > grid.to {
                continue;
            }
            let week = weeks.entry(start).or_insert_with(|| Week { start, rows: Vec::new(), labels: Vec::new() });
            week.rows.push(row);
            week.labels.push(label.positive);
        }
        Weeks { weeks: weeks.into_values().collect() }
    }

    /// Number of weeks.
    pub fn count(&self) -> usize {
        self.weeks.len()
    }

    /// All rows that count, week by week.
    pub fn rows(&self) -> impl Iterator<Item = usize> {
        self.weeks.iter().flat_map(|week| week.rows.iter().copied())
    }

    /// Scores by row to figures by week; a week with one class only is left out.
    pub fn standings(&self, score: impl Fn(usize) -> f64) -> Vec<WeekStanding> {
        let standing = |week: &Week| {
            let scores: Vec<f64> = week.rows.iter().map(|row| score(*row)).collect();
            let auc = auc(&week.labels, &scores)?.auc;
            let log_loss = loss::mean_log_loss(&week.labels, &scores)?;
            Some(WeekStanding { start: week.start, n: week.rows.len(), standing: Standing { auc, log_loss } })
        };
        self.weeks.iter().filter_map(standing).collect()
    }
}

/// The mean over weeks; `None` without any.
pub fn mean(weeks: &[WeekStanding]) -> Option<Standing> {
    let n = weeks.len() as f64;
    let mean = |of: fn(&Standing) -> f64| weeks.iter().map(|week| of(&week.standing)).sum::<f64>() / n;
    (!weeks.is_empty()).then(|| Standing { auc: mean(|week| week.auc), log_loss: mean(|week| week.log_loss) })
}

/// Mean of differences with a 95 % t interval; `None` with fewer than two.
pub fn paired(differences: &[f64]) -> Option<Gain> {
    let n = differences.len() as f64;
    if differences.len() < 2 {
        return None;
    }
    let mean = differences.iter().sum::<f64>() / n;
    let squares = differences.iter().map(|difference| (difference - mean) * (difference - mean)).sum::<f64>();
    let error = (squares / (n - 1.0) / n).sqrt();
    let half = StudentsT::new(0.0, 1.0, n - 1.0).ok()?.inverse_cdf(0.975) * error;
    Some(Gain { mean, low: mean - half, high: mean + half })
}

#[cfg(test)]
mod tests {
    use super::super::scored::tests::{outcome, prediction};
    use super::*;

    #[test]
    fn only_whole_weeks_with_labels_count() {
        let mut log = ScoredLog::default();
        for i in 0..40 {
            let id = format!("e{i}");
            log.add_prediction(prediction(&id, i, f64::from(i as i32 % 10) / 10.0));
            if i != 11 {
                log.add_outcome(&outcome(&id, 100, f64::from(i as i32 % 2), 0));
            }
        }
        let at = Timestamp::from_millis;
        let span = Span::from_millis;
        let grid = Grid { window: span(10), offset: span(0), from: at(5), to: at(35) };
        let weeks = Weeks::of(&log, &grid);
        assert_eq!(weeks.count(), 2);
        assert_eq!(weeks.rows().count(), 19);
        let perfect = weeks.standings(|row| f64::from(row as u32 % 2));
        assert_eq!(mean(&perfect).map(|standing| standing.auc), Some(1.0));
        assert_eq!(perfect[0].n, 9);
        assert_eq!(mean(&weeks.standings(|_| 0.5)).map(|standing| standing.auc), Some(0.5));
        assert_eq!(mean(&[]), None);
    }

    #[test]
    fn the_order_in_which_predictions_are_read_does_not_show() {
        let rows: Vec<i64> = (0..200).collect();
        let of = |rows: &mut dyn Iterator<Item = &i64>| {
            let mut log = ScoredLog::default();
            for i in rows {
                let id = format!("e{i}");
                log.add_prediction(prediction(&id, *i, (*i as f64 * 0.37).fract()));
                log.add_outcome(&outcome(&id, 300, (i % 3 / 2) as f64, 0));
            }
            let at = Timestamp::from_millis;
            let span = Span::from_millis;
            let weeks = Weeks::of(&log, &Grid { window: span(100), offset: span(0), from: at(0), to: at(200) });
            weeks.standings(|row| log.scored()[row].score)
        };
        assert_eq!(of(&mut rows.iter()), of(&mut rows.iter().rev()));
    }

    #[test]
    fn the_interval_is_that_of_a_t_test() {
        // R: t.test(c(0.01, 0.02, 0.03, 0.00, 0.04))$conf.int
        let gain = paired(&[0.01, 0.02, 0.03, 0.00, 0.04]).unwrap();
        assert!((gain.mean - 0.02).abs() < 1e-12);
        assert!((gain.low - 0.000_367_568).abs() < 1e-8 && (gain.high - 0.039_632_432).abs() < 1e-8, "{gain:?}");
        assert_eq!(paired(&[0.1]), None);
    }
}
