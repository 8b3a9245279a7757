//! A thread, and those it starts, on one processor.
//!
//! A worker and the threads of its Kafka clients hand each other every record. Where they run on different processors each
//! of these records, and the locks in between, go from cache to cache.

/// The processor of a worker: they take their turns.
pub(super) fn turn(cores: &[u32], worker: usize) -> Option<u32> {
    cores.iter().copied().cycle().nth(worker)
}

/// Keeps the calling thread, and what it starts from now on, on a processor if there is one for it. One that is not there,
/// or not for this process, is logged, and the thread runs where it ran before.
pub(super) fn stay_on(core: Option<u32>) {
    let Some(core) = core else { return };
    match bind(core) {
        Ok(()) => tracing::debug!(core, "stays on one processor"),
        Err(error) => tracing::warn!(core, %error, "core_refused"),
    }
}

#[cfg(target_os = "linux")]
fn bind(core: u32) -> std::io::Result<()> {
    let mut only = rustix::thread::CpuSet::new();
    only.set(core as usize);
    Ok(rustix::thread::sched_setaffinity(None, &only)?)
}

#[cfg(not(target_os = "linux"))]
fn bind(_core: u32) -> std::io::Result<()> {
    Err(std::io::ErrorKind::Unsupported.into())
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use rustix::thread::{CpuSet, sched_getaffinity};

    use super::*;

    fn allowed() -> Vec<usize> {
        let set = sched_getaffinity(None).unwrap();
        (0..CpuSet::MAX_CPU).filter(|core| set.is_set(*core)).collect()
    }

    #[test]
    fn what_a_thread_starts_stays_where_it_does_and_a_processor_that_is_not_there_changes_nothing() {
        let before = allowed();
        let last = *before.last().unwrap();
        let thread = std::thread::spawn(move || {
            stay_on(turn(&[], 3));
            stay_on(Some(CpuSet::MAX_CPU as u32 - 1));
            let refused = allowed();
            stay_on(turn(&[5, last as u32], 3));
            (refused, std::thread::spawn(allowed).join().unwrap())
        });
        assert_eq!(thread.join().unwrap(), (before.clone(), vec![last]));
        assert_eq!(allowed(), before);
    }
}
