//! SIGTERM and SIGINT as something a command can look at between two pieces of work.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::signal::unix::{SignalKind, signal};

/// Whether the process has been asked to stop.
pub(super) struct Signals(Arc<AtomicBool>);

impl Signals {
    /// Listens from now on, on a thread of its own.
    pub fn install() -> anyhow::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (mut terminate, mut interrupt) = {
            let _context = runtime.enter();
            (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?)
        };
        let asked = Arc::new(AtomicBool::new(false));
        let noted = asked.clone();
        std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    _ = terminate.recv() => {}
                    _ = interrupt.recv() => {}
                }
            });
            noted.store(true, Ordering::Relaxed);
        })?;
        Ok(Signals(asked))
    }

    /// Whether a signal has come.
    pub fn came(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// The same, to be handed on.
    pub fn flag(&self) -> Arc<AtomicBool> {
        self.0.clone()
    }
}
