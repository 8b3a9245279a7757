//! What the windows of a changed configuration take over from those of the one before.
//!
//! A grouping is the same if it has the same key fields, a ring if it is over the same source in panes of the same length
//! and number; fields and sources are found by name, which the caller has resolved ([`Former`]). What is the same keeps
//! its slots and its panes, bit for bit. What has no predecessor starts empty, and [`Carried`] says so. A function of
//! the two configurations and the old state alone.

use super::group::{Entry, Group, Marks, NO_SLOT};
use super::plan::{GroupPlan, Ring};
use super::slot::{NONE, Slot};
use super::{Features, Handles};
use crate::data::Span;
use crate::data::params::{KindIndex, NumberIndex, Source, TextIndex};

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
    /// For each grouping, which one it was.
    groupings: Vec<Option<usize>>,
}

/// A feature whose window starts empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fresh {
    /// Position in the layout.
    pub feature: usize,
    /// How long it takes to be whole.
    pub span: Span,
    /// Follow-ups of events from before do not reach it: only those of later events make it whole.
    pub lacks_follow_ups: bool,
}

/// A grouping and what it was.
struct Link {
    group: usize,
    sources: Vec<Option<usize>>,
    rings: Vec<Option<RingLink>>,
}

struct RingLink {
    ring: usize,
    fields: Vec<Option<usize>>,
}

impl Former {
    fn source(&self, of: Source) -> Option<Source> {
        match of {
            Source::Events => Some(Source::Events),
            Source::Kind(kind) => Some(Source::Kind(self.kinds.get(kind.0)?.as_ref()?.kind)),
        }
    }

    fn number(&self, of: Source, column: NumberIndex) -> Option<NumberIndex> {
        let numbers = match of {
            Source::Events => &self.numbers,
            Source::Kind(kind) => &self.kinds.get(kind.0)?.as_ref()?.numbers,
        };
        numbers.get(column.0).copied().flatten()
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
            rings: plan.rings.iter().map(|ring| self.ring(ring, old)).collect(),
        })
    }

    fn ring(&self, ring: &Ring, old: &GroupPlan) -> Option<RingLink> {
        let of = self.source(ring.source)?;
        let same = |old: &Ring| old.source == of && old.pane == ring.pane && old.panes == ring.panes;
        let position = old.rings.iter().position(same)?;
        let fields = &old.rings.get(position)?.fields;
        let field = |column: &NumberIndex| {
            let column = self.number(ring.source, *column)?;
            fields.iter().position(|field| *field == column)
        };
        Some(RingLink { ring: position, fields: ring.fields.iter().map(field).collect() })
    }
}

impl Features {
    /// What it would take over of `old`.
    pub fn carried(&self, old: &Features, former: &Former) -> Carried {
        let mut carried = Carried::default();
        let plans: Vec<&GroupPlan> = old.groups.iter().map(|group| &group.plan).collect();
        for group in &self.groups {
            let link = former.link(&group.plan, &plans);
            carried.fresh.extend(fresh(&group.plan, link.as_ref(), &plans));
            carried.groupings.push(link.map(|link| link.group));
        }
        carried.fresh.sort_unstable_by_key(|fresh| fresh.feature);
        carried
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
                group.adopt(from, &link);
            }
        }
        carried
    }
}

impl Carried {
    /// Where the follow-ups of an event go that named its slots under the configuration before.
    pub fn handles(&self, old: &[u32]) -> Handles {
        let handle = |group: &Option<usize>| group.and_then(|group| old.get(group).copied()).unwrap_or(NO_SLOT);
        self.groupings.iter().map(handle).collect()
    }
}

fn fresh(plan: &GroupPlan, link: Option<&Link>, old: &[&GroupPlan]) -> Vec<Fresh> {
    let mut fresh = Vec::new();
    let fresh_of = |feature: usize, span: Span, of: Option<&Source>| {
        let lacks_follow_ups = link.is_none() && of.is_some_and(|of| *of != Source::Events);
        Fresh { feature, span, lacks_follow_ups }
    };
    for (position, ring) in plan.rings.iter().enumerate() {
        let span = Span::from_millis(ring.pane.millis() * ring.panes as i64);
        let held = link.and_then(|link| link.rings.get(position)?.as_ref());
        for output in &ring.outputs {
            let is_held = held.is_some_and(|held| match output.statistic.field() {
                Some(field) => held.fields.get(field).is_some_and(Option::is_some),
                None => true,
            });
            if !is_held {
                fresh.push(fresh_of(output.feature, span, Some(&ring.source)));
            }
        }
    }
    for since in &plan.since_last {
        let held = link.filter(|link| link.sources.get(since.source).is_some_and(Option::is_some));
        // A group was forgotten once its windows had passed.
        let reach = held.and_then(|link| old.get(link.group)).map(|old| old.reach);
        if reach.is_none_or(|reach| reach < since.span) {
            fresh.push(fresh_of(since.feature, since.span, plan.sources.get(since.source)));
        }
    }
    fresh
}

impl Group {
    /// Slots keep their numbers.
    fn adopt(&mut self, old: Group, link: &Link) {
        let slots = old.slots.into_iter().map(|entry| {
            let marks = Marks { is_live: entry.marks.is_live, ..Marks::default() };
            let slot = if marks.is_live {
                Slot::taken(&entry.slot, &old.plan, &self.plan, link)
            } else {
                Slot::new(&self.plan)
            };
            Entry { key: entry.key, slot, marks }
        });
        self.slots = slots.collect();
        (self.index, self.free) = (old.index, old.free);
    }
}

impl Slot {
    fn taken(old: &Slot, old_plan: &GroupPlan, plan: &GroupPlan, link: &Link) -> Slot {
        let mut slot = Slot::new(plan);
        slot.touched = old.touched;
        for (mark, source) in slot.marks.iter_mut().zip(&link.sources) {
            if let Some(at) = source.and_then(|source| old.marks.get(source)) {
                *mark = *at;
            }
        }
        for (ring, held) in plan.rings.iter().zip(&link.rings) {
            let Some((held, from)) = held.as_ref().and_then(|held| Some((held, old_plan.rings.get(held.ring)?))) else {
                continue;
            };
            let head = old.marks.get(from.head).copied().unwrap_or(NONE);
            if head == NONE {
                continue;
            }
            if let Some(mark) = slot.marks.get_mut(ring.head) {
                *mark = head;
            }
            let panes = slot.doubles.get_mut(ring.start..ring.end()).unwrap_or_default();
            let old_panes = old.doubles.get(from.start..from.end()).unwrap_or_default();
            for (pane, old) in panes.chunks_exact_mut(ring.stride()).zip(old_panes.chunks_exact(from.stride())) {
                ring.clear(pane);
                let Some(((count, fields), (old_count, old_fields))) = pane.split_first_mut().zip(old.split_first())
                else {
                    continue;
                };
                *count = *old_count;
                for (field, was) in fields.chunks_exact_mut(3).zip(&held.fields) {
                    if let Some(old) = was.and_then(|was| old_fields.get(3 * was..3 * was + 3)) {
                        field.copy_from_slice(old);
                    }
                }
            }
        }
        slot
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::params::{Aggregate, FeatureParams, Grouping, WindowSpec};
    use crate::data::{Columns, Table, Timestamp};
    use crate::features::EventRow;

    fn window(aggregate: Aggregate, span: i64, panes: u32) -> WindowSpec {
        WindowSpec { of: Source::Events, grouping: 0, span: Span::from_millis(span), panes, aggregate }
    }

    fn params(windows: Vec<WindowSpec>) -> FeatureParams {
        let names = (0..windows.len()).map(|i| format!("w{i}")).collect();
        FeatureParams {
            groupings: vec![Grouping { name: "k".into(), fields: Vec::new() }],
            fields: Vec::new(),
            windows,
            names,
        }
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
        assert_eq!(&*carried.handles(&[7]), [7]);
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
        assert_eq!((carried.fresh.len(), &*carried.handles(&[7])), (1, &[NO_SLOT][..]));
        assert_eq!(new.groups(), 0);
    }
}
