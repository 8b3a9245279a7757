//! The settings that commands have changed, folded from the control log as far as it was taken in.
//!
//! The last command on a setting counts, until one gives it back to the configuration: also where a later
//! configuration says something else. A command that names no setting, or a value that it cannot have, changes nothing.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::data::params::{DriftParams, PerformanceParams, PromoteParams, RetrainParams};
use crate::data::{ModelRecord, Setting, SettingValue, Span, Timestamp};

/// The settings that are not those of the configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Settings(BTreeMap<Setting, InForce>);

/// A command on a setting, as long as it counts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InForce {
    /// The value, as in the configuration.
    pub value: String,
    /// When it was commanded.
    pub since: Timestamp,
    /// By whom.
    pub by: String,
    /// Why.
    pub why: String,
}

impl Settings {
    /// Whether every setting is that of the configuration.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The settings that a command has changed.
    pub fn iter(&self) -> impl Iterator<Item = (Setting, &InForce)> {
        self.0.iter().map(|(setting, of)| (*setting, of))
    }

    /// The command that counts for a setting; `None`: the configuration does.
    pub fn get(&self, setting: Setting) -> Option<&InForce> {
        self.0.get(&setting)
    }

    /// Takes a command in; false if it changes nothing.
    pub(super) fn apply(&mut self, record: &ModelRecord) -> bool {
        let Some(change) = &record.setting else { return false };
        let Some(setting) = Setting::of(&change.key) else { return false };
        let Some(text) = &change.value else { return self.0.remove(&setting).is_some() };
        let Some(value) = setting.read(text) else { return false };
        let ModelRecord { at, by, why, .. } = record;
        let of = InForce { value: value.to_string(), since: *at, by: by.clone(), why: why.clone() };
        self.0.insert(setting, of);
        true
    }

    fn value(&self, setting: Setting) -> Option<SettingValue> {
        setting.read(&self.0.get(&setting)?.value)
    }

    fn number(&self, setting: Setting) -> Option<f64> {
        match self.value(setting)? {
            SettingValue::Number(value) => Some(value),
            SettingValue::Count(_) | SettingValue::Time(_) => None,
        }
    }

    fn count(&self, setting: Setting) -> Option<u64> {
        match self.value(setting)? {
            SettingValue::Count(value) => Some(value),
            SettingValue::Number(_) | SettingValue::Time(_) => None,
        }
    }

    fn time(&self, setting: Setting) -> Option<Span> {
        match self.value(setting)? {
            SettingValue::Time(value) => Some(value),
            SettingValue::Number(_) | SettingValue::Count(_) => None,
        }
    }

    /// The score from which on whoever answers decides for the positive class; `None`: the model's own counts.
    pub fn threshold(&self) -> Option<f64> {
        self.number(Setting::ScoreThreshold)
    }

    /// The share of refused events above which a shard is held back; `None`: that of the configuration.
    pub fn max_rejected(&self) -> Option<f64> {
        self.number(Setting::EventsMaxRejected)
    }

    /// When a signal counts as drifted, where the configuration says `params`.
    pub fn drift(&self, params: &DriftParams) -> DriftParams {
        DriftParams {
            psi_effect: self.number(Setting::DriftPsiEffect).unwrap_or(params.psi_effect),
            ks_effect: self.number(Setting::DriftKsEffect).unwrap_or(params.ks_effect),
            false_discovery_rate: self.number(Setting::DriftFalseDiscoveryRate).unwrap_or(params.false_discovery_rate),
            min_n: self.count(Setting::DriftMinN).unwrap_or(params.min_n),
            ..params.clone()
        }
    }

    /// When performance counts as lost, where the configuration says `params`.
    pub fn performance(&self, params: &PerformanceParams) -> PerformanceParams {
        PerformanceParams {
            alert_below: self.number(Setting::PerformanceAlertBelow).unwrap_or(params.alert_below),
            min_n: self.count(Setting::PerformanceMinN).unwrap_or(params.min_n),
            ..params.clone()
        }
    }

    /// When a training is asked for, where the configuration says `params`.
    pub fn retrain(&self, params: &RetrainParams) -> RetrainParams {
        let new_labels = self.count(Setting::RetrainNewLabels).map(|labels| Some(labels).filter(|labels| *labels > 0));
        RetrainParams {
            min_labels: self.count(Setting::RetrainMinLabels).unwrap_or(params.min_labels),
            cool_down: self.time(Setting::RetrainCoolDown).unwrap_or(params.cool_down),
            schedule: self.time(Setting::RetrainSchedule).unwrap_or(params.schedule),
            new_labels: new_labels.unwrap_or(params.new_labels),
            ..params.clone()
        }
    }

    /// What is promoted, where the configuration says `params`.
    pub fn promote(&self, params: &PromoteParams) -> PromoteParams {
        PromoteParams { min_gain: self.number(Setting::PromoteMinGain).unwrap_or(params.min_gain), ..params.clone() }
    }
}
