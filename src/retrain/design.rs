//! The rows of a fit as its estimator will be given them, with the statistics that takes.
//!
//! Statistics are those of the rows fitted, and of no others: what is scored beside them, to choose or to compare, has had
//! no part in them. Inputs are made by the preparation that goes into the model, so what is fitted is what will be served;
//! shares of positives are the exception, which a row of the training has as of its own time ([`super::ordered`]).

use std::collections::BTreeMap;

use super::Dataset;
use super::ordered::{Labelled, ordered};
use crate::data::params::{Filling, PreparedSpec, Preparing, Scaling};
use crate::model::{
    CategoryError, Columns, Counted, Frequencies, FrequencyParts, Input, Preparation, PreparationError, Prepared,
    TargetParts, TargetShares,
};
use crate::stats::{Moments, quantile_sorted};

/// Numbers count as no larger than this.
const LARGEST: f64 = 1e300;

/// Rows to fit, their labels, and what was done to the rows.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Design {
    pub preparation: Preparation,
    /// A column for each input of the estimator.
    pub inputs: Columns,
    pub labels: Vec<bool>,
}

/// Why there is no design.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub(super) enum DesignError {
    /// Counts that make no table.
    #[error("input `{input}` cannot be prepared: {error}")]
    Category { input: String, error: CategoryError },
    /// Statistics that make no preparation.
    #[error(transparent)]
    Preparation(#[from] PreparationError),
}

impl Design {
    /// Takes the given rows of a data set, ascending, and makes of their features what `prepared` says.
    pub(super) fn new(data: &Dataset, rows: &[usize], prepared: &[PreparedSpec]) -> Result<Design, DesignError> {
        let take = |column: &Vec<f64>| rows.iter().map(|row| column.get(*row).copied().unwrap_or(f64::NAN)).collect();
        // every column has one value for each row
        let own = Columns::from_columns(data.rows().columns().iter().map(take).collect()).unwrap_or_default();
        let labels: Vec<bool> = rows.iter().map(|row| data.labels().get(*row).copied().unwrap_or_default()).collect();
        if prepared.is_empty() {
            return Ok(Design { preparation: Preparation::default(), inputs: own, labels });
        }
        let mut inputs = Vec::new();
        for (feature, name) in data.layout().names().iter().enumerate() {
            let specs = || prepared.iter().filter(|spec| spec.feature == *name);
            if specs().next().is_none() {
                inputs.push(Input { name: name.clone(), feature, how: Prepared::Plain });
            }
            for spec in specs() {
                let how = fit(&spec.how, own.column(feature), &labels)
                    .map_err(|error| DesignError::Category { input: spec.name.clone(), error })?;
                inputs.push(Input { name: spec.name.clone(), feature, how });
            }
        }
        let preparation = Preparation::new(inputs)?;
        let mut made = preparation.inputs(&own, &mut Vec::new()).into_owned();
        for (position, input) in preparation.list().iter().enumerate() {
            if let Prepared::Target(shares) = &input.how {
                let known = |code: f64| shares.known(code).is_some();
                let as_of =
                    ordered(&labelled(data, rows, own.column(input.feature)), shares.parts().prior_weight, known);
                made.column_mut(position).iter_mut().zip(as_of).for_each(|(value, share)| *value = share);
            }
        }
        Ok(Design { preparation, inputs: made, labels })
    }
}

fn labelled(data: &Dataset, rows: &[usize], codes: &[f64]) -> Vec<Labelled> {
    let row = |(row, code): (&usize, &f64)| {
        Some(Labelled {
            code: *code,
            at: *data.times().get(*row)?,
            known_at: *data.known_at().get(*row)?,
            positive: *data.labels().get(*row)?,
        })
    };
    rows.iter().zip(codes).filter_map(row).collect()
}

fn fit(how: &Preparing, values: &[f64], labels: &[bool]) -> Result<Prepared, CategoryError> {
    Ok(match *how {
        Preparing::Number { scaling, missing } => number(scaling, missing, values),
        Preparing::IsMissing => Prepared::IsMissing,
        Preparing::Target { prior_weight, max_categories } => {
            let Categories { all, missing, told_apart } = Categories::of(values, labels, max_categories);
            let categories = told_apart.into_iter().map(|(code, own)| [code, own.rows, own.positives]).collect();
            Prepared::Target(TargetShares::new(TargetParts { prior_weight, all, missing, categories })?)
        }
        Preparing::Frequency { max_categories } => {
            let Categories { all, missing, told_apart } = Categories::of(values, labels, max_categories);
            let categories = told_apart.into_iter().map(|(code, own)| [code, own.rows]).collect();
            let parts = FrequencyParts { rows: all.rows, missing: missing.rows, categories };
            Prepared::Frequency(Frequencies::new(parts)?)
        }
    })
}

/// How often each category came, by code.
struct Categories {
    all: Counted,
    missing: Counted,
    told_apart: Vec<(u64, Counted)>,
}

impl Categories {
    /// Of more than `most` categories those with the most rows; of equally many the one with the lower code.
    fn of(codes: &[f64], labels: &[bool], most: usize) -> Categories {
        let (mut all, mut missing) = (Counted::default(), Counted::default());
        let mut by_code: BTreeMap<u64, Counted> = BTreeMap::new();
        for (code, positive) in codes.iter().zip(labels) {
            all.add(*positive);
            let own = if code.is_finite() { by_code.entry(*code as u64).or_default() } else { &mut missing };
            own.add(*positive);
        }
        let mut told_apart: Vec<(u64, Counted)> = by_code.into_iter().collect();
        told_apart.sort_by_key(|(_, own)| std::cmp::Reverse(own.rows));
        told_apart.truncate(most);
        told_apart.sort_by_key(|(code, _)| *code);
        Categories { all, missing, told_apart }
    }
}

/// Statistics of the values present; 0 stands for those of nothing.
fn number(scaling: Scaling, missing: Filling, values: &[f64]) -> Prepared {
    let mut present: Vec<f64> = values.iter().filter(|x| x.is_finite()).map(|x| x.clamp(-LARGEST, LARGEST)).collect();
    let mut moments = Moments::default();
    present.iter().for_each(|x| moments.add(*x));
    present.sort_by(f64::total_cmp);
    let mean = moments.mean().unwrap_or(0.0);
    let missing = match missing {
        Filling::None => None,
        Filling::Mean => Some(mean),
        Filling::Median => Some(quantile_sorted(&present, 0.5).unwrap_or(0.0)),
    };
    match (scaling, missing) {
        (Scaling::Own, None) => Prepared::Plain,
        (Scaling::Own, Some(missing)) => Prepared::Filled { missing },
        (Scaling::Standardised, missing) => {
            Prepared::Standardised { mean, deviation: deviation(&moments).unwrap_or(1.0), missing }
        }
        (Scaling::Normalised { low, high }, missing) => {
            let low = quantile_sorted(&present, low).unwrap_or(0.0);
            let high = quantile_sorted(&present, high).map_or(1.0, |high| high.max(low));
            Prepared::Normalised { low, high, missing }
        }
    }
}

/// The standard deviation, divided by n; `None` for a constant, and for what differs from one by rounding alone, which is
/// where scikit-learn's `StandardScaler` draws the line (`_is_constant_feature`).
fn deviation(moments: &Moments) -> Option<f64> {
    let n = moments.n() as f64;
    let variance = moments.variance()? * (n - 1.0) / n;
    let rounding = n * moments.mean()? * f64::EPSILON;
    let deviation = variance.sqrt();
    (variance > n * f64::EPSILON * variance + rounding * rounding && deviation >= 1e-150).then_some(deviation)
}
