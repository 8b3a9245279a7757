//! What a change of configuration does to a running application, said before it is made.

use std::fmt;

use serde::Serialize;

use crate::config::Config;
use crate::data::Span;
use crate::pipeline::{FeatureChange, FeatureChanges};
use crate::runtime::{check_change, pipeline_params};

/// What becomes of features and windows when one configuration takes over from another.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Changes {
    /// Nothing that changes results differs, so there is nothing to take over.
    same: bool,
    /// Features that go on with their state.
    kept: Vec<String>,
    /// Features that were not there.
    added: Vec<Started>,
    /// Features of the same name whose window starts empty.
    changed: Vec<Started>,
    /// Features that are gone.
    removed: Vec<String>,
    /// What else is to be known.
    notes: Vec<String>,
}

/// A feature that begins with the change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Started {
    name: String,
    /// Event time until its window is whole; nothing for a field of the event.
    warms_up: Option<Span>,
}

impl Changes {
    /// Holds the configuration that runs against the one that is to.
    ///
    /// # Errors
    /// A change that cannot be taken over, in a sentence.
    pub(super) fn between(old: &Config, new: &Config) -> Result<Self, String> {
        check_change(old, new)?;
        let params = |config: &Config| pipeline_params(config).map_err(|error| error.to_string());
        let FeatureChanges { features, removed } = FeatureChanges::between(&params(old)?, &params(new)?);
        let mut changes = Changes { same: old.digest() == new.digest(), removed, ..Changes::default() };
        for FeatureChange { name, is_new, warms_up } in features {
            match (is_new, warms_up) {
                (true, warms_up) => changes.added.push(Started { name, warms_up }),
                (false, Some(_)) => changes.changed.push(Started { name, warms_up }),
                (false, None) => changes.kept.push(name),
            }
        }
        changes.notes = changes.notes(old, new);
        Ok(changes)
    }

    fn notes(&self, old: &Config, new: &Config) -> Vec<String> {
        let mut notes = Vec::new();
        if !self.removed.is_empty() {
            notes.push(
                "a model that uses a removed feature no longer answers: the base rate does, until a model without it is \
                 promoted"
                    .to_owned(),
            );
        }
        let longest = self.added.iter().chain(&self.changed).filter_map(|started| started.warms_up).max();
        if let Some(longest) = longest {
            notes.push(format!("predictions of the first {longest} of event time are flagged `warming`"));
        }
        if (old.drift.window, old.drift.offset) != (new.drift.window, new.drift.offset) {
            notes.push("drift windows that are open are dropped; the next ones are of the new length".to_owned());
        }
        let (was, is) = (&old.performance, &new.performance);
        if (was.window, was.offset) != (is.window, is.offset) {
            notes.push(
                "performance windows are counted again in the new length from the predictions that still wait for labels; \
                 older ones are not revised any more"
                    .to_owned(),
            );
        }
        if old.retrain.prepared != new.retrain.prepared {
            notes.push(
                "what a training prepares changes with the next training; models in charge keep what they have"
                    .to_owned(),
            );
        }
        let wait = |config: &Config| config.labels.as_ref().map(|labels| labels.wait);
        if let (Some(was), Some(is)) = (wait(old), wait(new))
            && is < was
        {
            notes.push(format!("labels of predictions older than {is} no longer join"));
        }
        notes
    }
}

impl fmt::Display for Changes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.same {
            return writeln!(f, "\nchange\n  none that needs `--previous`: nothing that changes results differs");
        }
        writeln!(f, "\nchange")?;
        for name in &self.kept {
            writeln!(f, "  kept     {name}")?;
        }
        for started in &self.added {
            started.write("added", f)?;
        }
        for started in &self.changed {
            started.write("changed", f)?;
        }
        for name in &self.removed {
            writeln!(f, "  removed  {name}")?;
        }
        self.notes.iter().try_for_each(|note| writeln!(f, "  - {note}"))
    }
}

impl Started {
    fn write(&self, what: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.warms_up {
            Some(span) => writeln!(f, "  {what:7}  {}: its window starts empty and is whole after {span}", self.name),
            None => writeln!(f, "  {what:7}  {}", self.name),
        }
    }
}
