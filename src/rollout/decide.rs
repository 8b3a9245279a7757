//! Whether a candidate takes charge.

use crate::data::params::{PromoteParams, PromotionMetric};
use crate::data::{Evidence, Gain, ModelRecord};

use super::Ledger;

/// What is to happen with a candidate.
#[derive(Clone, Debug, PartialEq)]
pub enum Decision {
    /// It takes charge.
    Promote {
        /// Why, with the numbers.
        why: String,
    },
    /// It does not.
    Refuse {
        /// Why, with the numbers.
        why: String,
    },
    /// It waits for an operator.
    Wait {
        /// Why.
        why: String,
    },
}

/// Decides on a candidate that has just been registered: it is promoted only when the whole interval of the paired
/// gain lies above the least gain asked for, and when it was compared with the very version in charge.
pub fn decide(candidate: &ModelRecord, ledger: &Ledger, params: &PromoteParams) -> Decision {
    if candidate.replaces != ledger.champion() {
        let why = format!("it was compared with v{}, but v{} is in charge", candidate.replaces, ledger.champion());
        return Decision::Refuse { why };
    }
    let Some(evidence) = &candidate.evidence else {
        return Decision::Refuse { why: "it has no evidence".to_owned() };
    };
    let Some(gain) = gain(evidence, params.metric) else {
        return Decision::Refuse {
            why: format!("{} cannot be compared on its held-out examples", params.metric.name()),
        };
    };
    let numbers = format!(
        "{} gain {:+.4} [{:+.4}, {:+.4}] over {} held-out examples",
        params.metric.name(),
        gain.mean,
        gain.low,
        gain.high,
        evidence.n_holdout
    );
    let is_surely_above = gain.low > params.min_gain;
    if !is_surely_above {
        return Decision::Refuse { why: format!("{numbers}: not surely above {}", params.min_gain) };
    }
    if ledger.is_frozen() {
        return Decision::Wait { why: format!("{numbers}, but promotions are frozen") };
    }
    if !params.auto {
        return Decision::Wait { why: format!("{numbers}; promotion is left to the operator") };
    }
    Decision::Promote { why: numbers }
}

fn gain(evidence: &Evidence, metric: PromotionMetric) -> Option<Gain> {
    match metric {
        PromotionMetric::LogLoss => Some(evidence.log_loss_gain),
        PromotionMetric::Auc => evidence.auc_gain,
    }
}
