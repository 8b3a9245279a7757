//! `[features]`: the layout, resolved to columns, groupings and names.

use super::aggregates::{Over, aggregate, number};
use super::range::whole;
use crate::config::error::Problem;
use crate::config::locate::join;
use crate::config::raw::{RawFeatures, RawWindow};
use crate::config::suggest;
use crate::data::Span;
use crate::data::params::{
    Aggregate, ChainParams, EventParams, FeatureParams, FieldColumn, Grouping, Hop, KindIndex, LabelParams, Source,
    TextIndex, WindowSpec,
};

/// Most features of a layout, and most bytes of a feature's name: what a model artifact can hold.
const MAX_FEATURES: usize = 4_096;
const MAX_NAME_BYTES: usize = 256;

/// Names of signals that are no features, which a feature must not take.
const OTHER_SIGNALS: [&str; 4] = ["score", "performance", "schedule", "labels"];

/// What a model sees, and where it is computed.
pub(super) struct Seen {
    pub features: FeatureParams,
    pub chain: ChainParams,
}

pub(super) fn features(raw: &RawFeatures, events: &EventParams, labels: Option<&LabelParams>) -> Result<Seen, Problem> {
    if raw.fields.is_empty() && raw.windows.is_empty() {
        let message =
            "is empty; write `fields = [...]` or add a `[[features.windows]]`: a model needs something to see";
        return Err(Problem::new("features", message));
    }
    let mut layout = Layout {
        events,
        labels,
        chain: ChainParams { order: raw.order, idle_after: raw.idle_after, ..ChainParams::default() },
        params: FeatureParams { groupings: Vec::new(), fields: Vec::new(), windows: Vec::new(), names: Vec::new() },
    };
    for (position, field) in raw.fields.iter().enumerate() {
        layout.add_field(&format!("features.fields[{position}]"), field)?;
    }
    for (position, window) in raw.windows.iter().enumerate() {
        layout.add_windows(&format!("features.windows[{position}]"), window)?;
    }
    Ok(Seen { features: layout.params, chain: layout.chain })
}

struct Layout<'a> {
    events: &'a EventParams,
    labels: Option<&'a LabelParams>,
    params: FeatureParams,
    chain: ChainParams,
}

impl<'a> Layout<'a> {
    fn add_field(&mut self, key: &str, field: &str) -> Result<(), Problem> {
        if OTHER_SIGNALS.contains(&field) {
            let message =
                format!("`{field}` is also the name of a signal that alerts use; give the field another name");
            return Err(Problem::new(key, message));
        }
        let over = Over { fields_path: "events.fields".to_owned(), fields: &self.events.fields };
        let column = number(key, field, &over)?;
        self.add_name(key, field.to_owned())?;
        self.params.fields.push(column);
        Ok(())
    }

    fn add_name(&mut self, key: &str, name: String) -> Result<(), Problem> {
        if self.params.names.contains(&name) {
            return Err(Problem::new(
                key,
                format!("feature `{name}` is there already; each feature must be named once"),
            ));
        }
        if name.len() > MAX_NAME_BYTES {
            let message =
                format!("feature `{name}` has a name of {} bytes; at most {MAX_NAME_BYTES} are possible", name.len());
            return Err(Problem::new(key, message));
        }
        if self.params.names.len() == MAX_FEATURES {
            let message =
                format!("feature `{name}` is one more than the {MAX_FEATURES} a layout can have; leave some out");
            return Err(Problem::new(key, message));
        }
        self.params.names.push(name);
        Ok(())
    }

    fn add_windows(&mut self, key: &str, raw: &RawWindow) -> Result<(), Problem> {
        let panes = whole(&format!("{key}.panes"), raw.panes, 1..=1_000)?;
        let (of, over) = self.source(key, &raw.of)?;
        let spans = spans(key, raw, panes)?;
        if raw.aggregates.is_empty() {
            let message = "missing; write what to compute, such as `[\"count\", \"mean:FIELD\"]`";
            return Err(Problem::new(format!("{key}.aggregates"), message));
        }
        let grouping = self.grouping(key, raw.by.as_deref())?;
        let group = self.params.groupings.get(grouping).map(|grouping| grouping.name.clone()).unwrap_or_default();
        for (position, text) in raw.aggregates.iter().enumerate() {
            let key = format!("{key}.aggregates[{position}]");
            let named = aggregate(&key, text, &over)?;
            let prefix = format!("{group}.{}.{}", raw.of, named.name);
            let longest = spans.iter().max().map(std::slice::from_ref).unwrap_or_default();
            let since_last = named.aggregate == Aggregate::SinceLast;
            for span in if since_last { longest } else { &spans } {
                let name = if since_last { prefix.clone() } else { format!("{prefix}.{span}") };
                self.add_name(&key, name)?;
                let aggregate = named.aggregate;
                self.params.windows.push(WindowSpec { of, grouping, span: *span, panes, aggregate });
            }
        }
        Ok(())
    }

    fn source(&self, key: &str, of: &str) -> Result<(Source, Over<'a>), Problem> {
        if of == "events" {
            let over = Over { fields_path: "events.fields".to_owned(), fields: &self.events.fields };
            return Ok((Source::Events, over));
        }
        let kinds = self.labels.map(|labels| labels.kinds.as_slice()).unwrap_or_default();
        let found = kinds.iter().enumerate().find(|(_, kind)| kind.name == of);
        let Some((position, kind)) = found else {
            let names: Vec<&str> =
                std::iter::once("events").chain(kinds.iter().map(|kind| kind.name.as_str())).collect();
            let message =
                format!("`{of}` is neither `events` nor declared under `labels.kinds`; {}", suggest::hint(of, names));
            return Err(Problem::new(format!("{key}.of"), message));
        };
        let fields_path = format!("{}.fields", join("labels.kinds", of));
        Ok((Source::Kind(KindIndex(position)), Over { fields_path, fields: &kind.fields }))
    }

    /// The position of the grouping, added when it is new. The order in which `by` names its fields does not matter.
    fn grouping(&mut self, key: &str, by: Option<&[String]>) -> Result<usize, Problem> {
        let key = format!("{key}.by");
        let by = by.unwrap_or(std::slice::from_ref(&self.events.key));
        if by.is_empty() {
            return Err(Problem::new(key, format!("is empty; write `[\"{}\"]` or leave it out", self.events.key)));
        }
        let mut members: Vec<(TextIndex, &str)> = Vec::new();
        for (position, name) in by.iter().enumerate() {
            let key = format!("{key}[{position}]");
            if by.iter().filter(|other| *other == name).count() > 1 {
                return Err(Problem::new(key, format!("`{name}` is named twice")));
            }
            if *name != self.events.key {
                members.push((self.text(&key, name)?, name));
            }
        }
        members.sort_unstable();
        let stage = if by.contains(&self.events.key) { 0 } else { self.stage(&members) };
        let of_stage = stage.checked_sub(1).and_then(|hop| self.chain.hops.get(hop));
        let own: &[TextIndex] = of_stage.map_or(&[], |hop| &hop.fields);
        let (first, further): (Vec<_>, Vec<_>) = members.into_iter().partition(|(column, _)| own.contains(column));
        let fields: Vec<TextIndex> = further.iter().map(|(column, _)| *column).collect();
        let mut known = self.params.groupings.iter().zip(&self.chain.stages);
        if let Some(position) = known.position(|(grouping, of)| *of == stage && grouping.fields == fields) {
            return Ok(position);
        }
        let key_name = (stage == 0).then_some(self.events.key.as_str());
        let names = key_name.into_iter().chain(first.iter().chain(&further).map(|(_, name)| *name));
        let name = names.collect::<Vec<_>>().join("_");
        self.params.groupings.push(Grouping { name, fields });
        self.chain.stages.push(stage);
        Ok(self.params.groupings.len() - 1)
    }

    /// The stage whose entity these fields contain: the first there is, else another hop.
    fn stage(&mut self, members: &[(TextIndex, &str)]) -> usize {
        let contains = |field: &TextIndex| members.iter().any(|(column, _)| column == field);
        if let Some(hop) = self.chain.hops.iter().position(|hop| hop.fields.iter().all(contains)) {
            return hop + 1;
        }
        let name = members.iter().map(|(_, name)| *name).collect::<Vec<_>>().join("_");
        self.chain.hops.push(Hop { name, fields: members.iter().map(|(column, _)| *column).collect() });
        self.chain.hops.len()
    }

    fn text(&self, key: &str, name: &str) -> Result<TextIndex, Problem> {
        match self.events.fields.iter().find(|field| field.name == name).map(|field| (field.column, field.kind)) {
            Some((FieldColumn::Text(column), _)) => Ok(column),
            Some((FieldColumn::Number(_), kind)) => {
                let message = format!("`{name}` is a `{}`; windows group by strings only", kind.name());
                Err(Problem::new(key, message))
            }
            None => {
                let texts = self.events.fields.iter().filter(|field| matches!(field.column, FieldColumn::Text(_)));
                let names: Vec<&str> = texts.map(|field| field.name.as_str()).collect();
                let hint = suggest::hint(name, names);
                Err(Problem::new(key, format!("`{name}` is not declared under `events.fields` as a string; {hint}")))
            }
        }
    }
}

fn spans(key: &str, raw: &RawWindow, panes: u32) -> Result<Vec<Span>, Problem> {
    if raw.spans.is_empty() {
        return Err(Problem::new(format!("{key}.spans"), "missing; write lengths of time, such as `[\"1h\", \"1d\"]`"));
    }
    for (position, span) in raw.spans.iter().enumerate() {
        if span.millis() == 0 || span.millis() % i64::from(panes) != 0 {
            let message = format!(
                "`{span}` cannot be cut into {panes} equal pieces of whole milliseconds; change the span or `{key}.panes`"
            );
            return Err(Problem::new(format!("{key}.spans[{position}]"), message));
        }
    }
    Ok(raw.spans.clone())
}
