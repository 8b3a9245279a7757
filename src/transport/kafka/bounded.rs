//! Calls into the client that may never come back, and what is done about them.
//!
//! Dropping a consumer can hang after a broker came and went (librdkafka#4362, #4674), so it happens on a thread of its
//! own and is waited for only so long. `send_offsets_to_transaction` may ignore its time-out (librdkafka#5456); there is
//! no way back from that but the end of the process, which the protocol is made to survive.

use std::ops::{Deref, DerefMut};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

/// How long a drop is waited for.
const DROP_LIMIT: Duration = Duration::from_secs(10);

/// Owns a client and drops it within a bound; past it the client is left to its thread.
pub(super) struct Bounded<T: Send + 'static> {
    client: Option<T>,
    what: &'static str,
}

impl<T: Send + 'static> Bounded<T> {
    pub(super) fn new(what: &'static str, client: T) -> Self {
        Bounded { client: Some(client), what }
    }
}

impl<T: Send + 'static> Deref for Bounded<T> {
    type Target = T;

    #[expect(clippy::expect_used, reason = "only drop empties it")]
    fn deref(&self) -> &T {
        self.client.as_ref().expect("only drop empties it")
    }
}

impl<T: Send + 'static> DerefMut for Bounded<T> {
    #[expect(clippy::expect_used, reason = "only drop empties it")]
    fn deref_mut(&mut self) -> &mut T {
        self.client.as_mut().expect("only drop empties it")
    }
}

impl<T: Send + 'static> Drop for Bounded<T> {
    fn drop(&mut self) {
        let Some(client) = self.client.take() else { return };
        let (done, finished) = sync_channel(1);
        let spawned = thread::Builder::new().name(format!("drop {}", self.what)).spawn(move || {
            drop(client);
            // Nobody listens any more when the limit has passed.
            let _ = done.send(());
        });
        if spawned.is_ok() && finished.recv_timeout(DROP_LIMIT) == Err(RecvTimeoutError::Timeout) {
            tracing::error!(
                client = self.what,
                limit_s = DROP_LIMIT.as_secs(),
                "a kafka client does not close; left behind"
            );
        }
    }
}

/// Ends the process when a guarded call does not return in time.
pub(super) struct Watchdog {
    calls: Option<SyncSender<Call>>,
}

struct Call {
    what: &'static str,
    limit: Duration,
    returned: Receiver<()>,
}

impl Watchdog {
    /// Starts the thread that watches.
    pub(super) fn start() -> std::io::Result<Self> {
        // One thread makes the calls, one after the other.
        let (calls, guarded) = sync_channel::<Call>(1);
        thread::Builder::new().name("kafka watchdog".to_owned()).spawn(move || {
            for call in guarded {
                if call.returned.recv_timeout(call.limit) == Err(RecvTimeoutError::Timeout) {
                    tracing::error!(
                        call = call.what,
                        limit_ms = call.limit.as_millis() as u64,
                        "a kafka call hangs; ending the process, the next owner carries on from the last commit"
                    );
                    std::process::abort();
                }
            }
        })?;
        Ok(Watchdog { calls: Some(calls) })
    }

    /// Runs a call that has to return within `limit`.
    pub(super) fn guard<R>(&self, what: &'static str, limit: Duration, call: impl FnOnce() -> R) -> R {
        let (done, returned) = sync_channel(1);
        if let Some(calls) = &self.calls {
            // The watching thread ends only with this sender.
            let _ = calls.send(Call { what, limit, returned });
        }
        let result = call();
        drop(done);
        result
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        self.calls = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guarded_call_hands_its_result_through() {
        let watchdog = Watchdog::start().unwrap();
        for round in 0..3 {
            assert_eq!(watchdog.guard("test", Duration::from_secs(60), || round), round);
        }
    }

    #[test]
    fn a_bounded_client_is_dropped_before_the_drop_returns() {
        let (alive, gone) = sync_channel::<()>(1);
        drop(Bounded::new("test", alive));
        assert!(gone.recv().is_err());
    }
}
