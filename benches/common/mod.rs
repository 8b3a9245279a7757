//! What the benchmarks share: the bundled flights as records, models to score them with, score roles over a broker, and
//! the machine's name.
#![expect(dead_code, reason = "each benchmark uses its part")]

pub(crate) mod avro;
pub(crate) mod flights;
pub(crate) mod machine;
pub(crate) mod models;
pub(crate) mod plain;
pub(crate) mod sitting;

/// Smallest and middle value of some measurements.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spread {
    pub(crate) min: f64,
    pub(crate) median: f64,
}

impl Spread {
    /// Zeros for nothing.
    pub(crate) fn of(mut values: Vec<f64>) -> Spread {
        values.sort_unstable_by(f64::total_cmp);
        let at = |index: usize| values.get(index).copied().unwrap_or(0.0);
        let median = (at(values.len().saturating_sub(1) / 2) + at(values.len() / 2)) / 2.0;
        Spread { min: at(0), median }
    }
}

/// A count from the environment, or the default.
pub(crate) fn count_from_env(name: &str, default: usize) -> usize {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}
