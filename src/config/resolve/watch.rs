//! `[score]`, `[drift]` and `[performance]`.

use super::range::{Unit, at_least_zero, offset, positive, unit, whole};
use crate::config::error::Problem;
use crate::config::raw::{RawDrift, RawEvents, RawPerformance, RawScore};
use crate::data::Span;
use crate::data::params::{BreakerParams, DriftParams, PerformanceParams, ScoreParams};

/// The transactional producer gives a transaction ten seconds; half of that leaves room for the commit.
const LONGEST_TRANSACTION: Span = Span::from_millis(5_000);

/// A checkpoint takes a transaction at least.
const SHORTEST_CHECKPOINT: Span = Span::from_millis(10);
/// A restore replays what came since the last one.
const LONGEST_CHECKPOINT: Span = Span::from_millis(3_600_000);

/// With less the shards would wait for each other's commits all the time.
const SHORTEST_SKEW: Span = Span::from_millis(1_000);

/// More than the system's set of processors can name.
const MOST_CORES: u32 = 1024;

pub(super) fn score(raw: &RawScore, events: &RawEvents) -> Result<ScoreParams, Problem> {
    let transaction = positive("score.transaction", raw.transaction)?;
    if transaction > LONGEST_TRANSACTION {
        let message = format!("`{transaction}` is too long; write at most `{LONGEST_TRANSACTION}`");
        return Err(Problem::new("score.transaction", message));
    }
    let checkpoint = raw.checkpoint;
    if !(SHORTEST_CHECKPOINT..=LONGEST_CHECKPOINT).contains(&checkpoint) {
        let message =
            format!("`{checkpoint}` is out of range; write `{SHORTEST_CHECKPOINT}` to `{LONGEST_CHECKPOINT}`");
        return Err(Problem::new("score.checkpoint", message));
    }
    Ok(ScoreParams {
        workers: whole("score.workers", raw.workers, 1..=256)?,
        cores: cores(&raw.cores)?,
        transaction,
        delivery: raw.delivery,
        checkpoint,
        max_skew: max_skew(raw.max_skew)?,
        max_batch: whole("score.max_batch", raw.max_batch, 1..=1_000_000)?,
        threshold: unit("score.threshold", raw.threshold, Unit::Closed)?,
        breaker: BreakerParams {
            max_rejected: unit("events.max_rejected", events.max_rejected, Unit::AboveZero)?,
            window: whole("events.reject_window", events.reject_window, 1..=1_000_000_000)?,
        },
    })
}

fn cores(raw: &[u32]) -> Result<Vec<u32>, Problem> {
    if !raw.is_empty() && !cfg!(target_os = "linux") {
        return Err(Problem::new("score.cores", "threads are bound to processors on Linux only; leave it out"));
    }
    match raw.iter().find(|core| **core >= MOST_CORES) {
        Some(core) => {
            let message = format!("`{core}` is no processor; they are numbered from 0 to at most {}", MOST_CORES - 1);
            Err(Problem::new("score.cores", message))
        }
        None => Ok(raw.to_vec()),
    }
}

fn max_skew(raw: Span) -> Result<Option<Span>, Problem> {
    if raw != Span::default() && raw < SHORTEST_SKEW {
        let message = format!("`{raw}` is too short; write at least `{SHORTEST_SKEW}`, or `0s` for no bound");
        return Err(Problem::new("score.max_skew", message));
    }
    Ok(Some(raw).filter(|skew| *skew != Span::default()))
}

pub(super) fn drift(raw: &RawDrift) -> Result<DriftParams, Problem> {
    let window = positive("drift.window", raw.window)?;
    Ok(DriftParams {
        window,
        offset: offset("drift", raw.offset, window)?,
        psi_effect: at_least_zero("drift.psi_effect", raw.psi_effect, false)?,
        ks_effect: unit("drift.ks_effect", raw.ks_effect, Unit::AboveZero)?,
        false_discovery_rate: unit("drift.false_discovery_rate", raw.false_discovery_rate, Unit::Open)?,
        min_n: whole("drift.min_n", raw.min_n, 1..=1_000_000_000)?,
    })
}

pub(super) fn performance(raw: &RawPerformance) -> Result<PerformanceParams, Problem> {
    let window = positive("performance.window", raw.window)?;
    let every = positive("performance.every", raw.every)?;
    if every > window {
        let message = format!("`{every}` must not be longer than `performance.window`, which is `{window}`");
        return Err(Problem::new("performance.every", message));
    }
    Ok(PerformanceParams {
        window,
        offset: offset("performance", raw.offset, window)?,
        alert_below: unit("performance.alert_below", raw.alert_below, Unit::AboveZero)?,
        min_n: whole("performance.min_n", raw.min_n, 1..=1_000_000_000)?,
        every,
    })
}
