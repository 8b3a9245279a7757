//! Predictions as published beside predictions as they would have been, event by event.
//!
//! Both sequences of a shard are in the order of the events' offsets, so they are joined as they come. Labels are those
//! of the outcomes topic in their latest revision: what an event turned out to be does not depend on who scored it.

use serde::Serialize;

use crate::codec::read;
use crate::data::{FixedMap, Outcome, Prediction};
use crate::runtime::history::{HistoryError, PartitionLog};
use crate::stats::{auc, loss};

/// Predictions on both sides.
#[derive(Clone, Debug, Default, Serialize)]
pub struct ScoreReport {
    /// Events with a prediction on both sides.
    pub compared: u64,
    /// Those with the same score, bit for bit, and the same decision.
    pub identical: u64,
    /// The others.
    pub differing: u64,
    /// Events that have a published prediction and would have none.
    pub only_published: u64,
    /// Events that would have a prediction and have none published.
    pub only_computed: u64,
    /// Mean of computed less published score.
    pub mean_difference: Option<f64>,
    /// Mean of the difference without its sign.
    pub mean_absolute_difference: Option<f64>,
    /// The largest difference without its sign.
    pub max_absolute_difference: Option<f64>,
    /// The event it belongs to.
    pub max_event_id: Option<String>,
    /// Events decided otherwise.
    pub decisions_changed: u64,
    /// Events compared whose label is known.
    pub labelled: u64,
    /// How good the published scores were on those.
    pub published: Quality,
    /// How good the computed ones would have been.
    pub computed: Quality,
}

/// How good scores are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Quality {
    /// Area under the ROC curve; `None` when one class is missing.
    pub auc: Option<f64>,
    /// Mean log loss, in nats.
    pub log_loss: Option<f64>,
}

#[derive(Clone, Copy)]
struct Pair {
    published: f64,
    computed: f64,
    /// Revision and label.
    label: Option<(u32, bool)>,
}

/// All pairs so far.
#[derive(Default)]
pub(super) struct Scores {
    report: ScoreReport,
    pairs: Vec<Pair>,
    by_id: FixedMap<Box<str>, usize>,
    sum: f64,
    absolute: f64,
}

/// The published predictions of one shard, joined in passing.
pub(super) struct Beside {
    log: PartitionLog,
    next: Option<Prediction>,
    /// From the first one asked about on, predictions without a partner count.
    begun: bool,
}

impl Beside {
    pub(super) fn new(log: PartitionLog) -> Self {
        Beside { log, next: None, begun: false }
    }

    fn advance(&mut self) -> Result<(), HistoryError> {
        self.next = None;
        while let Some(record) = self.log.next()? {
            // What is no prediction was not written by this application and has no partner.
            if let Ok(prediction) = read::<Prediction>("prediction", record.value.as_deref()) {
                self.next = Some(prediction);
                break;
            }
        }
        Ok(())
    }
}

impl Scores {
    /// Takes a computed prediction and finds its published partner.
    pub(super) fn add(&mut self, computed: &Prediction, beside: &mut Beside) -> Result<(), HistoryError> {
        if beside.next.is_none() {
            beside.advance()?;
        }
        while let Some(published) = &beside.next
            && published.source_offset < computed.source_offset
        {
            self.report.only_published += u64::from(beside.begun);
            beside.advance()?;
        }
        beside.begun = true;
        match beside.next.take_if(|published| published.source_offset == computed.source_offset) {
            Some(published) => self.pair(&published, computed),
            None => self.report.only_computed += 1,
        }
        Ok(())
    }

    fn pair(&mut self, published: &Prediction, computed: &Prediction) {
        let report = &mut self.report;
        report.compared += 1;
        let same_decision = published.decision == computed.decision;
        report.decisions_changed += u64::from(!same_decision);
        if same_decision && published.score.to_bits() == computed.score.to_bits() {
            report.identical += 1;
        } else {
            report.differing += 1;
        }
        let difference = computed.score - published.score;
        self.sum += difference;
        self.absolute += difference.abs();
        if report.max_absolute_difference.is_none_or(|largest| difference.abs() > largest) {
            report.max_absolute_difference = Some(difference.abs());
            report.max_event_id = Some(computed.event_id.clone());
        }
        self.by_id.insert(computed.event_id.as_str().into(), self.pairs.len());
        self.pairs.push(Pair { published: published.score, computed: computed.score, label: None });
    }

    /// Takes the labels of a partition of the outcomes topic.
    pub(super) fn labels(&mut self, mut log: PartitionLog) -> Result<(), HistoryError> {
        while let Some(record) = log.next()? {
            let Ok(outcome) = read::<Outcome>("outcome", record.value.as_deref()) else { continue };
            let at = self.by_id.get(outcome.event_id.as_str());
            let Some(pair) = at.and_then(|at| self.pairs.get_mut(*at)) else { continue };
            if pair.label.is_none_or(|(revision, _)| revision <= outcome.revision) {
                pair.label = Some((outcome.revision, outcome.label >= 0.5));
            }
        }
        Ok(())
    }

    pub(super) fn finish(self) -> ScoreReport {
        let labelled: Vec<&Pair> = self.pairs.iter().filter(|pair| pair.label.is_some()).collect();
        let labels: Vec<bool> = labelled.iter().filter_map(|pair| pair.label.map(|(_, label)| label)).collect();
        let quality = |score: fn(&Pair) -> f64| {
            let scores: Vec<f64> = labelled.iter().map(|pair| score(pair)).collect();
            Quality {
                auc: auc(&labels, &scores).map(|result| result.auc),
                log_loss: loss::mean_log_loss(&labels, &scores),
            }
        };
        let mean = |sum: f64| (!self.pairs.is_empty()).then(|| sum / self.pairs.len() as f64);
        ScoreReport {
            mean_difference: mean(self.sum),
            mean_absolute_difference: mean(self.absolute),
            labelled: labels.len() as u64,
            published: quality(|pair| pair.published),
            computed: quality(|pair| pair.computed),
            ..self.report
        }
    }
}
