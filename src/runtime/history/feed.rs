//! What a journal record took, read again from the inputs, in the order it names.
//!
//! A journal record says which records of which input its transaction took, between which commands. Given the record,
//! this gives the machine's items back. Invariant: exactly the records the journal names, or an error; nothing is
//! passed over. It knows no machine and compares no output: that is for whoever feeds.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::codec::{JournalRecord, JournalStep};
use crate::data::{ControlItem, InputIndex, Item, ModelRecord, Record};
use crate::model::Model;
use crate::rollout::{Effect, Ledger};
use crate::runtime::clock::Clock;
use crate::runtime::control::Models;
use crate::transport::{News, Position, Reader, TopicPartition, Transport, TransportError};

/// How long a poll waits for records that are on their way.
const WAIT: Duration = Duration::from_millis(20);
/// How long records that the journal names may stay away.
const PATIENCE: Duration = Duration::from_secs(60);

/// Why what the journal names cannot be fed.
#[derive(Debug, thiserror::Error)]
pub(in crate::runtime) enum FeedError {
    /// The cluster, or the store behind a model.
    #[error(transparent)]
    Transport(#[from] TransportError),
    /// What is found is not what the journal names.
    #[error("{0}")]
    Refused(String),
}

/// The inputs of one shard, read from where its journal begins.
pub(in crate::runtime) struct Feed {
    reader: Box<dyn Reader>,
    queues: Vec<VecDeque<Record>>,
    clock: Clock,
    /// When a record last came.
    moved: Instant,
    ledger: Ledger,
}

/// Consecutive records of one input, as the journal names them.
#[derive(Clone, Copy)]
struct Run {
    input: InputIndex,
    first: i64,
    last: i64,
    records: u64,
}

impl Feed {
    /// Opens each of `topics` at its entry of `starts`; `None` where nothing is ever taken from it.
    pub(in crate::runtime) fn open(
        transport: &dyn Transport,
        topics: &[String],
        shard: i32,
        starts: &[Option<i64>],
        clock: &Clock,
    ) -> Result<Self, FeedError> {
        let mut reader = transport.reader(topics)?;
        let mut positions = Vec::new();
        for (topic, first) in topics.iter().zip(starts) {
            let Some(first) = *first else { continue };
            let bounds = transport.bounds_at(topic, shard)?;
            if bounds.is_none_or(|bounds| bounds.start > first) {
                return Err(FeedError::Refused(format!(
                    "`{topic}` no longer holds offset {first}, which the journal names: retention has removed it, and what \
                     came after the last checkpoint cannot be computed again; begin anew with `driftless reset`"
                )));
            }
            positions.push(Position { at: TopicPartition::new(topic.as_str(), shard), next: first });
        }
        reader.start(&positions)?;
        let queues = topics.iter().map(|_| VecDeque::new()).collect();
        Ok(Feed { reader, queues, clock: clock.clone(), moved: clock.instant(), ledger: Ledger::default() })
    }

    /// Knows the artifacts of versions registered before the journal begins.
    pub(in crate::runtime) fn knowing(mut self, ledger: Ledger) -> Self {
        self.ledger = ledger;
        self
    }

    /// Fetches what `record` took; false if more has to come.
    pub(in crate::runtime) fn gather(&mut self, record: &JournalRecord) -> Result<bool, FeedError> {
        let mut wanted = vec![0u64; self.queues.len()];
        for step in &record.steps {
            if let JournalStep::Run { input, records, .. } = step
                && let Some(count) = wanted.get_mut(usize::from(input.0))
            {
                *count += records;
            }
        }
        if self.holds(&wanted) {
            return Ok(true);
        }
        let mut news = Vec::new();
        self.reader.poll(WAIT, 10_000, &mut news)?;
        for news in news {
            if let News::Record { input, record, .. } = news
                && let Some(queue) = self.queues.get_mut(input)
            {
                queue.push_back(record);
                self.moved = self.clock.instant();
            }
        }
        if !self.holds(&wanted) && self.clock.since(self.moved) > PATIENCE {
            return Err(FeedError::Refused(format!(
                "the inputs end before what journal record {} took from them: a topic was made anew; begin anew with \
                 `driftless reset`",
                record.sequence
            )));
        }
        Ok(self.holds(&wanted))
    }

    fn holds(&self, wanted: &[u64]) -> bool {
        self.queues.iter().zip(wanted).all(|(queue, wanted)| queue.len() as u64 >= *wanted)
    }

    /// The items of `record`, which [`Feed::gather`] has fetched.
    pub(in crate::runtime) fn items(
        &mut self,
        record: &JournalRecord,
        models: &Models,
    ) -> Result<Vec<Item<Model>>, FeedError> {
        let mut batch = Vec::new();
        let mut refuse_at = None;
        for step in &record.steps {
            match step {
                JournalStep::Refuse => refuse_at = Some(batch.len()),
                JournalStep::RefuseHeld(rank) => batch.push(Item::RefusedHeld(rank.clone())),
                JournalStep::Idle => batch.push(Item::Idle),
                JournalStep::Schema(fact) => batch.push(Item::Schema(fact.clone())),
                JournalStep::Kept { input, record } => {
                    batch.push(Item::Record { input: *input, record: (**record).clone() });
                    if let Some(item) = refuse_at.take().and_then(|at| batch.get_mut(at)) {
                        refuse(item);
                    }
                }
                JournalStep::Command { offset, record, loaded } => {
                    // Whoever wrote the journal may have loaded models of candidates too, which are not needed.
                    let switched = self.ledger.apply(record) == Effect::Switched;
                    let model = if *loaded && switched { Some(self.load(models, record)?) } else { None };
                    let command = ControlItem { offset: *offset, record: (**record).clone(), model };
                    batch.push(Item::Command(Arc::new(command)));
                }
                JournalStep::Run { input, first, last, records } => {
                    self.take(Run { input: *input, first: *first, last: *last, records: *records }, &mut batch)?;
                    if let Some(item) = refuse_at.take().and_then(|at| batch.get_mut(at)) {
                        refuse(item);
                    }
                }
            }
        }
        Ok(batch)
    }

    fn take(&mut self, run: Run, batch: &mut Vec<Item<Model>>) -> Result<(), FeedError> {
        let Run { input, first, last, records } = run;
        let Some(queue) = self.queues.get_mut(usize::from(input.0)) else {
            let why = format!("its journal names input {}, which this stage does not have", input.0);
            return Err(FeedError::Refused(why));
        };
        let taken: Vec<Record> = queue.drain(..(records as usize).min(queue.len())).collect();
        let ends = [taken.first().map(|record| record.offset), taken.last().map(|record| record.offset)];
        if ends != [Some(first), Some(last)] {
            return Err(FeedError::Refused(format!(
                "input {} gives other records than offsets {first} to {last}, which the journal names",
                input.0
            )));
        }
        batch.extend(taken.into_iter().map(|record| Item::Record { input, record }));
        Ok(())
    }

    fn load(&self, models: &Models, record: &ModelRecord) -> Result<Arc<Model>, FeedError> {
        let Some(artifact) = self.ledger.artifact(record.version) else {
            let why = format!("its journal names v{}, of which no artifact is known", record.version);
            return Err(FeedError::Refused(why));
        };
        match models.load(artifact) {
            Ok(model) => Ok(model),
            Err(error) if error.is_final() => {
                Err(FeedError::Refused(format!("v{} cannot be loaded: {error}", record.version)))
            }
            Err(error) => {
                Err(TransportError::Retriable(format!("v{} cannot be loaded: {error}", record.version)).into())
            }
        }
    }
}

/// Turns a record into one that was refused unread.
pub(in crate::runtime) fn refuse(item: &mut Item<Model>) {
    if let Item::Record { input, record } = std::mem::replace(item, Item::Idle) {
        *item = Item::Refused { input, record };
    }
}
