//! Lookups beside the threads that poll: asked at once, answered when the registry has.
//!
//! Each id is asked for once however many shards wait for it. While the registry does not answer the question stays open
//! and is asked again, at growing intervals; that is told once when it begins, then now and then, and once when it is
//! over. The thread lives as long as something is wanted.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::client::{SchemaRegistry, SchemaRegistryError};
use crate::data::SchemaVerdict;

/// After this long an id that nobody knew is asked for again: it may have been registered since.
const DOUBT: Duration = Duration::from_secs(30);
/// Waits between two requests that were not answered, doubling from the first to the last.
const BACKOFF: [Duration; 2] = [Duration::from_millis(100), Duration::from_secs(5)];
/// How often an outage is told.
const REMIND: Duration = Duration::from_secs(30);
/// An id that nobody has asked for in this time is no longer wanted.
const PATIENCE: Duration = Duration::from_secs(60);
/// Answers kept; beyond it all are forgotten and asked for again.
const KEPT: usize = 4_096;

/// What is known of an id at the moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lookup {
    /// The registry's answer.
    Answered(SchemaVerdict),
    /// It has not answered yet; why not, where that is known.
    Open(Option<String>),
}

/// Questions to one registry and their answers, shared by all threads of the process.
#[derive(Clone)]
pub struct Lookups(Arc<Inside>);

struct Inside {
    registry: SchemaRegistry,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    answers: BTreeMap<u32, (SchemaVerdict, Instant)>,
    wanted: BTreeMap<u32, Wanted>,
    is_asking: bool,
}

struct Wanted {
    /// When somebody last asked for it.
    at: Instant,
    /// Why it was not answered.
    why: Option<String>,
}

impl Lookups {
    /// Lookups in a registry; nothing is asked yet.
    pub fn new(registry: SchemaRegistry) -> Self {
        Lookups(Arc::new(Inside { registry, state: Mutex::default() }))
    }

    /// What is known of an id; where that is nothing, or that nobody knew it some time ago, it is asked for.
    pub fn ask(&self, id: u32) -> Lookup {
        let mut state = self.0.lock();
        match state.answers.get(&id) {
            Some((SchemaVerdict::Unknown, at)) if at.elapsed() > DOUBT => {}
            Some((verdict, _)) => return Lookup::Answered(verdict.clone()),
            None => {}
        }
        let at = Instant::now();
        let wanted = state.wanted.entry(id).or_insert(Wanted { at, why: None });
        wanted.at = at;
        let why = wanted.why.clone();
        if !state.is_asking {
            let inside = self.0.clone();
            let thread = std::thread::Builder::new().name("schemas".to_owned()).spawn(move || inside.work());
            state.is_asking = thread.is_ok();
        }
        Lookup::Open(why)
    }
}

impl Inside {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Every change is a single insertion, so a panic elsewhere cannot have left it half written.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks until nothing is wanted any more, the ids in turn, so that none stands in the way of another.
    fn work(&self) {
        let mut backoff = BACKOFF[0];
        let mut told: Option<Instant> = None;
        let mut last = None;
        while let Some(id) = self.next(last) {
            last = Some(id);
            match self.registry.schema(id) {
                Ok(verdict) => {
                    if told.take().is_some() {
                        tracing::info!(schema = id, "schema_registry_answers");
                    }
                    backoff = BACKOFF[0];
                    self.answered(id, verdict);
                }
                Err(error) => {
                    if told.is_none_or(|told| told.elapsed() >= REMIND) {
                        told = Some(Instant::now());
                        tracing::warn!(schema = id, %error, "schema_registry_unavailable");
                    }
                    self.failed(id, &error);
                    std::thread::sleep(backoff);
                    backoff = (backoff * 2).min(BACKOFF[1]);
                }
            }
        }
    }

    /// The next id that is wanted; without one the thread is over.
    fn next(&self, last: Option<u32>) -> Option<u32> {
        let mut state = self.lock();
        state.wanted.retain(|_, wanted| wanted.at.elapsed() < PATIENCE);
        let after = state.wanted.range((last.map_or(Bound::Unbounded, Bound::Excluded), Bound::Unbounded)).next();
        let next = after.or(state.wanted.first_key_value()).map(|(id, _)| *id);
        state.is_asking = next.is_some();
        next
    }

    fn answered(&self, id: u32, verdict: SchemaVerdict) {
        let mut state = self.lock();
        if state.answers.len() >= KEPT {
            state.answers.clear();
        }
        state.answers.insert(id, (verdict, Instant::now()));
        state.wanted.remove(&id);
    }

    fn failed(&self, id: u32, error: &SchemaRegistryError) {
        if let Some(wanted) = self.lock().wanted.get_mut(&id) {
            wanted.why = Some(error.to_string());
        }
    }
}
