//! What the system says of this process: its memory, and how much of it it may use.
//!
//! Read from `/proc` and the control group, so known on Linux only; elsewhere the metrics are left out.

use std::fs;
use std::time::{SystemTime, UNIX_EPOCH};

/// Limits of a control group, of version 2 and of version 1, as a container sees its own.
const LIMITS: [&str; 2] = ["/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"];
/// Version 1 says "no limit" with a number near the largest one.
const NO_LIMIT: f64 = 1e18;

/// Memory in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Memory {
    /// What is in RAM.
    pub resident: Option<f64>,
    /// What may be used; `None` also without a limit.
    pub limit: Option<f64>,
}

pub(super) fn memory() -> Memory {
    let resident = fs::read_to_string("/proc/self/status").ok().and_then(|status| resident(&status));
    let limit = LIMITS.iter().find_map(|path| fs::read_to_string(path).ok()).and_then(|text| limit(&text));
    Memory { resident, limit }
}

/// Seconds since 1970 by the system's clock.
pub(super) fn now_s() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
}

fn resident(status: &str) -> Option<f64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024.0)
}

fn limit(text: &str) -> Option<f64> {
    text.trim().parse().ok().filter(|bytes: &f64| *bytes > 0.0 && *bytes < NO_LIMIT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_read_in_kibibytes() {
        assert_eq!(resident("Name:\tdriftless\nVmRSS:\t   20480 kB\nThreads:\t9\n"), Some(20.0 * 1024.0 * 1024.0));
        assert_eq!(resident("Name:\tdriftless\n"), None);
    }

    #[test]
    fn no_limit_is_none_in_both_versions() {
        assert_eq!(limit("max\n"), None);
        assert_eq!(limit("9223372036854771712\n"), None);
        assert_eq!(limit("536870912\n"), Some(536_870_912.0));
    }
}
