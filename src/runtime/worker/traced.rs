//! Spans of the records that a transaction holds, told once it is committed.
//!
//! A span begins when its record is handled and ends with the commit, when others can see what came of it. What is taken
//! back is not told; the same span is told when its record has been handled again, as its id is a hash of the position.

use crate::config::params::Topics;
use crate::data::{Deed, Outbox, Timestamp, Traced};
use crate::runtime::traces::Traces;
use crate::telemetry::traces::{Span, SpanValue};
use crate::telemetry::{Metric, count};

/// What the open transaction holds of sampled traces.
#[derive(Debug, Default)]
pub(super) struct TracedRecords {
    open: Vec<(Traced, Timestamp)>,
    untraceable: u64,
}

/// What spans of records have in common.
pub(super) struct Surroundings<'a> {
    pub traces: &'a Traces,
    pub topics: &'a Topics,
    pub group: &'a str,
}

impl TracedRecords {
    /// Takes what a machine has noted of a batch that it began at `began`.
    pub(super) fn took(&mut self, outbox: &mut Outbox, began: Timestamp) {
        let (traced, untraceable) = outbox.take_traced();
        self.open.extend(traced.into_iter().map(|traced| (traced, began)));
        self.untraceable += untraceable;
    }

    /// The transaction was given up; its records come again.
    pub(super) fn taken_back(&mut self) {
        *self = TracedRecords::default();
    }

    /// It has been committed.
    pub(super) fn committed(&mut self, around: &Surroundings<'_>, ended: Timestamp) {
        if self.untraceable > 0 {
            count(Metric::TraceparentsMalformed, &[], std::mem::take(&mut self.untraceable));
        }
        if !self.open.is_empty() {
            around.traces.spans.send(self.open.drain(..).map(|(traced, began)| span(traced, began, ended, around)));
        }
    }
}

fn span(traced: Traced, began: Timestamp, ended: Timestamp, around: &Surroundings<'_>) -> Span {
    let Traced { at, parent, link, partition, offset, deed } = traced;
    let (operation, topic) = match deed {
        Deed::Scored { .. } | Deed::Refused(_) => ("score", around.topics.events.as_str()),
        Deed::Joined { .. } => ("join", around.topics.labels.as_deref().unwrap_or_default()),
    };
    // The names of OpenTelemetry's conventions for messaging, as far as they reach.
    let mut attributes = vec![
        ("messaging.system", "kafka".into()),
        ("messaging.operation.name", operation.into()),
        ("messaging.operation.type", "process".into()),
        ("messaging.destination.name", topic.into()),
        ("messaging.destination.partition.id", SpanValue::Text(partition.to_string())),
        ("messaging.kafka.offset", offset.into()),
        ("messaging.consumer.group.name", around.group.into()),
    ];
    let is_failed = matches!(deed, Deed::Refused(_));
    match deed {
        Deed::Scored { model_version, decision } => {
            attributes.push(("driftless.model.version", model_version.into()));
            attributes.push(("driftless.decision", SpanValue::Text(decision.into())));
        }
        Deed::Joined { model_version, revision } => {
            attributes.push(("driftless.model.version", model_version.into()));
            attributes.push(("driftless.label.revision", revision.into()));
        }
        Deed::Refused(code) => attributes.push(("error.type", code.into())),
    }
    let name = format!("{operation} {topic}").into();
    let links = link.into_iter().collect();
    Span { at, parent, links, name, is_consumer: true, began, ended, attributes, is_failed }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::TracePoint;
    use crate::telemetry::traces::Spans;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    fn noted(offset: i64, deed: Deed) -> Outbox {
        let mut outbox = Outbox::default();
        let root = TracePoint::root(&[]);
        outbox.note(Traced { at: root, parent: None, link: None, partition: 3, offset, deed });
        outbox
    }

    #[test]
    fn a_span_is_told_once_its_transaction_is_committed_and_not_where_it_is_taken_back() {
        let traces = Traces { app: "fraud".to_owned(), spans: Spans::default() };
        let config = crate::config::Config::parse(include_str!("../../../examples/minimal.toml")).unwrap();
        let around = Surroundings { traces: &traces, topics: &config.topics, group: "fraud.score" };
        let mut records = TracedRecords::default();
        records.took(&mut noted(7, Deed::Refused("decode")), at(10));
        records.taken_back();
        records.committed(&around, at(15));
        assert_eq!(traces.spans.take(), []);
        let mut outbox = noted(7, Deed::Refused("decode"));
        records.took(&mut outbox, at(20));
        assert_eq!(outbox.take_traced(), (Vec::new(), 0));
        records.committed(&around, at(30));
        records.committed(&around, at(40));
        let [span] = &traces.spans.take()[..] else { panic!("one span") };
        assert_eq!((span.began, span.ended, span.is_failed), (at(20), at(30), true));
        let attribute = |name: &str| span.attributes.iter().find(|(other, _)| *other == name).map(|(_, value)| value);
        assert_eq!(attribute("messaging.kafka.offset"), Some(&SpanValue::Number(7)));
        assert_eq!(attribute("error.type"), Some(&SpanValue::Text("decode".to_owned())));
        assert_eq!(span.name, format!("score {}", config.topics.events));
    }
}
