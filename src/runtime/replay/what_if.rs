//! The past as it would have been: the recorded inputs in their recorded order, with another model or configuration.
//!
//! What differs may differ from the first event on, so the whole past is fed and the stretch is what is compared. Labels
//! come as they came. The monitor is given what the shards would have told it.

use super::charge::{Charge, is_switch};
use super::desk::{Configured, Desk, Journalled, Tell, tell};
use super::report::{JournalReport, WhatIfReport};
use super::results::Results;
use super::scores::{Beside, Scores};
use super::{ReplayParams, WhatIf, alarms};
use crate::codec::read;
use crate::data::{Item, Machine, Outbox, Prediction, Sink, Timestamp};
use crate::model::Selection;
use crate::pipeline::{Pipeline, PipelineParams};
use crate::runtime::history::{HistoryError, PartitionLog};
use crate::runtime::setup::pipeline_params;

/// What a shard would have told the monitor, and when.
pub(super) struct Told {
    pub now: Timestamp,
    pub shard: i32,
    pub value: Box<[u8]>,
}

/// A what-if on its way.
pub(super) struct Supposed<'a> {
    desk: &'a Desk<'a>,
    params: &'a ReplayParams,
    what_if: WhatIf,
    charge: Charge,
    pipeline: std::sync::Arc<PipelineParams>,
    pub results: Results,
    scores: Scores,
    told: Vec<Told>,
    pub journals: Vec<JournalReport>,
    other_config: bool,
    /// Promotions of versions whose rows this configuration does not compute.
    unfit: u64,
    /// Commands on settings that were left out.
    unset: u64,
}

impl<'a> Supposed<'a> {
    pub(super) fn new(desk: &'a Desk<'a>, params: &'a ReplayParams, what_if: WhatIf) -> Result<Self, HistoryError> {
        let pipeline = pipeline_params(desk.config).map_err(|error| HistoryError::Wrong(error.to_string()))?;
        let charge = Charge::new(desk, what_if.model, &pipeline.features.names)?;
        Ok(Supposed {
            desk,
            params,
            what_if,
            charge,
            pipeline: std::sync::Arc::new(pipeline),
            results: Results::open(&params.results, desk.config, desk.transport)?,
            scores: Scores::default(),
            told: Vec::new(),
            journals: Vec::new(),
            other_config: false,
            unfit: 0,
            unset: 0,
        })
    }

    /// Feeds one shard.
    pub(super) fn shard(&mut self, shard: i32, listener: Tell<'_>) -> Result<(), HistoryError> {
        let of = Journalled::Score(shard);
        let mut past = self.desk.past(of, self.params.stretch, Configured::Anyhow)?;
        let is_recorded = self.desk.is_of_this(&past);
        self.other_config |= !is_recorded;
        let log = PartitionLog::open(self.desk.transport, &self.desk.config.topics.predictions, shard)?;
        let mut beside = Beside::new(log);
        let mut machine = Pipeline::new(self.pipeline.clone(), shard);
        let mut out = Outbox::default();
        let records = past.overview.records;
        let mut report = JournalReport { role: of.role(), shard, records, ..JournalReport::default() };
        machine.handle(&self.charge.begin(), Timestamp::MIN, &mut out);
        while let Some(mut moment) = past.next()? {
            self.unfit += moment.items.iter().filter(|item| self.is_unfit(item)).count() as u64;
            self.unset += self.charge.keep(&mut moment.items, is_recorded);
            machine.handle(&moment.items, moment.record.now, &mut out);
            machine.commit();
            report.compared += u64::from(moment.chosen);
            for output in out.iter() {
                if output.sink == Sink::Summaries {
                    let value = output.value.unwrap_or_default().into();
                    self.told.push(Told { now: moment.record.now, shard, value });
                    continue;
                }
                if !moment.chosen {
                    continue;
                }
                if output.sink == Sink::Predictions
                    && let Ok(prediction) = read::<Prediction>("prediction", output.value)
                {
                    self.scores.add(&prediction, &mut beside)?;
                }
                self.results.take(&output, shard, self.desk.config)?;
            }
            out.clear();
            tell(listener, of, moment.record.sequence + 1, &past, moment.record.now);
        }
        self.journals.push(report);
        Ok(())
    }

    fn is_unfit(&self, item: &Item<crate::model::Model>) -> bool {
        let Item::Command(command) = item else { return false };
        let other = command
            .model
            .as_ref()
            .is_some_and(|model| Selection::of(model.layout(), &self.pipeline.features.names).is_none());
        other && is_switch(item) && self.what_if.model.is_none()
    }

    /// Reads the labels, and lets the monitor judge what it would have been told.
    pub(super) fn finish(mut self, notes: &mut Vec<String>, listener: Tell<'_>) -> Result<Finished, HistoryError> {
        for shard in self.desk.asked(self.params)? {
            let topic = &self.desk.config.topics.outcomes;
            self.scores.labels(PartitionLog::open(self.desk.transport, topic, shard)?)?;
        }
        let mut alerts = None;
        if !self.params.monitor || self.params.shard.is_some() {
            notes.push("alerts are judged over all shards and roles, and not all were asked about".to_owned());
        } else if self.params.stretch.is_by_offset() {
            notes.push("alerts belong to no offset; ask by time to have them compared".to_owned());
        } else {
            let told = std::mem::take(&mut self.told);
            let case = alarms::Case { desk: self.desk, charge: &self.charge, told, stretch: self.params.stretch };
            let judged = alarms::judge(case, &mut self.results, listener)?;
            if !judged.as_recorded {
                notes.push(
                    "the shards would have reported at other times, so the monitor was told in the order of time"
                        .to_owned(),
                );
            }
            alerts = Some(judged.report);
        }
        if self.unfit > 0 {
            notes.push(format!(
                "{} times a version was promoted that needs a feature that this configuration does not compute: the one \
                 before it went on, at first the base rate",
                self.unfit
            ));
        }
        if self.unset > 0 {
            notes.push(format!(
                "{} times a command had changed a setting: this configuration is taken as it is, without them",
                self.unset
            ));
        }
        let what_if = WhatIfReport {
            model: self.what_if.model,
            other_config: self.other_config,
            scores: self.scores.finish(),
            alerts,
        };
        Ok(Finished { what_if, journals: self.journals, results: self.results.finish()? })
    }
}

/// A what-if that is through.
pub(super) struct Finished {
    pub what_if: WhatIfReport,
    pub journals: Vec<JournalReport>,
    pub results: Vec<String>,
}
