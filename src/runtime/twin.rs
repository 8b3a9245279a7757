//! Telling a twin, another process that runs under the same name, from a fencing that is as it should be.
//!
//! A worker may be shut out once: it was taken for dead, and another one ended its transaction to go on. It joins again
//! and keeps what it is given. A twin shuts it out again and again, each time soon after it has joined, because both
//! take the same transactional id over for ever. So it is the row of short memberships that tells.

use std::time::Duration;

/// A membership that was ended by a fencing before this is one of the row.
const SHORT: Duration = Duration::from_secs(10);
/// Fencings in a row that only a twin can explain.
const TWINS: u32 = 5;

/// Fencings of one worker in a row.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Fencings(u32);

impl Fencings {
    /// A membership that was `held` ended, by a fencing or otherwise; true if there must be a twin.
    pub(super) fn ended(&mut self, by_fencing: bool, held: Duration) -> bool {
        self.0 = match (by_fencing, held < SHORT) {
            (true, true) => self.0 + 1,
            (true, false) => 1,
            (false, _) => 0,
        };
        self.0 >= TWINS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_row_of_short_memberships_tells_of_a_twin() {
        let second = Duration::from_secs(1);
        let mut fencings = Fencings::default();
        assert!((0..4).all(|_| !fencings.ended(true, second)));
        assert!(fencings.ended(true, second));
        for (by_fencing, held) in [(true, 60 * second), (false, second)] {
            let mut fencings = Fencings::default();
            assert!((0..4).all(|_| !fencings.ended(true, second)));
            assert!(!fencings.ended(by_fencing, held));
            assert!((0..3).all(|_| !fencings.ended(true, second)));
        }
    }
}
