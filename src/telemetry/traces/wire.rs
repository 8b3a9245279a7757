//! Spans as OTLP has them.

use opentelemetry_proto::tonic::collector::trace::v1::{ExportTraceServiceRequest, ExportTraceServiceResponse};
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::span::{Link, SpanKind};
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span as Wired, Status};
use prost::Message;

use super::{Span, SpanValue};
use crate::data::Timestamp;

/// The trace flags of what is sampled.
const SAMPLED: u32 = 1;

/// The body of a request.
pub(super) fn request(resource: &[(String, String)], spans: &[Span]) -> Vec<u8> {
    let attributes = resource.iter().map(|(name, value)| pair(name, Value::StringValue(value.clone()))).collect();
    let scope = InstrumentationScope {
        name: "driftless".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        ..InstrumentationScope::default()
    };
    let scoped = ScopeSpans { scope: Some(scope), spans: spans.iter().map(wired).collect(), ..ScopeSpans::default() };
    let resource_spans = ResourceSpans {
        resource: Some(Resource { attributes, ..Resource::default() }),
        scope_spans: vec![scoped],
        ..ResourceSpans::default()
    };
    ExportTraceServiceRequest { resource_spans: vec![resource_spans] }.encode_to_vec()
}

/// How many spans the answer says were refused; an answer that is none refuses nothing.
pub(super) fn rejected(answer: &[u8]) -> u64 {
    let answer = ExportTraceServiceResponse::decode(answer).unwrap_or_default();
    answer.partial_success.map_or(0, |partial| u64::try_from(partial.rejected_spans).unwrap_or(0))
}

fn wired(span: &Span) -> Wired {
    let link = |at: &crate::data::TracePoint| Link {
        trace_id: at.trace.0.to_vec(),
        span_id: at.span.0.to_vec(),
        flags: SAMPLED,
        ..Link::default()
    };
    let kind = if span.is_consumer { SpanKind::Consumer } else { SpanKind::Internal };
    let status = Status { code: StatusCode::Error.into(), ..Status::default() };
    Wired {
        trace_id: span.at.trace.0.to_vec(),
        span_id: span.at.span.0.to_vec(),
        parent_span_id: span.parent.map(|parent| parent.0.to_vec()).unwrap_or_default(),
        flags: SAMPLED,
        name: span.name.clone().into_owned(),
        kind: kind.into(),
        start_time_unix_nano: nanos(span.began),
        end_time_unix_nano: nanos(span.ended.max(span.began)),
        attributes: span.attributes.iter().map(|(name, value)| pair(name, valued(value))).collect(),
        links: span.links.iter().map(link).collect(),
        status: span.is_failed.then_some(status),
        ..Wired::default()
    }
}

fn pair(name: &str, value: Value) -> KeyValue {
    KeyValue { key: name.to_owned(), value: Some(AnyValue { value: Some(value) }), ..KeyValue::default() }
}

fn valued(value: &SpanValue) -> Value {
    match value {
        SpanValue::Text(text) => Value::StringValue(text.clone()),
        SpanValue::Number(number) => Value::IntValue(*number),
        SpanValue::Float(number) => Value::DoubleValue(*number),
    }
}

fn nanos(at: Timestamp) -> u64 {
    u64::try_from(at.millis()).unwrap_or(0).saturating_mul(1_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::TracePoint;

    #[test]
    fn a_span_is_read_back_as_it_was() {
        let at = TracePoint::root(&[]);
        let span = Span {
            at: at.then(&[]),
            parent: Some(at.span),
            links: vec![at],
            name: "score events".into(),
            is_consumer: true,
            began: Timestamp::from_millis(5),
            ended: Timestamp::from_millis(3),
            attributes: vec![("a", "b".into()), ("c", 7u32.into()), ("d", SpanValue::Float(0.5))],
            is_failed: true,
        };
        let resource = [("service.name".to_owned(), "fraud".to_owned())];
        let read = ExportTraceServiceRequest::decode(request(&resource, &[span]).as_slice()).unwrap();
        let of = &read.resource_spans[0];
        assert_eq!(of.resource.as_ref().unwrap().attributes[0].key, "service.name");
        let scope = &of.scope_spans[0];
        assert_eq!(scope.scope.as_ref().unwrap().name, "driftless");
        let span = &scope.spans[0];
        assert_eq!((span.trace_id.as_slice(), span.parent_span_id.as_slice()), (&at.trace.0[..], &at.span.0[..]));
        assert_eq!((span.start_time_unix_nano, span.end_time_unix_nano), (5_000_000, 5_000_000));
        assert_eq!((span.kind, span.attributes.len(), span.links.len()), (5, 3, 1));
        assert_eq!(span.status.as_ref().unwrap().code, 2);
    }

    #[test]
    fn an_answer_says_how_many_spans_it_refused() {
        assert_eq!((rejected(b""), rejected(b"<html>")), (0, 0));
        assert_eq!(rejected(&[0x0a, 2, 8, 3]), 3);
    }
}
