//! One training, step by step: split, fit every family, choose, fit the chosen one, evaluate, assemble.
//!
//! The caller runs the tasks of a step on whatever threads it has and hands their parts back in the same order. The
//! family with the lowest log loss on the validation rows is chosen and fitted to train and validation rows together;
//! that model is evaluated once on the holdout and is the very one in the candidate.

use std::sync::Arc;

use super::design::Design;
use super::evaluate::{Rivals, evaluate};
use super::fit::{FitError, FitPart, FitTask, Fitted, Fitting};
use super::sample::sample;
use super::{Dataset, NotEnough, Split, TrainingParams};
use crate::data::{Evidence, Timestamp};
use crate::drift::{Profile, ProfileInputs, Sample};
use crate::model::{Lineage, Model, ModelParts, Selection};
use crate::stats::{SplitMix64, loss};

/// What a training works on.
#[derive(Clone, Debug)]
pub struct TrainingInputs {
    /// Settings.
    pub params: TrainingParams,
    /// Labelled rows.
    pub data: Dataset,
    /// The model in charge; without one, or with one that needs a feature the rows lack, the scores the rows were
    /// published with stand for it.
    pub champion: Option<Arc<Model>>,
}

/// A model to register, with its evidence inside.
#[derive(Clone, Debug, PartialEq)]
pub struct Candidate {
    /// The model that was evaluated.
    pub model: Model,
    /// Log loss of each family on the validation rows, where there was a choice.
    pub validation: Vec<(String, f64)>,
}

/// How a training ended.
#[derive(Clone, Debug, PartialEq)]
pub enum TrainingOutcome {
    /// With a candidate.
    Candidate(Box<Candidate>),
    /// Before it began: the data set is too small.
    NotEnough(NotEnough),
    /// Without a candidate, for a reason that more data would not change.
    Failed {
        /// The reason.
        why: String,
    },
}

/// What to do next.
#[derive(Debug)]
pub enum Step {
    /// Run these tasks and hand their parts, in this order, to [`Training::advance`].
    Run(Vec<FitTask>),
    /// The end.
    Done(TrainingOutcome),
}

/// A training under way.
#[derive(Debug)]
pub struct Training {
    inputs: TrainingInputs,
    seeds: SplitMix64,
    stage: Stage,
    validation: Vec<(String, f64)>,
}

#[derive(Debug)]
enum Stage {
    Begin,
    Choose { split: Split, fittings: Vec<Fitting> },
    Finish { split: Split, fitting: Box<Fitting>, fitted_rows: Vec<usize> },
    Over,
}

impl Training {
    /// A training that has not done anything yet.
    pub fn new(inputs: TrainingInputs) -> Training {
        let seeds = SplitMix64::new(inputs.params.seed);
        Training { inputs, seeds, stage: Stage::Begin, validation: Vec::new() }
    }

    /// Takes the parts of the last step's tasks (none at first) and says what is next.
    pub fn advance(&mut self, parts: Vec<Result<FitPart, FitError>>) -> Step {
        match std::mem::replace(&mut self.stage, Stage::Over) {
            Stage::Begin => self.begin(),
            Stage::Choose { split, fittings } => self.choose(split, &fittings, parts),
            Stage::Finish { split, fitting, fitted_rows } => {
                let outcome = match fitting.combine(parts) {
                    Ok(fitted) => self.conclude(&split, fitted, &fitted_rows),
                    Err(error) => TrainingOutcome::Failed { why: error.to_string() },
                };
                Step::Done(outcome)
            }
            Stage::Over => Step::Done(TrainingOutcome::Failed { why: "the training is over".to_owned() }),
        }
    }

    fn begin(&mut self) -> Step {
        let TrainingInputs { params, data, .. } = &self.inputs;
        if let Err(error) = params.check() {
            return Step::Done(TrainingOutcome::Failed { why: error.to_string() });
        }
        let split = match Split::by_time(data, params) {
            Ok(split) => split,
            Err(why) => return Step::Done(TrainingOutcome::NotEnough(why)),
        };
        if let [family] = params.families[..] {
            return self.fit_chosen(split, family);
        }
        let rows = sample(data.hashes(), split.train.clone(), params.max_rows, params.seed);
        let design = match Design::new(data, &rows, &params.prepared) {
            Ok(design) => design,
            Err(error) => return Step::Done(TrainingOutcome::Failed { why: error.to_string() }),
        };
        let families = params.families.iter();
        let fittings: Vec<Fitting> =
            families.map(|&family| Fitting::new(&design, family, params, self.seeds.next_u64())).collect();
        let tasks = fittings.iter().flat_map(Fitting::tasks).collect();
        self.stage = Stage::Choose { split, fittings };
        Step::Run(tasks)
    }

    fn choose(&mut self, split: Split, fittings: &[Fitting], parts: Vec<Result<FitPart, FitError>>) -> Step {
        let data = &self.inputs.data;
        let rows = data.rows().range(split.validation.clone());
        let labels = data.labels().get(split.validation.clone()).unwrap_or_default();
        let mut parts = parts.into_iter();
        let mut best = None;
        let mut failure = FitError::Lost;
        for fitting in fittings {
            let own = parts.by_ref().take(fitting.tasks().len()).collect();
            let fitted = match fitting.combine(own) {
                Ok(fitted) => fitted,
                Err(error) => {
                    failure = error;
                    continue;
                }
            };
            let Some(log_loss) = loss::mean_log_loss(labels, &fitted.score(&rows)) else { continue };
            self.validation.push((fitting.family().name().to_owned(), log_loss));
            if best.is_none_or(|(_, least)| log_loss < least) {
                best = Some((fitting.family(), log_loss));
            }
        }
        match best {
            Some((family, _)) => self.fit_chosen(split, family),
            None => Step::Done(TrainingOutcome::Failed { why: failure.to_string() }),
        }
    }

    fn fit_chosen(&mut self, split: Split, family: crate::data::params::ModelFamily) -> Step {
        let TrainingInputs { params, data, .. } = &self.inputs;
        let fitted_rows = sample(data.hashes(), split.all_train(), params.max_rows, params.seed);
        let design = match Design::new(data, &fitted_rows, &params.prepared) {
            Ok(design) => design,
            Err(error) => return Step::Done(TrainingOutcome::Failed { why: error.to_string() }),
        };
        let fitting = Box::new(Fitting::new(&design, family, params, self.seeds.next_u64()));
        let tasks = fitting.tasks();
        self.stage = Stage::Finish { split, fitting, fitted_rows };
        Step::Run(tasks)
    }

    fn conclude(&self, split: &Split, fitted: Fitted, fitted_rows: &[usize]) -> TrainingOutcome {
        let TrainingInputs { params, data, champion } = &self.inputs;
        let scores = fitted.score(data.rows());
        let holdout = split.holdout.clone();
        let fits = |model: &Arc<Model>| Some((model.clone(), Selection::of(model.layout(), data.layout().names())?));
        let champion_scores = match champion.as_ref().and_then(fits) {
            Some((model, selection)) => {
                let mut scores = Vec::new();
                model.score(&selection.take(&data.rows().range(holdout.clone())), &mut scores);
                scores
            }
            None => data.published().get(holdout.clone()).unwrap_or_default().to_vec(),
        };
        let comparison = evaluate(&Rivals {
            times: data.times().get(holdout.clone()).unwrap_or_default(),
            labels: data.labels().get(holdout.clone()).unwrap_or_default(),
            champion: &champion_scores,
            candidate: scores.get(holdout.clone()).unwrap_or_default(),
        });
        let Some(comparison) = comparison else {
            return TrainingOutcome::NotEnough(NotEnough::OneDay);
        };

        let time = |row: usize| data.times().get(row).copied().unwrap_or(Timestamp::MIN);
        let train = split.all_train();
        let evidence = Evidence {
            trained_from: time(train.start),
            trained_to: time(train.end.saturating_sub(1)),
            holdout_from: time(holdout.start),
            holdout_to: time(holdout.end.saturating_sub(1)),
            n_train: fitted_rows.len() as u64,
            n_holdout: holdout.len() as u64,
            champion: comparison.champion,
            candidate: comparison.candidate,
            log_loss_gain: comparison.log_loss_gain,
            auc_gain: comparison.auc_gain,
        };
        let profile = self.profile(split, &fitted, &scores, fitted_rows);
        let model = Model::new(ModelParts {
            layout: data.layout().clone(),
            preparation: fitted.preparation,
            estimator: fitted.estimator,
            threshold: params.threshold,
            profile,
            lineage: Lineage {
                cutoff: data.cutoff(),
                seed: params.seed,
                examples_sha256: data.sha256().to_owned(),
                trained_by: concat!("driftless ", env!("CARGO_PKG_VERSION")).to_owned(),
            },
            evidence,
        });
        match model {
            Ok(model) => TrainingOutcome::Candidate(Box::new(Candidate { model, validation: self.validation.clone() })),
            Err(error) => TrainingOutcome::Failed { why: error.to_string() },
        }
    }

    /// Features of all training rows; scores of the rows up to the end of the holdout that were not fitted.
    fn profile(&self, split: &Split, fitted: &Fitted, scores: &[f64], fitted_rows: &[usize]) -> Profile {
        let TrainingInputs { params, data, .. } = &self.inputs;
        let train = split.all_train();
        let features = data.rows().range(train.clone());
        let mut fitted_rows = fitted_rows.iter().copied().peekable();
        let mut unseen_scores = Vec::new();
        let mut unseen_times = Vec::new();
        for (row, (&score, &time)) in scores.iter().zip(data.times()).enumerate() {
            if fitted_rows.next_if_eq(&row).is_none() {
                unseen_scores.push(score);
                unseen_times.push(time);
            }
        }
        Profile::build(&ProfileInputs {
            names: data.layout().names(),
            features: Sample { columns: features.columns(), times: data.times().get(train).unwrap_or_default() },
            scores: Sample { columns: &[unseen_scores], times: &unseen_times },
            window: params.drift_window,
            importance: &fitted.preparation.by_feature(&fitted.importance, data.layout().width()),
        })
    }
}

/// Trains from beginning to end on the calling thread.
pub fn train(inputs: TrainingInputs) -> TrainingOutcome {
    let mut training = Training::new(inputs);
    let mut parts = Vec::new();
    loop {
        match training.advance(parts) {
            Step::Run(tasks) => parts = tasks.iter().map(FitTask::run).collect(),
            Step::Done(outcome) => return outcome,
        }
    }
}
