//! A training as a span of its incident's trace, and as the last span of the traces of a few of its examples.

use super::request::Request;
use crate::data::{ModelCommand, ModelRecord, Seed, Timestamp, TracePoint, TrainingReason};
use crate::runtime::traces::Traces;
use crate::telemetry::traces::{Span, SpanValue};

/// What is told of a training beside the record that answers its request.
pub(super) struct Learned<'a> {
    /// The request.
    pub request: &'a Request,
    /// Hash of the data set, where there is a candidate.
    pub examples: Option<String>,
    pub ended: Timestamp,
}

/// The training, linked with examples, and one span in the trace of each of them, linked with the training.
pub(super) fn tell(traces: &Traces, record: &ModelRecord, learned: Learned<'_>) {
    let Learned { request, examples, ended } = learned;
    let incident = request.incident();
    let at = traces.training(incident);
    let began = request.began.unwrap_or(ended);
    let result = record.command.name();
    let mut attributes: Vec<(&'static str, SpanValue)> = vec![
        ("driftless.incident", incident.into()),
        ("driftless.training.reason", request.reason().map_or("", TrainingReason::name).into()),
        ("driftless.training.result", result.into()),
        ("driftless.model.version", record.version.into()),
    ];
    if let Some(evidence) = &record.evidence {
        let count = |n: u64| SpanValue::Number(i64::try_from(n).unwrap_or(i64::MAX));
        attributes.push(("driftless.training.examples", count(evidence.n_train)));
        attributes.push(("driftless.training.holdout", count(evidence.n_holdout)));
    }
    attributes.extend(examples.map(|sha256| ("driftless.training.examples_sha256", SpanValue::Text(sha256))));
    let training = Span {
        parent: Some(traces.request(incident).span),
        links: request.examples.clone(),
        began,
        ended,
        attributes,
        is_failed: record.command == ModelCommand::TrainingFailed,
        ..Span::named("train", at)
    };
    let of_example = |example: &TracePoint| Span {
        parent: Some(example.span),
        links: vec![at],
        began,
        ended,
        attributes: vec![("driftless.incident", incident.into()), ("driftless.training.result", result.into())],
        ..Span::named("learn", example.then(&[Seed::Text("learn"), Seed::Text(incident)]))
    };
    let of_examples: Vec<Span> = request.examples.iter().map(of_example).collect();
    traces.spans.send(std::iter::once(training).chain(of_examples));
}
