//! What a replay found.

use serde::Serialize;

use super::scores::ScoreReport;
use super::written::FieldDifference;
use crate::data::Timestamp;
use crate::runtime::history::Stretch;

/// What a replay found, whole.
#[derive(Clone, Debug, Serialize)]
pub struct ReplayReport {
    /// The application.
    pub app: String,
    /// Whether everything compared is as it was. Of a what-if nobody expects that.
    pub identical: bool,
    /// Journals fed, shard by shard, the monitor's last.
    pub journals: Vec<JournalReport>,
    /// Topics compared; none of a what-if.
    pub topics: Vec<TopicReport>,
    /// What would have been, if that was asked.
    pub what_if: Option<WhatIfReport>,
    /// Where the results are.
    pub results: Vec<String>,
    /// Worth knowing.
    pub notes: Vec<String>,
    /// How long it took.
    pub seconds: f64,
}

/// One journal.
#[derive(Clone, Debug, Default, Serialize)]
pub struct JournalReport {
    /// The role that wrote it.
    pub role: &'static str,
    /// The shard.
    pub shard: i32,
    /// Records in it.
    pub records: u64,
    /// Records asked about.
    pub compared: u64,
    /// Those with other outputs now; 0 of a what-if.
    pub different: u64,
    /// Records before those asked about that have other outputs now: what follows began from another state.
    pub different_before: u64,
    /// The first record with other outputs.
    pub first: Option<JournalDifference>,
}

/// A journal record whose outputs are others now.
#[derive(Clone, Debug, Serialize)]
pub struct JournalDifference {
    /// Its number.
    pub sequence: u64,
    /// Its time.
    pub now: Timestamp,
    /// The digest it carries.
    pub recorded: String,
    /// The digest of what is computed again.
    pub computed: String,
}

/// One topic, over its partitions in their order.
#[derive(Clone, Debug, Default, Serialize)]
pub struct TopicReport {
    /// Its name.
    pub topic: String,
    /// Records found on both sides.
    pub compared: u64,
    /// Those with the same bytes.
    pub identical: u64,
    /// Those with other bytes.
    pub changed: u64,
    /// Computed again, but not published.
    pub missing: u64,
    /// Published, but not computed again.
    pub extra: u64,
    /// Computed again, but the topic no longer goes back so far.
    pub gone: u64,
    /// Over key, value and headers of every record published, in order.
    pub sha256_published: String,
    /// The same over what is computed again.
    pub sha256_computed: String,
    /// The first differences.
    pub first: Vec<Difference>,
}

/// One record that differs.
#[derive(Clone, Debug, Serialize)]
pub struct Difference {
    /// In which way.
    pub kind: DifferenceKind,
    /// Partition.
    pub partition: i32,
    /// Offset of the published record.
    pub offset: Option<i64>,
    /// The event, alert or window it is about.
    pub about: String,
    /// The first field that differs.
    pub field: Option<FieldDifference>,
    /// Hash of the published record.
    pub sha256_published: Option<String>,
    /// Hash of the computed record.
    pub sha256_computed: Option<String>,
}

/// How a record differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DifferenceKind {
    /// Published with other bytes.
    Changed,
    /// Not published.
    Missing,
    /// Published and not computed.
    Extra,
}

/// What would have been.
#[derive(Clone, Debug, Serialize)]
pub struct WhatIfReport {
    /// The version that scored everything; `None`: whoever was in charge.
    pub model: Option<u32>,
    /// Whether the configuration is another one than recorded.
    pub other_config: bool,
    /// Predictions, as published and as they would have been.
    pub scores: ScoreReport,
    /// Alerts that opened; `None` where not all shards were replayed.
    pub alerts: Option<AlertsReport>,
}

/// Alerts that opened, as published and as they would have been.
#[derive(Clone, Debug, Default, Serialize)]
pub struct AlertsReport {
    /// Published.
    pub published: u64,
    /// Would have opened.
    pub computed: u64,
    /// On both sides: the same signal, segment and window, whoever was in charge.
    pub both: u64,
    /// The first that were published and would not have opened.
    pub only_published: Vec<AlertLine>,
    /// The first that would have opened and did not.
    pub only_computed: Vec<AlertLine>,
}

/// An alert in one line.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AlertLine {
    /// The signal.
    pub signal: String,
    /// The segment measured.
    pub segment: String,
    /// End of the window that opened it.
    pub window_end: Timestamp,
    /// One sentence.
    pub message: String,
}

impl TopicReport {
    /// Whether nothing differs.
    pub fn is_identical(&self) -> bool {
        self.changed + self.missing + self.extra == 0
    }
}

impl JournalReport {
    /// Whether nothing differs.
    pub fn is_identical(&self) -> bool {
        self.different + self.different_before == 0
    }
}

impl ReplayReport {
    pub(super) fn new(app: &str, stretch: &Stretch) -> Self {
        let mut notes = Vec::new();
        if *stretch != Stretch::default() {
            notes.push(
                "compared: whole transactions that lie in the stretch; what came before built the state".to_owned(),
            );
        }
        ReplayReport {
            app: app.to_owned(),
            identical: false,
            journals: Vec::new(),
            topics: Vec::new(),
            what_if: None,
            results: Vec::new(),
            notes,
            seconds: 0.0,
        }
    }
}
