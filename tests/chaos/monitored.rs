//! How far the monitor has read its summaries, seen from outside: a monitor that stands still loses nothing and shows
//! nothing, so predictions alone would never tell.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;
use rdkafka::message::Message;

use crate::topics;

const ASKS: Duration = Duration::from_millis(500);

/// Follows the summaries and what the monitor's group has committed of them.
pub(crate) struct Monitored {
    /// When the end of the summaries, as readers of committed records see it, moved to which offset.
    ends: Arc<Mutex<Vec<(Instant, i64)>>>,
    committed: Arc<AtomicI64>,
    stop: Arc<AtomicBool>,
}

impl Monitored {
    pub(crate) fn follow(brokers: &str, summaries: &str, group: &str) -> Result<Self> {
        let ends: Arc<Mutex<Vec<(Instant, i64)>>> = Arc::default();
        let committed = Arc::new(AtomicI64::new(0));
        let stop = Arc::new(AtomicBool::new(false));
        let into = Arc::clone(&ends);
        topics::follow(brokers, summaries, &stop, move |message| {
            let mut ends = into.lock().unwrap_or_else(PoisonError::into_inner);
            ends.push((Instant::now(), message.offset() + 1));
        })?;
        let (into, asked) = (Arc::clone(&committed), Arc::clone(&stop));
        let (brokers, summaries, group) = (brokers.to_owned(), summaries.to_owned(), group.to_owned());
        thread::spawn(move || {
            while !asked.load(Ordering::SeqCst) {
                // Brokers that are away do not answer; the next time they may.
                if let Ok(offsets) = topics::committed(&brokers, &group, &summaries, 1) {
                    into.store(offsets[0], Ordering::SeqCst);
                }
                thread::sleep(ASKS);
            }
        });
        Ok(Monitored { ends, committed, stop })
    }

    /// Whether it has taken in all that could be read at `then`.
    pub(crate) fn has_taken(&self, then: Instant) -> bool {
        let ends = self.ends.lock().unwrap_or_else(PoisonError::into_inner);
        let end = ends.iter().rev().find(|(at, _)| *at <= then).map_or(0, |(_, end)| *end);
        self.committed.load(Ordering::SeqCst) >= end
    }
}

impl Drop for Monitored {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
    }
}
