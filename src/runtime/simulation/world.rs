//! The world of one seed: a cluster, processes, and a scheduler that lets one of them make its next turn, lets time pass,
//! lets inputs arrive, or lets something go wrong.
//!
//! All of it happens on one thread and follows from the seed. While a process waits inside a call the others may go on
//! ([`World::call`]), so every interleaving of calls can come about, not of turns alone.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::crew::{Role, Turns, Workplace};
use super::mutation::Mutation;
use super::scenario::{Arrival, Scenario, Sent};
use super::stock::{With, choose_stock, stock};
use super::wire::Call;
use crate::data::{Record, Span, Timestamp};
use crate::runtime::clock::{Clock, SimulatedTime};
use crate::runtime::topics::topic_specs;
use crate::stats::SplitMix64;
use crate::transport::memory::{Fault, Memory};
use crate::transport::{Outgoing, TopicPartition, Transport};

/// How long a group counts on a member that says nothing.
pub(super) const SESSION: Duration = Duration::from_secs(6);
/// How long the coordinator lets a transaction be open.
pub(super) const TRANSACTION: Span = Span::from_millis(10_000);
/// Nothing is held up for longer: a restore takes more for a fault that needs a person.
pub(super) const HOLD_UP: Duration = Duration::from_secs(20);

/// Seeds from here on are worlds whose events go through a hop.
pub(super) const WITH_HOP: u64 = 1 << 32;
/// Seeds from here on are worlds with facts.
pub(super) const WITH_FACTS: u64 = 1 << 33;
/// Seeds from here on have commands that change thresholds, a quarter of them a hop as well.
pub(super) const WITH_SETTINGS: u64 = 1 << 34;

thread_local! {
    static WORLD: RefCell<Option<Rc<World>>> = const { RefCell::new(None) };
}

/// The world of this thread.
pub(super) fn world() -> Rc<World> {
    WORLD.with(|world| world.borrow().clone()).expect("a call outside of a simulation")
}

/// One life of an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Process {
    pub instance: usize,
    pub life: u32,
}

/// Something that happened; a seed's story is made of these.
#[derive(Clone, Copy, Debug)]
#[expect(dead_code, reason = "read by the formatter only")]
pub(super) enum Event {
    Turn(usize),
    Pass(Duration),
    Arrive(usize),
    Start(usize),
    Crash(usize),
    Leave(usize),
    Freeze(usize),
    Thaw(usize),
    Expire(usize),
    Replace(usize),
    OldOneTurns(usize),
    Fault(usize, Fault),
    MarksLate(bool),
    Mark,
    Deliver,
    Stall(i32, bool),
    Compact(i32),
    SightLost(i32),
    Interrupted(usize, Call),
    Resumed(usize),
    Failed(usize, Call),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Status {
    Away,
    Up,
    /// Its process gets no time since then; true once its session has run out.
    Frozen(Instant, bool),
}

pub(super) struct Instance {
    pub(super) role: Role,
    pub(super) id: String,
    pub(super) status: Cell<Status>,
    pub(super) life: Cell<u32>,
    /// `None` while away or inside a call.
    pub(super) post: RefCell<Option<Box<dyn Turns>>>,
    /// An earlier life that goes on beside the present one, and its turns left.
    pub(super) old: RefCell<Option<(Box<dyn Turns>, u32)>>,
}

/// A crashed process whose group has not noticed.
pub(super) struct Ghost {
    pub(super) instance: usize,
    pub(super) since: Instant,
}

pub(super) struct World {
    pub(super) scenario: Scenario,
    pub(super) memory: Memory,
    pub(super) clock: Clock,
    pub(super) sent: RefCell<Vec<Vec<Sent>>>,
    /// Facts as they were sent, by partition: their topic is compacted.
    pub(super) facts: RefCell<Vec<Vec<Record>>>,
    pub(super) time: Arc<SimulatedTime>,
    pub(super) random: RefCell<SplitMix64>,
    pub(super) workplace: Workplace,
    pub(super) instances: Vec<Instance>,
    pub(super) ghosts: RefCell<Vec<Ghost>>,
    pub(super) crashed: RefCell<Vec<Process>>,
    pub(super) arrivals: RefCell<VecDeque<Arrival>>,
    pub(super) story: RefCell<Vec<Event>>,
    pub(super) marks_late: Cell<Option<Instant>>,
    pub(super) stalled: RefCell<Vec<(TopicPartition, Instant)>>,
    pub(super) calm: Cell<bool>,
    pub(super) depth: Cell<u32>,
    pub(super) failure: RefCell<Option<String>>,
}

impl World {
    /// Makes the world of a seed and makes it that of this thread.
    pub(super) fn new(seed: u64, mutation: Option<Mutation>) -> Rc<World> {
        let with = if seed >= WITH_SETTINGS {
            if seed.is_multiple_of(4) { With::Hop } else { With::Nothing }
        } else if seed >= WITH_FACTS {
            With::Facts
        } else if seed >= WITH_HOP {
            With::Hop
        } else {
            With::Nothing
        };
        choose_stock(with);
        let mut random = SplitMix64::new(seed);
        let mut scenario = Scenario::new(&mut random);
        if seed >= WITH_SETTINGS {
            scenario.change_settings(&mut random);
        }
        // Not drawn: what seeds of old tell stays as it was.
        scenario.max_skew = (seed % 4 == 1).then(|| Span::from_millis(60_000));
        let time = Arc::new(SimulatedTime::new());
        let passes = time.clone();
        let memory = Memory::simulated(move |wait| passes.pass(wait));
        let config = &stock().config;
        let mut specs = topic_specs(config);
        for spec in &mut specs {
            spec.partitions = if spec.partitions == 1 { 1 } else { scenario.shards };
        }
        memory.create(&specs).unwrap();
        if mutation == Some(Mutation::ZombieNotFenced) {
            memory.forget_fencing();
        }
        let instance = |role: Role, number: usize| Instance {
            role,
            id: format!("sim.{}.{number}.0", role.name()),
            status: Cell::new(Status::Away),
            life: Cell::new(0),
            post: RefCell::new(None),
            old: RefCell::new(None),
        };
        let score = (0..scenario.instances).map(|number| instance(Role::Score, number));
        let n_hop = if with == With::Hop { scenario.instances } else { 0 };
        let hop = (0..n_hop).map(|number| instance(Role::Hop, number));
        let monitor = (0..scenario.monitors).map(|number| instance(Role::Monitor, number));
        let clock = Clock::Simulated(time.clone());
        let world = Rc::new(World {
            sent: RefCell::new(vec![Vec::new(); scenario.shards as usize]),
            facts: RefCell::new(vec![Vec::new(); scenario.shards as usize]),
            instances: score.chain(hop).chain(monitor).collect(),
            workplace: Workplace::new(&scenario, &memory, &clock, mutation),
            arrivals: RefCell::new(std::mem::take(&mut scenario.arrivals).into()),
            random: RefCell::new(random),
            ghosts: RefCell::default(),
            crashed: RefCell::default(),
            story: RefCell::default(),
            marks_late: Cell::new(None),
            stalled: RefCell::default(),
            calm: Cell::new(false),
            depth: Cell::new(0),
            failure: RefCell::default(),
            scenario,
            memory,
            clock,
            time,
        });
        WORLD.with(|of| *of.borrow_mut() = Some(world.clone()));
        world
    }

    /// The end of the world of this thread: its processes go first.
    pub(super) fn end(&self) {
        self.calm.set(true);
        for instance in &self.instances {
            drop(instance.post.borrow_mut().take());
            drop(instance.old.borrow_mut().take());
        }
        WORLD.with(|of| of.borrow_mut().take());
    }

    pub(super) fn story(&self) -> Vec<Event> {
        self.story.borrow().clone()
    }

    /// Lets everything happen that the scenario has steps for; what went wrong for good, if anything.
    pub(super) fn run(&self) -> Result<(), String> {
        if !self.scenario.live {
            self.arrive(usize::MAX);
        }
        for instance in 0..self.instances.len() {
            if instance == 0 || self.one_in(2) {
                self.start(instance);
            }
        }
        for _ in 0..self.scenario.steps {
            self.step();
            if let Some(failure) = self.failure.borrow_mut().take() {
                return Err(failure);
            }
        }
        self.drain()
    }

    pub(super) fn below(&self, bound: u64) -> u64 {
        self.random.borrow_mut().below(bound)
    }

    pub(super) fn one_in(&self, n: u64) -> bool {
        n > 0 && self.below(n) == 0
    }

    /// The way out is the same in every story and not told.
    pub(super) fn tell(&self, event: Event) {
        if !self.calm.get() {
            self.story.borrow_mut().push(event);
        }
    }

    pub(super) fn fail(&self, why: String) {
        self.failure.borrow_mut().get_or_insert(why);
    }

    pub(super) fn pass(&self, span: Duration) {
        self.tell(Event::Pass(span));
        self.time.pass(span);
        self.tick();
    }

    /// What follows from the time alone.
    pub(super) fn tick(&self) {
        let now = self.clock.instant();
        let is_over = |since: Instant| now.saturating_duration_since(since) > SESSION;
        self.memory.set_now(self.clock.now());
        self.memory.time_out(TRANSACTION);
        self.ghosts.borrow_mut().retain(|ghost| {
            if is_over(ghost.since) {
                self.memory.expire(&self.instances[ghost.instance].id);
            }
            !is_over(ghost.since)
        });
        let is_held_up = |since: Instant| now.saturating_duration_since(since) > HOLD_UP;
        if self.marks_late.get().is_some_and(is_held_up) {
            self.set_marks_late(false);
        }
        self.stalled.borrow_mut().retain(|(at, since)| {
            if is_held_up(*since) {
                self.memory.stall(at, false);
            }
            !is_held_up(*since)
        });
        for (at, instance) in self.instances.iter().enumerate() {
            if let Status::Frozen(since, true) = instance.status.get()
                && is_held_up(since)
            {
                self.tell(Event::Thaw(at));
                instance.status.set(Status::Up);
            }
            if let Status::Frozen(since, false) = instance.status.get()
                && is_over(since)
            {
                self.tell(Event::Expire(at));
                self.memory.kick(&instance.id);
                instance.status.set(Status::Frozen(since, true));
            }
        }
    }

    pub(super) fn arrive(&self, n: usize) {
        let mut publisher = self.memory.publisher().unwrap();
        for at in 0..n {
            let Some(arrival) = self.arrivals.borrow_mut().pop_front() else {
                self.tell(Event::Arrive(at));
                return;
            };
            if arrival.topic == stock().config.topics.events {
                let value = arrival.value.as_deref().unwrap_or_default();
                let json = serde_json::from_slice::<serde_json::Value>(value).ok();
                let valid = json.filter(|json| json.get("amount").is_some());
                let id = valid.and_then(|json| json["id"].as_str().map(str::to_owned));
                let key = arrival.key.unwrap_or_default().to_owned();
                self.sent.borrow_mut()[arrival.partition as usize].push(Sent { id, key });
            }
            let is_fact = stock().config.topics.facts.iter().any(|topic| topic.name == arrival.topic);
            if is_fact && let Some(facts) = self.facts.borrow_mut().get_mut(arrival.partition as usize) {
                facts.push(Record {
                    offset: facts.len() as i64,
                    timestamp: Timestamp::from_millis(arrival.at),
                    key: arrival.key.map(|key| key.as_bytes().into()),
                    value: arrival.value.as_deref().map(Into::into),
                    headers: Vec::new(),
                });
            }
            let outgoing = Outgoing {
                topic: &arrival.topic,
                partition: Some(arrival.partition),
                key: arrival.key.map(str::as_bytes),
                value: arrival.value.as_deref(),
                headers: &[],
                timestamp: Some(Timestamp::from_millis(arrival.at)),
            };
            publisher.send(&outgoing).unwrap();
        }
        self.tell(Event::Arrive(n));
    }
}
