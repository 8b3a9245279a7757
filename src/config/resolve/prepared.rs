//! `[[features.prepared]]`, and with it everything that a training makes of single features before it fits.

use super::range::{Unit, unit};
use crate::config::error::Problem;
use crate::config::raw::{RawFilling, RawPrepared, RawScaling};
use crate::config::suggest;
use crate::data::params::{Filling, PreparedSpec, Preparing, Scaling};

/// What is prepared, each with the key that asks for it.
#[derive(Default)]
pub(super) struct Prepared {
    specs: Vec<(String, PreparedSpec)>,
}

impl Prepared {
    /// Takes in what an encoding asks for; `is_labelled`: there is a label to learn from.
    pub(super) fn add_encoded(&mut self, key: &str, spec: PreparedSpec, is_labelled: bool) -> Result<(), Problem> {
        if matches!(spec.how, Preparing::Target { .. }) && !is_labelled {
            let message = "`target` is the share of positives, and without `[labels]` there are none; add `[labels]` or \
                           write `frequency`";
            return Err(Problem::new(format!("{key}.as"), message));
        }
        if self.specs.iter().any(|(_, other)| other.name == spec.name) {
            return Err(Problem::new(key, format!("`{}` is there already; write each encoding once", spec.name)));
        }
        self.specs.push((key.to_owned(), spec));
        Ok(())
    }

    /// Whether an encoding has asked for the feature.
    pub(super) fn has(&self, feature: &str) -> bool {
        self.specs.iter().any(|(_, spec)| spec.feature == feature)
    }

    /// Takes in a table; `row` names the features of the row.
    pub(super) fn add(&mut self, key: &str, raw: &RawPrepared, row: &[String]) -> Result<(), Problem> {
        if raw.features.is_empty() {
            return Err(Problem::new(format!("{key}.features"), "missing; write names of features of the row"));
        }
        let scaling = scaling(key, raw)?;
        let missing = match raw.missing {
            RawFilling::Keep => Filling::None,
            RawFilling::Mean => Filling::Mean,
            RawFilling::Median => Filling::Median,
        };
        if scaling == Scaling::Own && missing == Filling::None && !raw.indicator {
            let message = "asks for nothing; write `as`, `missing` or `indicator`, or leave the table out";
            return Err(Problem::new(key, message));
        }
        for (position, feature) in raw.features.iter().enumerate() {
            let key = format!("{key}.features[{position}]");
            if !row.contains(feature) {
                let hint = suggest::hint(feature, row.iter().map(String::as_str).collect::<Vec<_>>());
                return Err(Problem::new(key, format!("`{feature}` is no feature of the row; {hint}")));
            }
            if self.has(feature) {
                let message = format!(
                    "`{feature}` is prepared already; a feature stands in one table at most, and a code in none"
                );
                return Err(Problem::new(key, message));
            }
            let spec = |name: String, how: Preparing| PreparedSpec { name, feature: feature.clone(), how };
            self.specs.push((key.clone(), spec(feature.clone(), Preparing::Number { scaling, missing })));
            if raw.indicator {
                self.specs.push((key, spec(format!("{feature}.is_missing"), Preparing::IsMissing)));
            }
        }
        Ok(())
    }

    /// All of it, once `row` is known to have the features that are prepared, and inputs to have names of their own.
    pub(super) fn checked(self, row: &[String]) -> Result<Vec<PreparedSpec>, Problem> {
        for (position, (key, spec)) in self.specs.iter().enumerate() {
            if !row.contains(&spec.feature) {
                let message = format!(
                    "needs `{}`, which `features.row` leaves out; add it there, or leave the table out",
                    spec.feature
                );
                return Err(Problem::new(key.as_str(), message));
            }
            let earlier = self.specs.iter().take(position).any(|(_, other)| other.name == spec.name);
            if earlier || spec.name != spec.feature && row.contains(&spec.name) {
                let message =
                    format!("makes `{}`, which is also the name of another feature; rename that one", spec.name);
                return Err(Problem::new(key.as_str(), message));
            }
        }
        Ok(self.specs.into_iter().map(|(_, spec)| spec).collect())
    }
}

fn scaling(key: &str, raw: &RawPrepared) -> Result<Scaling, Problem> {
    let key = format!("{key}.quantiles");
    let quantiles = match (raw.how, raw.quantiles) {
        (Some(RawScaling::Normalised), quantiles) => quantiles.unwrap_or([0.0, 1.0]),
        (_, Some(_)) => return Err(Problem::new(key, "is for `as = \"normalised\"`; leave it out")),
        (Some(RawScaling::Standardised), None) => return Ok(Scaling::Standardised),
        (None, None) => return Ok(Scaling::Own),
    };
    for quantile in quantiles {
        unit(&key, quantile, Unit::Closed)?;
    }
    let [low, high] = quantiles;
    if low >= high {
        return Err(Problem::new(key, format!("{low} is not below {high}; write the lower quantile first")));
    }
    Ok(Scaling::Normalised { low, high })
}
