//! The way out: trouble ends, everything is read to its end, and everybody leaves.
//!
//! That it comes to an end at all is checked too: whatever has happened, a world without trouble finishes its work.

use std::time::Duration;

use super::check;
use super::crew::Role;
use super::stock::stock;
use super::world::{Status, TRANSACTION, World};
use crate::transport::{Position, TopicPartition, Transport};

impl World {
    /// Nothing goes wrong any more: everything is read to its end, and everybody leaves.
    pub(super) fn drain(&self) -> Result<(), String> {
        self.calm.set(true);
        if self.one_in(2) {
            self.memory.deliver_commits();
        }
        self.memory.forget_faults();
        self.memory.delay_marks(false);
        for (at, _) in self.stalled.borrow_mut().drain(..) {
            self.memory.stall(&at, false);
        }
        for (at, instance) in self.instances.iter().enumerate() {
            drop(instance.old.borrow_mut().take());
            match instance.status.get() {
                Status::Frozen(..) => instance.status.set(Status::Up),
                Status::Away if at == 0 || at == self.first_of_hop() || instance.role == Role::Monitor => {
                    self.start(at);
                }
                _ => {}
            }
        }
        self.arrive(usize::MAX);
        self.until("the inputs are not read to their end", Duration::from_millis(60), || self.is_scored())?;
        let rested = self.clock.instant() + Duration::from_millis(2_500);
        self.until("time stands still", Duration::from_millis(300), || self.clock.instant() > rested)?;
        // By now every shard has told the hop that there is no more.
        let told = self.ends_of_hops();
        self.until("the hop is not read to its end", Duration::from_millis(60), || self.has_read(&told))?;
        self.leave_all(Role::Score)?;
        self.leave_all(Role::Hop)?;
        // Somebody comes afresh, restores, and has a word in the journal.
        self.start(0);
        if self.first_of_hop() < self.instances.len() {
            self.start(self.first_of_hop());
        }
        let restored = self.clock.instant() + Duration::from_millis(200);
        self.until("time stands still", Duration::from_millis(20), || self.clock.instant() > restored)?;
        self.leave_all(Role::Score)?;
        self.leave_all(Role::Hop)?;
        // What the dead have left open keeps readers waiting until the coordinator ends it.
        self.pass(TRANSACTION.to_std() + Duration::from_millis(1));
        if self.scenario.monitors > 0 {
            self.until("the summaries are not read to their end", Duration::from_millis(20), || self.is_monitored())?;
            self.leave_all(Role::Monitor)?;
        }
        if self.memory.is_at_rest() { Ok(()) } else { Err(format!("left open: {:?}", self.memory.under_way())) }
    }

    pub(super) fn until(&self, what: &str, pause: Duration, reached: impl Fn() -> bool) -> Result<(), String> {
        for _ in 0..2_000 {
            if reached() {
                return Ok(());
            }
            for at in 0..self.instances.len() {
                let due = self.instances[at].post.borrow().as_ref().map(|post| post.due());
                if due.is_some_and(|due| due <= self.clock.instant()) {
                    self.turn(at);
                }
            }
            self.pass(pause);
            if let Some(failure) = self.failure.borrow_mut().take() {
                return Err(failure);
            }
        }
        Err(what.to_owned())
    }

    pub(super) fn leave_all(&self, role: Role) -> Result<(), String> {
        for at in (0..self.instances.len()).filter(|at| self.instances[*at].role == role) {
            self.leave(at);
        }
        self.failure.borrow_mut().take().map_or(Ok(()), Err)
    }

    /// The first instance of the hop's stage; beyond the last where there is none.
    pub(super) fn first_of_hop(&self) -> usize {
        self.instances.iter().position(|instance| instance.role == Role::Hop).unwrap_or(self.instances.len())
    }

    pub(super) fn is_scored(&self) -> bool {
        let topics = &stock().config.topics;
        let mut inputs = topics.inputs();
        inputs.all(|topic| self.is_consumed("score", topic)) && self.is_through()
    }

    fn ends_of_hops(&self) -> Vec<Position> {
        let hops = stock().config.topics.hops.iter();
        let partitions = hops
            .flat_map(|hop| (0..self.scenario.shards).map(|shard| TopicPartition::new(hop.records.as_str(), shard)));
        let last = |at: &TopicPartition| self.memory.records(at).last().map_or(0, |record| record.offset + 1);
        partitions.map(|at| Position { next: last(&at), at }).collect()
    }

    fn has_read(&self, ends: &[Position]) -> bool {
        let group = stock().config.group(Role::Hop.name());
        ends.iter().all(|end| self.memory.committed(&group, &end.at).unwrap_or(0) >= end.next)
    }

    /// Whether every event has come out of the hop.
    fn is_through(&self) -> bool {
        let topics = &stock().config.topics;
        let results = |shard| {
            let predictions = check::records(self, &topics.predictions, shard).len();
            predictions + check::rejected_events(self, shard).len()
        };
        let n_events = |shard: i32| self.sent.borrow()[shard as usize].len();
        topics.hops.is_empty() || (0..self.scenario.shards).all(|shard| results(shard) >= n_events(shard))
    }

    pub(super) fn is_monitored(&self) -> bool {
        let summaries = TopicPartition::new(stock().config.topics.summaries.as_str(), 0);
        let last = self.memory.records(&summaries).last().map(|record| record.offset + 1);
        self.memory.committed(&stock().config.group("monitor"), &summaries) == last
    }

    pub(super) fn is_consumed(&self, role: &str, topic: &str) -> bool {
        let group = stock().config.group(role);
        let Ok(Some(bounds)) = self.memory.bounds(topic) else { return false };
        bounds.iter().enumerate().all(|(partition, bounds)| {
            let next = self.memory.committed(&group, &TopicPartition::new(topic, partition as i32));
            next.unwrap_or(0) == bounds.end
        })
    }
}
