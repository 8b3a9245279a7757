//! The text format of Prometheus, read: series with their labels and values.
//!
//! What Driftless itself writes at `/metrics` is understood whole; comments and timestamps are passed over. A page that
//! has a line of another form is no page of metrics, and is refused rather than understood in part.

use std::collections::BTreeMap;

use crate::telemetry::Metric;

/// A page that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("line {line} is not in Prometheus' text format")]
pub struct ExpositionError {
    line: usize,
}

#[derive(Debug, PartialEq)]
struct Series {
    labels: BTreeMap<String, String>,
    value: f64,
}

/// The metrics of one process at one moment.
#[derive(Debug, Default, PartialEq)]
pub struct Page {
    by_name: BTreeMap<String, Vec<Series>>,
}

impl Page {
    /// Reads a page.
    ///
    /// # Errors
    /// The first line that is neither empty, nor a comment, nor a sample.
    pub fn parse(text: &str) -> Result<Page, ExpositionError> {
        let mut page = Page::default();
        for (at, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let (name, series) = sample(line).ok_or(ExpositionError { line: at + 1 })?;
            page.by_name.entry(name.to_owned()).or_default().push(series);
        }
        Ok(page)
    }

    fn series(&self, metric: Metric) -> impl Iterator<Item = &Series> {
        self.by_name.get(metric.declaration().name).into_iter().flatten()
    }

    /// The value of a metric without labels; `None` where it is not there, or NaN.
    pub fn value(&self, metric: Metric) -> Option<f64> {
        self.series(metric).map(|series| series.value).find(|value| !value.is_nan())
    }

    /// The sum over all series of a metric; 0 if there are none.
    pub fn sum(&self, metric: Metric) -> f64 {
        self.sum_where(metric, "", "")
    }

    /// The sum over the series of a metric whose label has that value; an empty `label` takes all.
    pub fn sum_where(&self, metric: Metric, label: &str, value: &str) -> f64 {
        let fits = |series: &&Series| label.is_empty() || series.labels.get(label).is_some_and(|found| found == value);
        self.series(metric).filter(fits).map(|series| series.value).filter(|value| !value.is_nan()).sum()
    }

    /// The values of a metric by one of its labels; NaN is left out.
    pub fn by_label<'a>(&'a self, metric: Metric, label: &'a str) -> impl Iterator<Item = (&'a str, f64)> {
        let known = self.series(metric).filter(|series| !series.value.is_nan());
        known.filter_map(move |series| Some((series.labels.get(label)?.as_str(), series.value)))
    }

    /// The buckets of a histogram, counted up, by their upper bounds, over all series whose `label` has that value.
    pub fn buckets(&self, metric: Metric, label: &str, value: &str) -> Buckets {
        let name = format!("{}_bucket", metric.declaration().name);
        let mut buckets = Buckets::default();
        for series in self.by_name.get(&name).into_iter().flatten() {
            let fits = label.is_empty() || series.labels.get(label).is_some_and(|found| found == value);
            let bound = series.labels.get("le").and_then(|bound| bound.parse::<f64>().ok());
            let (true, Some(bound)) = (fits, bound) else { continue };
            buckets.add(bound, series.value);
        }
        buckets
    }
}

/// The counts of a histogram up to each bound, ascending; the last bound is infinite.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Buckets(Vec<(f64, f64)>);

impl Buckets {
    fn add(&mut self, bound: f64, count: f64) {
        match self.0.iter_mut().find(|(known, _)| *known == bound) {
            Some((_, sum)) => *sum += count,
            None => {
                let at = self.0.partition_point(|(known, _)| *known < bound);
                self.0.insert(at, (bound, count));
            }
        }
    }

    /// Adds another process' counts.
    pub fn merge(&mut self, other: &Buckets) {
        other.0.iter().for_each(|(bound, count)| self.add(*bound, *count));
    }

    /// What came since `earlier`; all of it where the process has started anew.
    pub fn since(&self, earlier: &Buckets) -> Buckets {
        let before = |bound: f64| earlier.0.iter().find(|(known, _)| *known == bound).map_or(0.0, |(_, count)| *count);
        if self.0.iter().any(|(bound, count)| *count < before(*bound)) {
            return self.clone();
        }
        Buckets(self.0.iter().map(|(bound, count)| (*bound, count - before(*bound))).collect())
    }

    /// How many observations there are.
    pub fn count(&self) -> f64 {
        self.0.last().map_or(0.0, |(_, count)| *count)
    }

    /// The value that a share `q` of the observations does not exceed, as Prometheus estimates it: linear within its
    /// bucket, and the last finite bound where it lies beyond that. `None` without observations.
    pub fn quantile(&self, q: f64) -> Option<Quantile> {
        let total = self.count();
        if total <= 0.0 {
            return None;
        }
        let rank = q * total;
        let (mut lower, mut below) = (0.0, 0.0);
        for (bound, count) in &self.0 {
            if *count >= rank {
                if bound.is_infinite() {
                    return Some(Quantile { seconds: lower, beyond: true });
                }
                let share = if *count > below { (rank - below) / (count - below) } else { 1.0 };
                return Some(Quantile { seconds: lower + (bound - lower) * share, beyond: false });
            }
            (lower, below) = (*bound, *count);
        }
        None
    }
}

/// A quantile of a histogram of times.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub struct Quantile {
    /// Seconds.
    pub seconds: f64,
    /// Whether it lies somewhere beyond that, which is the last bound of the histogram.
    pub beyond: bool,
}

fn sample(line: &str) -> Option<(&str, Series)> {
    let name_end = line.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == ':'))?;
    let (name, rest) = line.split_at_checked(name_end)?;
    let mut labels = BTreeMap::new();
    let rest = match rest.strip_prefix('{') {
        Some(inside) => read_labels(inside, &mut labels)?,
        None => rest,
    };
    let value = rest.split_ascii_whitespace().next()?;
    let value = match value {
        "+Inf" => f64::INFINITY,
        "-Inf" => f64::NEG_INFINITY,
        "NaN" => f64::NAN,
        number => number.parse().ok()?,
    };
    (!name.is_empty()).then_some((name, Series { labels, value }))
}

/// Reads labels up to their closing brace; returns what comes after it.
fn read_labels<'a>(mut text: &'a str, labels: &mut BTreeMap<String, String>) -> Option<&'a str> {
    loop {
        text = text.trim_start_matches([',', ' ']);
        if let Some(rest) = text.strip_prefix('}') {
            return Some(rest);
        }
        let (name, rest) = text.split_once("=\"")?;
        let mut value = String::new();
        let mut chars = rest.char_indices();
        let end = loop {
            match chars.next()? {
                (at, '"') => break at,
                (_, '\\') => value.push(match chars.next()?.1 {
                    'n' => '\n',
                    other => other,
                }),
                (_, other) => value.push(other),
            }
        };
        labels.insert(name.trim().to_owned(), value);
        text = rest.get(end + 1..)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = r#"
# HELP driftless_consumed_total Records consumed.
# TYPE driftless_consumed_total counter
driftless_consumed_total{input="events"} 10
driftless_consumed_total{input="labels"} 4 1700000000000
driftless_ready 1
driftless_performance_auc NaN
driftless_lag_records{partition="hop.a\"b\\/1",} 2.5e1
driftless_transaction_seconds_bucket{role="score",le="0.1"} 2
driftless_transaction_seconds_bucket{role="score",le="0.2"} 6
driftless_transaction_seconds_bucket{role="score",le="+Inf"} 8
driftless_transaction_seconds_bucket{role="monitor",le="0.1"} 100
"#;

    #[test]
    fn series_are_read_with_labels_and_values() {
        let page = Page::parse(PAGE).unwrap();
        assert_eq!(page.sum(Metric::Consumed), 14.0);
        assert_eq!(page.sum_where(Metric::Consumed, "input", "labels"), 4.0);
        assert_eq!(page.value(Metric::Ready), Some(1.0));
        assert_eq!(page.value(Metric::PerformanceAuc), None);
        let lags: Vec<_> = page.by_label(Metric::Lag, "partition").collect();
        assert_eq!(lags, [("hop.a\"b\\/1", 25.0)]);
    }

    #[test]
    fn another_page_is_refused_with_its_line() {
        for (text, line) in [("a 1\n<html>", 2), ("a{b=\"c} 1", 1), ("a", 1), ("a one", 1), ("{} 1", 1)] {
            let error = Page::parse(text).unwrap_err().to_string();
            assert_eq!(error, format!("line {line} is not in Prometheus' text format"), "{text}");
        }
    }

    #[test]
    fn a_quantile_is_linear_within_its_bucket() {
        let buckets = Page::parse(PAGE).unwrap().buckets(Metric::TransactionSeconds, "role", "score");
        let at = |seconds, beyond| Some(Quantile { seconds, beyond });
        // 4 of 8: the second of four observations between 0.1 and 0.2.
        assert_eq!(buckets.quantile(0.5), at(0.1 + 0.1 * 0.5, false));
        assert_eq!(buckets.quantile(0.99), at(0.2, true));
        assert_eq!(Buckets::default().quantile(0.5), None);
    }

    #[test]
    fn what_came_since_is_a_difference_unless_the_process_began_anew() {
        let buckets = |counts: [f64; 2]| Buckets(vec![(0.1, counts[0]), (f64::INFINITY, counts[1])]);
        assert_eq!(buckets([5.0, 9.0]).since(&buckets([4.0, 4.0])), buckets([1.0, 5.0]));
        assert_eq!(buckets([1.0, 2.0]).since(&buckets([4.0, 4.0])), buckets([1.0, 2.0]));
        let mut both = buckets([1.0, 2.0]);
        both.merge(&buckets([1.0, 1.0]));
        assert_eq!((both.count(), both), (3.0, buckets([2.0, 3.0])));
    }
}
