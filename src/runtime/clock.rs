//! The clock of the roles: the machine's, or in a simulation one that moves only when it is told to.
//!
//! Whatever waits, times out or measures asks it, so a simulation decides when each of these happens. It never enters
//! what a machine computes: that gets its `now` as an argument.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::data::Timestamp;

/// How long a wait may overlook that the process stops.
const NAP: Duration = Duration::from_millis(20);

/// The machine's clock or a simulated one; clones show the same time.
#[derive(Clone, Debug)]
pub(super) enum Clock {
    Machine,
    #[cfg(test)]
    Simulated(std::sync::Arc<SimulatedTime>),
}

impl Clock {
    /// For measuring spans: it never goes back.
    pub(super) fn instant(&self) -> Instant {
        match self {
            Clock::Machine => Instant::now(),
            #[cfg(test)]
            Clock::Simulated(time) => time.instant(),
        }
    }

    /// How long ago `instant` was.
    pub(super) fn since(&self, instant: Instant) -> Duration {
        self.instant().saturating_duration_since(instant)
    }

    /// What time it is in the world.
    pub(super) fn now(&self) -> Timestamp {
        match self {
            Clock::Machine => {
                let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
                Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
            }
            #[cfg(test)]
            Clock::Simulated(time) => time.now(),
        }
    }

    /// Waits until `due`; false if `stop` was set before. A simulation waits by not calling.
    pub(super) fn wait_until(&self, due: Instant, stop: &AtomicBool) -> bool {
        while !stop.load(Ordering::Relaxed) {
            let left = due.saturating_duration_since(self.instant());
            if left.is_zero() {
                return true;
            }
            std::thread::sleep(left.min(NAP));
        }
        false
    }
}

/// Time that passes only by [`SimulatedTime::pass`].
#[cfg(test)]
#[derive(Debug)]
pub(super) struct SimulatedTime {
    start: Instant,
    passed_us: std::sync::atomic::AtomicU64,
}

#[cfg(test)]
impl SimulatedTime {
    pub(super) fn new() -> Self {
        SimulatedTime { start: Instant::now(), passed_us: std::sync::atomic::AtomicU64::new(0) }
    }

    pub(super) fn pass(&self, span: Duration) {
        self.passed_us.fetch_add(span.as_micros() as u64, Ordering::Relaxed);
    }

    fn passed(&self) -> Duration {
        Duration::from_micros(self.passed_us.load(Ordering::Relaxed))
    }

    fn instant(&self) -> Instant {
        self.start + self.passed()
    }

    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.passed().as_millis() as i64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_ends_when_the_process_stops() {
        let begun = Instant::now();
        assert!(!Clock::Machine.wait_until(begun + Duration::from_secs(3_600), &AtomicBool::new(true)));
        assert!(Clock::Machine.wait_until(begun, &AtomicBool::new(false)));
        assert!(begun.elapsed() < Duration::from_secs(60));
    }

    #[test]
    fn simulated_time_passes_only_when_told() {
        let time = std::sync::Arc::new(SimulatedTime::new());
        let clock = Clock::Simulated(time.clone());
        let begun = clock.instant();
        time.pass(Duration::from_millis(1_500));
        assert_eq!(clock.since(begun), Duration::from_millis(1_500));
        assert_eq!(clock.now(), Timestamp::from_millis(1_500));
    }
}
