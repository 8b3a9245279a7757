//! Is it alive, and does it flow: processes, the cluster, rates, partitions.

use super::{Limits, fact, flowed, row, title};
use crate::cli::live::figures::{UNKNOWN, bytes, count, curve, known, length, quantile, rate};
use crate::cli::live::judge::{BEHIND_S, STILL_S};
use crate::cli::live::line::{End, Line, Tone, shorten};
use crate::cli::live::view::{PartitionView, ProcessView, View};

/// Processes and the cluster.
pub(in crate::cli::live) fn alive(view: &View, columns: usize, limits: Limits) -> Vec<Line> {
    let mut lines = vec![title("Is it alive?", columns)];
    let most = limits.partitions.max(4);
    let kafka = &view.kafka;
    let is_well = |process: &&ProcessView| process.ready == Some(true);
    let (well, ill): (Vec<_>, Vec<_>) = view.processes.iter().partition(is_well);
    if limits.terse {
        let said = Line::new().and(Tone::Good, format!("{} ready", well.len()));
        let roles: Vec<&str> = well.iter().flat_map(|process| process.roles.iter().map(String::as_str)).collect();
        let mut said =
            row().and(Tone::Plain, "processes: ").with(said).and(Tone::Faint, format!(" ({})", roles.join(" ")));
        if kafka.answers == Some(true) {
            said.push(Tone::Good, ", Kafka answers");
        }
        lines.push(said);
    }
    let listed = if limits.terse { ill } else { view.processes.iter().collect() };
    lines.extend(listed.iter().take(most).map(|process| of_process(process, columns)));
    if listed.len() > most {
        let rest = listed.get(most..).unwrap_or_default();
        let down = rest.iter().filter(|process| process.answers == Some(false)).count();
        lines.push(row().and(Tone::Faint, format!("and {} more, {down} of them do not answer", rest.len())));
    }
    if limits.terse && kafka.answers == Some(true) {
        return lines;
    }
    let line = row().and(Tone::Strong, shorten("Kafka", 24, End::Right)).to(25);
    lines.push(match (kafka.answers, &kafka.error) {
        (Some(true), _) => line.and(Tone::Good, "answers").to(36).and(Tone::Faint, &kafka.brokers),
        (Some(false), why) => line.and(Tone::Bad, "DOWN").to(36).and(Tone::Bad, why.as_deref().unwrap_or_default()),
        (None, _) => line.and(Tone::Warn, "asked").to(36).and(Tone::Faint, &kafka.brokers),
    });
    lines
}

fn of_process(process: &ProcessView, columns: usize) -> Line {
    let line = row().and(Tone::Strong, shorten(&process.endpoint, 22, End::Middle)).to(25);
    let (tone, word) = match (process.answers, process.ready) {
        (Some(false), _) => (Tone::Bad, "DOWN"),
        (Some(true), Some(true)) => (Tone::Good, "ready"),
        (Some(true), _) => (Tone::Warn, "NOT READY"),
        (None, _) => (Tone::Warn, "asked"),
    };
    let line = line.and(tone, word).to(36);
    if process.answers != Some(true) {
        return line.and(tone, process.error.as_deref().unwrap_or_default());
    }
    let roles = if process.roles.is_empty() { UNKNOWN.to_owned() } else { process.roles.join(" ") };
    let mut line = line.and(Tone::Plain, roles).to(if columns < 90 { 54 } else { 60 }).and(Tone::Plain, " ");
    line.push(Tone::Faint, format!("up {}", known(process.up_s, length)));
    if let Some(used) = process.memory_bytes {
        line.push(Tone::Faint, format!(", {}", bytes(used)));
    }
    line
}

/// Rates, latencies and partitions.
pub(in crate::cli::live) fn flowing(view: &View, columns: usize, limits: Limits) -> Vec<Line> {
    let flow = &view.flow;
    let per_s = |value: Option<f64>| known(value, |value| format!("{}/s", rate(value)));
    let mut lines = vec![title("Does it flow?", columns)];
    let mut events = fact("events", per_s(flow.events_per_s));
    let history: Vec<Option<f64>> = flow.events_history.iter().copied().map(Some).collect();
    let highest = flow.events_history.iter().copied().fold(0.0, f64::max);
    if history.len() > 1 {
        events.push(Tone::Plain, " ");
        events.push(Tone::Faint, curve(&history, 16, highest));
    }
    let dead = known(flow.dead_letters, |all| format!("{} (all {})", per_s(flow.dead_letters_per_s), count(all)));
    // Where there is little room, only what is there or not as it has to be.
    let shown = |value: Option<f64>| !limits.terse || value.is_some_and(|value| value > 0.0);
    let mut facts = vec![events, fact("predictions", per_s(flow.predictions_per_s))];
    facts.extend((!limits.terse).then(|| fact("labels", per_s(flow.labels_per_s))));
    facts.extend(shown(flow.dead_letters_per_s).then(|| fact("dead letters", dead)));
    facts.extend(shown(flow.late_per_s).then(|| fact("late", per_s(flow.late_per_s))));
    facts.extend(shown(flow.aborted_per_s).then(|| fact("aborted", per_s(flow.aborted_per_s))));
    lines.extend(flowed(facts, columns));
    let timed = !limits.terse || flow.latency_p50.is_some();
    let mut facts = Vec::new();
    facts.extend(timed.then(|| fact("event to prediction: half within", known(flow.latency_p50, quantile))));
    facts.extend(timed.then(|| fact("99 % within", known(flow.latency_p99, quantile))));
    facts.extend((!limits.terse).then(|| fact("99 % of commits within", known(flow.commit_p99, quantile))));
    lines.extend(flowed(facts, columns));
    lines.extend(partitions(&view.partitions, limits));
    lines
}

fn partitions(all: &[PartitionView], limits: Limits) -> Vec<Line> {
    let mut partitions: Vec<&PartitionView> = all.iter().collect();
    if partitions.is_empty() {
        return vec![row().and(Tone::Faint, "nothing is known of the partitions")];
    }
    let late = |of: &&&PartitionView| tone_of(of) != Tone::Plain;
    let shown = if limits.terse { partitions.iter().filter(late).count() } else { partitions.len() };
    let shown = shown.min(limits.partitions);
    if shown < partitions.len() {
        let still = |of: &PartitionView| of.still_s.filter(|still| *still >= STILL_S).unwrap_or(0.0);
        let behind = |of: &PartitionView| of.behind_s.unwrap_or(0.0);
        partitions.sort_by(|one, other| {
            let by_time = still(other).total_cmp(&still(one)).then(behind(other).total_cmp(&behind(one)));
            by_time.then(other.lag.cmp(&one.lag))
        });
    }
    let mut lines = Vec::new();
    if shown > 0 && !limits.terse {
        let header = format!("{:<18}{:>10}{:>12}{:>14}", "partition", "read/s", "to read", "behind");
        lines.push(row().and(Tone::Faint, header));
    }
    lines.extend(partitions.iter().take(shown).map(|partition| of_partition(partition, limits)));
    let rest = partitions.get(shown..).unwrap_or_default();
    if !rest.is_empty() {
        let most = rest.iter().filter_map(|partition| partition.lag).max().unwrap_or(0);
        let what = if shown > 0 { format!("and {} more", rest.len()) } else { format!("{} partitions", rest.len()) };
        lines.push(row().and(Tone::Faint, format!("{what}, each with at most {} to read", count(most as f64))));
    }
    lines
}

fn tone_of(partition: &PartitionView) -> Tone {
    match () {
        () if partition.still_s.is_some_and(|still| still >= STILL_S) => Tone::Bad,
        () if partition.behind_s.is_some_and(|behind| behind >= BEHIND_S) => Tone::Warn,
        () => Tone::Plain,
    }
}

fn of_partition(partition: &PartitionView, limits: Limits) -> Line {
    let tone = tone_of(partition);
    let still =
        partition.still_s.filter(|still| *still >= STILL_S).map(|still| format!("STANDS STILL for {}", length(still)));
    let (to_read, behind) = (known(partition.lag, |lag| count(lag as f64)), known(partition.behind_s, length));
    if limits.terse {
        let line = row().and(tone, format!("partition {}: {to_read} to read, {behind} behind", partition.partition));
        return line.and(tone, still.map_or_else(String::new, |still| format!(", {still}")));
    }
    let number = |value: Option<f64>| known(value, rate);
    let mut line = row();
    line.push(Tone::Strong, format!("{:<18}", shorten(&partition.partition, 17, End::Middle)));
    line.push(Tone::Plain, format!("{:>10}", number(partition.per_s)));
    line.push(tone, format!("{to_read:>12}{behind:>14}"));
    line.and(Tone::Bad, still.map_or_else(String::new, |still| format!("  {still}")))
}
