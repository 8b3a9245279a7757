//! The control log, followed: records in log order, each that puts a version in charge with its model.
//!
//! Invariant: a record that puts a version in charge is given out with its model, or when another one behind it, given
//! out with it, has already replaced that version; else it waits, and so do those after it. So no two shards decide
//! differently because a store did not give one of them the artifact. An artifact that is there whole and is no model
//! is none anywhere: then the version before goes on answering, in every shard alike.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::codec::read;
use crate::data::{ArtifactRef, ControlItem, ModelRecord};
use crate::model::Model;
use crate::registry::{Store, StoreError};
use crate::rollout::{Effect, Ledger};
use crate::runtime::watch;
use crate::transport::{News, Position, Reader, TopicPartition, Transport, TransportError};

/// How long to wait before an artifact that could not be fetched is tried again.
const RETRY: Duration = Duration::from_secs(1);
/// Between two lines that say so.
const REMIND: Duration = Duration::from_secs(30);

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

/// What the first record that waits lacks.
struct Lack {
    what: String,
    retry_at: Instant,
    told_at: Instant,
}

/// What the store has of a version that is to take charge.
enum Lookup {
    /// Its model; none for the base rate.
    Found(Option<Arc<Model>>),
    /// An artifact that is no model, or none at all.
    Useless(String),
    /// Not what it is to have; another try may find it.
    Lacking(String),
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
    lack: Option<Lack>,
    unreadable: usize,
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
            lack: None,
            unreadable: 0,
        })
    }

    /// Takes in what has been written since. It is `now`.
    pub(super) fn poll(&mut self, timeout: Duration, now: Instant) -> Result<(), TransportError> {
        let mut news = Vec::new();
        self.reader.poll(timeout, 1_000, &mut news)?;
        let has_news = news.iter().any(|news| matches!(news, News::Record { .. }));
        for news in news {
            match news {
                News::Record { record, .. } => {
                    self.next = record.offset + 1;
                    match read::<ModelRecord>("control", record.value.as_deref()) {
                        Ok(command) => self.waiting.push_back((record.offset, command)),
                        Err(error) => {
                            self.unreadable += 1;
                            tracing::error!(offset = record.offset, %error, "control_record_unreadable");
                        }
                    }
                }
                News::End { next, .. } => {
                    self.next = self.next.max(next);
                    self.at_end = true;
                }
                News::Assigned(_) | News::Revoked(_) | News::Lost(_) => {}
            }
        }
        // What has come may put another version in charge, and a lack does not matter any more.
        if has_news || self.lack.as_ref().is_some_and(|lack| now >= lack.retry_at) {
            self.resolve(now);
            watch::control(self.ledger.settings().iter().count(), self.void.len(), self.unreadable);
        }
        self.caught_up |= self.at_end && self.waiting.is_empty();
        Ok(())
    }

    /// Gives out what waits, up to the first record that lacks its model.
    fn resolve(&mut self, now: Instant) {
        while let Some((offset, record)) = self.waiting.front() {
            let (offset, version) = (*offset, record.version);
            let model = match self.lookup(&self.ledger, record) {
                Lookup::Found(model) => model,
                Lookup::Useless(error) => {
                    tracing::error!(offset, version, error, "artifact_refused");
                    None
                }
                Lookup::Lacking(_) if self.is_replaced() => None,
                Lookup::Lacking(error) => {
                    let told_at = self.lack.take().map(|lack| lack.told_at);
                    let told_at =
                        told_at.filter(|at| now.saturating_duration_since(*at) < REMIND).unwrap_or_else(|| {
                            tracing::warn!(offset, version, error, "artifact_unavailable");
                            now
                        });
                    let what = format!("v{version} is to take charge and cannot be loaded: {error}");
                    self.lack = Some(Lack { what, retry_at: now + RETRY, told_at });
                    return;
                }
            };
            if let Some((offset, record)) = self.waiting.pop_front() {
                if self.ledger.apply(&record) == Effect::Void {
                    self.void.insert(offset);
                }
                self.items.push(Arc::new(ControlItem { offset, record, model }));
            }
        }
        self.lack = None;
    }

    /// The model that a record after those in `ledger` puts in charge.
    fn lookup(&self, ledger: &Ledger, record: &ModelRecord) -> Lookup {
        if !ledger.switches(record) {
            return Lookup::Found(None);
        }
        let Some(artifact) = ledger.artifact(record.version) else { return Lookup::Found(None) };
        match self.models.load(artifact) {
            Ok(model) => Lookup::Found(Some(model)),
            Err(error) if error.is_final() => Lookup::Useless(error.to_string()),
            Err(error) => Lookup::Lacking(error.to_string()),
        }
    }

    /// Whether a record behind the first one that waits puts another version in charge, whose model is at hand.
    fn is_replaced(&self) -> bool {
        let mut ledger = self.ledger.clone();
        self.waiting.iter().enumerate().any(|(place, (_, record))| {
            let is_at_hand =
                place > 0 && ledger.switches(record) && matches!(self.lookup(&ledger, record), Lookup::Found(_));
            ledger.apply(record);
            is_at_hand
        })
    }

    /// What the record that waits lacks, in words; `None` where none waits.
    pub(super) fn lack(&self) -> Option<&str> {
        self.lack.as_ref().map(|lack| lack.what.as_str())
    }

    /// Whether the log has been read to its end once with every record at hand. From then on an artifact that cannot be
    /// fetched holds up the records from its own on, and nothing else.
    pub(super) fn is_ready(&self) -> bool {
        self.caught_up
    }

    /// Whether the log has been read to its end once, whatever of it waits.
    pub(super) fn is_read(&self) -> bool {
        self.at_end
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
