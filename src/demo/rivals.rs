//! The other ways to score the same events: the first model left alone, a model made anew every month without looking,
//! and the share of positives so far.
//!
//! All three use the rows as they were logged and labels known strictly before each moment, as the loop itself does. The
//! monthly trainings run on a thread of their own while the stream goes on.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use anyhow::{Context, Result, anyhow};

use super::scored::ScoredLog;
use crate::config::Config;
use crate::data::{Outcome, Prediction, Span, Timestamp};
use crate::model::{Columns, Layout, Model};
use crate::retrain::{
    Configured, Dataset, DatasetParams, ExampleRow, Examples, LabelRow, TrainingInputs, TrainingOutcome,
    TrainingParams, train,
};

/// How often the blind schedule trains.
const MONTH: Span = Span::from_days(28);
/// Rows scored at once.
const CHUNK: usize = 4_096;
/// Trainings that may wait; a year has thirteen months of 28 days.
const WAITING: usize = 64;

/// A model made on the blind schedule.
pub(super) struct Monthly {
    examples: Examples,
    layout: Layout,
    params: TrainingParams,
    /// When the next training is due; `None` before the first model.
    due: Option<Timestamp>,
    orders: Option<SyncSender<Order>>,
    made: Receiver<Made>,
    trainer: JoinHandle<()>,
}

struct Order {
    from: Timestamp,
    inputs: TrainingInputs,
}

struct Made {
    from: Timestamp,
    outcome: TrainingOutcome,
}

/// A model, and from when on it scores.
pub(super) struct InCharge {
    pub from: Timestamp,
    pub model: Model,
}

impl Monthly {
    pub fn new(config: &Config) -> Result<Monthly> {
        let (orders, ordered) = sync_channel::<Order>(WAITING);
        let (sender, made) = sync_channel(WAITING);
        let work = move || {
            for Order { from, inputs } in ordered {
                let outcome = train(inputs);
                if sender.send(Made { from, outcome }).is_err() {
                    return;
                }
            }
        };
        Ok(Monthly {
            examples: Examples::default(),
            layout: Layout::new(config.features.names.clone())?,
            params: Configured { retrain: &config.retrain, drift: &config.drift, score: &config.score }.into(),
            due: None,
            orders: Some(orders),
            made,
            trainer: std::thread::Builder::new().name("monthly".to_owned()).spawn(work)?,
        })
    }

    pub fn add_prediction(&mut self, prediction: &Prediction) {
        self.examples.add_prediction(&ExampleRow::from(prediction));
    }

    pub fn add_outcome(&mut self, outcome: &Outcome) {
        self.examples.add_outcome(&LabelRow::from(outcome));
    }

    /// The first model of the loop took charge: the schedule starts here, with that very model.
    pub fn begin(&mut self, at: Timestamp) {
        self.due.get_or_insert(at.plus(MONTH));
    }

    /// Orders a training if one is due by `now`, once everything known until then has been added.
    pub fn step(&mut self, now: Timestamp) -> Result<()> {
        let Some(due) = self.due.filter(|due| *due <= now) else { return Ok(()) };
        self.due = Some(due.plus(MONTH));
        let TrainingParams { history, maturity, .. } = self.params;
        self.examples.forget_before(now.minus(history));
        let wanted = DatasetParams { layout: &self.layout, cutoff: now, history, maturity };
        let data = Dataset::build(&self.examples, &wanted);
        let inputs = TrainingInputs { params: self.params.clone(), data, champion: None };
        let orders = self.orders.as_ref().context("trainings have ended")?;
        orders.send(Order { from: now, inputs }).map_err(|_| anyhow!("the monthly training has stopped"))
    }

    /// Waits for all trainings; those that gave no model leave the one before in place.
    pub fn finish(mut self) -> Result<Vec<InCharge>> {
        self.orders = None;
        let mut models: Vec<InCharge> = Vec::new();
        for Made { from, outcome } in self.made {
            if let TrainingOutcome::Candidate(candidate) = outcome {
                models.push(InCharge { from, model: candidate.model });
            }
        }
        self.trainer.join().map_err(|_| anyhow!("the monthly training panicked"))?;
        Ok(models)
    }
}

/// Scores of the rows by a succession of models, each from its moment on; rows before the first keep the published score.
/// Rows not asked for have the score 0.
pub(super) fn rescore(log: &ScoredLog, rows: &[usize], models: &[InCharge]) -> Vec<f64> {
    let mut scores = vec![0.0; log.scored().len()];
    let mut by_model: Vec<Vec<usize>> = vec![Vec::new(); models.len()];
    for &row in rows {
        let Some(scored) = log.scored().get(row) else { continue };
        let model = models.iter().rposition(|model| model.from <= scored.event_time);
        let fits = model
            .and_then(|at| models.get(at))
            .is_some_and(|charge| charge.model.layout().fingerprint() == log.layout(scored));
        match model.filter(|_| fits).and_then(|at| by_model.get_mut(at)) {
            Some(rows) => rows.push(row),
            None => set(&mut scores, row, scored.score),
        }
    }
    let mut answers = Vec::new();
    for (charge, rows) in models.iter().zip(&by_model) {
        for chunk in rows.chunks(CHUNK) {
            let mut columns = Columns::new(charge.model.layout().width());
            for scored in chunk.iter().filter_map(|row| log.scored().get(*row)) {
                columns.push_row(&scored.features);
            }
            charge.model.score(&columns, &mut answers);
            chunk.iter().zip(&answers).for_each(|(row, answer)| set(&mut scores, *row, *answer));
        }
    }
    scores
}

fn set(scores: &mut [f64], row: usize, score: f64) {
    if let Some(place) = scores.get_mut(row) {
        *place = score;
    }
}

/// The share of positives among the labels known before each event; `prior` before the first.
pub(super) fn base_rate(log: &ScoredLog, prior: f64) -> Vec<f64> {
    let mut labels: Vec<_> = log.scored().iter().filter_map(|scored| scored.label).collect();
    labels.sort_unstable_by_key(|label| label.known_at);
    let mut rows: Vec<usize> = (0..log.scored().len()).collect();
    let time = |row: usize| log.scored().get(row).map_or(Timestamp::MIN, |scored| scored.event_time);
    rows.sort_by_key(|row| time(*row));
    let mut scores = vec![prior; rows.len()];
    let (mut known, mut positive) = (0_usize, 0_u64);
    for row in rows {
        while let Some(label) = labels.get(known).filter(|label| label.known_at < time(row)) {
            positive += u64::from(label.positive);
            known += 1;
        }
        if known > 0 {
            set(&mut scores, row, positive as f64 / known as f64);
        }
    }
    scores
}

#[cfg(test)]
mod tests {
    use super::super::scored::tests::{outcome, prediction};
    use super::*;

    #[test]
    fn the_base_rate_counts_labels_known_before_the_event_and_no_other() {
        let mut log = ScoredLog::default();
        for (id, time, known_at, label) in [("a", 1, 5, 1.0), ("b", 2, 9, 0.0), ("c", 5, 7, 1.0), ("d", 10, 20, 1.0)] {
            log.add_prediction(prediction(id, time, 0.5));
            log.add_outcome(&outcome(id, known_at, label, 0));
        }
        assert_eq!(base_rate(&log, 0.2), [0.2, 0.2, 0.2, 2.0 / 3.0]);
    }

    #[test]
    fn rows_before_the_first_model_keep_the_published_score() {
        let mut log = ScoredLog::default();
        log.add_prediction(prediction("a", 1, 0.25));
        log.add_prediction(prediction("b", 2, 0.75));
        assert_eq!(rescore(&log, &[1], &[]), [0.0, 0.75]);
    }
}
