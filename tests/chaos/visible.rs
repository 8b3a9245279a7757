//! When predictions become visible to a reader of committed records: how long an outage lasted, seen from outside.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Result;
use rdkafka::message::Message;

use crate::feed::{PARTITIONS, Sent};
use crate::topics;

/// A prediction: when its event was sent, and when it could be read.
#[derive(Clone, Copy)]
struct Seen {
    sent: Instant,
    at: Instant,
}

/// Follows the predictions.
pub(crate) struct Visible {
    seen: Arc<Vec<Mutex<Vec<Seen>>>>,
    pub count: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
}

impl Visible {
    pub(crate) fn follow(brokers: &str, topic: &str, sent: Arc<Sent>) -> Result<Self> {
        let seen: Arc<Vec<Mutex<Vec<Seen>>>> = Arc::new((0..PARTITIONS).map(|_| Mutex::default()).collect());
        let stop = Arc::new(AtomicBool::new(false));
        let count = Arc::new(AtomicU64::new(0));
        let (into, counted) = (Arc::clone(&seen), Arc::clone(&count));
        topics::follow(brokers, topic, &stop, move |message| {
            counted.fetch_add(1, Ordering::SeqCst);
            let at = Instant::now();
            let number = number(message.payload().unwrap_or_default());
            let Some(sent) = number.and_then(|number| sent.time(number)) else { return };
            let mut seen = into[message.partition() as usize].lock().unwrap_or_else(PoisonError::into_inner);
            seen.push(Seen { sent, at });
        })?;
        Ok(Visible { seen, count, stop })
    }

    /// How long after `since` every partition has shown the prediction of an event sent after it; `None` while one has
    /// not.
    pub(crate) fn recovered(&self, since: Instant) -> Option<Duration> {
        let mut longest = Duration::ZERO;
        for partition in self.seen.iter() {
            let seen = partition.lock().unwrap_or_else(PoisonError::into_inner);
            // From the end: what is looked for came lately.
            let first =
                seen.iter().rev().take_while(|seen| seen.at > since).filter(|seen| seen.sent >= since).last()?;
            longest = longest.max(first.at - since);
        }
        Some(longest)
    }
}

impl Drop for Visible {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
    }
}

/// The number in `"event_id":"e123"`, read without parsing the rest.
fn number(value: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(value).ok()?;
    let (_, rest) = text.split_once("\"event_id\":\"e")?;
    rest.split('"').next()?.parse().ok()
}
