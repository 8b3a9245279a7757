//! The settings that a command can change, as the configuration has them.

use super::Config;
use crate::data::{Setting, SettingValue, TrainingReason};

impl Config {
    /// What the configuration says of a setting: what counts unless a command says something else.
    pub fn setting(&self, setting: Setting) -> SettingValue {
        let Config { score, drift, performance, retrain, promote, .. } = self;
        match setting {
            Setting::EventsMaxRejected => SettingValue::Number(score.breaker.max_rejected),
            Setting::ScoreThreshold => SettingValue::Number(score.threshold),
            Setting::DriftPsiEffect => SettingValue::Number(drift.psi_effect),
            Setting::DriftKsEffect => SettingValue::Number(drift.ks_effect),
            Setting::DriftFalseDiscoveryRate => SettingValue::Number(drift.false_discovery_rate),
            Setting::DriftMinN => SettingValue::Count(drift.min_n),
            Setting::PerformanceAlertBelow => SettingValue::Number(performance.alert_below),
            Setting::PerformanceMinN => SettingValue::Count(performance.min_n),
            Setting::RetrainMinLabels => SettingValue::Count(retrain.min_labels),
            Setting::RetrainCoolDown => SettingValue::Time(retrain.cool_down),
            Setting::RetrainSchedule => SettingValue::Time(retrain.schedule),
            Setting::RetrainNewLabels => SettingValue::Count(retrain.new_labels.unwrap_or(0)),
            Setting::PromoteMinGain => SettingValue::Number(promote.min_gain),
        }
    }

    /// Why a value that a setting may have cannot go with the rest of the configuration, where `now` gives what counts of
    /// the other settings; `None` where it can.
    pub fn contradiction(
        &self,
        setting: Setting,
        value: SettingValue,
        now: impl Fn(Setting) -> SettingValue,
    ) -> Option<String> {
        let is_scheduled = self.retrain.on.contains(&TrainingReason::Schedule);
        match (setting, value) {
            (Setting::RetrainMinLabels, SettingValue::Count(labels)) if labels > self.retrain.max_rows as u64 => {
                let most = self.retrain.max_rows;
                Some(format!("{labels} is above `retrain.max_rows`, which is {most}; write at most {most}"))
            }
            (Setting::RetrainCoolDown, SettingValue::Time(span)) if is_scheduled => match now(Setting::RetrainSchedule)
            {
                SettingValue::Time(schedule) if span > schedule => Some(format!(
                    "`{span}` is longer than `retrain.schedule`, which is `{schedule}` and would never be kept"
                )),
                _ => None,
            },
            (Setting::RetrainSchedule, SettingValue::Time(span)) if is_scheduled => match now(Setting::RetrainCoolDown)
            {
                SettingValue::Time(cool_down) if span < cool_down => Some(format!(
                    "`{span}` is shorter than `retrain.cool_down`, which is `{cool_down}`, and would never be kept"
                )),
                _ => None,
            },
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The smallest configuration with a key set; whatever another key has to be for it is so.
    fn with(key: &str, value: &str) -> Result<Config, crate::config::ConfigError> {
        let (table, name) = key.split_once('.').unwrap();
        let mut tables = vec![("events", String::new()), ("retrain", "max_rows = 10000000\n".to_owned())];
        if name == "schedule" {
            tables[1].1.push_str("cool_down = \"0s\"\n");
        }
        if name == "cool_down" {
            tables[1].1.push_str("schedule = \"9999d\"\n");
        }
        match tables.iter_mut().find(|(known, _)| *known == table) {
            Some((_, lines)) => lines.push_str(&format!("{name} = {value}\n")),
            None => tables.push((table, format!("{name} = {value}\n"))),
        }
        let mut text = "app = \"a\"\n[events.fields.x]\ntype = \"number\"\n[features]\nfields = [\"x\"]\n\
                        [labels.kinds.label.fields.y]\ntype = \"boolean\"\n[labels.label]\nfield = \"y\"\n"
            .to_owned();
        for (table, lines) in tables {
            text.push_str(&format!("[{table}]\n{lines}"));
        }
        Config::parse(&text)
    }

    #[test]
    fn a_setting_may_be_what_its_key_may_be() {
        let numbers = ["0", "0.0000001", "0.5", "1", "1.0000001", "9", "10", "100", "-0.5", "1.5", "inf", "nan"];
        let times = ["0s", "1s", "28d", "400d"];
        for setting in Setting::ALL {
            let is_time = matches!(setting, Setting::RetrainCoolDown | Setting::RetrainSchedule);
            for text in if is_time { &times[..] } else { &numbers[..] } {
                let written = if is_time { format!("\"{text}\"") } else { (*text).to_owned() };
                let config = with(setting.name(), &written);
                let value = setting.read(text);
                assert_eq!(config.is_ok(), value.is_some(), "{} = {text}: {:?}", setting.name(), config.err());
                if let (Ok(config), Some(value)) = (config, value) {
                    assert_eq!(config.setting(setting), value, "{} = {text}", setting.name());
                }
            }
        }
    }

    #[test]
    fn a_value_that_contradicts_another_one_is_named_with_it() {
        let config = with("retrain.schedule", "\"56d\"").unwrap();
        let refused = |setting: Setting, text: &str| {
            config.contradiction(setting, setting.read(text).unwrap(), |other| config.setting(other))
        };
        assert!(refused(Setting::RetrainCoolDown, "57d").is_some_and(|why| why.contains("`retrain.schedule`")));
        assert_eq!(refused(Setting::RetrainCoolDown, "56d"), None);
        assert!(refused(Setting::RetrainMinLabels, "10000001").is_some_and(|why| why.contains("`retrain.max_rows`")));
        assert_eq!(refused(Setting::ScoreThreshold, "1"), None);
    }
}
