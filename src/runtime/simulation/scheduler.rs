//! What happens next: the seed chooses, as the temper of its scenario weighs the kinds.
//!
//! A step is a turn of one process, a while, something that arrives, or trouble. A call of a process is a step as well:
//! the world may go on inside of it.

use std::time::{Duration, Instant};

use super::stock::stock;
use super::wire::Call;
use super::world::{Event, HOLD_UP, Instance, Process, SESSION, Status, World};
use crate::transport::memory::Fault;
use crate::transport::{TopicPartition, TransportError};

/// Calls inside calls inside calls: no deeper than this.
const DEPTH: u32 = 2;

impl World {
    pub(super) fn step(&self) {
        let temper = self.scenario.temper.clone();
        let shares = [
            40,
            6,
            if self.scenario.live { 8 } else { 0 },
            5,
            temper.crash,
            temper.freeze,
            temper.replace,
            temper.leave,
            temper.commit_fault,
            temper.late_marks,
            temper.stall,
            if stock().config.topics.facts.is_empty() { 0 } else { 4 },
        ];
        let mut left = self.below(shares.iter().sum());
        let mut kind = 0;
        while left >= shares[kind] {
            left -= shares[kind];
            kind += 1;
        }
        match kind {
            0 => self.turn_of_one(),
            1 => self.wait(temper.long_waits),
            2 => self.arrive(1 + self.below(6) as usize),
            3 => self.mend(),
            4 => self.with_one_up(|instance| self.crash(instance)),
            5 => self.with_one_up(|instance| {
                self.tell(Event::Freeze(instance));
                self.instances[instance].status.set(Status::Frozen(self.clock.instant(), false));
            }),
            6 => self.with_one_up(|instance| self.replace(instance)),
            7 => self.with_one_up(|instance| self.leave(instance)),
            8 => self.with_one_up(|instance| {
                let faults = [
                    Fault::RefuseCommit,
                    Fault::LoseAnswer,
                    Fault::LoseCommit,
                    Fault::DelayCommit,
                    Fault::Kick,
                    Fault::RefuseSend,
                ];
                let fault = faults[self.below(faults.len() as u64) as usize];
                self.tell(Event::Fault(instance, fault));
                self.memory.plan_next(&self.instances[instance].id, fault);
            }),
            9 => {
                self.set_marks_late(!self.one_in(3));
            }
            10 => self.stall(),
            _ => self.compact(),
        }
        self.tick();
    }

    pub(super) fn with_one_up(&self, act: impl FnOnce(usize)) {
        let up: Vec<usize> =
            (0..self.instances.len()).filter(|at| self.instances[*at].status.get() == Status::Up).collect();
        if let Some(instance) = up.get(self.below(up.len() as u64) as usize) {
            act(*instance);
        }
    }

    /// Whoever is due makes a turn; if nobody is, time passes until somebody is.
    pub(super) fn turn_of_one(&self) {
        let ready = |instance: &Instance| instance.status.get() == Status::Up && instance.post.borrow().is_some();
        let now = self.clock.instant();
        let (mut due, mut next) = (Vec::new(), None);
        for (at, instance) in self.instances.iter().enumerate().filter(|(_, instance)| ready(instance)) {
            let when = instance.post.borrow().as_ref().map_or(now, |post| post.due());
            if when <= now {
                due.push(at);
            } else {
                next = Some(next.map_or(when, |next: Instant| next.min(when)));
            }
        }
        if due.is_empty() {
            let wait = next.map_or(Duration::from_millis(5), |next| next - now);
            self.pass(wait + Duration::from_micros(1));
        } else {
            self.turn(due[self.below(due.len() as u64) as usize]);
        }
    }

    pub(super) fn wait(&self, long: bool) {
        let ms = if long && self.one_in(6) { self.below(9_000) } else { self.below(60) };
        self.pass(Duration::from_millis(1 + ms));
    }

    /// Something that was wrong gets better, or somebody comes.
    pub(super) fn mend(&self) {
        match self.below(4) {
            0 => self.mark(),
            1 => {
                self.tell(Event::Deliver);
                self.memory.deliver_commits();
            }
            _ => {
                let at = self.below(self.instances.len() as u64) as usize;
                match self.instances[at].status.get() {
                    Status::Away => self.start(at),
                    Status::Frozen(..) => {
                        self.tell(Event::Thaw(at));
                        self.instances[at].status.set(Status::Up);
                    }
                    Status::Up => {
                        self.turn_of_old(at);
                    }
                }
            }
        }
    }

    /// One of the markers that are late is written.
    pub(super) fn mark(&self) {
        self.tell(Event::Mark);
        self.memory.mark(self.below(1 << 20));
    }

    pub(super) fn stall(&self) {
        let topics = &stock().config.topics;
        let hops = topics.hops.iter().flat_map(|hop| [&hop.records, &hop.journal]);
        let names = [Some(&topics.events), topics.labels.as_ref(), Some(&topics.journal)].into_iter();
        let facts = topics.facts.iter().map(|facts| Some(&facts.name));
        let names: Vec<_> = names.chain(hops.map(Some)).chain(facts).collect();
        let name = self.below(names.len() as u64) as usize;
        let Some(topic) = names[name] else { return };
        let partition = self.below(self.scenario.shards as u64) as i32;
        // Whoever loses sight of the journal restores, and gives up after a while.
        if name < 2 && self.one_in(8) {
            self.tell(Event::SightLost(partition));
            self.memory.lose_sight(&TopicPartition::new(topic, partition));
            return;
        }
        let stalled = self.one_in(2);
        let at = TopicPartition::new(topic, partition);
        self.tell(Event::Stall(partition, stalled));
        self.memory.stall(&at, stalled);
        let mut held = self.stalled.borrow_mut();
        held.retain(|(of, _)| *of != at);
        if stalled {
            held.push((at, self.clock.instant()));
        }
    }

    /// A topic of facts loses what is not the last word on its key; where the outcome is held against an undisturbed run,
    /// only after everything has been taken in once.
    pub(super) fn compact(&self) {
        let partition = self.below(self.scenario.shards as u64) as i32;
        for facts in &stock().config.topics.facts {
            let at = TopicPartition::new(facts.name.as_str(), partition);
            let sent = self.facts.borrow().get(partition as usize).map_or(0, Vec::len) as i64;
            let committed = self.memory.committed(&stock().config.group("score"), &at);
            if self.scenario.live || committed == Some(sent) {
                self.tell(Event::Compact(partition));
                self.memory.compact(&at).unwrap();
            }
        }
    }

    pub(super) fn set_marks_late(&self, late: bool) {
        self.tell(Event::MarksLate(late));
        self.memory.delay_marks(late);
        let since = self.marks_late.get().unwrap_or_else(|| self.clock.instant());
        self.marks_late.set(late.then_some(since));
    }

    /// A call of a process: here the others may go on, it may fail, and its process may be gone.
    pub(super) fn call(&self, process: Process, call: Call) -> Result<(), TransportError> {
        let gone = || TransportError::Fatal("the process has crashed".to_owned());
        if self.crashed.borrow().contains(&process) {
            return Err(gone());
        }
        if self.calm.get() {
            return Ok(());
        }
        let temper = &self.scenario.temper;
        // A commit that is on its way while others go on is the most telling moment of all.
        let rarity = if call == Call::Commit { 1 } else { 6 };
        if self.depth.get() < DEPTH && self.one_in(rarity * temper.interrupt) {
            self.interrupt(process, call);
            if self.crashed.borrow().contains(&process) {
                return Err(gone());
            }
        }
        if self.one_in(temper.fail) {
            self.tell(Event::Failed(process.instance, call));
            return Err(failure(call));
        }
        Ok(())
    }

    pub(super) fn interrupt(&self, process: Process, call: Call) {
        self.tell(Event::Interrupted(process.instance, call));
        let status = &self.instances[process.instance].status;
        let is_present = || self.instances[process.instance].life.get() == process.life;
        if is_present() && self.one_in(2) {
            status.set(Status::Frozen(self.clock.instant(), false));
        }
        if matches!(status.get(), Status::Frozen(..)) && self.one_in(2) {
            // It sleeps for longer than its session: what it does next, it does as a zombie.
            self.pass(SESSION + Duration::from_millis(1));
        }
        self.depth.set(self.depth.get() + 1);
        let until = self.clock.instant() + HOLD_UP;
        for _ in 0..1 + self.below(40) {
            if self.clock.instant() < until {
                self.step();
            }
        }
        self.depth.set(self.depth.get() - 1);
        if is_present() && matches!(status.get(), Status::Frozen(..)) {
            status.set(Status::Up);
        }
        self.tell(Event::Resumed(process.instance));
    }
}

/// How a call fails by itself.
fn failure(call: Call) -> TransportError {
    let why = format!("{call:?} fails");
    match call {
        Call::Join | Call::Bounds | Call::Fence | Call::Read | Call::Committed => TransportError::Retriable(why),
        Call::Send | Call::Commit => TransportError::Aborted(why),
        Call::Poll | Call::Start | Call::Release | Call::Begin | Call::Answer | Call::Abort => {
            TransportError::Fatal(why)
        }
    }
}
