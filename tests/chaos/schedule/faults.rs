//! What each fault does. It may leave instances dead and proxies wild: making all whole again is the schedule's.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use super::{PROGRESS_LIMIT, World};
use crate::cluster::Signal;
use crate::feed::PARTITIONS;
use crate::instances::Instance;
use crate::proxy::Proxy;

/// Session time-out plus three seconds: what a single death may cost.
const RECOVERY_LIMIT: Duration = Duration::from_secs(9);
/// Points where a transaction is under way.
const AT_WORK: [&str; 7] =
    ["after_begin", "after_handle", "after_send", "in_slice", "after_journal", "after_offsets", "after_commit"];
/// Points on the way to and from work.
const AT_TURNS: [&str; 3] = ["at_assign", "at_restore", "at_revoke"];

impl World<'_> {
    fn any(&mut self) -> usize {
        self.random.below(self.fleet.len() as u64) as usize
    }

    pub(super) fn kill(&mut self, number: usize) -> Result<()> {
        if self.fleet[number].runs() {
            self.report.kills += 1;
        }
        self.fleet[number].kill()
    }

    /// One that has work, once the group has settled: every partition is worked on and nobody is dying still.
    pub(super) fn settled_owner(&mut self) -> Result<usize> {
        let until = Instant::now() + PROGRESS_LIMIT;
        let mut before = Vec::new();
        while Instant::now() < until {
            let owned: Vec<_> = self.fleet.iter().map(Instance::owned).collect();
            let whole = owned.iter().map(BTreeSet::len).sum::<usize>() == PARTITIONS as usize;
            if whole && owned == before {
                let owners: Vec<usize> = (0..owned.len()).filter(|at| !owned[*at].is_empty()).collect();
                return Ok(*self.random.pick(&owners));
            }
            before = owned;
            // Longer than the session of a member that died unnoticed.
            self.watch(Duration::from_millis(if whole { 6_500 } else { 300 }))?;
        }
        bail!("the group does not settle")
    }

    pub(super) fn kill_same(&mut self) -> Result<()> {
        let number = self.settled_owner()?;
        let since = Instant::now();
        self.kill(number)?;
        self.fleet[number].start("")?;
        self.recovered_from_death(since, Some(true))
    }

    pub(super) fn kill_other(&mut self) -> Result<()> {
        let number = self.settled_owner()?;
        let since = Instant::now();
        self.kill(number)?;
        self.recovered_from_death(since, Some(false))
    }

    /// Waits for what comes after a death; measured are those of one among instances that had settled.
    pub(super) fn recovered_from_death(&mut self, since: Instant, measured_same: Option<bool>) -> Result<()> {
        let mut took = None;
        while took.is_none() && since.elapsed() < PROGRESS_LIMIT {
            took = self.visible.recovered(since);
            self.look(false)?;
        }
        let (Some(took), Some(same)) = (took, measured_same) else { return Ok(()) };
        let which = if same { "the same instance" } else { "another instance" };
        self.report.say(&format!("  next predictions after {:.2} s by {which}", took.as_secs_f64()));
        let recovery =
            if same { &mut self.report.recovery_same_instance } else { &mut self.report.recovery_other_instance };
        recovery.add(took);
        if self.timed && took > RECOVERY_LIMIT {
            self.report.breach(format!("{:.2} s from a kill to the next prediction by {which}", took.as_secs_f64()));
        }
        Ok(())
    }

    pub(super) fn kill_all(&mut self) -> Result<()> {
        let since = Instant::now();
        for number in 0..self.fleet.len() {
            self.kill(number)?;
        }
        for instance in &mut self.fleet {
            instance.start("")?;
        }
        self.recovered_from_death(since, None)
    }

    pub(super) fn kill_point(&mut self) -> Result<()> {
        let point = *self.random.pick(&AT_WORK);
        let pass = self.random.between(1, 30);
        self.die_at(&format!("{point}:kill:n={pass}"))
    }

    pub(super) fn kill_turn(&mut self) -> Result<()> {
        let point = *self.random.pick(&AT_TURNS);
        let pass = self.random.between(1, 3);
        self.die_at(&format!("{point}:kill:n={pass}"))
    }

    /// All instances are started anew with this fail point, one after the other, until one has died of it.
    pub(super) fn die_at(&mut self, failpoint: &str) -> Result<()> {
        self.report.say(&format!("  {failpoint}"));
        let number = self.any();
        self.kill(number)?;
        self.fleet[number].start(failpoint)?;
        let until = Instant::now() + Duration::from_secs(20);
        while Instant::now() < until {
            if self.look(false)? == Some(number) {
                let since = Instant::now();
                self.fleet[number].start("")?;
                return self.recovered_from_death(since, None);
            }
        }
        // It had no work, or nothing was asked back: it must not die of it later, in another fault's time.
        self.kill(number)
    }

    /// Fail points everywhere and kills from outside, faster than the group can settle.
    pub(super) fn kill_storm(&mut self) -> Result<()> {
        let until = Instant::now() + Duration::from_secs(25);
        while Instant::now() < until {
            if self.random.unit() < 0.3 {
                let number = self.any();
                self.kill(number)?;
            }
            let point = *self.random.pick(&AT_WORK);
            let turn = *self.random.pick(&AT_TURNS);
            let trap = format!("{point}:kill:p=0.03;{turn}:kill:p=0.3");
            for instance in self.fleet.iter_mut().filter(|instance| !instance.runs()) {
                instance.start(&trap)?;
            }
            let pause = Instant::now() + Duration::from_millis(self.random.between(100, 1_200));
            while Instant::now() < pause {
                self.look(false)?;
            }
        }
        // Whoever still has a trap set starts anew without.
        for number in 0..self.fleet.len() {
            self.kill(number)?;
        }
        Ok(())
    }

    pub(super) fn kill_monitor(&mut self) -> Result<()> {
        let failpoint = format!("{}:kill:n={}", self.random.pick(&AT_WORK), self.random.between(1, 5));
        for trap in [failpoint.as_str(), ""] {
            if self.monitor.runs() {
                self.report.kills += 1;
            }
            self.monitor.kill()?;
            self.monitor.start(trap)?;
            self.quietly(Duration::from_secs(4))?;
        }
        Ok(())
    }

    /// Lets time pass without starting anybody.
    pub(super) fn quietly(&mut self, time: Duration) -> Result<()> {
        let until = Instant::now() + time;
        while Instant::now() < until {
            self.look(false)?;
        }
        Ok(())
    }

    /// Beyond the session: the frozen one wakes up as a zombie.
    pub(super) fn freeze(&mut self) -> Result<()> {
        let number = self.any();
        self.fleet[number].signal(Signal::Freeze)?;
        let seconds = self.random.between(2, 12);
        self.quietly(Duration::from_secs(seconds))?;
        self.fleet[number].signal(Signal::Thaw)
    }

    /// Freezes itself in the middle of a transaction.
    pub(super) fn freeze_point(&mut self) -> Result<()> {
        let number = self.any();
        self.kill(number)?;
        let failpoint = format!("{}:stop:n={}", self.random.pick(&AT_WORK), self.random.between(1, 20));
        self.fleet[number].start(&failpoint)?;
        self.quietly(Duration::from_secs(18))?;
        self.fleet[number].signal(Signal::Thaw)?;
        self.quietly(Duration::from_secs(1))?;
        // In case it did not get there yet.
        self.kill(number)
    }

    /// Transactions given up at random, by all.
    pub(super) fn abort(&mut self) -> Result<()> {
        self.all_with("before_offsets:abort:p=0.2", Duration::from_secs(12))
    }

    /// A worker that does not poll for longer than a transaction may be open.
    pub(super) fn stall(&mut self) -> Result<()> {
        self.all_with("after_send:sleep=11000:n=5", Duration::from_secs(20))
    }

    pub(super) fn all_with(&mut self, failpoint: &str, time: Duration) -> Result<()> {
        for number in 0..self.fleet.len() {
            self.kill(number)?;
            self.fleet[number].start(failpoint)?;
        }
        self.quietly(Duration::from_secs(8) + time)?;
        for number in 0..self.fleet.len() {
            self.kill(number)?;
        }
        Ok(())
    }

    pub(super) fn stop(&mut self, number: usize) -> Result<()> {
        if let Err(why) = self.fleet[number].stop()? {
            self.report.breach(why);
        }
        Ok(())
    }

    /// Members come and go every second.
    pub(super) fn rebalance_storm(&mut self) -> Result<()> {
        for _ in 0..14 {
            let number = self.any();
            if self.fleet[number].runs() {
                self.stop(number)?;
            } else {
                self.fleet[number].start("")?;
            }
            self.quietly(Duration::from_millis(800))?;
        }
        Ok(())
    }

    pub(super) fn rolling_restart(&mut self) -> Result<()> {
        for number in 0..self.fleet.len() {
            self.stop(number)?;
            self.fleet[number].start("")?;
            self.watch(Duration::from_secs(2))?;
        }
        Ok(())
    }

    pub(super) fn any_node(&mut self) -> usize {
        self.random.below(self.cluster.size() as u64) as usize
    }

    pub(super) fn broker_restart(&mut self) -> Result<()> {
        let node = self.any_node();
        self.cluster.end(node, Signal::Terminate)?;
        self.watch(Duration::from_secs(1))?;
        self.cluster.revive(node)
    }

    pub(super) fn broker_kill(&mut self) -> Result<()> {
        let node = self.any_node();
        self.cluster.end(node, Signal::Kill)?;
        let away = self.random.between(0, 10);
        self.watch(Duration::from_secs(away))?;
        self.cluster.revive(node)
    }

    pub(super) fn broker_freeze(&mut self) -> Result<()> {
        let node = self.any_node();
        self.cluster.signal(node, Signal::Freeze)?;
        let seconds = self.random.between(3, 20);
        self.watch(Duration::from_secs(seconds))?;
        self.cluster.signal(node, Signal::Thaw)
    }

    pub(super) fn net_delay(&mut self) -> Result<()> {
        let delay = self.random.between(20, 200);
        for proxy in self.proxies {
            proxy.delay(Duration::from_millis(delay));
        }
        self.watch(Duration::from_secs(10))
    }

    pub(super) fn net_cut(&mut self) -> Result<()> {
        for _ in 0..12 {
            let at = self.random.below(self.proxies.len() as u64) as usize;
            self.proxies[at].cut();
            let pause = self.random.between(100, 900);
            self.watch(Duration::from_millis(pause))?;
        }
        for proxy in self.proxies {
            proxy.close(true);
            proxy.cut();
        }
        self.watch(Duration::from_secs(3))
    }

    /// Half-open: nothing comes through, nobody is told; then the connections break.
    pub(super) fn net_silent(&mut self) -> Result<()> {
        for proxy in self.proxies {
            proxy.silence(true);
        }
        let seconds = self.random.between(2, 12);
        self.watch(Duration::from_secs(seconds))?;
        for proxy in self.proxies {
            proxy.cut();
            proxy.silence(false);
        }
        Ok(())
    }

    /// The answer to a commit is lost, or the request reaches the broker after its sender has gone on.
    pub(super) fn commit_answer(&mut self) -> Result<()> {
        let before: usize = self.proxies.iter().map(Proxy::disturbed).sum();
        for round in 0..4 {
            for proxy in self.proxies {
                if round % 2 == 0 {
                    proxy.swallow_commit_answer();
                } else {
                    proxy.hold_commit(Duration::from_secs(self.random.between(1, 9)));
                }
            }
            self.watch(Duration::from_secs(4))?;
        }
        let after: usize = self.proxies.iter().map(Proxy::disturbed).sum();
        self.report.say(&format!("  {} commits disturbed", after - before));
        Ok(())
    }
}
