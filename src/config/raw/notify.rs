//! `[notify]`

use serde::{Deserialize, Serialize};

use super::RawPropertyValue;
use crate::config::notify::{NotifyFormat, NotifyOn};
use crate::data::Span;

/// `[notify]`
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RawNotify {
    /// Address to post to, or a reference to a secret that holds it; default none: nobody is told.
    pub url: Option<RawPropertyValue>,
    /// `json`, `slack` or `alertmanager`; default `json`.
    pub format: NotifyFormat,
    /// Any of `alerts`, `trainings`, `models`; default all that the format has a form for.
    pub on: Option<Vec<NotifyOn>>,
    /// Length of time; default `5s`. How long one request may take.
    pub timeout: Span,
}

impl Default for RawNotify {
    fn default() -> Self {
        RawNotify { url: None, format: NotifyFormat::Json, on: None, timeout: Span::from_millis(5_000) }
    }
}
