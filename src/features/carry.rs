//! What the windows of a changed configuration take over from those of the one before.
//!
//! A grouping is the same if it has the same key fields, a track if it is over the same source in the same shape (panes of
//! the same length and number, the same gap, the same half-life), a cell if it keeps the same of the same field; fields and
//! sources are found by name, which the caller has resolved ([`Former`]). What is the same keeps its slots and its words,
//! bit for bit. What has no predecessor starts empty, and [`Carried`] says so. A function of the two configurations and the
//! old state alone.

use super::cells::Bundle;
use super::ever::Ever;
use super::group::{Group, NO_SLOT};
use super::index::Key;
use super::plan::{GroupPlan, Output, Shape, TOUCHED, Track};
use super::ring::{NONE, Ring};
use super::session::Sessions;
use super::{Features, Handles, slots};
use crate::data::Span;
use crate::data::params::{FieldColumn, KindIndex, NumberIndex, Source, Step, TextIndex};

/// Where the columns of this configuration were under the one before; `None` for what was not there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Former {
    /// The record key has another name: every group is another one.
    pub is_other_key: bool,
    /// Number columns of the events.
    pub numbers: Vec<Option<NumberIndex>>,
    /// Text columns of the events.
    pub texts: Vec<Option<TextIndex>>,
    /// Kinds of follow-ups.
    pub kinds: Vec<Option<FormerKind>>,
}

/// A kind of follow-up under the configuration before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FormerKind {
    /// Which one it was.
    pub kind: KindIndex,
    /// Its number columns.
    pub numbers: Vec<Option<NumberIndex>>,
}

/// What is taken over.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Carried {
    /// Windows that start empty.
    pub fresh: Vec<Fresh>,
    /// For each grouping that takes follow-ups, which one of those it was.
    groupings: Vec<Option<usize>>,
}

/// A feature whose window starts empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fresh {
    /// Position in the layout.
    pub feature: usize,
    /// How long it takes to be whole; nothing for one that counts from the change on for ever.
    pub span: Span,
    /// Follow-ups of events from before do not reach it: only those of later events make it whole.
    pub lacks_follow_ups: bool,
}

/// A grouping and what it was.
struct Link {
    group: usize,
    sources: Vec<Option<usize>>,
    tracks: Vec<Option<TrackLink>>,
}

/// A track and what it was, cell by cell: the first word of the cell in the old bundle.
struct TrackLink {
    track: usize,
    cells: Vec<Option<usize>>,
}

/// Half-lives after which less than a thousandth is missing.
const HALF_LIVES: i64 = 10;

impl Former {
    fn source(&self, of: Source) -> Option<Source> {
        match of {
            Source::Events => Some(Source::Events),
            Source::Kind(kind) => Some(Source::Kind(self.kinds.get(kind.0)?.as_ref()?.kind)),
        }
    }

    fn column(&self, of: Source, column: FieldColumn) -> Option<FieldColumn> {
        let number = |numbers: &[Option<NumberIndex>], column: NumberIndex| numbers.get(column.0).copied().flatten();
        match (of, column) {
            (Source::Events, FieldColumn::Number(column)) => number(&self.numbers, column).map(FieldColumn::Number),
            (Source::Events, FieldColumn::Text(column)) => {
                self.texts.get(column.0).copied().flatten().map(FieldColumn::Text)
            }
            (Source::Kind(kind), FieldColumn::Number(column)) => {
                number(&self.kinds.get(kind.0)?.as_ref()?.numbers, column).map(FieldColumn::Number)
            }
            (Source::Kind(_), FieldColumn::Text(_)) => None,
        }
    }

    fn link(&self, plan: &GroupPlan, old: &[&GroupPlan]) -> Option<Link> {
        let text = |column: &TextIndex| self.texts.get(column.0).copied().flatten();
        let key: Vec<TextIndex> = plan.key_fields.iter().map(text).collect::<Option<_>>()?;
        let group = old.iter().position(|old| !self.is_other_key && old.key_fields == key)?;
        let old = old.get(group)?;
        let source = |of: &Source| {
            let of = self.source(*of)?;
            old.sources.iter().position(|source| *source == of)
        };
        Some(Link {
            group,
            sources: plan.sources.iter().map(source).collect(),
            tracks: plan.tracks.iter().map(|track| self.track(track, old)).collect(),
        })
    }

    fn track(&self, track: &Track, old: &GroupPlan) -> Option<TrackLink> {
        let of = self.source(track.source)?;
        let position = old.tracks.iter().position(|old| old.source == of && old.shape == track.shape)?;
        let bundle = &old.tracks.get(position)?.bundle;
        let cells = track.bundle.cells.iter().map(|cell| {
            let column = self.column(track.source, cell.column)?;
            bundle.find(cell.kind, column).map(|cell| cell.at)
        });
        Some(TrackLink { track: position, cells: cells.collect() })
    }
}

impl Features {
    /// What it would take over of `old`.
    pub fn carried(&self, old: &Features, former: &Former) -> Carried {
        let mut carried = Carried::default();
        let plans: Vec<&GroupPlan> = old.groups.iter().map(|group| &group.plan).collect();
        let mut fresh = Vec::new();
        for group in &self.groups {
            let link = former.link(&group.plan, &plans);
            fresh.extend(fresh_of(&group.plan, link.as_ref(), &plans));
            if group.plan.takes_follow_ups {
                let was = link.filter(|link| plans.get(link.group).is_some_and(|plan| plan.takes_follow_ups));
                let before = |link: Link| plans.iter().take(link.group).filter(|plan| plan.takes_follow_ups).count();
                carried.groupings.push(was.map(before));
            }
        }
        self.add_derived(&mut fresh);
        let in_row = |fresh: Fresh| {
            let feature = if self.row.is_empty() {
                Some(fresh.feature)
            } else {
                self.row.iter().position(|computed| *computed == fresh.feature)
            };
            feature.map(|feature| Fresh { feature, ..fresh })
        };
        carried.fresh = fresh.into_iter().filter_map(in_row).collect();
        carried.fresh.sort_unstable_by_key(|fresh| fresh.feature);
        carried
    }

    /// What is derived from something fresh is as fresh.
    fn add_derived(&self, fresh: &mut Vec<Fresh>) {
        let first = self.block.width() - self.derived.len();
        for (position, derived) in self.derived.iter().enumerate() {
            let read = |fresh: &&Fresh| derived.steps.contains(&Step::Computed(fresh.feature));
            let longest = fresh.iter().filter(read).max_by_key(|fresh| (fresh.span, fresh.lacks_follow_ups)).copied();
            fresh.extend(longest.map(|longest| Fresh { feature: first + position, ..longest }));
        }
    }

    /// Takes over what `old` holds, on windows that have seen nothing.
    pub fn adopt(&mut self, old: Features, former: &Former) -> Carried {
        let carried = self.carried(&old, former);
        let plans: Vec<GroupPlan> = old.groups.iter().map(|group| group.plan.clone()).collect();
        let mut old: Vec<Option<Group>> = old.groups.into_iter().map(Some).collect();
        for group in &mut self.groups {
            let link = former.link(&group.plan, &plans.iter().collect::<Vec<_>>());
            if let Some(link) = link
                && let Some(from) = old.get_mut(link.group).and_then(Option::take)
            {
                group.adopt(&from, &link);
            }
        }
        carried
    }
}

impl Carried {
    /// Where the follow-ups of an event go that named its slots under the configuration before.
    pub fn handles(&self, old: &[u32]) -> Handles {
        let handle = |group: &Option<usize>| {
            let old = group.and_then(|group| old.get(2 * group..2 * group + 2));
            old.map_or([NO_SLOT, 0], |old| [old[0], old[1]])
        };
        self.groupings.iter().flat_map(handle).collect()
    }
}

fn fresh_of(plan: &GroupPlan, link: Option<&Link>, old: &[&GroupPlan]) -> Vec<Fresh> {
    let mut fresh = Vec::new();
    let old = link.and_then(|link| old.get(link.group));
    let fresh_of = |feature: usize, span: Span, of: Option<&Source>| {
        let lacks = old.is_none_or(|old| !old.takes_follow_ups) && of.is_some_and(|of| *of != Source::Events);
        Fresh { feature, span, lacks_follow_ups: lacks }
    };
    for (position, track) in plan.tracks.iter().enumerate() {
        let held = link.and_then(|link| link.tracks.get(position)?.as_ref());
        for Output { feature, statistic } in track.now.iter().chain(&track.past) {
            let is_held = held.is_some_and(|held| match statistic.cell() {
                Some(at) => {
                    let cell = track.bundle.cells.iter().position(|cell| cell.at == at);
                    cell.and_then(|cell| held.cells.get(cell)).is_some_and(Option::is_some)
                }
                None => true,
            });
            if !is_held {
                fresh.push(fresh_of(*feature, warm_up(track.shape), Some(&track.source)));
            }
        }
    }
    for since in &plan.since_last {
        let is_held = link.is_some_and(|link| link.sources.get(since.source).is_some_and(Option::is_some));
        // A group was forgotten once its windows had passed.
        let reaches = old.is_some_and(|old| old.reach.is_none_or(|reach| reach.millis() >= since.span));
        if !is_held || !reaches {
            let span = if since.span == i64::MAX { 0 } else { since.span };
            fresh.push(fresh_of(since.feature, Span::from_millis(span), plan.sources.get(since.source)));
        }
    }
    fresh
}

/// How long a window takes to be whole.
fn warm_up(shape: Shape) -> Span {
    Span::from_millis(match shape {
        Shape::Panes(panes) => (panes.pane.saturating_mul(panes.count + panes.lag)).saturating_add(panes.delay),
        Shape::Session { gap, .. } => gap,
        Shape::Ever { half_life } => half_life.map_or(0, |half| half.saturating_mul(HALF_LIVES)),
    })
}

impl Group {
    /// Slots keep their numbers.
    fn adopt(&mut self, old: &Group, link: &Link) {
        for at in 0..old.slots.len() {
            self.slots.push();
            let from = old.slots.get(at);
            let slot = self.slots.get_mut(at);
            slots::set_generation(slot, slots::generation(from));
            if !slots::is_live(from) {
                continue;
            }
            slots::set_live(slot, true);
            self.plan.clear(slot);
            self.plan.take(slot, from, &old.plan, link);
            self.name(at, &Key::new(&old.key_of(at)));
        }
        self.free.clone_from(&old.free);
    }
}

impl GroupPlan {
    /// Into an empty slot, what another plan's slot holds of the same.
    fn take(&self, slot: &mut [u64], from: &[u64], old: &GroupPlan, link: &Link) {
        slot[TOUCHED] = from[TOUCHED];
        for (position, was) in link.sources.iter().enumerate() {
            if let Some(was) = was {
                slot[TOUCHED + 1 + position] = from[TOUCHED + 1 + was];
            }
        }
        for (track, held) in self.tracks.iter().zip(&link.tracks) {
            if let Some(held) = held
                && let Some(was) = old.tracks.get(held.track)
            {
                track.take(slot, from, was, &held.cells);
            }
        }
    }
}

impl Track {
    fn take(&self, slot: &mut [u64], from: &[u64], was: &Track, cells: &[Option<usize>]) {
        match self.shape {
            Shape::Panes(panes) => {
                let (ring, old) = (Ring { track: self, panes }, Ring { track: was, panes });
                if old.head(from) == NONE {
                    return;
                }
                let head = old.head(from);
                ring.advance(slot, head);
                for (pane, words) in old.held(from) {
                    let own = ring.open(slot, None, head.wrapping_sub(pane) as usize);
                    self.bundle.take(&mut slot[own], words, cells);
                }
            }
            Shape::Session { gap, is_completed } => {
                let of = |track| Sessions { track, gap, is_completed };
                for (start, end, words) in of(was).held(from) {
                    if let Some(own) = of(self).push(slot, start, end) {
                        self.bundle.take(own, words, cells);
                    }
                }
            }
            Shape::Ever { half_life } => {
                let of = |track| Ever { track, half_life };
                slot[self.head] = from[was.head];
                self.bundle.take(&mut slot[of(self).range()], &from[of(was).range()], cells);
            }
        }
    }
}

impl Bundle {
    fn take(&self, own: &mut [u64], from: &[u64], cells: &[Option<usize>]) {
        own[0] = from[0];
        for (cell, was) in self.cells.iter().zip(cells) {
            if let Some(was) = was {
                own[cell.range()].copy_from_slice(&from[*was..was + cell.kind.words()]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::params::{Aggregate, FeatureParams, Grouping, WindowSpec};
    use crate::data::{Columns, Table, Timestamp};
    use crate::features::EventRow;

    fn window(aggregate: Aggregate, span: i64, panes: u32) -> WindowSpec {
        WindowSpec::sliding(Source::Events, 0, Span::from_millis(span), panes, aggregate)
    }

    fn params(windows: Vec<WindowSpec>) -> FeatureParams {
        let groupings = vec![Grouping { name: "k".into(), fields: Vec::new() }];
        FeatureParams { groupings, windows, ..FeatureParams::default() }
    }

    /// Two number columns that have changed places.
    fn swapped() -> Former {
        Former { numbers: vec![Some(NumberIndex(1)), Some(NumberIndex(0))], ..Former::default() }
    }

    fn feed(features: &mut Features, at: i64, values: [f64; 2]) -> Vec<f64> {
        let mut table = Table::new(2, 0);
        let row = table.begin();
        for (column, value) in values.into_iter().enumerate() {
            table.set_number(column, value);
        }
        let mut columns = Columns::new(features.width());
        features.event(EventRow { key: b"a", at: Timestamp::from_millis(at), table: &table, row }, &mut columns);
        features.commit();
        columns.row(0).collect()
    }

    #[test]
    fn panes_follow_the_name_of_their_field_and_new_fields_begin_empty() {
        let mut old = Features::new(&params(vec![window(Aggregate::Sum(NumberIndex(0)), 100, 10)]));
        feed(&mut old, 10, [1.0, 100.0]);
        feed(&mut old, 30, [2.0, 100.0]);
        let windows = [Aggregate::Max(NumberIndex(0)), Aggregate::Count, Aggregate::Sum(NumberIndex(1))];
        let mut new = Features::new(&params(windows.map(|aggregate| window(aggregate, 100, 10)).to_vec()));
        let carried = new.adopt(old, &swapped());
        assert_eq!(carried.fresh, [Fresh { feature: 0, span: Span::from_millis(100), lacks_follow_ups: false }]);
        assert_eq!(feed(&mut new, 50, [100.0, 4.0]), [100.0, 3.0, 7.0]);
    }

    #[test]
    fn other_panes_or_another_key_keep_nothing_but_say_so() {
        let old = || {
            let mut old = Features::new(&params(vec![window(Aggregate::Count, 100, 10)]));
            feed(&mut old, 10, [1.0, 1.0]);
            old
        };
        let mut new = Features::new(&params(vec![window(Aggregate::Count, 100, 5)]));
        assert_eq!(new.adopt(old(), &swapped()).fresh.len(), 1);
        assert_eq!(feed(&mut new, 20, [1.0, 1.0]), [1.0]);
        let mut new = Features::new(&params(vec![window(Aggregate::Count, 100, 10)]));
        let carried = new.adopt(old(), &Former { is_other_key: true, ..swapped() });
        assert_eq!(carried.fresh.len(), 1);
        assert_eq!(new.groups(), 0);
    }
}
