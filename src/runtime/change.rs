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
