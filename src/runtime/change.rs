//! What one application cannot change and stay the same one.
//!
//! Everything else of a configuration may differ from the one before: `driftless run --previous` takes the state over.

use crate::config::Config;

/// Whether `new` can take over what `old` holds.
///
/// # Errors
/// Another application or other inputs, in a sentence.
pub fn check_change(old: &Config, new: &Config) -> Result<(), String> {
    let inputs = [
        ("app", Some(&old.app), Some(&new.app)),
        ("events.topic", Some(&old.topics.events), Some(&new.topics.events)),
        ("labels.topic", old.topics.labels.as_ref(), new.topics.labels.as_ref()),
    ];
    for (key, old, new) in inputs {
        if old != new {
            let [old, new] = [old, new].map(|name| name.map_or("nothing", String::as_str));
            return Err(format!(
                "`{key}` is `{new}`, and `{old}` in the previous configuration: what one has read is of no use to the \
                 other; put it back, or choose another `app` and run it without `--previous`"
            ));
        }
    }
    if old.facts != new.facts {
        return Err(
            "`[facts]` differs from the previous configuration: what is known of keys was read from its topics by \
                    its fields; put it back, or choose another `app` and run it without `--previous`"
                .to_owned(),
        );
    }
    let has_hops = [old, new].iter().any(|config| !config.chain.hops.is_empty());
    let is_same = old.chain == new.chain && old.features == new.features && old.events == new.events;
    let kinds = |config: &Config| config.labels.as_ref().map(|labels| labels.kinds.clone());
    if has_hops && !(is_same && kinds(old) == kinds(new)) {
        return Err("events go through hops, and what is on its way between two stages was written for the fields and \
                    features of the previous configuration: with hops `[events]`, `[features]` and `labels.kinds` stay as \
                    they are; put them back, or choose another `app` and run it without `--previous`"
            .to_owned());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_application_or_other_inputs_are_refused() {
        let text = include_str!("../../examples/minimal.toml");
        let old = Config::parse(text).unwrap();
        assert_eq!(check_change(&old, &old), Ok(()));
        let mut new = old.clone();
        new.topics.events = "elsewhere".to_owned();
        let why = check_change(&old, &new).unwrap_err();
        assert!(why.starts_with("`events.topic` is `elsewhere`, and `"), "{why}");
        new = old.clone();
        new.topics.labels = None;
        assert_eq!(check_change(&old, &new).is_ok(), old.topics.labels.is_none());
    }
}
