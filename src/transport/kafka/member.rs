//! A member over Kafka: a membership consumer that never delivers, a fetcher, and a transactional producer.
//!
//! The membership consumer subscribes to the first input; its partitions are assigned held back, so rebalances stay
//! apart from fetching. Invariant: offsets are committed only for partitions that were assigned and neither released
//! nor lost, with metadata fetched for that commit and checked against a loss afterwards: the broker takes a
//! transactional commit without generation and member id even from a member it has expelled.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerGroupMetadata};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::{Offset, TopicPartitionList};

use super::bounded::Bounded;
use super::context::{Bell, GroupEvent, Rebalances, bell_of};
use super::errors::{classify_code, failed, passes};
use super::fetch::{Fetcher, SLICE};
use super::publish::Transactions;
use super::remarks::Remarks;
use super::settings::Settings;
use crate::transport::failpoint::{self, Mutation};
use crate::transport::{CommittedOffset, Member, MemberSpec, News, Outgoing, Position, TransportError};

/// How long committed offsets may stay unstable before the caller hears of it.
const COMMITTED_LIMIT: Duration = Duration::from_millis(500);
const COMMITTED_STEP: Duration = Duration::from_millis(500);
const UNSTABLE_WAIT: Duration = Duration::from_millis(20);

struct Membership {
    group: String,
    topic: String,
    consumer: Bounded<BaseConsumer<Rebalances>>,
    events: VecDeque<GroupEvent>,
    /// Assigned, and neither released nor told as lost.
    owned: BTreeSet<i32>,
    /// Asked back, until all of it has been released.
    asked_back: BTreeSet<i32>,
    /// The part of it that has been released.
    released: BTreeSet<i32>,
}

impl Membership {
    fn join(settings: &Settings, spec: &MemberSpec, bell: &Arc<Bell>) -> Result<Self, TransportError> {
        let topic = spec.inputs.first().cloned().ok_or_else(|| {
            TransportError::Configuration(format!("group `{}` has no input to subscribe to", spec.group))
        })?;
        let mut consumer: BaseConsumer<Rebalances> = settings
            .membership(&spec.group)
            .create_with_context(Rebalances::new())
            .map_err(|error| failed("cannot create a consumer", &error))?;
        consumer.set_nonempty_callback(bell_of(bell));
        consumer
            .subscribe(&[&topic])
            .map_err(|error| TransportError::Configuration(format!("cannot subscribe to `{topic}`: {error}")))?;
        Ok(Membership {
            group: spec.group.clone(),
            topic,
            consumer: Bounded::new("membership consumer", consumer),
            events: VecDeque::new(),
            owned: BTreeSet::new(),
            asked_back: BTreeSet::new(),
            released: BTreeSet::new(),
        })
    }

    /// Lets the client run its callbacks and takes the events over; whatever it delivers is discarded.
    fn serve(&mut self) -> Result<(), TransportError> {
        let mut outcome = Ok(());
        // After a rebalance event the client answers as if there were nothing, so only the second nothing counts.
        let mut nothing = 0;
        while nothing < 2 {
            match self.consumer.poll(Duration::ZERO) {
                Some(Err(error)) => outcome = outcome.and(self.judge(&error)),
                Some(Ok(_)) => {}
                None => nothing += 1,
            }
        }
        for event in self.consumer.context().take() {
            match &event {
                GroupEvent::Assigned(partitions) => self.owned.extend(partitions),
                GroupEvent::Revoked(partitions) => self.asked_back.extend(partitions),
                GroupEvent::Lost(partitions) => {
                    self.asked_back.extend(partitions);
                    self.owned.retain(|partition| !partitions.contains(partition));
                }
                GroupEvent::Failed(message) => return Err(TransportError::Fatal(message.clone())),
            }
            self.events.push_back(event);
        }
        outcome
    }

    fn judge(&self, error: &KafkaError) -> Result<(), TransportError> {
        let message = format!("group `{}` on `{}`: {error}", self.group, self.topic);
        match error.rdkafka_error_code() {
            Some(RDKafkaErrorCode::PollExceeded) => {
                tracing::warn!(
                    group = self.group,
                    "not polled for max.poll.interval.ms; the group takes the partitions"
                );
                Ok(())
            }
            Some(code) if passes(code) => {
                tracing::debug!(group = self.group, %error, "membership goes on by itself");
                Ok(())
            }
            _ if matches!(error, KafkaError::MessageConsumptionFatal(_)) => Err(TransportError::Fatal(message)),
            Some(code) => Err(classify_code(code).error(message)),
            None => Err(TransportError::Fatal(message)),
        }
    }

    fn tell(&mut self, news: &mut Vec<News>) {
        for event in self.events.drain(..) {
            match event {
                GroupEvent::Assigned(partitions) => news.push(News::Assigned(partitions)),
                GroupEvent::Revoked(partitions) => news.push(News::Revoked(partitions)),
                GroupEvent::Lost(partitions) => news.push(News::Lost(partitions)),
                GroupEvent::Failed(_) => {}
            }
        }
    }

    /// Gives partitions back once everything that was asked back together has been released.
    fn release(&mut self, partitions: &[i32]) -> Result<(), TransportError> {
        for partition in partitions {
            self.owned.remove(partition);
            if self.asked_back.contains(partition) {
                self.released.insert(*partition);
            }
        }
        if self.asked_back.is_empty() || self.released != self.asked_back {
            return Ok(());
        }
        let mut list = TopicPartitionList::new();
        for partition in std::mem::take(&mut self.asked_back) {
            list.add_partition(&self.topic, partition);
        }
        self.released.clear();
        self.consumer
            .incremental_unassign(&list)
            .map_err(|error| TransportError::Fatal(format!("cannot give partitions back: {error}")))
    }

    /// Metadata for one commit, if these partitions are still this member's.
    fn metadata(&mut self, positions: &[Position]) -> Result<ConsumerGroupMetadata, TransportError> {
        let metadata = self
            .consumer
            .group_metadata()
            .ok_or_else(|| TransportError::Fatal("the client has no group metadata".to_owned()))?;
        // Taken first and checked second: a loss resets what the client would send, and is noted in the same step.
        self.serve()?;
        if self.consumer.assignment_lost() {
            return Err(TransportError::Aborted("the group has taken all partitions".to_owned()));
        }
        match positions.iter().find(|position| !self.owned.contains(&position.at.partition)) {
            Some(position) => {
                Err(TransportError::Aborted(format!("partition {} is not owned here", position.at.partition)))
            }
            None => Ok(metadata),
        }
    }

    /// One attempt to read committed offsets; `None` while a transaction of the group is undecided.
    fn committed(&self, inputs: &[String], partitions: &[i32]) -> Result<Option<Vec<CommittedOffset>>, TransportError> {
        let mut asked = TopicPartitionList::new();
        for topic in inputs {
            for partition in partitions {
                asked.add_partition(topic, *partition);
            }
        }
        let answer = match self.consumer.committed_offsets(asked, COMMITTED_STEP) {
            Ok(answer) => answer,
            Err(error) if is_undecided(&error) => return Ok(None),
            Err(error) => return Err(failed("cannot read committed offsets", &error)),
        };
        let mut offsets = Vec::with_capacity(answer.count());
        for element in answer.elements() {
            match element.error() {
                Ok(()) => {}
                Err(error) if is_undecided(&error) => return Ok(None),
                Err(error) => return Err(failed("cannot read committed offsets", &error)),
            }
            let Some(input) = inputs.iter().position(|topic| topic == element.topic()) else { continue };
            let next = match element.offset() {
                Offset::Offset(next) => Some(next),
                _ => None,
            };
            offsets.push(CommittedOffset { input, partition: element.partition(), next });
        }
        Ok(Some(offsets))
    }
}

fn is_undecided(error: &KafkaError) -> bool {
    error.rdkafka_error_code().is_some_and(|code| code == RDKafkaErrorCode::UnstableOffsetCommit || passes(code))
}

impl Drop for Membership {
    fn drop(&mut self) {
        self.consumer.context().close();
        if !self.asked_back.is_empty() {
            let mut list = TopicPartitionList::new();
            for partition in &self.asked_back {
                list.add_partition(&self.topic, *partition);
            }
            if let Err(error) = self.consumer.incremental_unassign(&list) {
                tracing::debug!(%error, "cannot give partitions back while closing");
            }
        }
    }
}

/// What one worker owns. Fields are dropped in order: the transaction ends before the membership does.
pub(super) struct KafkaMember {
    inputs: Vec<String>,
    transactions: Transactions,
    fetcher: Fetcher,
    membership: Membership,
    remarks: Remarks,
    bell: Arc<Bell>,
}

impl KafkaMember {
    pub(super) fn join(settings: &Arc<Settings>, spec: &MemberSpec) -> Result<Self, TransportError> {
        let transactions = Transactions::take_over(settings, &spec.transactional_id)?;
        let bell = Arc::new(Bell::default());
        Ok(KafkaMember {
            inputs: spec.inputs.clone(),
            transactions,
            fetcher: Fetcher::new(Arc::clone(settings), spec.group.clone(), &spec.inputs, Arc::clone(&bell)),
            membership: Membership::join(settings, spec, &bell)?,
            remarks: Remarks::new(settings, &spec.group, spec.inputs.first().map_or("", String::as_str)),
            bell,
        })
    }
}

impl Member for KafkaMember {
    fn poll(&mut self, timeout: Duration, max: usize, news: &mut Vec<News>) -> Result<(), TransportError> {
        let deadline = Instant::now() + timeout;
        let before = news.len();
        loop {
            let served = self.membership.serve();
            self.membership.tell(news);
            served?;
            self.fetcher.take(max, news)?;
            let left = deadline.saturating_duration_since(Instant::now());
            if news.len() > before || left.is_zero() {
                return Ok(());
            }
            self.bell.wait(left.min(SLICE));
        }
    }

    fn start(&mut self, positions: &[Position]) -> Result<(), TransportError> {
        self.fetcher.start(positions)
    }

    fn stop(&mut self, partitions: &[i32]) -> Result<(), TransportError> {
        self.fetcher.stop(partitions)
    }

    fn pause(&mut self, input: usize, partition: i32, paused: bool) -> Result<(), TransportError> {
        self.fetcher.pause(input, partition, paused)
    }

    fn release(&mut self, partitions: &[i32]) -> Result<(), TransportError> {
        self.fetcher.stop(partitions)?;
        self.membership.release(partitions)
    }

    fn committed(&mut self, partitions: &[i32]) -> Result<Vec<CommittedOffset>, TransportError> {
        let deadline = Instant::now() + COMMITTED_LIMIT;
        loop {
            self.membership.serve()?;
            if let Some(offsets) = self.membership.committed(&self.inputs, partitions)? {
                return Ok(offsets);
            }
            if Instant::now() >= deadline {
                return Err(TransportError::Retriable(format!(
                    "committed offsets of group `{}` are undecided: a transaction of their last owner is open, or the \
                     coordinator is away",
                    self.membership.group
                )));
            }
            self.bell.wait(UNSTABLE_WAIT);
        }
    }

    fn begin(&mut self) -> Result<(), TransportError> {
        self.transactions.begin()
    }

    fn send(&mut self, outgoing: &Outgoing<'_>) -> Result<(), TransportError> {
        self.transactions.send_all(&mut std::iter::once(*outgoing))
    }

    fn send_ahead(&mut self, outgoing: &Outgoing<'_>) -> Result<(), TransportError> {
        self.transactions.send_all_ahead(&mut std::iter::once(*outgoing))
    }

    fn send_all(&mut self, records: &mut dyn Iterator<Item = Outgoing<'_>>) -> Result<(), TransportError> {
        self.transactions.send_all(records)
    }

    fn send_all_ahead(&mut self, records: &mut dyn Iterator<Item = Outgoing<'_>>) -> Result<(), TransportError> {
        self.transactions.send_all_ahead(records)
    }

    fn commit(&mut self, positions: &[Position]) -> Result<(), TransportError> {
        let remarks = self.remarks.take();
        self.transactions.settle()?;
        failpoint::abort_at("before_offsets")?;
        if !positions.is_empty() && !failpoint::is_on(Mutation::SkipOffsets) {
            let mut offsets = TopicPartitionList::new();
            for Position { at, next } in positions {
                offsets
                    .add_partition_offset(&at.topic, at.partition, Offset::Offset(*next))
                    .map_err(|error| failed("cannot name an input offset", &error))?;
            }
            self.remarks.write(&remarks, &mut offsets);
            let metadata = self.membership.metadata(positions)?;
            self.transactions.add_offsets(&offsets, &metadata)?;
        }
        failpoint::at("after_offsets");
        self.transactions.commit()
    }

    fn remark(&mut self, partition: i32, remark: String) {
        self.remarks.say(partition, remark);
    }

    fn remarks(&mut self, partitions: i32) -> Result<BTreeMap<i32, String>, TransportError> {
        self.remarks.heard(partitions)
    }

    fn abort(&mut self) -> Result<(), TransportError> {
        self.remarks.take();
        self.transactions.abort()
    }

    fn close(self: Box<Self>) {}
}
