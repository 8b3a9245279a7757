//! Another configuration takes the monitor over.
//!
//! What is known goes on: alerts that are open, trainings asked for, who is in charge. Windows of another length or
//! offset cannot be told in the new ones and are dropped; the shards, which take the same configuration over, report
//! theirs anew.

use super::Monitor;

impl Monitor {
    pub(super) fn take_over(&mut self, old: Monitor) {
        let (drift, performance) = (&self.params.drift, &self.params.performance);
        let (old_drift, old_performance) = (&old.params.drift, &old.params.performance);
        let keeps_drift = (drift.window, drift.offset) == (old_drift.window, old_drift.offset);
        let keeps_performance =
            (performance.window, performance.offset) == (old_performance.window, old_performance.offset);
        self.state = old.state;
        if !keeps_drift {
            self.state.drift.drop_windows();
        }
        if keeps_performance {
            self.windows = old.windows;
        } else {
            self.state.due.drop_windows();
        }
    }
}
