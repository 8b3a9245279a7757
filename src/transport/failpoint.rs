//! Named places where a run can be made to die, to stop or to wait, and known mistakes that can be switched on: for the
//! fault harness, and only in a binary built with the cargo feature `failpoints`.
//!
//! Without the feature every function here is empty. With it, `DRIFTLESS_FAILPOINTS` says what happens where, as
//! `POINT:ACTION:WHEN` separated by `;`. An action is `kill` (SIGKILL to this process), `stop` (SIGSTOP), `panic`,
//! `sleep=MS`, or `abort` where a transaction can be given up. `WHEN` is `n=3` for the third pass alone, or `p=0.01` for each
//! pass with that probability, drawn from `DRIFTLESS_FAILPOINTS_SEED`. `DRIFTLESS_MUTATION` names one mistake.

use super::TransportError;

/// A mistake that the harness has to notice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mutation {
    /// Transactions commit without the offsets of their inputs.
    SkipOffsets,
    /// What an aborted transaction has changed stays in the state.
    LeakAborted,
    /// A restore leaves out the last transaction.
    WrongEnd,
}

/// Passes a place.
#[cfg(not(feature = "failpoints"))]
#[inline(always)]
pub(crate) fn at(_point: &'static str) {}

/// Passes a place where the open transaction can be given up.
#[cfg(not(feature = "failpoints"))]
#[inline(always)]
pub(crate) fn abort_at(_point: &'static str) -> Result<(), TransportError> {
    Ok(())
}

/// Whether a mistake is switched on.
#[cfg(not(feature = "failpoints"))]
#[inline(always)]
pub(crate) const fn is_on(_mutation: Mutation) -> bool {
    false
}

#[cfg(feature = "failpoints")]
pub(crate) use armed::{abort_at, at, is_on};

#[cfg(feature = "failpoints")]
mod armed {
    use std::sync::{LazyLock, Mutex, PoisonError};
    use std::time::Duration;

    use rustix::process::{Signal, getpid, kill_process};

    use super::{Mutation, TransportError};
    use crate::stats::SplitMix64;

    #[derive(Clone, Copy, Debug, PartialEq)]
    enum Action {
        Kill,
        Stop,
        Panic,
        Sleep(Duration),
        Abort,
    }

    #[derive(Clone, Copy, Debug, PartialEq)]
    enum When {
        Pass(u64),
        Probability(f64),
    }

    #[derive(Clone, Debug, PartialEq)]
    struct Trap {
        point: String,
        action: Action,
        when: When,
        passes: u64,
    }

    struct Traps {
        set: Vec<Trap>,
        random: SplitMix64,
    }

    impl Traps {
        /// What happens at this pass of a point.
        fn pass(&mut self, point: &str) -> Option<Action> {
            let mut hit = None;
            for trap in self.set.iter_mut().filter(|trap| trap.point == point) {
                trap.passes += 1;
                let due = match trap.when {
                    When::Pass(number) => trap.passes == number,
                    When::Probability(p) => self.random.unit() < p,
                };
                if due {
                    hit = hit.or(Some(trap.action));
                }
            }
            hit
        }
    }

    fn parse(text: &str) -> Option<Vec<Trap>> {
        let trap = |part: &str| {
            let mut parts = part.trim().split(':');
            let point = parts.next().filter(|point| !point.is_empty())?.to_owned();
            let action = match parts.next()? {
                "kill" => Action::Kill,
                "stop" => Action::Stop,
                "panic" => Action::Panic,
                "abort" => Action::Abort,
                other => Action::Sleep(Duration::from_millis(other.strip_prefix("sleep=")?.parse().ok()?)),
            };
            let when = parts.next()?;
            let when = match when.strip_prefix("n=") {
                Some(number) => When::Pass(number.parse().ok()?),
                None => When::Probability(when.strip_prefix("p=")?.parse().ok()?),
            };
            parts.next().is_none().then_some(Trap { point, action, when, passes: 0 })
        };
        text.split(';').filter(|part| !part.trim().is_empty()).map(trap).collect()
    }

    static TRAPS: LazyLock<Mutex<Traps>> = LazyLock::new(|| {
        let text = std::env::var("DRIFTLESS_FAILPOINTS").unwrap_or_default();
        let seed = std::env::var("DRIFTLESS_FAILPOINTS_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(1);
        let set = parse(&text).unwrap_or_else(|| {
            tracing::error!("DRIFTLESS_FAILPOINTS is `{text}`: write POINT:ACTION:WHEN, separated by `;`");
            std::process::abort()
        });
        Mutex::new(Traps { set, random: SplitMix64::new(seed) })
    });

    static MUTATION: LazyLock<Option<Mutation>> = LazyLock::new(|| {
        let name = std::env::var("DRIFTLESS_MUTATION").ok().filter(|name| !name.is_empty())?;
        match name.as_str() {
            "skip-offsets" => Some(Mutation::SkipOffsets),
            "leak-aborted" => Some(Mutation::LeakAborted),
            "wrong-end" => Some(Mutation::WrongEnd),
            _ => {
                tracing::error!("DRIFTLESS_MUTATION is `{name}`: write skip-offsets, leak-aborted or wrong-end");
                std::process::abort()
            }
        }
    });

    /// Passes a place.
    pub(crate) fn at(point: &'static str) {
        // A point that cannot give a transaction up ignores the wish.
        let _ = pass(point);
    }

    /// Passes a place where the open transaction can be given up.
    pub(crate) fn abort_at(point: &'static str) -> Result<(), TransportError> {
        match pass(point) {
            Some(Action::Abort) => Err(TransportError::Aborted(format!("fail point `{point}`"))),
            _ => Ok(()),
        }
    }

    /// Whether a mistake is switched on.
    pub(crate) fn is_on(mutation: Mutation) -> bool {
        *MUTATION == Some(mutation)
    }

    #[expect(clippy::panic, reason = "it was asked for")]
    fn pass(point: &'static str) -> Option<Action> {
        let action = TRAPS.lock().unwrap_or_else(PoisonError::into_inner).pass(point)?;
        tracing::warn!("fail point {point}: {action:?}");
        let signal = match action {
            Action::Kill => Signal::KILL,
            Action::Stop => Signal::STOP,
            Action::Panic => panic!("fail point `{point}`"),
            Action::Sleep(time) => {
                std::thread::sleep(time);
                return Some(action);
            }
            Action::Abort => return Some(action),
        };
        if let Err(error) = kill_process(getpid(), signal) {
            tracing::error!(%error, "cannot signal this process");
            std::process::abort();
        }
        Some(action)
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn a_trap_springs_on_its_pass_and_no_other() {
            let set = parse("after_send:kill:n=2; at_assign:sleep=20:p=1").unwrap();
            let mut traps = Traps { set, random: SplitMix64::new(1) };
            let passes: Vec<_> = (0..3).map(|_| traps.pass("after_send")).collect();
            assert_eq!(passes, [None, Some(Action::Kill), None]);
            assert_eq!(traps.pass("at_assign"), Some(Action::Sleep(Duration::from_millis(20))));
            assert_eq!(traps.pass("elsewhere"), None);
            assert_eq!(parse("at_frame:panic:n=1").unwrap()[0].action, Action::Panic);
        }

        #[test]
        fn what_cannot_be_read_is_refused() {
            for text in ["after_send", "after_send:kill", "after_send:explode:n=1", "a:kill:n=x", "a:kill:n=1:more"] {
                assert_eq!(parse(text), None, "{text}");
            }
        }
    }
}
