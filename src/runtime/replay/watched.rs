//! One output partition, held against what is computed again, record by record in order.
//!
//! The two sequences are followed side by side. Where they differ, the record that is next in one is looked for a little
//! further on in the other: found there, the records passed over are extra or missing; found nowhere, the record was
//! changed. A topic whose first records are gone is joined where it begins.

use std::collections::VecDeque;

use sha2::Sha256;

use super::report::{Difference, DifferenceKind, TopicReport};
use super::written::{Written, hex};
use crate::codec::read;
use crate::config::Config;
use crate::data::{ModelRecord, Output, Sink};
use crate::runtime::frames::{is_framed, unframed};
use crate::runtime::history::{HistoryError, PartitionLog};
use crate::runtime::stages::MONITOR;

/// How far a record is looked for in the other sequence.
const AHEAD: usize = 1_000;
/// Differences that are kept of each topic.
const KEPT: usize = 10;

/// What has been found of one topic, over all its partitions so far.
#[derive(Clone, Debug, Default)]
pub(super) struct Findings {
    pub report: TopicReport,
    published: Sha256,
    computed: Sha256,
}

/// One partition on its way.
pub(super) struct Watched {
    pub sink: Sink,
    /// Whether published values have a frame, which computed ones have not.
    is_framed: bool,
    log: PartitionLog,
    published: VecDeque<Written>,
    computed: VecDeque<(Written, bool)>,
    /// Whether a record of the topic has been met; before that, records may be gone by age.
    joined: bool,
    /// Whether the record computed last is asked about.
    chosen: bool,
    findings: Findings,
}

impl Findings {
    pub(super) fn new(topic: &str) -> Self {
        let report = TopicReport { topic: topic.to_owned(), ..TopicReport::default() };
        Findings { report, ..Findings::default() }
    }

    pub(super) fn finish(self) -> TopicReport {
        TopicReport { sha256_published: hex(self.published), sha256_computed: hex(self.computed), ..self.report }
    }
}

impl Watched {
    pub(super) fn new(config: &Config, sink: Sink, log: PartitionLog, findings: Findings) -> Self {
        let is_framed = is_framed(config, sink);
        let joined = log.bounds().start == 0;
        let (published, computed) = (VecDeque::new(), VecDeque::new());
        Watched { sink, is_framed, log, published, computed, joined, chosen: false, findings }
    }

    /// Takes what was computed next; `chosen` where it is asked about.
    pub(super) fn add(&mut self, output: &Output<'_>, chosen: bool) -> Result<(), HistoryError> {
        self.chosen = chosen;
        self.computed.push_back((Written::computed(output), chosen));
        self.settle(false)
    }

    /// Nothing more is computed. `whole`: what is published beyond was made by nothing in the journal.
    pub(super) fn finish(mut self, whole: bool) -> Result<Findings, HistoryError> {
        self.settle(true)?;
        while whole && self.fill(1)? {
            self.extra(1);
        }
        Ok(self.findings)
    }

    fn settle(&mut self, last: bool) -> Result<(), HistoryError> {
        while !self.computed.is_empty() {
            if !self.fill(1)? {
                self.missing(self.computed.len());
                return Ok(());
            }
            let (Some((computed, chosen)), Some(published)) = (self.computed.front(), self.published.front()) else {
                return Ok(());
            };
            let chosen = *chosen;
            if published.same(computed) {
                self.pair(chosen);
                continue;
            }
            if self.computed.len() < AHEAD && !last {
                return Ok(());
            }
            self.fill(AHEAD)?;
            self.resolve(chosen);
        }
        Ok(())
    }

    /// The heads differ: passes over what only one side has.
    fn resolve(&mut self, chosen: bool) {
        let (Some((computed, _)), Some(published)) = (self.computed.front(), self.published.front()) else { return };
        let extra = self.published.iter().position(|published| published.same(computed));
        let missing = self.computed.iter().position(|(computed, _)| published.same(computed));
        match (extra, missing) {
            (Some(extra), Some(missing)) if extra <= missing => self.extra(extra),
            (Some(extra), None) => self.extra(extra),
            (_, Some(missing)) => self.missing(missing),
            (None, None) if !self.joined => self.missing(1),
            (None, None) => self.pair(chosen),
        }
    }

    /// Both heads are the same record, changed or not.
    fn pair(&mut self, chosen: bool) {
        let (Some((computed, _)), Some(published)) = (self.computed.pop_front(), self.published.pop_front()) else {
            return;
        };
        self.joined = true;
        if !chosen {
            return;
        }
        published.hash_into(&mut self.findings.published);
        computed.hash_into(&mut self.findings.computed);
        let report = &mut self.findings.report;
        report.compared += 1;
        match published.difference(&computed) {
            None => report.identical += 1,
            Some(_) => {
                report.changed += 1;
                self.note(DifferenceKind::Changed, Some(&published), Some(&computed));
            }
        }
    }

    fn extra(&mut self, count: usize) {
        for published in self.published.drain(..count).collect::<Vec<_>>() {
            if self.chosen {
                published.hash_into(&mut self.findings.published);
                self.findings.report.extra += 1;
                self.note(DifferenceKind::Extra, Some(&published), None);
            }
        }
    }

    fn missing(&mut self, count: usize) {
        let gone = !self.joined;
        for (computed, chosen) in self.computed.drain(..count).collect::<Vec<_>>() {
            if !chosen {
                continue;
            }
            if gone {
                self.findings.report.gone += 1;
                continue;
            }
            computed.hash_into(&mut self.findings.computed);
            self.findings.report.missing += 1;
            self.note(DifferenceKind::Missing, None, Some(&computed));
        }
    }

    fn note(&mut self, kind: DifferenceKind, published: Option<&Written>, computed: Option<&Written>) {
        let report = &mut self.findings.report;
        if report.first.len() >= KEPT {
            return;
        }
        let field = published.zip(computed).and_then(|(published, computed)| published.difference(computed));
        report.first.push(Difference {
            kind,
            partition: self.log.at().partition,
            offset: published.and_then(|published| published.offset),
            about: published.or(computed).map(Written::about).unwrap_or_default(),
            field,
            sha256_published: published.map(Written::sha256),
            sha256_computed: computed.map(Written::sha256),
        });
    }

    /// Reads on until `count` records are at hand or none is left; whether there is one.
    fn fill(&mut self, count: usize) -> Result<bool, HistoryError> {
        while self.published.len() < count {
            let Some(record) = self.log.next()? else { break };
            let is_ours = self.sink != Sink::Models
                || read::<ModelRecord>("control", record.value.as_deref()).is_ok_and(|record| record.by == MONITOR);
            if is_ours {
                let record = if self.is_framed { unframed(record) } else { record };
                self.published.push_back(Written::published(record));
            }
        }
        Ok(!self.published.is_empty())
    }
}
