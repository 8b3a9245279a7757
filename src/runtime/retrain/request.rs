//! A request for a training: taken from the alerts topic, answered in the control log.
//!
//! A training starts when the training log holds what the request rests on, runs elsewhere, and is looked at between
//! polls. Invariant: the artifact is in the store before a record names it.

use std::time::{Duration, Instant};

use super::met::Taken;
use super::spans::{self, Learned};
use super::{RETRAIN, Role};
use crate::codec::{read, write};
use crate::data::{AlertAction, DriftAlert, ModelCommand, ModelRecord, Timestamp, TracePoint, TrainingReason};
use crate::retrain::{Configured, TrainingOutcome, TrainingParams};
use crate::runtime::job::{Job, Order};
use crate::runtime::traces::Ids;
use crate::runtime::watch;
use crate::runtime::worker::WorkerError;
use crate::transport::{Outgoing, Position, TopicPartition, TransportError};

/// How long the training log may stay behind the request it answers.
const CATCH_UP: Duration = Duration::from_secs(300);

/// A request that is being answered.
pub(super) struct Request {
    alert: DriftAlert,
    offset: i64,
    since: Instant,
    /// Where the training log has to be before the training starts.
    ends: Vec<(TopicPartition, i64)>,
    job: Option<Job>,
    /// When the training began.
    pub(super) began: Option<Timestamp>,
    /// Places in sampled traces where some of its examples came from.
    pub(super) examples: Vec<TracePoint>,
}

impl Request {
    pub(super) fn incident(&self) -> &str {
        &self.alert.incident_id
    }

    pub(super) fn reason(&self) -> Option<TrainingReason> {
        self.alert.reason
    }
}

impl Role<'_> {
    pub(super) fn answer(&mut self) -> Result<(), WorkerError> {
        if self.request.is_none() {
            self.next_request()?;
        }
        let Some(request) = &self.request else { return Ok(()) };
        let Some(job) = &request.job else {
            if self.is_ready(request) {
                let job = self.start(request)?;
                let examples = self.examples(&job);
                if let Some(request) = &mut self.request {
                    request.began = Some(self.shop.pace.now());
                    request.examples = examples;
                    request.job = Some(job);
                }
            }
            return Ok(());
        };
        let Some(outcome) = job.finished() else { return Ok(()) };
        // The request stays until the answer is committed, so that a failure on the way counts the training as open.
        let offset = request.offset;
        let examples = match &outcome {
            TrainingOutcome::Candidate(candidate) => Some(candidate.model.lineage().examples_sha256.clone()),
            TrainingOutcome::NotEnough(_) | TrainingOutcome::Failed { .. } => None,
        };
        let record = self.register(request, outcome)?;
        self.publish(&record, offset)?;
        if let Some((traces, request)) = self.shop.traces.as_ref().zip(self.request.as_ref()) {
            spans::tell(traces, &record, Learned { request, examples, ended: self.shop.pace.now() });
        }
        self.let_go();
        self.next = offset + 1;
        self.show();
        Ok(())
    }

    /// Takes the next record that asks for a training; passes over those that ask for nothing or are answered.
    fn next_request(&mut self) -> Result<(), WorkerError> {
        if !self.control.is_ready() {
            return Ok(());
        }
        let mut passed = None;
        while let Some(record) = self.waiting.pop_front() {
            let asks = read::<DriftAlert>("alert", record.value.as_deref())
                .ok()
                .filter(|alert| alert.action == Some(AlertAction::Retrain) && !self.is_answered(&alert.incident_id));
            let Some(alert) = asks else {
                passed = Some(record.offset);
                continue;
            };
            let Ids { trace: trace_id, span: span_id } = self.ids(&alert.incident_id);
            let reason = alert.reason.map_or("", TrainingReason::name);
            tracing::info!(incident = alert.incident_id, reason, trace_id, span_id, "training_taken_up");
            self.shop.board.trainings(1);
            let ends = self.ends()?;
            let (since, offset) = (Instant::now(), record.offset);
            let (began, examples) = (None, Vec::new());
            self.request = Some(Request { alert, offset, since, ends, job: None, began, examples });
            break;
        }
        if let Some(offset) = passed {
            self.member.begin()?;
            self.commit(offset)?;
            if self.request.is_none() {
                self.next = offset + 1;
                self.show();
            }
        }
        Ok(())
    }

    /// Where the training of an incident stands in its trace.
    fn ids(&self, incident: &str) -> Ids {
        Ids::from(self.shop.traces.as_ref().map(|traces| traces.training(incident)))
    }

    /// Places of some of the examples that a training takes.
    fn examples(&self, job: &Job) -> Vec<TracePoint> {
        let Order { cutoff, params, maturity, .. } = &job.order;
        let (from, to) = (cutoff.minus(params.history), cutoff.minus(*maturity));
        self.tail.met.latest(Taken { from, to, cutoff: *cutoff })
    }

    fn is_answered(&self, incident_id: &str) -> bool {
        self.control.items(0, None).any(|item| {
            let answers = matches!(item.record.command, ModelCommand::Registered | ModelCommand::TrainingFailed);
            answers && item.record.incident_id.as_deref() == Some(incident_id)
        })
    }

    /// Where predictions and outcomes end now: what the request rests on lies before.
    fn ends(&self) -> Result<Vec<(TopicPartition, i64)>, WorkerError> {
        let mut ends = Vec::new();
        for topic in &self.tail.topics {
            for (partition, bounds) in self.shop.transport.bounds(topic)?.unwrap_or_default().into_iter().enumerate() {
                ends.push((TopicPartition::new(topic.as_str(), partition as i32), bounds.end));
            }
        }
        Ok(ends)
    }

    fn is_ready(&self, request: &Request) -> bool {
        let behind = request.ends.iter().any(|(at, end)| self.tail.positions.get(at).is_none_or(|next| next < end));
        if behind && request.since.elapsed() > CATCH_UP {
            tracing::warn!(incident = request.alert.incident_id, "training_log_behind");
            return true;
        }
        !behind
    }

    fn start(&self, request: &Request) -> Result<Job, WorkerError> {
        let config = &self.shop.config;
        let params: TrainingParams =
            Configured { retrain: &config.retrain, drift: &config.drift, score: &config.score }.into();
        let order = Order {
            incident_id: request.alert.incident_id.clone(),
            cutoff: request.alert.cutoff.unwrap_or(Timestamp::MAX),
            champion: self.control.ledger().champion(),
            champion_model: self.control.champion(),
            layout: self.shop.layout.clone(),
            maturity: params.maturity,
            params,
        };
        let Ids { trace: trace_id, span: span_id } = self.ids(&order.incident_id);
        let (incident, cutoff, champion) = (&order.incident_id, order.cutoff, order.champion);
        tracing::info!(incident, %cutoff, champion, trace_id, span_id, "training_started");
        let job = Job::start(order, self.shop.log.clone());
        Ok(job.map_err(|error| TransportError::Retriable(format!("no thread for a training: {error}")))?)
    }

    /// The record that answers the request; the artifact is in the store before it is named.
    fn register(&self, request: &Request, outcome: TrainingOutcome) -> Result<ModelRecord, WorkerError> {
        let ledger = self.control.ledger();
        let champion = request.job.as_ref().map_or(ledger.champion(), |job| job.order.champion);
        let took = request.job.as_ref().map(Job::took).unwrap_or_default();
        let reason = request.alert.reason.map_or("an operator", TrainingReason::name);
        let mut record = ModelRecord {
            command: ModelCommand::TrainingFailed,
            version: champion,
            replaces: champion,
            at: self.shop.pace.now(),
            by: RETRAIN.to_owned(),
            why: String::new(),
            incident_id: Some(request.alert.incident_id.clone()),
            family: None,
            feature_layout: None,
            artifact: None,
            evidence: None,
            setting: None,
        };
        match outcome {
            TrainingOutcome::NotEnough(why) => record.why = why.to_string(),
            TrainingOutcome::Failed { why } => record.why = why,
            TrainingOutcome::Candidate(candidate) => {
                let model = &candidate.model;
                let artifact = self.shop.models.store().put_model(model);
                record.artifact = Some(artifact.map_err(|error| TransportError::Retriable(error.to_string()))?);
                record.command = ModelCommand::Registered;
                record.version = ledger.next_version();
                record.why = format!("trained because of {reason}");
                record.family = Some(model.family().name().to_owned());
                record.feature_layout = Some(model.layout().fingerprint().to_owned());
                record.evidence = Some(model.evidence().clone());
            }
        }
        let result = record.command.name();
        let Ids { trace: trace_id, span: span_id } = self.ids(request.incident());
        let (incident, version, why) = (request.incident(), record.version, &record.why);
        tracing::info!(incident, result, version, why, trace_id, span_id, "training_ended");
        watch::trained(result, took);
        Ok(record)
    }

    fn publish(&mut self, record: &ModelRecord, offset: i64) -> Result<(), WorkerError> {
        let mut value = Vec::new();
        write(record, &mut value);
        let key = format!("v{}", record.version);
        self.member.begin()?;
        self.member.send(&Outgoing {
            topic: &self.shop.config.topics.models,
            partition: Some(0),
            key: Some(key.as_bytes()),
            value: Some(&value),
            headers: &[],
            timestamp: None,
        })?;
        self.commit(offset)
    }

    fn commit(&mut self, offset: i64) -> Result<(), WorkerError> {
        let at = TopicPartition::new(self.shop.config.topics.drift_alerts.as_str(), 0);
        Ok(self.member.commit(&[Position { at, next: offset + 1 }])?)
    }
}
