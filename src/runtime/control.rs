//! The control log, followed: records in log order, each with the artifact of the version it names.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::codec::read;
use crate::data::{ArtifactRef, ControlItem, ModelRecord};
use crate::model::Model;
use crate::registry::{Store, StoreError};
use crate::rollout::{Effect, Ledger};
use crate::transport::{News, Position, Reader, TopicPartition, Transport, TransportError};

/// How long to wait before an artifact that could not be fetched is tried again.
const RETRY: Duration = Duration::from_secs(1);

/// Loaded models by hash, shared by all threads of the process.
pub(super) struct Models {
    store: Arc<Store>,
    loaded: Mutex<BTreeMap<String, Arc<Model>>>,
}

impl Models {
    pub(super) fn new(store: Arc<Store>) -> Self {
        Models { store, loaded: Mutex::default() }
    }

    pub(super) fn store(&self) -> &Arc<Store> {
        &self.store
    }

    /// The model of an artifact.
    pub(super) fn load(&self, artifact: &ArtifactRef) -> Result<Arc<Model>, StoreError> {
        let lock = || self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(model) = lock().get(&artifact.sha256) {
            return Ok(model.clone());
        }
        let model = Arc::new(self.store.model(artifact)?);
        lock().insert(artifact.sha256.clone(), model.clone());
        Ok(model)
    }
}

/// A reader of the control log.
pub(super) struct ControlTail {
    reader: Box<dyn Reader>,
    at: TopicPartition,
    models: Arc<Models>,
    ledger: Ledger,
    items: Vec<Arc<ControlItem<Model>>>,
    /// Offsets of records without effect at their place in the log.
    void: BTreeSet<i64>,
    /// Records whose artifact has not been fetched yet, the first one first.
    waiting: std::collections::VecDeque<(i64, ModelRecord)>,
    next: i64,
    at_end: bool,
    caught_up: bool,
    retry_at: Option<Instant>,
}

impl ControlTail {
    pub(super) fn open(transport: &dyn Transport, topic: &str, models: Arc<Models>) -> Result<Self, TransportError> {
        let mut reader = transport.reader(&[topic.to_owned()])?;
        let at = TopicPartition::new(topic, 0);
        let bounds = transport.bounds(topic)?.and_then(|bounds| bounds.first().copied());
        let bounds = bounds.ok_or_else(|| {
            TransportError::Configuration(format!("topic `{topic}` does not exist; `driftless topics create` makes it"))
        })?;
        reader.start(&[Position { at: at.clone(), next: bounds.start }])?;
        Ok(ControlTail {
            reader,
            at,
            models,
            ledger: Ledger::default(),
            items: Vec::new(),
            void: BTreeSet::new(),
            waiting: std::collections::VecDeque::new(),
            next: bounds.start,
            at_end: false,
            caught_up: false,
            retry_at: None,
        })
    }

    /// Takes in what has been written since. It is `now`.
    pub(super) fn poll(&mut self, timeout: Duration, now: Instant) -> Result<(), TransportError> {
        let mut news = Vec::new();
        self.reader.poll(timeout, 1_000, &mut news)?;
        for news in news {
            match news {
                News::Record { record, .. } => {
                    self.next = record.offset + 1;
                    match read::<ModelRecord>("control", record.value.as_deref()) {
                        Ok(command) => self.waiting.push_back((record.offset, command)),
                        Err(error) => tracing::error!(offset = record.offset, %error, "control_record_unreadable"),
                    }
                }
                News::End { next, .. } => {
                    self.next = self.next.max(next);
                    self.at_end = true;
                }
                News::Assigned(_) | News::Revoked(_) | News::Lost(_) => {}
            }
        }
        if self.retry_at.is_none_or(|at| now >= at) {
            self.retry_at = None;
            self.resolve(now);
        }
        self.caught_up |= self.at_end && self.waiting.is_empty();
        Ok(())
    }

    fn resolve(&mut self, now: Instant) {
        while let Some((offset, record)) = self.waiting.front() {
            let artifact = record.artifact.as_ref().or_else(|| self.ledger.artifact(record.version));
            let model = match artifact.map(|artifact| self.models.load(artifact)) {
                None => None,
                Some(Ok(model)) => Some(model),
                Some(Err(StoreError::Unavailable(error))) => {
                    tracing::warn!(offset, version = record.version, %error, "artifact_unavailable");
                    self.retry_at = Some(now + RETRY);
                    return;
                }
                Some(Err(error)) => {
                    tracing::error!(offset, version = record.version, %error, "artifact_refused");
                    None
                }
            };
            if let Some((offset, record)) = self.waiting.pop_front() {
                if self.ledger.apply(&record) == Effect::Void {
                    self.void.insert(offset);
                }
                self.items.push(Arc::new(ControlItem { offset, record, model }));
            }
        }
    }

    /// Whether the log has been read to its end once with every record at hand. From then on an artifact that cannot be
    /// fetched holds up the records from its own on, and nothing else.
    pub(super) fn is_ready(&self) -> bool {
        self.caught_up
    }

    /// Every record before this offset is at hand.
    pub(super) fn next(&self) -> i64 {
        self.waiting.front().map_or(self.next, |(offset, _)| *offset)
    }

    /// Next offset of the log for someone who has taken everything before `taken`: past control records of the log
    /// where nothing is left.
    pub(super) fn settled(&self, taken: i64) -> i64 {
        if self.at_end && self.items(taken, None).next().is_none() { self.next() } else { taken }
    }

    /// The partition that is followed.
    pub(super) fn at(&self) -> &TopicPartition {
        &self.at
    }

    /// Whether the record at this offset has no effect: stale, or senseless at its place.
    pub(super) fn is_void(&self, offset: i64) -> bool {
        self.void.contains(&offset)
    }

    /// The fold of all records at hand.
    pub(super) fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// The loaded model of the version in charge; `None` for the base rate.
    pub(super) fn champion(&self) -> Option<Arc<Model>> {
        self.models.load(self.ledger.artifact(self.ledger.champion())?).ok()
    }

    /// Records from `from` on, those before `until` only.
    pub(super) fn items(&self, from: i64, until: Option<i64>) -> impl Iterator<Item = &Arc<ControlItem<Model>>> {
        let start = self.items.partition_point(|item| item.offset < from);
        self.items[start..].iter().take_while(move |item| until.is_none_or(|until| item.offset < until))
    }
}
