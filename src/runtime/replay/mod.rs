//! A stretch of the past, computed again: is it what was published, and what would have been otherwise.
//!
//! A plain replay feeds the journals of an application to machines that have seen nothing, and compares every digest and
//! every published byte. A what-if feeds the same inputs in the same order to another model or configuration and
//! compares decisions. Both only read: no group is joined, no offset committed, and nothing is written but the file and
//! the topics that the caller names for the results.

mod alarms;
mod charge;
pub(in crate::runtime) mod desk;
mod plain;
mod report;
mod results;
mod scores;
mod text;
mod watched;
mod what_if;
pub(in crate::runtime) mod written;

use std::time::Instant;

use crate::config::Config;
use crate::data::Timestamp;
use crate::monitor::Monitor;
use crate::pipeline::Pipeline;
use crate::transport::Transport;

use super::history::{HistoryError, Stretch};
use super::setup::{monitor_params, pipeline_params};
use desk::{Desk, Journalled, Tell};
use plain::Plain;
use what_if::Supposed;

pub use report::{
    AlertLine, AlertsReport, Difference, DifferenceKind, JournalDifference, JournalReport, ReplayReport, TopicReport,
    WhatIfReport,
};
pub use results::Destination;
pub use scores::{Quality, ScoreReport};
pub use written::FieldDifference;

/// What is replayed.
#[derive(Clone, Debug)]
pub struct ReplayParams {
    /// The shards' journals.
    pub score: bool,
    /// The monitor's journal.
    pub monitor: bool,
    /// One shard alone.
    pub shard: Option<i32>,
    /// What is compared.
    pub stretch: Stretch,
    /// Ask what would have been.
    pub what_if: Option<WhatIf>,
    /// Where the results go.
    pub results: Destination,
}

/// What is supposed, beside the configuration.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WhatIf {
    /// The version that scores every event.
    pub model: Option<u32>,
}

/// How far a replay is.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// Whose journal.
    pub role: &'static str,
    /// Its shard.
    pub shard: i32,
    /// Records fed.
    pub done: u64,
    /// Records to be fed.
    pub records: u64,
    /// Time of the last one.
    pub now: Timestamp,
}

impl Default for ReplayParams {
    fn default() -> Self {
        let (stretch, results) = (Stretch::default(), Destination::default());
        ReplayParams { score: true, monitor: true, shard: None, stretch, what_if: None, results }
    }
}

/// Replays and compares; `tell` hears how far it is, record by record.
///
/// # Errors
/// A question that makes no sense, something that is gone, a cluster that does not answer. A difference is none.
pub fn replay(
    config: &Config,
    transport: &dyn Transport,
    params: &ReplayParams,
    tell: Tell<'_>,
) -> Result<ReplayReport, HistoryError> {
    let started = Instant::now();
    let desk = Desk::new(config, transport)?;
    let shards = desk.asked(params)?;
    if params.stretch.is_by_offset() && shards.len() > 1 {
        let why = "offsets count within one partition; say which with `--shard`".to_owned();
        return Err(HistoryError::Wrong(why));
    }
    let mut report = ReplayReport::new(&config.app, &params.stretch);
    match params.what_if {
        Some(what_if) if params.score => {
            let mut supposed = Supposed::new(&desk, params, what_if)?;
            for shard in shards {
                supposed.shard(shard, tell)?;
            }
            let finished = supposed.finish(&mut report.notes, tell)?;
            report.identical = finished.what_if.is_identical();
            (report.journals, report.results) = (finished.journals, finished.results);
            report.what_if = Some(finished.what_if);
        }
        Some(_) => {
            let why = "the monitor alone has no what-if: what it judges comes from the shards".to_owned();
            return Err(HistoryError::Wrong(why));
        }
        None => plain(&desk, params, &shards, &mut report, tell)?,
    }
    report.seconds = started.elapsed().as_secs_f64();
    Ok(report)
}

fn plain(
    desk: &Desk<'_>,
    params: &ReplayParams,
    shards: &[i32],
    report: &mut ReplayReport,
    tell: Tell<'_>,
) -> Result<(), HistoryError> {
    let results = results::Results::open(&params.results, desk.config, desk.transport)?;
    let mut plain = Plain::new(desk, params, results);
    if params.score {
        let pipeline = pipeline_params(desk.config).map_err(|error| HistoryError::Wrong(error.to_string()))?;
        let pipeline = std::sync::Arc::new(pipeline);
        for shard in shards {
            plain.journal(Journalled::Score(*shard), Pipeline::new(pipeline.clone(), *shard), tell)?;
        }
    }
    if params.monitor && params.stretch.is_by_offset() {
        report.notes.push("the monitor's journal has no offsets of events; ask by time to have it compared".to_owned());
    } else if params.monitor {
        let machine = Monitor::new(std::sync::Arc::new(monitor_params(desk.config, desk.shards)));
        plain.journal(Journalled::Monitor, machine, tell)?;
    }
    report.topics = plain.topics();
    report.journals = std::mem::take(&mut plain.journals);
    report.results = plain.results.finish()?;
    report.identical =
        report.topics.iter().all(TopicReport::is_identical) && report.journals.iter().all(JournalReport::is_identical);
    Ok(())
}

impl WhatIfReport {
    /// Whether it changes no prediction and no alert.
    pub fn is_identical(&self) -> bool {
        let scores = &self.scores;
        let alerts = |alerts: &AlertsReport| alerts.both == alerts.published && alerts.both == alerts.computed;
        scores.differing + scores.only_published + scores.only_computed == 0 && self.alerts.as_ref().is_none_or(alerts)
    }
}
