//! From columns and positions back to the names of the configuration.

use super::facts::{FieldFacts, GroupFacts, PaneFacts, Reading, SinceFacts, WindowFacts};
use crate::data::params::{NumberIndex, Source, number_names, text_names};
use crate::features::{FeatureLook, GroupLook, PaneLook, SinceLook, WindowLook};
use crate::pipeline::{FactLook, PipelineParams};

/// Names of what a look shows.
pub(super) struct Names<'a> {
    pub params: &'a PipelineParams,
    /// The event's key.
    pub key: &'a str,
    /// The event's fields, by name.
    pub event: &'a serde_json::Value,
    /// What was known of its key.
    pub known: &'a [FactLook],
}

impl Names<'_> {
    pub(super) fn groups(&self, looks: &[GroupLook]) -> Vec<GroupFacts> {
        let groupings = &self.params.features.groupings;
        looks.iter().zip(groupings).map(|(look, grouping)| self.group(look, &grouping.name)).collect()
    }

    fn group(&self, look: &GroupLook, grouping: &str) -> GroupFacts {
        let names = text_names(self.params.events.columns());
        let field = |column: usize| {
            let name = names.get(column)?;
            match self.known.iter().find(|known| known.name == **name) {
                Some(known) => known.value.clone(),
                None => self.event.get(name)?.as_str().map(str::to_owned),
            }
        };
        let rest = look.key_fields.iter().map(|column| field(column.0));
        GroupFacts {
            grouping: grouping.to_owned(),
            key: [Some(self.key.to_owned())].into_iter().chain(rest).collect(),
            is_new: look.is_new,
            windows: look.windows.iter().map(|window| self.window(window)).collect(),
            since_last: look.since_last.iter().map(|since| self.since(since)).collect(),
        }
    }

    fn window(&self, look: &WindowLook) -> WindowFacts {
        WindowFacts {
            of: self.source(look.of),
            from: look.from,
            to: look.to,
            panes: look.panes.iter().map(|pane| self.pane(look.of, pane)).collect(),
            readings: look.readings.iter().map(|reading| self.reading(*reading)).collect(),
        }
    }

    fn pane(&self, of: Source, look: &PaneLook) -> PaneFacts {
        let fields = look.fields.iter().map(|field| FieldFacts {
            name: self.number(of, field.column),
            known: field.known,
            sum: field.sum,
            max: field.max,
        });
        PaneFacts { from: look.from, to: look.to, is_read: look.is_read, count: look.count, fields: fields.collect() }
    }

    fn since(&self, look: &SinceLook) -> SinceFacts {
        SinceFacts { of: self.source(look.of), last: look.last, reading: self.reading(look.reading) }
    }

    fn reading(&self, look: FeatureLook) -> Reading {
        let name = self.params.features.computed.get(look.feature).cloned().unwrap_or_default();
        Reading { name, value: look.value }
    }

    fn source(&self, of: Source) -> String {
        match of {
            Source::Events => "events".to_owned(),
            Source::Kind(kind) => {
                self.params.labels.kinds.get(kind.0).map(|kind| kind.name.clone()).unwrap_or_default()
            }
        }
    }

    fn number(&self, of: Source, column: NumberIndex) -> String {
        let names = match of {
            Source::Events => number_names(self.params.events.columns()),
            Source::Kind(kind) => {
                self.params.labels.kinds.get(kind.0).map(|kind| number_names(&kind.fields)).unwrap_or_default()
            }
        };
        names.get(column.0).map(|name| (*name).to_owned()).unwrap_or_default()
    }
}
