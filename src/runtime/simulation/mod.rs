//! Deterministic simulation: the real workers and machines over the memory transport, on one thread and a virtual clock,
//! in a world that a seed makes.
//!
//! A seed decides who makes the next turn, when time passes, what arrives, and what goes wrong: crashes, zombies,
//! rebalances, refused, lost and late commits, slow markers, slow fetches, topics that are compacted. Then the world is drained and what is
//! committed is held against the inputs, the journals and an undisturbed run. The same seed is the same story, so one
//! that fails is a regression test: put it into [`REGRESSIONS`]. A story changes when a worker makes other calls or the
//! scheduler draws otherwise; what a seed has taught goes into a test of its own where that is possible.
//!
//! `DRIFTLESS_SIMULATION_SEEDS=10000 cargo test --lib simulation` runs that many; `DRIFTLESS_SIMULATION_SEED=N` runs one and
//! tells its story.

mod chain;
mod check;
mod crew;
mod drain;
mod mutation;
mod processes;
mod reference;
mod scenario;
mod scheduler;
mod stock;
mod wire;
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use mutation::Mutation;
use world::{Event, WITH_FACTS, WITH_HOP, WITH_SETTINGS, World};

/// Seeds that failed once: a label between two events of one id; records fetched before a rollback and handled after it;
/// a restore by a worker that had lost its shard.
const REGRESSIONS: [u64; 4] = [51, 30, 864, 4_294_970_074];
/// Seeds of an ordinary run.
const SEEDS: u64 = 1_000;
/// Those of them whose events go through a hop; they are numbered from [`WITH_HOP`].
const SEEDS_WITH_HOP: u64 = 300;
/// Those of them with facts; they are numbered from [`WITH_FACTS`].
const SEEDS_WITH_FACTS: u64 = 300;
/// Those of them in which commands change thresholds; they are numbered from [`WITH_SETTINGS`].
const SEEDS_WITH_SETTINGS: u64 = 300;
/// Within so many seeds a mutation is found.
const SEEDS_FOR_A_MUTATION: u64 = 2_000;

/// A seed that failed.
struct Breach {
    seed: u64,
    what: String,
    story: Vec<Event>,
}

fn simulate(seed: u64, mutation: Option<Mutation>) -> Result<(), Breach> {
    let world = World::new(seed, mutation);
    let lived = catch_unwind(AssertUnwindSafe(|| {
        world.run()?;
        check::check(&world)
    }));
    let story = world.story();
    if tells() && !matches!(lived, Ok(Ok(()))) {
        check::tell_journals(&world);
    }
    world.end();
    match lived {
        Ok(Ok(())) => Ok(()),
        Ok(Err(what)) => Err(Breach { seed, what, story }),
        Err(_) => Err(Breach { seed, what: "a panic, see above".to_owned(), story }),
    }
}

/// The first breach among the seeds, tried on as many threads as there are cores.
fn first_breach(seeds: &[u64], mutation: Option<Mutation>) -> Option<Breach> {
    let next = AtomicU64::new(0);
    let found: Mutex<Option<Breach>> = Mutex::new(None);
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                while found.lock().unwrap().is_none()
                    && let Some(seed) = seeds.get(next.fetch_add(1, Ordering::Relaxed) as usize)
                {
                    if let Err(breach) = simulate(*seed, mutation) {
                        let mut found = found.lock().unwrap();
                        if found.as_ref().is_none_or(|first| breach.seed < first.seed) {
                            *found = Some(breach);
                        }
                    }
                }
            });
        }
    });
    found.into_inner().unwrap()
}

/// Whether one seed is looked at.
fn tells() -> bool {
    std::env::var_os("DRIFTLESS_SIMULATION_SEED").is_some()
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|value| value.parse().unwrap())
}

#[test]
fn no_seed_loses_doubles_or_changes_anything() {
    if let Some(seed) = number("DRIFTLESS_SIMULATION_SEED") {
        let breach = simulate(seed, None).err();
        breach.iter().flat_map(|breach| &breach.story).for_each(|event| println!("{event:?}"));
        assert!(breach.is_none(), "seed {seed}: {}", breach.unwrap().what);
        return;
    }
    let n = number("DRIFTLESS_SIMULATION_SEEDS");
    let with_hop = (0..n.unwrap_or(SEEDS_WITH_HOP)).map(|seed| WITH_HOP + seed);
    let with_facts = (0..n.unwrap_or(SEEDS_WITH_FACTS)).map(|seed| WITH_FACTS + seed);
    let with_settings = (0..n.unwrap_or(SEEDS_WITH_SETTINGS)).map(|seed| WITH_SETTINGS + seed);
    let seeds = REGRESSIONS.into_iter().chain(0..n.unwrap_or(SEEDS)).chain(with_hop).chain(with_facts);
    let seeds = seeds.chain(with_settings);
    let seeds: Vec<u64> = seeds.collect();
    let begun = std::time::Instant::now();
    let breach = first_breach(&seeds, None);
    println!("{} seeds in {:.1} s", seeds.len(), begun.elapsed().as_secs_f64());
    if let Some(Breach { seed, what, story }) = breach {
        let tail = story.len().saturating_sub(60);
        story[tail..].iter().for_each(|event| println!("{event:?}"));
        panic!("seed {seed} after {} events: {what}", story.len());
    }
}

#[test]
fn every_mutation_is_found() {
    for mutation in Mutation::ALL {
        let seeds: Vec<u64> = (0..SEEDS_FOR_A_MUTATION).map(|seed| mutation.first_seed() + seed).collect();
        let breach = first_breach(&seeds, Some(mutation));
        let breach = breach.unwrap_or_else(|| panic!("{mutation:?} is not found in {SEEDS_FOR_A_MUTATION} seeds"));
        println!("{mutation:?}: seed {}, {}", breach.seed, breach.what.chars().take(120).collect::<String>());
    }
}
