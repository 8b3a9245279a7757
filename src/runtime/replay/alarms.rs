//! The monitor in a what-if: which alerts would have opened.
//!
//! It is told what the shards would have told it. Where their reports fall on the same points in time as recorded, it is
//! told in the recorded order; else in the order of time. Which versions were registered, frozen or refused it hears as
//! it did; what it asks for itself has no effect, because trainings are not done again.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use super::charge::Charge;
use super::desk::{Configured, Desk, Journalled, Tell, tell};
use super::report::{AlertLine, AlertsReport};
use super::results::Results;
use super::what_if::Told;
use crate::codec::read;
use crate::data::{DriftAlert, InputIndex, Item, Machine, Outbox, Phase, Record, Sink, Summary, Timestamp};
use crate::model::Model;
use crate::monitor::Monitor;
use crate::runtime::history::{HistoryError, PartitionLog, Stretch};
use crate::runtime::setup::monitor_params;

/// Alerts named in the report.
const NAMED: usize = 10;

/// What the monitor was told, and when.
enum Heard {
    Report { shard: i32, at: Mark },
    Command(Item<Model>),
}

/// What places a shard's report among its others.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Mark {
    clock: Timestamp,
    watermark: Timestamp,
    idle: bool,
}

/// What a monitor is to judge.
pub(super) struct Case<'a> {
    pub desk: &'a Desk<'a>,
    pub charge: &'a Charge,
    /// What the shards would have told it, shard by shard.
    pub told: Vec<Told>,
    pub stretch: Stretch,
}

/// How the monitor would have judged.
pub(super) struct Judged {
    pub report: AlertsReport,
    /// Whether it was told in the recorded order.
    pub as_recorded: bool,
}

/// Lets a monitor judge what the shards would have told it.
pub(super) fn judge(case: Case<'_>, results: &mut Results, listener: Tell<'_>) -> Result<Judged, HistoryError> {
    let Case { desk, charge, told, stretch } = case;
    let mut recorded = Vec::new();
    let mut past = desk.past(Journalled::Monitor, Stretch::default(), Configured::Anyhow)?;
    let is_recorded = desk.is_of_this(&past);
    while let Some(mut moment) = past.next()? {
        charge.keep(&mut moment.items, is_recorded);
        recorded.extend(moment.items.into_iter().filter_map(|item| Some((moment.record.now, heard(item)?))));
        tell(listener, Journalled::Monitor, moment.record.sequence + 1, &past, moment.record.now);
    }
    let as_recorded = is_in_step(&recorded, &told);
    let sequence = if as_recorded { in_recorded_order(recorded, told) } else { in_time_order(recorded, told) };
    let mut machine = Monitor::new(Arc::new(monitor_params(desk.config, desk.shards)));
    let mut out = Outbox::default();
    let begin = sequence.first().map_or(Timestamp::MIN, |(now, _)| *now);
    let first = charge.begin().into_iter().map(|item| (begin, item));
    let mut opened = BTreeMap::new();
    for (now, item) in first.chain(sequence) {
        machine.handle(&[item], now, &mut out);
        machine.commit();
        for output in out.iter().filter(|output| output.sink != Sink::Models) {
            if output.sink == Sink::DriftAlerts {
                open(&mut opened, output.value, stretch);
            }
            if stretch.holds_time(now) {
                results.take(&output, 0, desk.config)?;
            }
        }
        out.clear();
    }
    let mut log = PartitionLog::open(desk.transport, &desk.config.topics.drift_alerts, 0)?;
    let mut published = BTreeMap::new();
    while let Some(record) = log.next()? {
        open(&mut published, record.value.as_deref(), stretch);
    }
    Ok(Judged { report: compare(&published, &opened), as_recorded })
}

fn heard(item: Item<Model>) -> Option<Heard> {
    match item {
        Item::Record { record, .. } => {
            let summary = read::<Summary>("summary", record.value.as_deref()).ok()?;
            Some(Heard::Report { shard: summary.shard, at: Mark::of(&summary) })
        }
        command @ Item::Command(_) => Some(Heard::Command(command)),
        Item::Schema(_) | Item::Refused { .. } | Item::RefusedHeld(_) | Item::Idle => None,
    }
}

impl Mark {
    fn of(summary: &Summary) -> Self {
        Mark { clock: summary.clock, watermark: summary.watermark, idle: summary.idle }
    }
}

/// Whether every report that would have come falls where one was recorded. A shard may stop early.
fn is_in_step(recorded: &[(Timestamp, Heard)], told: &[Told]) -> bool {
    let mut marks: BTreeMap<i32, VecDeque<Mark>> = BTreeMap::new();
    for (_, heard) in recorded {
        if let Heard::Report { shard, at } = heard {
            marks.entry(*shard).or_default().push_back(*at);
        }
    }
    told.iter().all(|told| {
        let mark = read::<Summary>("summary", Some(&told.value)).ok().map(|summary| Mark::of(&summary));
        mark.is_some() && mark == marks.get_mut(&told.shard).and_then(VecDeque::pop_front)
    })
}

fn in_recorded_order(recorded: Vec<(Timestamp, Heard)>, told: Vec<Told>) -> Vec<(Timestamp, Item<Model>)> {
    let mut by_shard: BTreeMap<i32, VecDeque<Told>> = BTreeMap::new();
    for told in told {
        by_shard.entry(told.shard).or_default().push_back(told);
    }
    let item = |(now, heard)| match heard {
        Heard::Command(command) => Some((now, command)),
        Heard::Report { shard, .. } => {
            by_shard.get_mut(&shard).and_then(VecDeque::pop_front).map(|told| (now, report(told)))
        }
    };
    recorded.into_iter().filter_map(item).collect()
}

fn in_time_order(recorded: Vec<(Timestamp, Heard)>, told: Vec<Told>) -> Vec<(Timestamp, Item<Model>)> {
    let reports = told.into_iter().map(|told| (told.now, report(told)));
    let commands = recorded.into_iter().filter_map(|(now, heard)| match heard {
        Heard::Command(command) => Some((now, command)),
        Heard::Report { .. } => None,
    });
    let mut sequence: Vec<(Timestamp, Item<Model>)> = reports.chain(commands).collect();
    sequence.sort_by_key(|(now, _)| *now);
    sequence
}

fn report(told: Told) -> Item<Model> {
    let record = Record {
        offset: 0,
        timestamp: told.now,
        key: Some(told.shard.to_string().as_bytes().into()),
        value: Some(told.value.into()),
        headers: Vec::new(),
    };
    Item::Record { input: InputIndex(0), record }
}

/// What makes two alerts the same: end of the window, signal, segment.
type Opened = BTreeMap<(Timestamp, String, String), AlertLine>;

/// Notes an alert that opened on a window in the stretch.
fn open(opened: &mut Opened, value: Option<&[u8]>, stretch: Stretch) {
    let Ok(alert) = read::<DriftAlert>("alert", value) else { return };
    if alert.phase != Phase::Opened || alert.action.is_some() || !stretch.holds_time(alert.window_end) {
        return;
    }
    let DriftAlert { signal, segment, window_end, message, .. } = alert;
    let key = (window_end, signal.clone(), segment.clone());
    opened.insert(key, AlertLine { signal, segment, window_end, message });
}

fn compare(published: &Opened, computed: &Opened) -> AlertsReport {
    let only = |one: &Opened, other: &Opened| -> Vec<AlertLine> {
        one.iter().filter(|(key, _)| !other.contains_key(*key)).map(|(_, line)| line.clone()).take(NAMED).collect()
    };
    AlertsReport {
        published: published.len() as u64,
        computed: computed.len() as u64,
        both: published.keys().filter(|key| computed.contains_key(*key)).count() as u64,
        only_published: only(published, computed),
        only_computed: only(computed, published),
    }
}
