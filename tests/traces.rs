//! An event's trace goes on through its prediction, its label and the training it ended in, each span is told once, and
//! nothing that is computed depends on it. Spans go to a collector that decodes them.
#![expect(clippy::unwrap_used, reason = "a test that cannot be set up is to fail loudly")]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use driftless::codec::read;
use driftless::config::Config;
use driftless::data::{Header, Incoming, Outcome, Prediction, Record, TracePoint};
use driftless::runtime::{ReplayParams, replay};
use driftless::transport::memory::{Cue, Fault, Memory};
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use support::bench::{Bench, assert_whole, differences};
use support::collector::Collector;
use support::{CONFIG, trace_headers};

const N: usize = 600;

/// There is a training, and it comes to something: the rows it is judged by are of two days.
fn text() -> String {
    let longer =
        CONFIG.replace("holdout = \"20m\"", "holdout = \"6h\"").replace("history = \"4h\"", "history = \"2d\"");
    let longer = longer.replace("[retrain]\n", "[retrain]\nfamilies = [\"linear\"]\n");
    longer.replace("first_after = \"1h\"", "first_after = \"26h\"").replace("schedule = \"2h\"", "schedule = \"2d\"")
}

fn traced(collector: &Collector) -> Config {
    let traces = format!("[traces]\nendpoint = \"{}\"\nratio = 0.3\n", collector.url());
    Config::parse(&format!("{}\n{traces}", text())).unwrap()
}

fn bench_of(config: Config) -> (Memory, Bench) {
    let memory = Memory::new();
    let mut bench = Bench::new(Arc::new(memory.clone()), config);
    bench.headers = trace_headers;
    (memory, bench)
}

/// Runs the sequence with traces; the application, and the spans that came.
fn ran(seed: u64, n: usize, fault: impl Fn(&Memory)) -> (Bench, Vec<Span>) {
    let collector = Collector::start();
    let (memory, bench) = bench_of(traced(&collector));
    fault(&memory);
    bench.run(seed, n, |_, app| app);
    (bench, collector.spans())
}

fn point(span: &Span) -> (Vec<u8>, Vec<u8>) {
    (span.trace_id.clone(), span.span_id.clone())
}

fn bytes(point: TracePoint) -> (Vec<u8>, Vec<u8>) {
    (point.trace.0.to_vec(), point.span.0.to_vec())
}

fn sampled(headers: &[Header]) -> Option<TracePoint> {
    match Incoming::of(headers) {
        Incoming::Sampled(point) => Some(point),
        _ => None,
    }
}

fn attribute(span: &Span, name: &str) -> Option<Value> {
    span.attributes.iter().find(|pair| pair.key == name)?.value.clone()?.value
}

/// All spans by their place; none has come twice.
fn by_place(spans: &[Span]) -> BTreeMap<(Vec<u8>, Vec<u8>), &Span> {
    let all: BTreeMap<_, _> = spans.iter().map(|span| (point(span), span)).collect();
    assert_eq!(all.len(), spans.len(), "a span was told twice");
    all
}

fn records(bench: &Bench, topic: &str) -> Vec<Record> {
    bench.records(topic).into_iter().flatten().collect()
}

/// Predictions with their headers, by event id.
fn predictions(bench: &Bench) -> BTreeMap<String, (Prediction, Vec<Header>)> {
    let read = |record: Record| {
        let prediction: Prediction = read("prediction", record.value.as_deref()).unwrap();
        (prediction.event_id.clone(), (prediction, record.headers))
    };
    records(bench, &bench.config.topics.predictions).into_iter().map(read).collect()
}

#[test]
fn an_event_is_one_trace_from_its_sender_to_the_training_it_ended_in() {
    let (bench, spans) = ran(21, 14_000, |_| ());
    assert_whole(&bench.published());
    let spans = by_place(&spans);
    let topics = &bench.config.topics;
    let events = bench.records(&topics.events);
    let predictions = predictions(&bench);

    let (mut continued, mut begun, mut left, mut silent) = (0, 0, 0, 0);
    for (prediction, headers) in predictions.values() {
        let partition = prediction.source_partition as usize;
        let event = events[partition].iter().find(|event| event.offset == prediction.source_offset).unwrap();
        let others = |headers: &[Header]| headers.iter().filter(|header| header.name != "traceparent").count();
        assert_eq!(others(headers), others(&event.headers), "what else there was travels on");
        match (Incoming::of(&event.headers), sampled(headers)) {
            (Incoming::Sampled(from), Some(at)) => {
                assert_eq!(at.trace, from.trace);
                assert_ne!(at.span, from.span);
                let span = spans[&bytes(at)];
                assert_eq!((span.name.as_str(), span.kind), ("score shops.events", 5));
                assert_eq!(span.parent_span_id, from.span.0);
                assert_eq!(attribute(span, "messaging.kafka.offset"), Some(Value::IntValue(prediction.source_offset)));
                assert_eq!(
                    attribute(span, "driftless.decision"),
                    Some(Value::StringValue(prediction.decision.clone()))
                );
                continued += 1;
            }
            (Incoming::Sampled(_), None) => panic!("a trace is lost"),
            (Incoming::Unsampled, at) => {
                assert_eq!((at, headers), (None, &event.headers));
                left += 1;
            }
            (Incoming::Absent | Incoming::Malformed, Some(at)) => {
                assert!(spans[&bytes(at)].parent_span_id.is_empty());
                begun += 1;
            }
            (Incoming::Absent | Incoming::Malformed, None) => {
                assert_eq!(headers, &event.headers);
                silent += 1;
            }
        }
    }
    assert!([continued, begun, left, silent].iter().all(|n| *n > 30), "{continued} {begun} {left} {silent}");
    assert!((0.2..0.4).contains(&(f64::from(begun) / f64::from(begun + silent))), "{begun} of {}", begun + silent);

    let (mut joined, mut linked, mut own) = (BTreeSet::new(), 0, 0);
    for record in records(&bench, &topics.outcomes) {
        let outcome: Outcome = read("outcome", record.value.as_deref()).unwrap();
        let predicted = sampled(&predictions[&outcome.event_id].1);
        let Some(at) = sampled(&record.headers) else {
            assert_eq!(predicted, None, "the trace of a prediction ends before its label");
            continue;
        };
        let span = spans[&bytes(at)];
        assert_eq!(span.name, "join shops.labels");
        match predicted {
            Some(predicted) => {
                assert_eq!((at.trace, span.parent_span_id.as_slice()), (predicted.trace, &predicted.span.0[..]));
                linked += span.links.len();
            }
            None => own += 1,
        }
        joined.insert(bytes(at));
    }
    assert!(joined.len() > 100 && linked > 10 && own > 10, "{} {linked} {own}", joined.len());

    let trainings: Vec<&&Span> = spans.values().filter(|span| span.name == "train").collect();
    assert!(!trainings.is_empty());
    for training in &trainings {
        assert!(!training.links.is_empty() && training.links.len() <= 32);
        for link in &training.links {
            let example = (link.trace_id.clone(), link.span_id.clone());
            assert!(joined.contains(&example), "linked with an outcome");
            let learned = spans.values().find(|span| span.name == "learn" && span.parent_span_id == example.1).unwrap();
            assert_eq!((&learned.trace_id, &learned.links[0].span_id), (&example.0, &training.span_id));
        }
        let request = &spans[&(training.trace_id.clone(), training.parent_span_id.clone())];
        assert_eq!(request.name, "training_requested");
    }
    let decided = spans.values().filter(|span| ["promoted", "refused"].contains(&span.name.as_str()));
    let decided: Vec<_> = decided.collect();
    assert!(!decided.is_empty());
    for span in decided {
        let training = trainings.iter().find(|training| training.span_id == span.parent_span_id).unwrap();
        assert_eq!(span.trace_id, training.trace_id);
    }
}

#[test]
fn a_transaction_that_is_taken_back_tells_its_spans_once_and_the_same() {
    let (undisturbed, expected) = ran(22, N, |_| ());
    let expected_headers: Vec<_> = predictions(&undisturbed).into_values().map(|(_, headers)| headers).collect();
    // Which examples a training names depends on how outcomes of two partitions arrived.
    let places = |spans: &[Span]| {
        let told = by_place(spans).into_iter().filter(|(_, span)| span.name != "learn");
        told.map(|(place, _)| place).collect::<BTreeSet<_>>()
    };
    for (fault, nth) in
        [(Fault::RefuseCommit, 2), (Fault::LoseAnswer, 3), (Fault::LoseCommit, 3), (Fault::RefuseSend, 40)]
    {
        let (bench, spans) = ran(22, N, |memory| {
            for role in ["score", "monitor"] {
                memory.plan(Cue { transactional_id: format!("shops.{role}.a.0"), nth, fault });
            }
        });
        assert_eq!(differences(&bench.published(), &undisturbed.published()), Vec::<String>::new(), "{fault:?}");
        let headers: Vec<_> = predictions(&bench).into_values().map(|(_, headers)| headers).collect();
        assert_eq!(headers, expected_headers, "{fault:?}");
        let (told, all) = (places(&spans), places(&expected));
        assert!(told.is_subset(&all), "{fault:?}");
        // Of a commit whose answer is lost nobody knows here, and nothing of it is told.
        let is_known = fault != Fault::LoseAnswer;
        assert!(!is_known || told == all, "{fault:?}: {} of {}", told.len(), all.len());
    }
}

#[test]
fn traces_are_turned_on_and_off_without_another_history() {
    let collector = Collector::start();
    let config = || Config::parse(&text()).unwrap();
    let (_, mut bench) = bench_of(config());
    let store = bench.config.store.path.clone();
    let with = |mut config: Config| {
        config.store.path.clone_from(&store);
        Arc::new(config)
    };
    let (off, on) = (with(config()), with(traced(&collector)));
    assert_eq!(off.digest(), on.digest());
    for config in [&off, &on, &off] {
        bench.config = config.clone();
        let app = bench.start_live("a");
        let before = bench.predicted().len();
        bench.publish_slowly(before, 200);
        bench.until(&app, || bench.predicted().len() == before + 200);
        app.stop().unwrap();
    }
    let n_traced = predictions(&bench).values().filter(|(_, headers)| sampled(headers).is_some()).count();
    assert!((30..90).contains(&n_traced), "{n_traced}");
    assert_eq!(collector.spans().len(), n_traced);
    for config in [&off, &on] {
        let report = replay(config, &*bench.transport, &ReplayParams::default(), &mut |_| {}).unwrap();
        assert!(report.identical, "{report}");
    }
}

#[test]
fn a_collector_that_is_away_changes_nothing() {
    let (undisturbed, _) = ran(23, N, |_| ());
    let (_, bench) = bench_of(
        Config::parse(&format!("{}\n[traces]\nendpoint = \"http://127.0.0.1:1/\"\nratio = 0.3\n", text())).unwrap(),
    );
    bench.run(23, N, |_, app| app);
    assert_eq!(differences(&bench.published(), &undisturbed.published()), Vec::<String>::new());
}
