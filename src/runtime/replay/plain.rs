//! The past as it was: every journal record is fed again, its digest compared, and its outputs held against the topics.

use std::collections::BTreeMap;

use super::ReplayParams;
use super::desk::{Configured, Desk, Journalled, Tell, tell};
use super::report::{JournalDifference, JournalReport, TopicReport};
use super::results::Results;
use super::watched::{Findings, Watched};
use crate::data::{Machine, Outbox, Sink};
use crate::model::Model;
use crate::runtime::history::{HistoryError, PartitionLog, Past, bounds};
use crate::runtime::stage::target;

/// What is compared of a shard, with late events where they have a topic.
pub(super) const OF_SCORE: [Sink; 3] = [Sink::Predictions, Sink::Outcomes, Sink::DeadLetters];
/// What is compared of the monitor.
pub(super) const OF_MONITOR: [Sink; 3] = [Sink::DriftAlerts, Sink::Performance, Sink::Models];

/// A plain replay on its way.
pub(super) struct Plain<'a> {
    pub desk: &'a Desk<'a>,
    pub params: &'a ReplayParams,
    pub results: Results,
    pub journals: Vec<JournalReport>,
    findings: BTreeMap<Sink, Findings>,
}

/// One journal and what was published from it.
struct Side {
    of: Journalled,
    past: Past,
    watched: Vec<Watched>,
}

impl<'a> Plain<'a> {
    pub(super) fn new(desk: &'a Desk<'a>, params: &'a ReplayParams, results: Results) -> Self {
        Plain { desk, params, results, journals: Vec::new(), findings: BTreeMap::new() }
    }

    /// Feeds a journal to a machine that has seen nothing.
    pub(super) fn journal<M: Machine<Model = Model>>(
        &mut self,
        of: Journalled,
        machine: M,
        listener: Tell<'_>,
    ) -> Result<(), HistoryError> {
        let past = self.desk.past(of, self.params.stretch, Configured::AsRecorded)?;
        // Opened after the journal: whatever the journal names has been published before it.
        let watched = self.watch(of)?;
        let mut side = Side { of, past, watched };
        let report = self.feed(machine, &mut side, listener)?;
        let whole = side.past.is_whole() && self.has_ended(&side)?;
        for watched in side.watched {
            let sink = watched.sink;
            self.findings.insert(sink, watched.finish(whole)?);
        }
        self.journals.push(report);
        Ok(())
    }

    /// Whether nothing has been added to the journal since it was opened.
    fn has_ended(&self, side: &Side) -> Result<bool, HistoryError> {
        let journal = side.past.journal();
        Ok(bounds(self.desk.transport, &journal.at().topic, side.of.shard())?.end == journal.bounds().end)
    }

    fn watch(&mut self, of: Journalled) -> Result<Vec<Watched>, HistoryError> {
        let late = self.desk.config.topics.late.as_ref().map(|_| Sink::Late);
        let sinks: Vec<Sink> = match of {
            Journalled::Monitor => OF_MONITOR.to_vec(),
            Journalled::Score(_) => OF_SCORE.into_iter().chain(late).collect(),
        };
        let mut watched = Vec::new();
        for sink in sinks {
            let to = target(&self.desk.config.topics, sink, of.shard());
            let log = PartitionLog::open(self.desk.transport, to.topic, to.partition)?;
            let findings = self.findings.remove(&sink).unwrap_or_else(|| Findings::new(to.topic));
            watched.push(Watched::new(self.desk.config, sink, log, findings));
        }
        Ok(watched)
    }

    fn feed<M: Machine<Model = Model>>(
        &mut self,
        mut machine: M,
        side: &mut Side,
        listener: Tell<'_>,
    ) -> Result<JournalReport, HistoryError> {
        let Side { of, past, watched } = side;
        let of = *of;
        let mut report =
            JournalReport { role: of.role(), shard: of.shard(), records: past.overview.records, ..Default::default() };
        let mut out = Outbox::default();
        while let Some(moment) = past.next()? {
            machine.handle(&moment.items, moment.record.now, &mut out);
            machine.commit();
            report.compared += u64::from(moment.chosen);
            if out.digest() != moment.record.digest {
                *(if moment.chosen { &mut report.different } else { &mut report.different_before }) += 1;
                report.first.get_or_insert_with(|| JournalDifference {
                    sequence: moment.record.sequence,
                    now: moment.record.now,
                    recorded: format!("{:032x}", moment.record.digest),
                    computed: format!("{:032x}", out.digest()),
                });
            }
            for output in out.iter() {
                if let Some(watched) = watched.iter_mut().find(|watched| watched.sink == output.sink) {
                    watched.add(&output, moment.chosen)?;
                }
                if moment.chosen {
                    self.results.take(&output, of.shard(), self.desk.config)?;
                }
            }
            out.clear();
            tell(listener, of, moment.record.sequence + 1, past, moment.record.now);
        }
        Ok(report)
    }

    /// What was found of every topic.
    pub(super) fn topics(&mut self) -> Vec<TopicReport> {
        std::mem::take(&mut self.findings).into_values().map(Findings::finish).collect()
    }
}
