//! A threshold that can be changed by a command while everything runs, and the values it may have.
//!
//! In here belongs what a decision is held against and nothing else: no state has another shape because of it, so a machine
//! can take another value between two records. Values are written as in the configuration; bounds are those of the
//! configuration too, which a test holds against each other.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Span;

/// Counts are whole numbers up to this.
const MOST: u64 = 1_000_000_000;

/// A threshold that a command can change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Setting {
    /// From which score on an event is decided as the positive class.
    #[serde(rename = "score.threshold")]
    ScoreThreshold,
    /// Smallest population stability index that opens an alert.
    #[serde(rename = "drift.psi_effect")]
    DriftPsiEffect,
    /// Smallest Kolmogorov-Smirnov distance that opens an alert.
    #[serde(rename = "drift.ks_effect")]
    DriftKsEffect,
    /// Expected share of false alarms among the alarms of a window.
    #[serde(rename = "drift.false_discovery_rate")]
    DriftFalseDiscoveryRate,
    /// Fewest values of a signal a verdict rests on.
    #[serde(rename = "drift.min_n")]
    DriftMinN,
    /// Share of the reference AUC below which an alert opens.
    #[serde(rename = "performance.alert_below")]
    PerformanceAlertBelow,
    /// Fewest labelled predictions a verdict rests on.
    #[serde(rename = "performance.min_n")]
    PerformanceMinN,
    /// Joined labels needed for any training.
    #[serde(rename = "retrain.min_labels")]
    RetrainMinLabels,
    /// Least time between two trainings.
    #[serde(rename = "retrain.cool_down")]
    RetrainCoolDown,
    /// Age of the last training at which the next is asked for.
    #[serde(rename = "retrain.schedule")]
    RetrainSchedule,
    /// Labels since the last training at which the next is asked for; 0: their number never asks.
    #[serde(rename = "retrain.new_labels")]
    RetrainNewLabels,
    /// What the lower end of the interval of the gain has to lie above.
    #[serde(rename = "promote.min_gain")]
    PromoteMinGain,
    /// Share of refused events above which a shard is held back.
    #[serde(rename = "events.max_rejected")]
    EventsMaxRejected,
}

/// The values that a setting may have.
#[derive(Clone, Copy)]
enum Bounds {
    /// A share, 0 and 1 among them.
    Share,
    /// A share above 0.
    ShareAboveZero,
    /// A share, neither 0 nor 1.
    ShareBetween,
    /// A number above 0.
    AboveZero,
    /// A number from 0 on.
    FromZero,
    /// A whole number from this on.
    Whole(u64),
    /// A length of time.
    Time,
    /// A length of time above zero.
    SomeTime,
}

impl Bounds {
    const fn wanted(self) -> &'static str {
        match self {
            Bounds::Share => "a number from 0 to 1",
            Bounds::ShareAboveZero => "a number above 0 and at most 1",
            Bounds::ShareBetween => "a number above 0 and below 1",
            Bounds::AboveZero => "a number above 0",
            Bounds::FromZero => "a number, 0 or more",
            Bounds::Whole(0) => "a whole number from 0 to 1000000000",
            Bounds::Whole(1) => "a whole number from 1 to 1000000000",
            Bounds::Whole(_) => "a whole number from 10 to 1000000000",
            Bounds::Time => "a length of time such as `28d`",
            Bounds::SomeTime => "a length of time above zero, such as `56d`",
        }
    }

    fn read(self, text: &str) -> Option<SettingValue> {
        let number = || text.parse::<f64>().ok().filter(|value| value.is_finite());
        match self {
            Bounds::Share => number().filter(|value| (0.0..=1.0).contains(value)).map(SettingValue::Number),
            Bounds::ShareAboveZero => number().filter(|value| *value > 0.0 && *value <= 1.0).map(SettingValue::Number),
            Bounds::ShareBetween => number().filter(|value| *value > 0.0 && *value < 1.0).map(SettingValue::Number),
            Bounds::AboveZero => number().filter(|value| *value > 0.0).map(SettingValue::Number),
            Bounds::FromZero => number().filter(|value| *value >= 0.0).map(SettingValue::Number),
            Bounds::Whole(least) => {
                text.parse().ok().filter(|value| (least..=MOST).contains(value)).map(SettingValue::Count)
            }
            Bounds::Time => text.parse().ok().map(SettingValue::Time),
            Bounds::SomeTime => text.parse().ok().filter(|span: &Span| span.millis() > 0).map(SettingValue::Time),
        }
    }
}

impl Setting {
    /// All of them, in the order of the configuration.
    pub const ALL: [Setting; 13] = [
        Setting::EventsMaxRejected,
        Setting::ScoreThreshold,
        Setting::DriftPsiEffect,
        Setting::DriftKsEffect,
        Setting::DriftFalseDiscoveryRate,
        Setting::DriftMinN,
        Setting::PerformanceAlertBelow,
        Setting::PerformanceMinN,
        Setting::RetrainMinLabels,
        Setting::RetrainCoolDown,
        Setting::RetrainSchedule,
        Setting::RetrainNewLabels,
        Setting::PromoteMinGain,
    ];

    /// Its key in the configuration.
    pub const fn name(self) -> &'static str {
        match self {
            Setting::ScoreThreshold => "score.threshold",
            Setting::DriftPsiEffect => "drift.psi_effect",
            Setting::DriftKsEffect => "drift.ks_effect",
            Setting::DriftFalseDiscoveryRate => "drift.false_discovery_rate",
            Setting::DriftMinN => "drift.min_n",
            Setting::PerformanceAlertBelow => "performance.alert_below",
            Setting::PerformanceMinN => "performance.min_n",
            Setting::RetrainMinLabels => "retrain.min_labels",
            Setting::RetrainCoolDown => "retrain.cool_down",
            Setting::RetrainSchedule => "retrain.schedule",
            Setting::RetrainNewLabels => "retrain.new_labels",
            Setting::PromoteMinGain => "promote.min_gain",
            Setting::EventsMaxRejected => "events.max_rejected",
        }
    }

    /// The setting of a key; `None` for every key that no command changes.
    pub fn of(key: &str) -> Option<Setting> {
        Setting::ALL.into_iter().find(|setting| setting.name() == key)
    }

    const fn bounds(self) -> Bounds {
        match self {
            Setting::ScoreThreshold => Bounds::Share,
            Setting::DriftKsEffect | Setting::PerformanceAlertBelow | Setting::EventsMaxRejected => {
                Bounds::ShareAboveZero
            }
            Setting::DriftFalseDiscoveryRate => Bounds::ShareBetween,
            Setting::DriftPsiEffect => Bounds::AboveZero,
            Setting::PromoteMinGain => Bounds::FromZero,
            Setting::DriftMinN | Setting::PerformanceMinN => Bounds::Whole(1),
            Setting::RetrainMinLabels => Bounds::Whole(10),
            Setting::RetrainNewLabels => Bounds::Whole(0),
            Setting::RetrainCoolDown => Bounds::Time,
            Setting::RetrainSchedule => Bounds::SomeTime,
        }
    }

    /// Its value, from how it is written; `None` for what it cannot be.
    pub fn read(self, text: &str) -> Option<SettingValue> {
        self.bounds().read(text)
    }

    /// What its values are, in words.
    pub const fn wanted(self) -> &'static str {
        self.bounds().wanted()
    }
}

/// The value of a setting.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum SettingValue {
    /// A number.
    Number(f64),
    /// A whole number.
    Count(u64),
    /// A length of time.
    Time(Span),
}

impl fmt::Display for SettingValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SettingValue::Number(value) => write!(f, "{value}"),
            SettingValue::Count(value) => write!(f, "{value}"),
            SettingValue::Time(value) => write!(f, "{value}"),
        }
    }
}

/// What a command says of a setting.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SettingChange {
    /// Its key in the configuration.
    pub key: String,
    /// Its value from now on, as in the configuration; `None`: what the configuration says.
    pub value: Option<String>,
    /// What it was before, as the writer knew it.
    pub was: Option<String>,
}

impl fmt::Display for SettingChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.value {
            Some(value) => write!(f, "`{}` is {value} from now on", self.key)?,
            None => write!(f, "`{}` is what the configuration says from now on", self.key)?,
        }
        self.was.as_ref().map_or(Ok(()), |was| write!(f, ", it was {was}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_written_as_it_is_read() {
        for (setting, text) in [
            (Setting::ScoreThreshold, "0.30000000000000004"),
            (Setting::DriftMinN, "1000000000"),
            (Setting::RetrainCoolDown, "28d"),
            (Setting::PromoteMinGain, "0"),
        ] {
            let value = setting.read(text).unwrap();
            assert_eq!(value.to_string(), text);
            assert_eq!(setting.read(&value.to_string()), Some(value));
        }
    }

    #[test]
    fn what_a_setting_cannot_be_is_not_read() {
        for text in ["", "x", "NaN", "inf", "-0.1", "1.1", "28d", "0,5"] {
            assert_eq!(Setting::ScoreThreshold.read(text), None, "{text}");
        }
        for (setting, text) in [
            (Setting::DriftMinN, "0"),
            (Setting::RetrainMinLabels, "9"),
            (Setting::DriftMinN, "1.5"),
            (Setting::RetrainSchedule, "0s"),
            (Setting::RetrainCoolDown, "28"),
        ] {
            assert_eq!(setting.read(text), None, "{text}");
        }
    }

    #[test]
    fn every_setting_is_found_by_its_name_and_has_it_in_records_too() {
        for setting in Setting::ALL {
            assert_eq!(Setting::of(setting.name()), Some(setting));
            assert_eq!(serde_json::to_value(setting).unwrap(), setting.name());
        }
        assert_eq!(Setting::of("drift.window"), None);
    }
}
