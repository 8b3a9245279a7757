//! `[notify]`: one address, what it takes, and what it is told.

use super::kafka::secret;
use super::range::positive;
use crate::config::error::Problem;
use crate::config::notify::{NotifyFormat, NotifyOn, NotifyParams, is_address};
use crate::config::params::PropertyValue;
use crate::config::raw::{RawNotify, RawPropertyValue};

pub(super) fn notify(raw: &RawNotify) -> Result<Option<NotifyParams>, Problem> {
    const URL: &str = "notify.url";
    let in_the_file = "holds a secret and must not stand in the file; write `{ env = \"NOTIFY_URL\" }` or \
                       `{ file = \"/path/to/it\" }`";
    let url = match &raw.url {
        None if raw.on.is_some() => {
            let message = "has no use without `notify.url`; write the address to post to";
            return Err(Problem::new("notify.on", message));
        }
        None => return Ok(None),
        Some(RawPropertyValue::Table(table)) => {
            let either = || Problem::new(URL, "write one of `{ env = \"NAME\" }` and `{ file = \"PATH\" }`");
            PropertyValue::Secret(secret(URL, table)?.ok_or_else(either)?)
        }
        // Whoever has the address of such a webhook can write to its channel.
        Some(RawPropertyValue::Text(_)) if raw.format == NotifyFormat::Slack => {
            return Err(Problem::new(URL, in_the_file));
        }
        Some(RawPropertyValue::Text(text)) if text.contains(['@', '?']) => return Err(Problem::new(URL, in_the_file)),
        Some(RawPropertyValue::Text(text)) if !is_address(text) => {
            let message = format!("`{text}` is no address; write one such as `http://127.0.0.1:9093`");
            return Err(Problem::new(URL, message));
        }
        Some(RawPropertyValue::Text(text)) => PropertyValue::Text(text.clone()),
    };
    let is_alertmanager = raw.format == NotifyFormat::Alertmanager;
    let all = [NotifyOn::Alerts, NotifyOn::Trainings, NotifyOn::Models];
    let all = if is_alertmanager { &all[..1] } else { &all[..] };
    let on = raw.on.clone().unwrap_or_else(|| all.to_vec());
    if on.is_empty() {
        return Err(Problem::new("notify.on", "is empty; name what is told, or leave `notify.url` out"));
    }
    if let Some(other) = on.iter().find(|on| !all.contains(on)) {
        let name = format!("{other:?}").to_ascii_lowercase();
        let message = format!("`{name}` is no alert, and `notify.format` is `alertmanager`; leave it out");
        return Err(Problem::new("notify.on", message));
    }
    Ok(Some(NotifyParams { url, format: raw.format, on, timeout: positive("notify.timeout", raw.timeout)? }))
}
