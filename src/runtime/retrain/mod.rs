//! The retrain role: follows predictions and outcomes into the training log, and answers each request for a training
//! with a candidate or a refusal.
//!
//! One request at a time. The record that answers it and the offset of the request commit in one transaction, so a
//! request is answered at most once, also across restarts; a crash in between trains again.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::board::{Board, Phase};
use super::control::{ControlTail, Models};
use super::job::{Job, Order};
use super::pace::Pace;
use super::watch;
use super::worker::WorkerError;
use crate::codec::{read, write};
use crate::config::Config;
use crate::config::params::Topics;
use crate::data::{AlertAction, DriftAlert, ModelCommand, ModelRecord, Outcome, Prediction, Timestamp};
use crate::model::Layout;
use crate::registry::{ExampleLog, LogPosition};
use crate::retrain::{Configured, ExampleRow, LabelRow, TrainingOutcome, TrainingParams};
use crate::transport::{
    Member, MemberSpec, News, Outgoing, Position, Reader, TopicPartition, Transport, TransportError,
};

/// The name of the role.
pub(super) const RETRAIN: &str = "retrain";
const IDLE_POLL: Duration = Duration::from_millis(5);
const TAIL_BATCH: usize = 2_000;
const PREDICTIONS: usize = 0;
/// How long the training log may stay behind the request it answers.
const CATCH_UP: Duration = Duration::from_secs(300);

/// What the role works with.
pub(super) struct RetrainShop {
    pub config: Arc<Config>,
    pub transport: Arc<dyn Transport>,
    pub models: Arc<Models>,
    pub layout: Layout,
    pub log: Arc<Mutex<ExampleLog>>,
    pub pace: Arc<Pace>,
    pub board: Arc<Board>,
    pub stop: Arc<AtomicBool>,
}

/// A request that is being answered.
struct Request {
    alert: DriftAlert,
    offset: i64,
    since: Instant,
    /// Where the training log has to be before the training starts.
    ends: Vec<(TopicPartition, i64)>,
    job: Option<Job>,
}

struct Role<'a> {
    shop: &'a RetrainShop,
    id: String,
    member: Box<dyn Member>,
    control: ControlTail,
    tail: Tail,
    assigned: bool,
    waiting: std::collections::VecDeque<crate::data::Record>,
    request: Option<Request>,
    next: i64,
}

/// The predictions and outcomes topics, followed into the training log.
struct Tail {
    reader: Box<dyn Reader>,
    topics: Vec<String>,
    positions: std::collections::BTreeMap<TopicPartition, i64>,
}

/// Runs until told to stop or until something needs an operator.
pub(super) fn run(shop: &RetrainShop, transactional_id: &str) -> Result<(), WorkerError> {
    while !shop.stop.load(Ordering::Relaxed) {
        shop.board.worker(transactional_id, Phase::Joining);
        let result = Role::join(shop, transactional_id).and_then(|mut role| {
            let result = role.work();
            role.let_go();
            result
        });
        match result {
            Ok(()) => return Ok(()),
            Err(WorkerError::Transport(error)) if !matches!(error, TransportError::Configuration(_)) => {
                tracing::warn!(worker = transactional_id, %error, "worker_rejoins");
                std::thread::sleep(Duration::from_millis(500));
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

impl<'a> Role<'a> {
    fn join(shop: &'a RetrainShop, id: &str) -> Result<Self, WorkerError> {
        let topics = &shop.config.topics;
        let control = ControlTail::open(&*shop.transport, &topics.models, shop.models.clone())?;
        let tail = Tail::open(shop, topics)?;
        let spec = MemberSpec {
            group: shop.config.group(RETRAIN),
            transactional_id: id.to_owned(),
            inputs: vec![topics.drift_alerts.clone()],
        };
        Ok(Role {
            shop,
            id: id.to_owned(),
            member: shop.transport.join(&spec)?,
            control,
            tail,
            assigned: false,
            waiting: std::collections::VecDeque::new(),
            request: None,
            next: 0,
        })
    }

    fn work(&mut self) -> Result<(), WorkerError> {
        self.shop.board.worker(&self.id, Phase::Running { restoring: 0 });
        let mut news = Vec::new();
        while !self.shop.stop.load(Ordering::Relaxed) {
            let polled = self.member.poll(IDLE_POLL, 1_000, &mut news);
            for news in news.drain(..) {
                self.take_in(news)?;
            }
            polled?;
            self.control.poll(Duration::ZERO)?;
            self.shop.board.position(RETRAIN, self.control.at(), self.control.settled(self.control.next()));
            if self.assigned {
                self.tail.follow(self.shop)?;
                match self.answer() {
                    Err(WorkerError::Transport(TransportError::Aborted(why))) => {
                        tracing::warn!(worker = self.id, why, "transaction_aborted");
                        self.member.abort()?;
                        return Err(TransportError::Retriable(why).into());
                    }
                    other => other?,
                }
            }
        }
        let mut log = self.shop.log.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(error) = log.flush() {
            tracing::warn!(%error, "training_log_unwritten");
        }
        Ok(())
    }

    fn take_in(&mut self, news: News) -> Result<(), WorkerError> {
        match news {
            News::Assigned(partitions) => {
                let topic = &self.shop.config.topics.drift_alerts;
                let committed = self.member.committed(&partitions)?;
                let bounds = self.shop.transport.bounds(topic)?.and_then(|all| all.first().copied());
                let start = bounds.map_or(0, |bounds| bounds.start);
                self.next = committed.iter().find_map(|offset| offset.next).unwrap_or(start);
                self.member.start(&[Position { at: TopicPartition::new(topic.as_str(), 0), next: self.next }])?;
                self.assigned = true;
                self.show();
            }
            News::Revoked(partitions) | News::Lost(partitions) => {
                self.assigned = false;
                self.let_go();
                self.waiting.clear();
                self.member.release(&partitions)?;
            }
            News::Record { record, .. } => self.waiting.push_back(record),
            News::End { next, .. } => {
                if self.waiting.is_empty() && self.request.is_none() {
                    self.next = self.next.max(next);
                    self.show();
                }
            }
        }
        Ok(())
    }

    /// Forgets the request under way; whoever takes over answers it.
    fn let_go(&mut self) {
        if self.request.take().is_some() {
            self.shop.board.trainings(-1);
        }
    }

    fn show(&self) {
        let at = TopicPartition::new(self.shop.config.topics.drift_alerts.as_str(), 0);
        self.shop.board.position(RETRAIN, &at, self.next);
    }

    fn answer(&mut self) -> Result<(), WorkerError> {
        if self.request.is_none() {
            self.next_request()?;
        }
        let Some(mut request) = self.request.take() else { return Ok(()) };
        let outcome = match &request.job {
            None => {
                if self.is_ready(&request) {
                    request.job = Some(self.start(&request)?);
                }
                None
            }
            Some(job) => job.finished(),
        };
        match outcome {
            None => self.request = Some(request),
            Some(outcome) => {
                // Kept until the answer is committed, so that a failure on the way counts the training as open.
                let answer = self.register(&request, outcome);
                let offset = request.offset;
                self.request = Some(request);
                let record = answer?;
                self.publish(&record, offset)?;
                self.let_go();
                self.next = offset + 1;
                self.show();
            }
        }
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
            tracing::info!(
                incident = alert.incident_id,
                reason = alert.reason.map_or("", |reason| reason.name()),
                "training_taken_up"
            );
            self.shop.board.trainings(1);
            let ends = self.ends()?;
            self.request = Some(Request { alert, offset: record.offset, since: Instant::now(), ends, job: None });
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
        tracing::info!(incident = order.incident_id, cutoff = %order.cutoff, champion = order.champion, "training_started");
        let job = Job::start(order, self.shop.log.clone());
        Ok(job.map_err(|error| TransportError::Retriable(format!("no thread for a training: {error}")))?)
    }

    /// The record that answers the request; the artifact is in the store before it is named.
    fn register(&self, request: &Request, outcome: TrainingOutcome) -> Result<ModelRecord, WorkerError> {
        let ledger = self.control.ledger();
        let champion = request.job.as_ref().map_or(ledger.champion(), |job| job.order.champion);
        let took = request.job.as_ref().map(Job::took).unwrap_or_default();
        let reason = request.alert.reason.map_or("an operator", |reason| reason.name());
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
        tracing::info!(
            incident = request.alert.incident_id,
            result,
            version = record.version,
            why = record.why,
            "training_ended"
        );
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

impl Tail {
    fn open(shop: &RetrainShop, topics: &Topics) -> Result<Self, WorkerError> {
        let topics = vec![topics.predictions.clone(), topics.outcomes.clone()];
        let mut reader = shop.transport.reader(&topics)?;
        let mut starts = Vec::new();
        let log = shop.log.lock().unwrap_or_else(PoisonError::into_inner);
        for topic in &topics {
            let Some(all) = shop.transport.bounds(topic)? else {
                return Err(TransportError::Configuration(format!("topic `{topic}` does not exist")).into());
            };
            for (partition, bounds) in all.into_iter().enumerate() {
                let partition = partition as i32;
                let next = log.resume_at(topic, partition).unwrap_or(bounds.start).max(bounds.start);
                starts.push(Position { at: TopicPartition::new(topic.clone(), partition), next });
            }
        }
        reader.start(&starts)?;
        let positions = starts.into_iter().map(|start| (start.at, start.next)).collect();
        Ok(Tail { reader, topics, positions })
    }

    fn follow(&mut self, shop: &RetrainShop) -> Result<(), WorkerError> {
        let mut news = Vec::new();
        self.reader.poll(Duration::ZERO, TAIL_BATCH, &mut news)?;
        let mut log = shop.log.lock().unwrap_or_else(PoisonError::into_inner);
        for news in news {
            let (input, partition, next) = match news {
                News::Record { input, partition, record } => {
                    let Some(topic) = self.topics.get(input) else { continue };
                    let at = LogPosition { topic, partition, offset: record.offset };
                    let taken = if input == PREDICTIONS {
                        let row = read::<Prediction>("prediction", record.value.as_deref());
                        row.map(|row| log.add_prediction(at, ExampleRow::from(&row)))
                    } else {
                        let row = read::<Outcome>("outcome", record.value.as_deref());
                        row.map(|row| log.add_label(at, LabelRow::from(&row)))
                    };
                    match taken {
                        Ok(Ok(())) => {}
                        Ok(Err(error)) => return Err(TransportError::Retriable(error.to_string()).into()),
                        Err(error) => {
                            tracing::error!(topic, partition, offset = record.offset, %error, "example_unreadable");
                        }
                    }
                    (input, partition, record.offset + 1)
                }
                News::End { input, partition, next } => (input, partition, next),
                News::Assigned(_) | News::Revoked(_) | News::Lost(_) => continue,
            };
            if let Some(topic) = self.topics.get(input) {
                let at = TopicPartition::new(topic.as_str(), partition);
                shop.board.position(RETRAIN, &at, next);
                self.positions.insert(at, next);
            }
        }
        Ok(())
    }
}
