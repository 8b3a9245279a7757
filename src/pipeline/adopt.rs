//! Another configuration takes a shard over: what it keeps of the state, and what starts empty.
//!
//! A function of the old state and the two configurations, so that a restore that meets the change in the journal comes
//! to the same state as the process that made it. Columns, kinds and features are found by name.

use super::{Pipeline, PipelineParams};
use crate::data::params::{FieldSpec, KindIndex, NumberIndex, PerformanceParams, TextIndex, number_names, text_names};
use crate::data::{Span, Timestamp};
use crate::features::{Carried, Features, Former, FormerKind, Fresh};
use crate::labels::Waiting;
use crate::performance::{KnownLabel, LabelChange, Performance, Scored};

/// What becomes of the features of one configuration under the next.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FeatureChanges {
    /// Features of the new layout, in its order.
    pub features: Vec<FeatureChange>,
    /// Features of the old layout that are gone, in its order.
    pub removed: Vec<String>,
}

/// A feature of the new layout.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeatureChange {
    /// Its name.
    pub name: String,
    /// Whether there was one of this name before.
    pub is_new: bool,
    /// Its window starts empty and is whole after this much event time; `None` where it keeps its state or has none.
    pub warms_up: Option<Span>,
}

impl FeatureChanges {
    /// Holds two configurations against each other.
    pub fn between(old: &PipelineParams, new: &PipelineParams) -> Self {
        let carried = Features::new(&new.features).carried(&Features::new(&old.features), &former(old, new));
        let change = |(position, name): (usize, &String)| FeatureChange {
            name: name.clone(),
            is_new: !old.features.names.contains(name),
            warms_up: carried
                .fresh
                .iter()
                .find(|fresh| fresh.feature == position)
                .map(|fresh| warm_up(fresh, new.labels.wait)),
        };
        let removed = old.features.names.iter().filter(|name| !new.features.names.contains(name));
        FeatureChanges {
            features: new.features.names.iter().enumerate().map(change).collect(),
            removed: removed.cloned().collect(),
        }
    }
}

impl Pipeline {
    pub(super) fn take_over(&mut self, old: Pipeline) {
        let former = former(&old.params, &self.params);
        let prior = self.clocks.base_rate;
        self.clocks = old.clocks;
        self.clocks.base_rate = prior;
        self.clocks.base_rate.set_counts(old.clocks.base_rate.counts());
        let carried = self.features.adopt(old.features, &former);
        self.clocks.whole_from =
            old.clocks.whole_from.max(whole_from(&carried, old.clocks.time, self.params.labels.wait));
        let is_last = self.params.station.is_last();
        self.waiting.adopt(&old.waiting, |handles| {
            let way_on = if is_last { None } else { handles.last().copied() };
            carried.handles(handles).iter().copied().chain(way_on).collect()
        });
        (self.held, self.upstreams) = (old.held, old.upstreams);
        self.enrichment.adopt(old.enrichment);
        self.early = old.early;
        old.schemas.held().iter().for_each(|fact| self.schema(fact));
        if let (Some(recent), Some(old)) = (&mut self.recent, old.recent) {
            recent.adopt(old);
        }
        let answered = old.champion.version();
        self.champion.adopt(old.champion, &self.params.features.names);
        // Counts belong to the profile of the version that answers.
        if self.champion.version() == answered {
            self.drift.adopt(old.drift);
        }
        if !self.performance.adopt(old.performance) {
            self.performance = counted_again(&self.params.performance, &self.waiting);
        }
    }
}

/// Event time from which on all windows are whole: nothing came before the first event, so nothing is missing then.
fn whole_from(carried: &Carried, time: Timestamp, wait: Span) -> Timestamp {
    match carried.fresh.iter().map(|fresh| warm_up(fresh, wait)).max() {
        Some(longest) if time != Timestamp::MIN => time.plus(longest),
        _ => Timestamp::MIN,
    }
}

/// The window's own span, and where follow-ups of earlier events do not reach it, the time in which they may come.
fn warm_up(fresh: &Fresh, wait: Span) -> Span {
    let wait = if fresh.lacks_follow_ups { wait.millis() } else { 0 };
    Span::from_millis(fresh.span.millis() + wait)
}

/// Windows of another length, as far as the predictions are still known.
fn counted_again(params: &PerformanceParams, waiting: &Waiting) -> Performance {
    let mut performance = Performance::new(params);
    waiting.each(|_, waited| {
        let scored = Scored {
            event_time: waited.event_time,
            model_version: waited.model_version,
            arm: waited.arm,
            score: waited.score,
        };
        performance.predicted(&[scored.event_time], scored.model_version, scored.arm);
        if let Some(label) = waited.label {
            let now = KnownLabel { positive: label.positive, known_at: label.known_at };
            performance.labelled(&scored, LabelChange { before: None, now });
        }
    });
    performance
}

/// Where the columns of `new` were in `old`.
fn former(old: &PipelineParams, new: &PipelineParams) -> Former {
    let kind = |name: &str| {
        let (position, old) = old.labels.kinds.iter().enumerate().find(|(_, kind)| kind.name == name)?;
        Some((KindIndex(position), old))
    };
    let kinds = new.labels.kinds.iter().map(|new| {
        let (kind, old) = kind(&new.name)?;
        Some(FormerKind { kind, numbers: numbers(&old.fields, &new.fields) })
    });
    let texts = text_names(old.events.columns());
    let text = |name: &str| texts.iter().position(|known| *known == name).map(TextIndex);
    Former {
        is_other_key: old.events.key != new.events.key,
        numbers: numbers(old.events.columns(), new.events.columns()),
        texts: text_names(new.events.columns()).into_iter().map(text).collect(),
        kinds: kinds.collect(),
    }
}

fn numbers<'a>(
    old: impl IntoIterator<Item = &'a FieldSpec>,
    new: impl IntoIterator<Item = &'a FieldSpec>,
) -> Vec<Option<NumberIndex>> {
    let old = number_names(old);
    let number = |name: &str| old.iter().position(|known| *known == name).map(NumberIndex);
    number_names(new).into_iter().map(number).collect()
}
