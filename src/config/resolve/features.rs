//! `[features]`: the layout, resolved to columns, groupings and names.

use super::aggregates::{Over, aggregate, number};
use super::derived::{self, NamedDerived};
use super::encoded::{self, Encoded};
use super::prepared::Prepared;
use super::range::whole;
use super::windows::{self, NamedKind};
use crate::config::error::Problem;
use crate::config::locate::join;
use crate::config::raw::{RawEnds, RawFeatures, RawWindow};
use crate::config::suggest;
use crate::data::params::{
    Aggregate, ChainParams, EventParams, FeatureParams, FieldColumn, Grouping, Hop, KindIndex, LabelParams,
    PreparedSpec, Source, TextIndex, WindowKind, WindowSpec,
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
    /// What a training makes of it before it fits.
    pub prepared: Vec<PreparedSpec>,
}

pub(super) fn features(raw: &RawFeatures, events: &EventParams, labels: Option<&LabelParams>) -> Result<Seen, Problem> {
    if raw.fields.is_empty() && raw.windows.is_empty() && raw.encoded.is_empty() && raw.derived.is_empty() {
        let message =
            "is empty; write `fields = [...]` or add a `[[features.windows]]`: a model needs something to see";
        return Err(Problem::new("features", message));
    }
    let max_keys = whole("features.max_keys", raw.max_keys, 1..=100_000_000)?;
    let utc_offset = utc_offset("features.utc_offset", &raw.utc_offset)?;
    let params = FeatureParams { max_keys, utc_offset, ..FeatureParams::default() };
    let chain = ChainParams { order: raw.order, idle_after: raw.idle_after, ..ChainParams::default() };
    let mut layout = Layout { events, labels, params, chain };
    for (position, field) in raw.fields.iter().enumerate() {
        layout.add_field(&format!("features.fields[{position}]"), field)?;
    }
    for (position, window) in raw.windows.iter().enumerate() {
        layout.add_windows(&format!("features.windows[{position}]"), window)?;
    }
    let mut prepared = Prepared::default();
    for (position, table) in raw.encoded.iter().enumerate() {
        let key = format!("features.encoded[{position}]");
        let Encoded { features, prepared: spec } = encoded::encoded(&key, table, events)?;
        // The code of a field stands in the row once, whatever is made of it.
        let is_there = spec.as_ref().is_some_and(|spec| prepared.has(&spec.feature));
        for named in features.into_iter().filter(|_| !is_there) {
            layout.add_derived(&key, named)?;
        }
        if let Some(spec) = spec {
            prepared.add_encoded(&key, spec, labels.is_some())?;
        }
    }
    for (position, table) in raw.derived.iter().enumerate() {
        let key = format!("features.derived[{position}]");
        let named = derived::derived(&key, table, events, &layout.params)?;
        layout.add_derived(&key, named)?;
    }
    layout.choose(&raw.row)?;
    for (position, table) in raw.prepared.iter().enumerate() {
        prepared.add(&format!("features.prepared[{position}]"), table, &layout.params.names)?;
    }
    let prepared = prepared.checked(&layout.params.names)?;
    Ok(Seen { features: layout.params, chain: layout.chain, prepared })
}

/// Minutes that local time is ahead of UTC, in milliseconds: `+05:30`, `-08:00`.
fn utc_offset(key: &str, text: &str) -> Result<i64, Problem> {
    let wrong = || Problem::new(key, format!("`{text}` is no offset from UTC; write one such as `+05:30` or `-08:00`"));
    let (sign, rest) = match text.split_at_checked(1) {
        Some(("+", rest)) => (1, rest),
        Some(("-", rest)) => (-1, rest),
        _ => return Err(wrong()),
    };
    let (hours, minutes) =
        rest.split_once(':').filter(|(hours, minutes)| hours.len() == 2 && minutes.len() == 2).ok_or_else(wrong)?;
    let number = |digits: &str, most: i64| {
        let is_digits = digits.bytes().all(|byte| byte.is_ascii_digit());
        digits.parse::<i64>().ok().filter(|number| is_digits && *number <= most).ok_or_else(wrong)
    };
    Ok(sign * (number(hours, 14)? * 60 + number(minutes, 59)?) * 60_000)
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
        let column = number(key, field, &over_events(self.events))?;
        self.add_name(key, field.to_owned())?;
        self.params.fields.push(column);
        Ok(())
    }

    fn add_derived(&mut self, key: &str, named: NamedDerived) -> Result<(), Problem> {
        if OTHER_SIGNALS.contains(&named.name.as_str()) {
            let message = format!("`{}` is also the name of a signal that alerts use; write another name", named.name);
            return Err(Problem::new(key, message));
        }
        self.add_name(key, named.name)?;
        self.params.derived.push(named.derived);
        Ok(())
    }

    /// Makes the row what `row` names; everything if it names nothing.
    fn choose(&mut self, row: &[String]) -> Result<(), Problem> {
        self.params.computed.clone_from(&self.params.names);
        if row.is_empty() {
            return Ok(());
        }
        for (position, name) in row.iter().enumerate() {
            let key = format!("features.row[{position}]");
            let computed = &self.params.computed;
            let Some(found) = computed.iter().position(|known| known == name) else {
                let hint = suggest::hint(name, computed.iter().map(String::as_str).collect::<Vec<_>>());
                return Err(Problem::new(key, format!("`{name}` is not computed; {hint}")));
            };
            if self.params.row.contains(&found) {
                return Err(Problem::new(key, format!("`{name}` is named twice")));
            }
            self.params.row.push(found);
        }
        self.params.names = row.to_vec();
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
        let (of, over) = self.source(key, &raw.of)?;
        let kinds = windows::kinds(key, raw)?;
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
            let longest = raw.spans.iter().max();
            let since_last = named.aggregate == Aggregate::SinceLast;
            for NamedKind { kind, name } in &kinds {
                windows::fits(&key, text, named.aggregate, of, *kind)?;
                if since_last && matches!(kind, WindowKind::Sliding { span, .. } if Some(span) != longest) {
                    continue;
                }
                let name = if since_last { prefix.clone() } else { format!("{prefix}.{name}") };
                self.add_name(&key, name)?;
                self.params.windows.push(WindowSpec {
                    of,
                    grouping,
                    kind: *kind,
                    is_past: !raw.includes_event,
                    ends_at_latest: raw.ends == RawEnds::Latest,
                    aggregate: named.aggregate,
                });
                if since_last {
                    break;
                }
            }
        }
        Ok(())
    }

    fn source(&self, key: &str, of: &str) -> Result<(Source, Over<'a>), Problem> {
        if of == "events" {
            return Ok((Source::Events, over_events(self.events)));
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
        let source = Source::Kind(KindIndex(position));
        Ok((source, Over { source, fields_path, fields: kind.fields.iter().collect() }))
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
        match self.events.columns().find(|field| field.name == name).map(|field| (field.column, field.kind)) {
            Some((FieldColumn::Text(column), _)) => Ok(column),
            Some((FieldColumn::Number(_), kind)) => {
                let message = format!("`{name}` is a `{}`; windows group by strings only", kind.name());
                Err(Problem::new(key, message))
            }
            None => {
                let texts = self.events.columns().filter(|field| matches!(field.column, FieldColumn::Text(_)));
                let names: Vec<&str> = texts.map(|field| field.name.as_str()).collect();
                let hint = suggest::hint(name, names);
                Err(Problem::new(key, format!("`{name}` is not declared under `events.fields` as a string; {hint}")))
            }
        }
    }
}

fn over_events(events: &EventParams) -> Over<'_> {
    Over { source: Source::Events, fields_path: "events.fields".to_owned(), fields: events.columns().collect() }
}
