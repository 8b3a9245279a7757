//! The faults, and the order in which a seed brings them.
//!
//! Each fault leaves the application whole again: three score instances and a monitor, brokers up, proxies calm. It counts
//! as survived when every partition shows a prediction of an event that was sent after it, and the monitor has read the
//! summaries that were there.

mod faults;

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use crate::cluster::Cluster;
use crate::instances::{Ended, Instance};
use crate::monitored::Monitored;
use crate::plan::{Plan, Random};
use crate::proxy::Proxy;
use crate::report::Report;
use crate::visible::Visible;

/// What anything may cost.
const PROGRESS_LIMIT: Duration = Duration::from_secs(90);
const LOOK: Duration = Duration::from_millis(10);

/// A fault: its name, its share of the draws, what it does.
struct Fault {
    name: &'static str,
    weight: u64,
    run: fn(&mut World<'_>) -> Result<()>,
}

const FAULTS: [Fault; 20] = [
    Fault { name: "kill_same", weight: 3, run: |world| world.kill_same() },
    Fault { name: "kill_other", weight: 3, run: |world| world.kill_other() },
    Fault { name: "kill_all", weight: 1, run: |world| world.kill_all() },
    Fault { name: "kill_point", weight: 4, run: |world| world.kill_point() },
    Fault { name: "kill_turn", weight: 2, run: |world| world.kill_turn() },
    Fault { name: "kill_storm", weight: 2, run: |world| world.kill_storm() },
    Fault { name: "kill_monitor", weight: 2, run: |world| world.kill_monitor() },
    Fault { name: "freeze", weight: 2, run: |world| world.freeze() },
    Fault { name: "freeze_point", weight: 2, run: |world| world.freeze_point() },
    Fault { name: "abort", weight: 1, run: |world| world.abort() },
    Fault { name: "stall", weight: 1, run: |world| world.stall() },
    Fault { name: "rebalance_storm", weight: 1, run: |world| world.rebalance_storm() },
    Fault { name: "rolling_restart", weight: 1, run: |world| world.rolling_restart() },
    Fault { name: "broker_restart", weight: 1, run: |world| world.broker_restart() },
    Fault { name: "broker_kill", weight: 1, run: |world| world.broker_kill() },
    Fault { name: "broker_freeze", weight: 1, run: |world| world.broker_freeze() },
    Fault { name: "net_delay", weight: 1, run: |world| world.net_delay() },
    Fault { name: "net_cut", weight: 1, run: |world| world.net_cut() },
    Fault { name: "net_silent", weight: 1, run: |world| world.net_silent() },
    Fault { name: "commit_answer", weight: 2, run: |world| world.commit_answer() },
];

/// Faults whose recovery is measured.
const MEASURED: [&str; 2] = ["kill_same", "kill_other"];

/// What faults act on.
pub(crate) struct World<'a> {
    pub random: Random,
    pub cluster: &'a mut Cluster,
    pub proxies: &'a [Proxy],
    /// Score instances.
    pub fleet: Vec<Instance>,
    pub monitor: Instance,
    pub visible: &'a Visible,
    pub monitored: &'a Monitored,
    pub report: &'a mut Report,
    /// The first breach ends the run.
    pub breaks_off: bool,
    /// A recovery longer than it may take is a breach.
    pub timed: bool,
}

impl World<'_> {
    /// Faults until the time is up and there were enough kills; each kind comes once before any comes again.
    pub(crate) fn go_through(&mut self, plan: &Plan) -> Result<()> {
        let wanted: Vec<&Fault> =
            FAULTS.iter().filter(|fault| plan.only.as_ref().is_none_or(|only| only == fault.name)).collect();
        if wanted.is_empty() {
            bail!("no fault `{}`", plan.only.as_deref().unwrap_or_default());
        }
        let begun = Instant::now();
        // What is measured comes first, so that the shortest run measures it.
        let mut deck: Vec<&Fault> = wanted.iter().copied().filter(|fault| MEASURED.contains(&fault.name)).collect();
        let mut first = true;
        while begun.elapsed() < plan.time || self.report.kills < plan.kills as u64 {
            if deck.is_empty() {
                for fault in &wanted {
                    let copies = match first {
                        true => u64::from(!MEASURED.contains(&fault.name)),
                        false => fault.weight,
                    };
                    deck.extend(std::iter::repeat_n(*fault, copies as usize));
                }
                first = false;
                if deck.is_empty() {
                    continue;
                }
            }
            let at = self.random.below(deck.len() as u64) as usize;
            let fault = deck.swap_remove(at);
            self.report.fault(fault.name);
            self.report.say(fault.name);
            (fault.run)(self)?;
            self.mend()?;
            if self.breaks_off && self.report.breach_count > 0 {
                return Ok(());
            }
            let pause = self.random.between(0, 1_500);
            self.watch(Duration::from_millis(pause))?;
        }
        Ok(())
    }

    /// Makes the application whole again and waits until every partition moves.
    pub(crate) fn mend(&mut self) -> Result<()> {
        for proxy in self.proxies {
            proxy.calm();
        }
        for instance in self.fleet.iter_mut().chain([&mut self.monitor]) {
            if !instance.runs() {
                instance.start("")?;
            }
        }
        let since = Instant::now();
        if let Some(took) = self.recovered(since, PROGRESS_LIMIT)? {
            self.report.slowest_s = self.report.slowest_s.max(took.as_secs_f64());
        } else {
            let lines: Vec<String> = self.fleet.iter().map(Instance::last_lines).collect();
            self.report.breach(format!("no progress within {} s\n{}", PROGRESS_LIMIT.as_secs(), lines.join("\n")));
            bail!("the application does not go on");
        }
        while !self.monitored.has_taken(since) {
            if since.elapsed() > PROGRESS_LIMIT {
                let lines = self.monitor.last_lines();
                self.report.breach(format!("no monitor within {} s\n{lines}", PROGRESS_LIMIT.as_secs()));
                bail!("the monitor does not go on");
            }
            self.look(true)?;
        }
        Ok(())
    }

    /// How long it took, while those that die are started again.
    fn recovered(&mut self, since: Instant, limit: Duration) -> Result<Option<Duration>> {
        while since.elapsed() < limit {
            if let Some(took) = self.visible.recovered(since) {
                return Ok(Some(took));
            }
            self.look(true)?;
            if self.breaks_off && self.report.breach_count > 0 {
                break;
            }
        }
        Ok(None)
    }

    /// Lets time pass.
    fn watch(&mut self, time: Duration) -> Result<()> {
        let until = Instant::now() + time;
        while Instant::now() < until {
            self.look(true)?;
        }
        Ok(())
    }

    /// Looks whether a process has ended by itself; names one that has died.
    fn look(&mut self, revive: bool) -> Result<Option<usize>> {
        std::thread::sleep(LOOK);
        let mut dead = None;
        for (number, instance) in self.fleet.iter_mut().chain([&mut self.monitor]).enumerate() {
            let Some(ended) = instance.ended()? else { continue };
            dead = Some(number);
            match ended {
                Ended::Killed => self.report.kills += 1,
                Ended::Watchdog => *self.report.log_lines.entry("watchdog".to_owned()).or_default() += 1,
                Ended::Stopped | Ended::Failed => {
                    self.report.breach(format!(
                        "{} ended by itself: {ended:?}\n{}",
                        instance.name,
                        instance.last_lines()
                    ));
                }
            }
            if revive {
                instance.start("")?;
            }
        }
        Ok(dead)
    }
}
