//! What the configured windows compile to: rings of panes, shared by every feature that reads the same panes.
//!
//! Features of one source, grouping, span and number of panes live in one ring, whatever they aggregate. A slot of a
//! grouping then holds the panes of all its rings in one array of doubles.

use crate::data::Span;
use crate::data::params::{Aggregate, FeatureParams, NumberIndex, Source, TextIndex};

/// Doubles a pane holds before its fields: the count of records.
const PANE_HEAD: usize = 1;
/// Doubles a pane holds for each field: how many were there, their sum, their maximum.
const PANE_FIELD: usize = 3;

/// A ring of panes inside a slot.
#[derive(Clone, Debug)]
pub(super) struct Ring {
    pub source: Source,
    /// Position of the source among the grouping's sources.
    pub last: usize,
    pub pane: Span,
    pub panes: usize,
    /// Number columns of the source that are aggregated.
    pub fields: Vec<NumberIndex>,
    /// Where the panes start in the slot's doubles; the kept combination of closed panes follows them.
    pub start: usize,
    /// Position of the newest pane's number among the slot's marks.
    pub head: usize,
    /// Position of the number of the pane for which the combination was made.
    pub cached_for: usize,
    /// What is read from it.
    pub outputs: Vec<RingOutput>,
}

/// A feature read from a ring.
#[derive(Clone, Copy, Debug)]
pub(super) struct RingOutput {
    /// Position in the layout.
    pub feature: usize,
    pub statistic: Statistic,
}

/// What a feature reads from a combination of panes; the number is the position among the ring's fields.
#[derive(Clone, Copy, Debug)]
pub(super) enum Statistic {
    Count,
    Sum(usize),
    Mean(usize),
    Max(usize),
}

/// A feature that is the time since the group's last record of a source.
#[derive(Clone, Copy, Debug)]
pub(super) struct SinceLast {
    pub feature: usize,
    /// Position among the grouping's sources.
    pub source: usize,
    /// How far back the latest record is remembered.
    pub span: Span,
}

/// Everything kept for one grouping.
#[derive(Clone, Debug)]
pub(super) struct GroupPlan {
    /// Text columns of the event that make up the key, beyond the record key.
    pub key_fields: Vec<TextIndex>,
    pub rings: Vec<Ring>,
    pub since_last: Vec<SinceLast>,
    /// Sources whose last time is kept.
    pub sources: Vec<Source>,
    /// Doubles of a slot.
    pub width: usize,
    /// Marks of a slot: one per source, two per ring.
    pub marks: usize,
    /// How long a value can matter: the longest span of the grouping.
    pub reach: Span,
}

impl Statistic {
    /// The field it reads, by its position among those of the ring.
    pub(super) fn field(self) -> Option<usize> {
        match self {
            Statistic::Count => None,
            Statistic::Sum(field) | Statistic::Mean(field) | Statistic::Max(field) => Some(field),
        }
    }
}

impl Ring {
    /// Doubles of one pane.
    pub(super) fn stride(&self) -> usize {
        PANE_HEAD + PANE_FIELD * self.fields.len()
    }

    /// Where the panes end in the slot's doubles.
    pub(super) fn end(&self) -> usize {
        self.start + self.panes * self.stride()
    }
}

impl GroupPlan {
    /// Compiles the windows of grouping `index`.
    pub(super) fn new(params: &FeatureParams, index: usize, key_fields: Vec<TextIndex>) -> Self {
        let mut plan = GroupPlan {
            key_fields,
            rings: Vec::new(),
            since_last: Vec::new(),
            sources: Vec::new(),
            width: 0,
            marks: 0,
            reach: Span::default(),
        };
        let first_window = params.fields.len();
        for (position, window) in params.windows.iter().enumerate().filter(|(_, window)| window.grouping == index) {
            let feature = first_window + position;
            let source = plan.source(window.of);
            plan.reach = plan.reach.max(window.span);
            if let Aggregate::SinceLast = window.aggregate {
                plan.since_last.push(SinceLast { feature, source, span: window.span });
                continue;
            }
            let ring = plan.ring(source, window.pane(), window.panes as usize);
            let statistic = match window.aggregate {
                Aggregate::Count | Aggregate::SinceLast => Statistic::Count,
                Aggregate::Sum(field) => Statistic::Sum(ring.field(field)),
                Aggregate::Mean(field) => Statistic::Mean(ring.field(field)),
                Aggregate::Max(field) => Statistic::Max(ring.field(field)),
            };
            ring.outputs.push(RingOutput { feature, statistic });
        }
        plan.marks = plan.sources.len();
        for ring in &mut plan.rings {
            ring.start = plan.width;
            plan.width = ring.end() + ring.stride();
            (ring.head, ring.cached_for) = (plan.marks, plan.marks + 1);
            plan.marks += 2;
        }
        plan
    }

    fn source(&mut self, of: Source) -> usize {
        if let Some(position) = self.sources.iter().position(|source| *source == of) {
            return position;
        }
        self.sources.push(of);
        self.sources.len() - 1
    }

    fn ring(&mut self, last: usize, pane: Span, panes: usize) -> &mut Ring {
        let found = self
            .rings
            .iter()
            .position(|ring| ring.last == last && ring.pane == pane && ring.panes == panes)
            .unwrap_or_else(|| {
                self.rings.push(Ring {
                    source: self.sources[last],
                    last,
                    pane,
                    panes,
                    fields: Vec::new(),
                    start: 0,
                    head: 0,
                    cached_for: 0,
                    outputs: Vec::new(),
                });
                self.rings.len() - 1
            });
        &mut self.rings[found]
    }
}

impl Ring {
    fn field(&mut self, column: NumberIndex) -> usize {
        if let Some(position) = self.fields.iter().position(|field| *field == column) {
            return position;
        }
        self.fields.push(column);
        self.fields.len() - 1
    }
}
