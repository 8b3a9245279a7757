//! Looks at the processes and the cluster again and again, on threads of its own, and puts a [`View`] together at any
//! moment from what they said last.
//!
//! Invariant: [`Lookout::view`] never waits for a network. The threads end with the process, or soon after the lookout is
//! dropped.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::cluster::{Cluster, Shared};
use super::endpoint::{Answers, Endpoint};
use super::exposition::{Buckets, Page, Quantile};
use super::told::Configured;
use super::view::{Flow, PartitionView, ProcessView, SignalView, Verdict, View};
use crate::config::Config;
use crate::data::{Setting, Timestamp};
use crate::telemetry::Metric;
use crate::transport::failpoint;

/// Looks kept for the course of things.
const HISTORY: usize = 120;

/// What the processes said.
#[derive(Default)]
struct Heard {
    answers: Vec<Answers>,
    events: VecDeque<f64>,
    /// Ratios of effect and threshold by judged window, as the monitor's metrics changed.
    effects: VecDeque<BTreeMap<String, f64>>,
}

/// Watches one application.
pub struct Lookout {
    app: String,
    brokers: String,
    configured: Vec<Configured>,
    endpoints: Arc<Vec<Endpoint>>,
    heard: Arc<Mutex<Heard>>,
    cluster: Shared,
    over: Arc<AtomicBool>,
}

impl Drop for Lookout {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
    }
}

impl Lookout {
    /// Begins to look, every `interval`.
    pub(super) fn start(config: &Config, endpoints: Vec<Endpoint>, interval: Duration) -> anyhow::Result<Lookout> {
        let answers = endpoints.iter().map(|_| Answers::default()).collect();
        let heard = Arc::new(Mutex::new(Heard { answers, ..Heard::default() }));
        let lookout = Lookout {
            app: config.app.clone(),
            brokers: config.kafka.bootstrap(),
            configured: Setting::ALL.map(|setting| Configured { setting, value: config.setting(setting) }).to_vec(),
            endpoints: Arc::new(endpoints),
            heard,
            cluster: Shared::default(),
            over: Arc::default(),
        };
        let mut cluster = Cluster::new(config, lookout.cluster.clone())?;
        lookout.repeat("cluster", interval, move || cluster.look())?;
        let (endpoints, heard) = (lookout.endpoints.clone(), lookout.heard.clone());
        lookout.repeat("processes", interval, move || ask_all(&endpoints, &heard))?;
        Ok(lookout)
    }

    fn repeat(&self, name: &str, interval: Duration, mut look: impl FnMut() + Send + 'static) -> anyhow::Result<()> {
        let over = self.over.clone();
        thread::Builder::new().name(name.to_owned()).spawn(move || {
            while !over.load(Ordering::Relaxed) {
                let next = Instant::now() + interval;
                look();
                thread::sleep(next.saturating_duration_since(Instant::now()));
            }
        })?;
        Ok(())
    }

    /// Whether everything that is asked has answered twice, or has been found not to answer.
    pub fn complete(&self) -> bool {
        let heard = lock(&self.heard);
        heard.answers.iter().all(|of| of.error.is_some() || of.rate(|_| 0.0).is_some()) && self.cluster.facts().asked()
    }

    /// What is known now.
    pub fn view(&self, now: Timestamp) -> View {
        let heard = lock(&self.heard);
        let facts = self.cluster.facts();
        let pages: Vec<&Page> = heard.answers.iter().filter_map(|of| Some(&of.latest()?.page)).collect();
        let mut view = View {
            app: self.app.clone(),
            at: now,
            verdict: Verdict::default(),
            kafka: facts.kafka(self.brokers.clone(), Instant::now()),
            processes: self.endpoints.iter().zip(&heard.answers).map(|(at, of)| process(at, of, now)).collect(),
            flow: flow(&heard),
            partitions: partitions(facts.partitions(), &pages),
            ..View::default()
        };
        // What of the topics has been read in part would be wrong, not just less.
        if view.kafka.answered_s.is_some() {
            let told = &facts.told;
            view.model = told.model(now);
            view.model.disagree = disagreeing(&pages, told.model(now).version);
            view.settings = told.settings(&self.configured);
            view.performance = told.windows();
            view.alerts = told.alerts();
            view.trainings = told.trainings();
            view.decisions = told.decisions();
        }
        let runs_retrain = view.processes.iter().any(|process| process.roles.iter().any(|role| role == "retrain"));
        view.trainings.open = runs_retrain.then(|| total(&pages, |page| page.sum(Metric::TrainingsOpen)) as u64);
        let open = view.alerts.iter().map(|alert| alert.signal.as_str()).collect();
        view.signals = signals(facts.before(), &heard.effects, &open, &pages);
        view.verdict = Verdict::of(&view);
        view
    }
}

fn lock(heard: &Mutex<Heard>) -> MutexGuard<'_, Heard> {
    // Each look replaces what it says as a whole.
    heard.lock().unwrap_or_else(PoisonError::into_inner)
}

fn ask_all(endpoints: &[Endpoint], heard: &Mutex<Heard>) {
    let outcomes: Vec<_> = thread::scope(|scope| {
        let ask = |endpoint: &Endpoint| {
            failpoint::at("at_look");
            endpoint.ask()
        };
        let asking: Vec<_> = endpoints.iter().map(|endpoint| scope.spawn(move || ask(endpoint))).collect();
        asking.into_iter().map(|asked| asked.join().unwrap_or_else(|_| Err("the look failed".to_owned()))).collect()
    });
    let mut heard = lock(heard);
    for (answers, outcome) in heard.answers.iter_mut().zip(outcomes) {
        answers.take(outcome);
    }
    if let Some(rate) = flow(&heard).events_per_s {
        heard.events.push_back(rate);
        if heard.events.len() > HISTORY {
            heard.events.pop_front();
        }
    }
    let effects = {
        let pages = heard.answers.iter().filter_map(|of| Some(&of.latest()?.page));
        effects(pages)
    };
    // The figures change with each window that is judged, and not between.
    if !effects.is_empty() && heard.effects.back() != Some(&effects) {
        heard.effects.push_back(effects);
        if heard.effects.len() > HISTORY {
            heard.effects.pop_front();
        }
    }
}

fn effects<'a>(pages: impl Iterator<Item = &'a Page>) -> BTreeMap<String, f64> {
    let mut effects: BTreeMap<String, f64> = BTreeMap::new();
    for page in pages {
        for (signal, ratio) in page.by_label(Metric::DriftEffect, "signal") {
            let known = effects.entry(signal.to_owned()).or_insert(0.0);
            *known = known.max(ratio);
        }
    }
    effects
}

fn total(pages: &[&Page], figure: impl Fn(&Page) -> f64) -> f64 {
    pages.iter().map(|page| figure(page)).sum()
}

fn process(endpoint: &Endpoint, answers: &Answers, now: Timestamp) -> ProcessView {
    let mut view = ProcessView { endpoint: endpoint.name().to_owned(), ..ProcessView::default() };
    view.answers = answers.asked.then_some(answers.error.is_none());
    view.error.clone_from(&answers.error);
    let Some(answer) = answers.latest() else { return view };
    let page = &answer.page;
    view.ready = Some(answer.readiness.ready);
    view.missing.clone_from(&answer.readiness.missing);
    view.roles = page.by_label(Metric::Role, "role").map(|(role, _)| role.to_owned()).collect();
    view.version = page.by_label(Metric::BuildInfo, "version").next().map(|(version, _)| version.to_owned());
    view.up_s = page.value(Metric::Start).map(|start| (now.millis() as f64 / 1_000.0 - start).max(0.0));
    view.memory_bytes = page.value(Metric::ResidentMemory);
    view.memory_limit_bytes = page.value(Metric::MemoryLimit);
    view
}

fn flow(heard: &Heard) -> Flow {
    let scoring = || heard.answers.iter().filter(|of| of.latest().is_some_and(|answer| scores(&answer.page)));
    let rate = |figure: &dyn Fn(&Page) -> f64| {
        let rates: Vec<f64> = scoring().filter_map(|of| of.rate(figure)).collect();
        (!rates.is_empty()).then(|| rates.iter().sum())
    };
    let sum = |metric: Metric| {
        let pages: Vec<f64> = scoring().filter_map(|of| Some(of.latest()?.page.sum(metric))).collect();
        (!pages.is_empty()).then(|| pages.iter().sum())
    };
    let quantile = |q: f64, buckets: &dyn Fn(&Page) -> Buckets| -> Option<Quantile> {
        let mut all = Buckets::default();
        scoring().for_each(|of| all.merge(&of.recent(buckets)));
        all.quantile(q)
    };
    let latency = |page: &Page| page.buckets(Metric::Latency, "", "");
    Flow {
        events_per_s: rate(&|page| page.sum_where(Metric::Consumed, "input", "events")),
        labels_per_s: rate(&|page| page.sum_where(Metric::Consumed, "input", "labels")),
        predictions_per_s: rate(&|page| page.sum(Metric::Predictions)),
        dead_letters_per_s: rate(&|page| page.sum(Metric::DeadLetters)),
        dead_letters: sum(Metric::DeadLetters),
        late_per_s: rate(&|page| page.sum(Metric::Late)),
        latency_p50: quantile(0.5, &latency),
        latency_p99: quantile(0.99, &latency),
        commit_p99: quantile(0.99, &|page| page.buckets(Metric::TransactionSeconds, "role", "score")),
        aborted_per_s: rate(&|page| page.sum_where(Metric::Transactions, "result", "aborted")),
        unaccounted: sum(Metric::CountIdentityDifference),
        held_shards: sum(Metric::HeldShards),
        events_history: heard.events.iter().copied().collect(),
    }
}

fn scores(page: &Page) -> bool {
    page.by_label(Metric::Role, "role").any(|(role, _)| role == "score")
}

/// Adds what only the metrics know; where the cluster does not answer, theirs is all there is.
fn partitions(mut partitions: Vec<PartitionView>, pages: &[&Page]) -> Vec<PartitionView> {
    if partitions.is_empty() {
        let names: BTreeSet<&str> =
            pages.iter().flat_map(|page| page.by_label(Metric::Lag, "partition").map(|(name, _)| name)).collect();
        let lag = |name: &str| largest(pages, Metric::Lag, name).map(|lag| lag as i64);
        partitions.extend(names.into_iter().map(|name| PartitionView {
            partition: name.to_owned(),
            lag: lag(name),
            ..PartitionView::default()
        }));
    }
    for partition in &mut partitions {
        partition.behind_s = largest(pages, Metric::LagSeconds, &partition.partition);
    }
    partitions
}

fn largest(pages: &[&Page], metric: Metric, partition: &str) -> Option<f64> {
    let all = pages.iter().flat_map(|page| page.by_label(metric, "partition"));
    all.filter(|(name, _)| *name == partition).map(|(_, value)| value).max_by(f64::total_cmp)
}

/// Roles whose processes go by another version than the control log says.
fn disagreeing(pages: &[&Page], champion: Option<u32>) -> Vec<String> {
    let versions = pages.iter().flat_map(|page| page.by_label(Metric::ModelVersion, "role"));
    let others = versions.filter(|(_, version)| Some(*version) != champion.map(f64::from));
    others.map(|(role, version)| format!("{role} v{version:.0}")).collect()
}

/// Signals by their distance: what the metrics say now, with the windows that alerts told of before the first look.
fn signals(
    told: &[BTreeMap<String, f64>],
    heard: &VecDeque<BTreeMap<String, f64>>,
    open: &BTreeSet<&str>,
    pages: &[&Page],
) -> Vec<SignalView> {
    let now = effects(pages.iter().copied());
    let names: BTreeSet<&str> = now.keys().map(String::as_str).chain(open.iter().copied()).collect();
    // The first window in the metrics may be the last that alerts told of; in the metrics every signal has a figure.
    let same = |told: &BTreeMap<String, f64>, heard: &BTreeMap<String, f64>| {
        told.iter().all(|(signal, ratio)| heard.get(signal).is_some_and(|other| (ratio - other).abs() < 1e-6))
    };
    let told_twice = told.last().zip(heard.front()).is_some_and(|(told, heard)| same(told, heard));
    let earlier = told.iter().take(told.len() - usize::from(told_twice));
    let windows: Vec<&BTreeMap<String, f64>> = earlier.chain(heard).collect();
    let windows = windows.get(windows.len().saturating_sub(HISTORY)..).unwrap_or_default();
    let view = |name: &str| SignalView {
        signal: name.to_owned(),
        effect_ratio: now.get(name).copied(),
        open: open.contains(name),
        history: windows.iter().map(|window| window.get(name).copied()).collect(),
    };
    let mut signals: Vec<SignalView> = names.into_iter().map(view).collect();
    let far = |signal: &SignalView| signal.effect_ratio.unwrap_or(0.0);
    signals.sort_by(|one, other| other.open.cmp(&one.open).then(far(other).total_cmp(&far(one))));
    signals
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(text: &str) -> Page {
        Page::parse(text).unwrap()
    }

    #[test]
    fn where_the_cluster_does_not_answer_lags_are_those_of_the_metrics() {
        let one = page("driftless_lag_records{partition=\"0\"} 7\ndriftless_lag_seconds{partition=\"0\"} 3");
        // It had the partition before, and shows it at 0 since.
        let other = page("driftless_lag_records{partition=\"0\"} 0\ndriftless_lag_seconds{partition=\"0\"} 0");
        let known = partitions(Vec::new(), &[&one, &other]);
        assert_eq!(known.len(), 1);
        assert_eq!((known[0].lag, known[0].behind_s, known[0].per_s), (Some(7), Some(3.0), None));
    }

    #[test]
    fn the_windows_of_alerts_come_before_those_of_the_metrics_and_none_twice() {
        let window = |pairs: &[(&str, f64)]| pairs.iter().map(|(name, ratio)| ((*name).to_owned(), *ratio)).collect();
        let told = [window(&[("temp", 1.5)]), window(&[("temp", 2.0)])];
        let heard = VecDeque::from([window(&[("temp", 2.0), ("dewp", 0.3)]), window(&[("temp", 0.9), ("dewp", 0.4)])]);
        let now = page(
            "driftless_drift_effect_ratio{signal=\"temp\"} 0.9\ndriftless_drift_effect_ratio{signal=\"dewp\"} 0.4",
        );
        let signals = signals(&told, &heard, &BTreeSet::from(["dewp"]), &[&now]);
        let shown: Vec<_> = signals.iter().map(|signal| (signal.signal.as_str(), signal.effect_ratio)).collect();
        assert_eq!(shown, [("dewp", Some(0.4)), ("temp", Some(0.9))], "what is open comes first");
        assert_eq!(signals[1].history, [Some(1.5), Some(2.0), Some(0.9)]);
        assert_eq!(signals[0].history, [None, Some(0.3), Some(0.4)]);
    }

    #[test]
    fn a_role_that_goes_by_another_version_is_named() {
        let page = page("driftless_model_version{role=\"score\"} 2\ndriftless_model_version{role=\"monitor\"} NaN");
        assert_eq!(disagreeing(&[&page], Some(3)), ["score v2"]);
        assert!(disagreeing(&[&page], Some(2)).is_empty());
    }
}
