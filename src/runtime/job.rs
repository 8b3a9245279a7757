//! A training on threads of its own.

use std::sync::mpsc::{Receiver, TryRecvError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::data::{Span, Timestamp};
use crate::model::{Layout, Model};
use crate::registry::ExampleLog;
use crate::retrain::{
    Dataset, DatasetParams, FitError, FitPart, FitTask, Step, Training, TrainingInputs, TrainingOutcome, TrainingParams,
};

/// What a training is to do.
pub(super) struct Order {
    pub incident_id: String,
    pub cutoff: Timestamp,
    pub champion: u32,
    pub champion_model: Option<Arc<Model>>,
    pub layout: Layout,
    pub maturity: Span,
    pub params: TrainingParams,
}

/// A training under way.
pub(super) struct Job {
    pub order: Order,
    result: Receiver<TrainingOutcome>,
    since: Instant,
}

impl Job {
    /// Starts a training on what `log` holds.
    pub(super) fn start(order: Order, log: Arc<Mutex<ExampleLog>>) -> std::io::Result<Job> {
        let (sender, result) = sync_channel(1);
        let (layout, params) = (order.layout.clone(), order.params.clone());
        let (cutoff, maturity, champion) = (order.cutoff, order.maturity, order.champion_model.clone());
        std::thread::Builder::new().name("training".to_owned()).spawn(move || {
            let data = {
                let log = log.lock().unwrap_or_else(PoisonError::into_inner);
                let wanted = DatasetParams { layout: &layout, cutoff, history: params.history, maturity };
                Dataset::build(log.examples(), &wanted)
            };
            let outcome = train(TrainingInputs { params, data, champion });
            // The receiver is gone only when the role has stopped; the training is then asked for again.
            let _ = sender.send(outcome);
        })?;
        Ok(Job { order, result, since: Instant::now() })
    }

    /// How the training ended, once it has.
    pub(super) fn finished(&self) -> Option<TrainingOutcome> {
        match self.result.try_recv() {
            Ok(outcome) => Some(outcome),
            Err(TryRecvError::Empty) => None,
            Err(TryRecvError::Disconnected) => {
                Some(TrainingOutcome::Failed { why: "the training panicked".to_owned() })
            }
        }
    }

    pub(super) fn took(&self) -> Duration {
        self.since.elapsed()
    }
}

/// Runs a training with its tasks spread over the cores; the result does not depend on how many there are.
pub fn train(inputs: TrainingInputs) -> TrainingOutcome {
    let mut training = Training::new(inputs);
    let mut parts = Vec::new();
    loop {
        match training.advance(std::mem::take(&mut parts)) {
            Step::Done(outcome) => return outcome,
            Step::Run(tasks) => parts = run_all(&tasks),
        }
    }
}

fn run_all(tasks: &[FitTask]) -> Vec<Result<FitPart, FitError>> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(tasks.len().max(1));
    let next = std::sync::atomic::AtomicUsize::new(0);
    let mut done: Vec<(usize, Result<FitPart, FitError>)> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads)
            .map(|_| {
                scope.spawn(|| {
                    let mut done = Vec::new();
                    loop {
                        let at = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                        let Some(task) = tasks.get(at) else { return done };
                        done.push((at, task.run()));
                    }
                })
            })
            .collect();
        workers.into_iter().flat_map(|worker| worker.join().unwrap_or_default()).collect()
    });
    done.sort_by_key(|(at, _)| *at);
    done.into_iter().map(|(_, part)| part).collect()
}
