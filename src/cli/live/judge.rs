//! What a look comes to, in a word and the reasons for it.
//!
//! Invariant: `ok` is said only if everything that was asked answered, and nothing is known to be wrong. Thresholds are
//! those of the alert rules where there is one; what is not known is a reason, not silence.

use super::view::{Level, PartitionView, Reason, Verdict, View};

/// From here on a partition is behind; the alert rules wait longer before they tell.
pub(super) const BEHIND_S: f64 = 60.0;
/// A partition with records to read that commits nothing for so long stands still.
pub(super) const STILL_S: f64 = 30.0;
/// An answer of the cluster that is older is none.
const STALE_S: f64 = 15.0;
/// From this share of its memory on a process is near its limit.
const MEMORY_SHARE: f64 = 0.9;

impl Verdict {
    /// Judges a look; what `view` holds as its verdict is not read.
    pub fn of(view: &View) -> Verdict {
        let mut reasons = Vec::new();
        processes(view, &mut reasons);
        cluster(view, &mut reasons);
        flow(view, &mut reasons);
        partitions(view, &mut reasons);
        models(view, &mut reasons);
        reasons.sort_by_key(|reason| std::cmp::Reverse(reason.level));
        let level = reasons.first().map_or(Level::Ok, |worst| worst.level);
        Verdict { level, reasons }
    }
}

fn say(reasons: &mut Vec<Reason>, level: Level, what: String) {
    reasons.push(Reason { level, what });
}

fn processes(view: &View, reasons: &mut Vec<Reason>) {
    for process in &view.processes {
        let at = &process.endpoint;
        match (process.answers, process.ready) {
            (Some(false), _) => {
                let why = process.error.as_deref().unwrap_or("no answer");
                say(reasons, Level::Critical, format!("{at} does not answer: {why}"));
            }
            (Some(true), Some(false)) => {
                let stopped = process.missing.iter().find(|missing| missing.contains(" stopped: "));
                let level = if stopped.is_some() { Level::Critical } else { Level::Attention };
                let missing = stopped.or(process.missing.first()).map_or("", String::as_str);
                say(reasons, level, format!("{at} is not ready: {missing}"));
            }
            (None, _) => say(reasons, Level::Attention, format!("{at} has not answered yet")),
            _ => {}
        }
        if let (Some(used), Some(limit)) = (process.memory_bytes, process.memory_limit_bytes)
            && used > limit * MEMORY_SHARE
        {
            say(reasons, Level::Attention, format!("{at} uses {:.0} % of its memory", used / limit * 100.0));
        }
    }
    let all_answer = view.processes.iter().all(|process| process.answers == Some(true));
    for role in ["score", "monitor", "retrain"] {
        let is_run = view.processes.iter().any(|process| process.roles.iter().any(|of| of == role));
        if all_answer && !is_run {
            let what = format!("no process asked runs the {role} role; name all of them with --endpoint");
            say(reasons, Level::Attention, what);
        }
    }
}

fn cluster(view: &View, reasons: &mut Vec<Reason>) {
    let kafka = &view.kafka;
    match kafka.answers {
        Some(false) => {
            let why = kafka.error.as_deref().unwrap_or("no answer");
            say(reasons, Level::Critical, format!("the topics cannot be read: {why}"));
        }
        None => say(reasons, Level::Attention, "the cluster has not answered yet".to_owned()),
        Some(true) => {
            if let Some(age) = kafka.answered_s.filter(|age| *age > STALE_S) {
                say(reasons, Level::Critical, format!("the cluster has not answered for {age:.0} s"));
            }
        }
    }
}

fn flow(view: &View, reasons: &mut Vec<Reason>) {
    let flow = &view.flow;
    if let Some(missing) = flow.unaccounted.filter(|missing| *missing != 0.0) {
        say(reasons, Level::Critical, format!("{missing:.0} events are not accounted for: a defect, please report it"));
    }
    if let Some(held) = flow.held_shards.filter(|held| *held > 0.0) {
        let are = if held == 1.0 { "shard is" } else { "shards are" };
        say(reasons, Level::Critical, format!("{held:.0} {are} held back: nearly all of their events were refused"));
    }
    if let (Some(dead), Some(events)) = (flow.dead_letters_per_s, flow.events_per_s)
        && dead > 0.01 * events.max(1.0)
    {
        say(reasons, Level::Attention, format!("{dead:.1} records a second cannot be used"));
    }
}

fn partitions(view: &View, reasons: &mut Vec<Reason>) {
    let still = |of: &&PartitionView| of.still_s.is_some_and(|still| still >= STILL_S);
    if let Some(worst) = worst(view, still, |of| of.still_s) {
        let for_s = worst.partition.still_s.unwrap_or(0.0);
        let what = format!(
            "{} no further for {for_s:.0} s, with {} to read",
            worst.named("has come", "have come"),
            records(worst.partition.lag)
        );
        say(reasons, Level::Critical, what);
        return;
    }
    let behind = |of: &&PartitionView| of.behind_s.is_some_and(|behind| behind >= BEHIND_S);
    if let Some(worst) = worst(view, behind, |of| of.behind_s) {
        let by = worst.partition.behind_s.unwrap_or(0.0);
        say(reasons, Level::Attention, format!("{} behind, by up to {by:.0} s", worst.named("is", "are")));
    }
}

struct Worst<'a> {
    partition: &'a PartitionView,
    count: usize,
}

impl Worst<'_> {
    fn named(&self, one: &str, many: &str) -> String {
        match self.count {
            1 => format!("partition {} {one}", self.partition.partition),
            n => format!("{n} partitions {many}"),
        }
    }
}

fn worst(
    view: &View,
    chosen: impl Fn(&&PartitionView) -> bool,
    by: impl Fn(&PartitionView) -> Option<f64>,
) -> Option<Worst<'_>> {
    let count = view.partitions.iter().filter(&chosen).count();
    let order = |partition: &&PartitionView| by(partition).unwrap_or(0.0);
    let partition = view.partitions.iter().filter(chosen).max_by(|one, other| order(one).total_cmp(&order(other)))?;
    Some(Worst { partition, count })
}

fn records(lag: Option<i64>) -> String {
    lag.map_or_else(|| "records".to_owned(), |lag| format!("{lag} records"))
}

fn models(view: &View, reasons: &mut Vec<Reason>) {
    if !view.alerts.is_empty() {
        let names: Vec<&str> = view.alerts.iter().map(|alert| alert.signal.as_str()).collect();
        let are = if names.len() == 1 { "alert is" } else { "alerts are" };
        say(reasons, Level::Attention, format!("{} {are} open: {}", names.len(), names.join(", ")));
    }
    for other in &view.model.disagree {
        say(reasons, Level::Attention, format!("{other} is in use elsewhere"));
    }
    if view.model.frozen {
        say(reasons, Level::Attention, "promotions are frozen".to_owned());
    }
}

#[cfg(test)]
mod tests {
    use super::super::view::{AlertView, Flow, KafkaView, ProcessView};
    use super::*;
    use crate::data::Timestamp;

    fn healthy() -> View {
        let process = |role: &str| ProcessView {
            endpoint: format!("{role}:9464"),
            answers: Some(true),
            ready: Some(true),
            roles: vec![role.to_owned()],
            ..ProcessView::default()
        };
        View {
            kafka: KafkaView { answers: Some(true), answered_s: Some(1.0), ..KafkaView::default() },
            processes: ["score", "monitor", "retrain"].map(process).to_vec(),
            ..View::default()
        }
    }

    fn said(change: impl FnOnce(&mut View)) -> (Level, String) {
        let mut view = healthy();
        change(&mut view);
        let verdict = Verdict::of(&view);
        let what: Vec<String> = verdict.reasons.into_iter().map(|reason| reason.what).collect();
        (verdict.level, what.join("; "))
    }

    fn critical(what: &str) -> (Level, String) {
        (Level::Critical, what.to_owned())
    }

    fn attention(what: &str) -> (Level, String) {
        (Level::Attention, what.to_owned())
    }

    #[test]
    fn all_is_well_only_when_everything_answers() {
        assert_eq!(said(|_| {}), (Level::Ok, String::new()));
        let down = |view: &mut View| {
            view.processes[0].answers = Some(false);
            view.processes[0].error = Some("connection refused".to_owned());
        };
        assert_eq!(said(down), critical("score:9464 does not answer: connection refused"));
        let unasked = |view: &mut View| view.processes.truncate(2);
        let what = "no process asked runs the retrain role; name all of them with --endpoint";
        assert_eq!(said(unasked), attention(what));
        assert_eq!(said(|view| view.kafka.answers = None), attention("the cluster has not answered yet"));
        assert_eq!(said(|view| view.kafka.answered_s = Some(16.0)), critical("the cluster has not answered for 16 s"));
    }

    #[test]
    fn not_ready_is_worth_a_look_and_a_role_that_stopped_has_to_be_seen_to() {
        let missing = |what: &str| {
            let what = what.to_owned();
            said(move |view: &mut View| {
                view.processes[1].ready = Some(false);
                view.processes[1].missing = vec![what];
            })
        };
        assert_eq!(missing("w restores 2 shards"), attention("monitor:9464 is not ready: w restores 2 shards"));
        assert_eq!(
            missing("monitor stopped: no topic"),
            critical("monitor:9464 is not ready: monitor stopped: no topic")
        );
    }

    #[test]
    fn standing_still_goes_before_being_behind() {
        let partition = |partition: &str, behind_s, still_s| PartitionView {
            partition: partition.to_owned(),
            lag: Some(120),
            behind_s: Some(behind_s),
            still_s,
            ..PartitionView::default()
        };
        let slow = vec![partition("0", 61.0, None), partition("1", 59.0, None)];
        assert_eq!(said(|view| view.partitions = slow), attention("partition 0 is behind, by up to 61 s"));
        let still = vec![partition("0", 61.0, Some(31.0)), partition("1", 61.0, Some(40.0))];
        let what = "2 partitions have come no further for 40 s, with 120 records to read";
        assert_eq!(said(|view| view.partitions = still), critical(what));
    }

    #[test]
    fn what_is_wrong_with_the_events_is_said() {
        let flow = |flow: Flow| said(move |view: &mut View| view.flow = flow);
        assert_eq!(
            flow(Flow { unaccounted: Some(-2.0), ..Flow::default() }),
            critical("-2 events are not accounted for: a defect, please report it")
        );
        assert_eq!(
            flow(Flow { held_shards: Some(1.0), ..Flow::default() }),
            critical("1 shard is held back: nearly all of their events were refused")
        );
        let rates = Flow { dead_letters_per_s: Some(2.0), events_per_s: Some(100.0), ..Flow::default() };
        assert_eq!(flow(rates), attention("2.0 records a second cannot be used"));
    }

    #[test]
    fn the_worst_comes_first() {
        let (level, what) = said(|view| {
            view.alerts.push(AlertView {
                alert_id: "a".to_owned(),
                signal: "temp".to_owned(),
                segment: "all".to_owned(),
                statistic: "psi".to_owned(),
                value: None,
                effect: None,
                threshold: None,
                since: Timestamp::default(),
                until: Timestamp::default(),
                incident_id: "i".to_owned(),
                message: String::new(),
            });
            view.kafka.answers = Some(false);
        });
        assert_eq!(level, Level::Critical);
        assert_eq!(what, "the topics cannot be read: no answer; 1 alert is open: temp");
    }
}
