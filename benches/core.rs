//! What an event costs in the core, phase by phase and as a whole, without a broker.
//!
//! The bundled flights with everything that becomes known of them go through the parts one by one, in the batches and
//! with the state that the pipeline has, and then through the pipeline itself. All numbers are nanoseconds per event; what
//! follow-ups cost is shared out over the events.
//!
//! `cargo bench --bench core`; `DRIFTLESS_BENCH_EVENTS` (100000), `DRIFTLESS_BENCH_REPETITIONS` (7).

mod common;

use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result};
use common::avro::AvroEvents;
use common::flights::{self, Sent};
use common::models::{self, Rows};
use common::{Spread, count_from_env, machine};
use driftless::codec::{Constant, EventDecoder, FeatureRow, LabelDecoder, PredictionView};
use driftless::config::Config;
use driftless::data::params::KindIndex;
use driftless::data::params::MAX_VALUE_BYTES;
use driftless::data::params::OutputForm;
use driftless::data::{Arm, Columns, Extent, Item, Machine, Outbox, Sink, Table, Timestamp};
use driftless::drift::{Batch, DriftWindows, Reference};
use driftless::features::{EventRow, Features, FollowUpRow, Handles};
use driftless::model::Model;
use driftless::pipeline::{BATCH, EVENTS, Pipeline, PipelineParams};
use driftless::runtime::pipeline_params;
use driftless::validate::{FieldRules, TimeReader, key, value};
use xxhash_rust::xxh3::Xxh3;

/// Records the runtime hands over at once, and in how many such batches a transaction of 100 ms goes at full speed.
const HANDED_OVER: usize = 4_096;
const BATCHES_PER_COMMIT: usize = 5;

fn main() -> Result<()> {
    let n_events = count_from_env("DRIFTLESS_BENCH_EVENTS", 100_000);
    let repetitions = count_from_env("DRIFTLESS_BENCH_REPETITIONS", 7).max(1);
    let config = Config::load(&flights::project().join("examples/flights.toml"))?;
    let bench = Bench { params: Arc::new(pipeline_params(&config)?), sent: flights::events_and_follow_ups(n_events)? };

    let (columns, times) = bench.features()?;
    let rows = Rows { names: &config.features.names, columns: &columns, times: &times };
    let (linear, forest) = (Arc::new(models::linear(&rows)?), Arc::new(models::forest(&rows)?));

    let events = bench.sent.iter().filter(|sent| sent.input == EVENTS);
    let bytes: usize = events.map(|sent| sent.value.len()).sum();
    println!("machine: {}", machine::describe());
    println!(
        "{n_events} events of {} bytes of JSON, {} follow-ups, {} features; {repetitions} repetitions\n",
        bytes / n_events.max(1),
        bench.sent.len() - n_events,
        columns.width()
    );
    println!("{:<44} {:>8} {:>8}   ns per event", "", "min", "median");

    let phases: Vec<Phases> = (0..repetitions).map(|_| bench.phases(&linear)).collect::<Result<_>>()?;
    let forests: Vec<Phases> = (0..repetitions).map(|_| bench.phases(&forest)).collect::<Result<_>>()?;
    let all = |of: fn(&Phases) -> f64| phases.iter().map(of).collect::<Vec<f64>>();
    bench.show("decode and check (JSON)", all(|p| p.decode));
    let avro = AvroEvents::of(&bench.params.events, &bench.sent)?;
    let decoded: Vec<f64> = (0..repetitions).map(|_| avro.decode()).collect::<Result<_>>()?;
    bench.show(&format!("decode alone (Avro, {} bytes)", avro.bytes() / n_events.max(1)), decoded);
    bench.show("windows", all(|p| p.windows));
    bench.show("drift counts", all(|p| p.drift));
    bench.show("score, linear", all(|p| p.score));
    bench.show("score, forest of 100 trees of depth 6", forests.iter().map(|p| p.score).collect());
    bench.show("encode the prediction (JSON) and digest it", all(|p| p.encode));
    bench.show("encode the prediction (Avro) and digest it", all(|p| p.encode_avro));
    bench.show("these five, linear", all(|p| p.decode + p.windows + p.drift + p.score + p.encode));
    bench.show("decode and check follow-ups", all(|p| p.decode_follow_ups));
    bench.show("windows: follow-ups", all(|p| p.follow_ups));

    for (name, model) in [("linear", &linear), ("forest", &forest)] {
        let whole: Vec<f64> = (0..repetitions).map(|_| bench.handle(model, EVENTS_ONLY)).collect();
        bench.show(&format!("Pipeline::handle, events alone, {name}"), whole);
        let whole: Vec<f64> = (0..repetitions).map(|_| bench.handle(model, EVERYTHING)).collect();
        let median = Spread::of(whole.clone()).median;
        bench.show(&format!("Pipeline::handle, with follow-ups, {name}"), whole);
        println!("{:<44} {:>17.0}   records per second", "", bench.sent.len() as f64 / median);
    }
    println!("\ndigest of all outputs, linear: {:032x}", bench.digest(&linear));
    Ok(())
}

const EVENTS_ONLY: fn(&Sent) -> bool = |sent| sent.input == EVENTS;
const EVERYTHING: fn(&Sent) -> bool = |_| true;

struct Bench {
    params: Arc<PipelineParams>,
    sent: Vec<Sent>,
}

/// Seconds spent in each phase over all records.
#[derive(Default)]
struct Phases {
    decode: f64,
    decode_follow_ups: f64,
    windows: f64,
    follow_ups: f64,
    drift: f64,
    score: f64,
    encode: f64,
    encode_avro: f64,
}

impl Bench {
    fn n_events(&self) -> usize {
        self.sent.iter().filter(|sent| sent.input == EVENTS).count()
    }

    fn show(&self, name: &str, seconds: Vec<f64>) {
        let per_event = 1e9 / self.n_events().max(1) as f64;
        let Spread { min, median } = Spread::of(seconds);
        println!("{name:<44} {:>8.0} {:>8.0}", min * per_event, median * per_event);
    }

    /// The features of all events, to measure profiles on.
    fn features(&self) -> Result<(Columns, Vec<Timestamp>)> {
        let mut parts = Parts::new(&self.params, self.sent.len());
        let mut all = Columns::new(parts.features.width());
        let mut times = Vec::new();
        for block in self.sent.chunks(BATCH) {
            parts.decode(block)?;
            parts.windows(block)?;
            for row in 0..parts.columns.n_rows() {
                all.push_row(&parts.columns.row(row).collect::<Vec<f64>>());
            }
            times.extend_from_slice(&parts.times);
        }
        Ok((all, times))
    }

    fn phases(&self, model: &Model) -> Result<Phases> {
        let mut parts = Parts::new(&self.params, self.sent.len());
        let mut spent = Phases::default();
        let mut drift = DriftWindows::new(&self.params.drift);
        let mut scores = Vec::new();
        let mut out = Outbox::default();
        for (number, block) in self.sent.chunks(BATCH).enumerate() {
            let [decode, decode_follow_ups] = parts.decode(block)?;
            let [windows, follow_ups] = parts.windows(block)?;
            let start = Instant::now();
            model.score(&parts.columns, &mut scores);
            let scored = Instant::now();
            let batch = Batch { columns: parts.columns.columns(), scores: &scores };
            let reference = Reference { model_version: 1, profile: model.profile() };
            drift.count(reference, batch, &parts.times, Timestamp::MIN);
            let counted = Instant::now();
            parts.encode(block, &scores, OutputForm::Json, &mut out);
            let encoded = Instant::now();
            out.clear();
            let begun = Instant::now();
            parts.encode(block, &scores, OutputForm::Avro, &mut out);
            spent.encode_avro += begun.elapsed().as_secs_f64();
            spent.decode += decode;
            spent.decode_follow_ups += decode_follow_ups;
            spent.windows += windows;
            spent.follow_ups += follow_ups;
            spent.score += (scored - start).as_secs_f64();
            spent.drift += (counted - scored).as_secs_f64();
            spent.encode += (encoded - counted).as_secs_f64();
            if number % (HANDED_OVER * BATCHES_PER_COMMIT / BATCH) == 0 {
                parts.features.commit();
                drift.commit();
                out.clear();
            }
        }
        Ok(spent)
    }

    fn pipeline(&self, model: &Arc<Model>) -> Pipeline {
        let mut pipeline = Pipeline::new(self.params.clone(), 0);
        let promotion = models::promotion_items(model).map(Item::Command);
        pipeline.handle(&promotion, Timestamp::from_millis(0), &mut Outbox::default());
        pipeline.commit();
        pipeline
    }

    /// Seconds for the records that `wanted` says, as the runtime takes them: order, handle, commit.
    fn handle(&self, model: &Arc<Model>, wanted: fn(&Sent) -> bool) -> f64 {
        let items: Vec<Item<Model>> =
            (0..).zip(self.sent.iter().filter(|sent| wanted(sent))).map(|(offset, sent)| sent.item(offset)).collect();
        let mut pipeline = self.pipeline(model);
        let mut out = Outbox::default();
        let start = Instant::now();
        for (number, batch) in items.chunks(HANDED_OVER).enumerate() {
            for item in batch {
                if let Item::Record { input, record } = item {
                    pipeline.order_time(*input, record);
                }
            }
            pipeline.handle(batch, Timestamp::from_millis(1), &mut out);
            out.drain();
            if number % BATCHES_PER_COMMIT == 0 {
                out.clear();
                pipeline.commit();
            }
        }
        start.elapsed().as_secs_f64()
    }

    /// A digest over every byte that comes out: two builds that agree in it computed the same.
    fn digest(&self, model: &Arc<Model>) -> u128 {
        let items: Vec<Item<Model>> = (0..).zip(&self.sent).map(|(offset, sent)| sent.item(offset)).collect();
        let mut pipeline = self.pipeline(model);
        let mut out = Outbox::default();
        let mut digest = Xxh3::new();
        for batch in items.chunks(HANDED_OVER) {
            pipeline.handle(batch, Timestamp::from_millis(1), &mut out);
            for output in out.iter() {
                digest.update(&[output.sink as u8]);
                digest.update(output.key.unwrap_or_default());
                digest.update(output.value.unwrap_or_default());
            }
            out.clear();
            pipeline.commit();
        }
        digest.update(&pipeline.begin_checkpoint(Extent::All));
        while let Some(chunk) = pipeline.next_chunk(1 << 20) {
            digest.update(&chunk.bytes);
        }
        digest.digest128()
    }
}

/// The parts of a pipeline, one by one.
struct Parts<'a> {
    params: &'a PipelineParams,
    events: EventDecoder,
    rules: FieldRules,
    labels: LabelDecoder,
    event_rows: Table,
    follow_up_rows: Table,
    features: Features,
    columns: Columns,
    times: Vec<Timestamp>,
    known: Vec<(KindIndex, Timestamp)>,
    /// Where the follow-ups of each flight go.
    handles: Vec<Option<Handles>>,
}

impl<'a> Parts<'a> {
    fn new(params: &'a PipelineParams, flights: usize) -> Self {
        let (events, labels) = (EventDecoder::new(&params.events), LabelDecoder::new(&params.labels));
        let features = Features::new(&params.features);
        Parts {
            params,
            rules: FieldRules::new(&params.events.fields),
            event_rows: events.table(),
            follow_up_rows: labels.table(),
            columns: Columns::new(features.width()),
            features,
            events,
            labels,
            times: Vec::new(),
            known: Vec::new(),
            handles: vec![None; flights],
        }
    }

    /// Decodes and checks a block; seconds for events and for follow-ups.
    fn decode(&mut self, block: &[Sent]) -> Result<[f64; 2]> {
        self.event_rows.clear();
        self.follow_up_rows.clear();
        self.times.clear();
        self.known.clear();
        let records: Vec<_> = block.iter().map(|sent| sent.item(0)).collect();
        let start = Instant::now();
        for item in &records {
            let Item::Record { input: EVENTS, record } = item else { continue };
            let refused = |reject: driftless::data::Reject| anyhow::anyhow!("{}", reject.message);
            let row = self.event_rows.rows();
            key(record).map_err(refused)?;
            self.events
                .decode(value(record, MAX_VALUE_BYTES).map_err(refused)?, &mut self.event_rows)
                .map_err(refused)?;
            self.rules.check(&self.event_rows, row, 0).map_err(refused)?;
            let cell = self.events.time().context("the flights have a time")?;
            let time = TimeReader::new(cell.column, &self.params.events.time);
            self.times.push(time.read(&self.event_rows, row).map_err(refused)?);
        }
        let decoded = Instant::now();
        for item in &records {
            let Item::Record { input, record } = item else { continue };
            if *input == EVENTS {
                continue;
            }
            let refused = |reject: driftless::data::Reject| anyhow::anyhow!("{}", reject.message);
            let row = self.follow_up_rows.rows();
            self.labels
                .decode(value(record, MAX_VALUE_BYTES).map_err(refused)?, &mut self.follow_up_rows)
                .map_err(refused)?;
            let name = self.labels.kind().and_then(|column| self.follow_up_rows.text(column, row)).unwrap_or_default();
            let kind = self.params.labels.kinds.iter().position(|kind| kind.name.as_bytes() == name);
            let cell = self.labels.time().context("follow-ups have a time")?;
            let time = TimeReader::new(cell.column, &self.params.labels.time);
            let at = time.read(&self.follow_up_rows, row).map_err(refused)?;
            self.known.push((KindIndex(kind.context("follow-ups have a kind")?), at));
        }
        Ok([(decoded - start).as_secs_f64(), decoded.elapsed().as_secs_f64()])
    }

    /// Takes a decoded block into the windows, in order; seconds for events and for follow-ups.
    fn windows(&mut self, block: &[Sent]) -> Result<[f64; 2]> {
        self.columns.clear();
        let (mut event_row, mut follow_up_row) = (0, 0);
        let mut spent = [0.0; 2];
        // Clocks are read once per run of one kind, so that reading them does not count much.
        for run in block.chunk_by(|a, b| a.input == b.input) {
            let start = Instant::now();
            for sent in run {
                if sent.input == EVENTS {
                    let at = self.times[event_row];
                    let event = EventRow { key: &sent.key, at, table: &self.event_rows, row: event_row };
                    self.handles[sent.flight] = Some(self.features.event(event, &mut self.columns));
                    event_row += 1;
                } else {
                    let (kind, at) = self.known[follow_up_row];
                    let (first_column, row) = (self.labels.first_column(kind.0), follow_up_row);
                    let follow_up = FollowUpRow { kind, at, table: &self.follow_up_rows, first_column, row };
                    let handles = self.handles[sent.flight].as_ref().context("a follow-up comes after its event")?;
                    self.features.follow_up(handles, follow_up);
                    follow_up_row += 1;
                }
            }
            spent[usize::from(run.first().is_some_and(|sent| sent.input != EVENTS))] += start.elapsed().as_secs_f64();
        }
        Ok(spent)
    }

    fn encode(&self, block: &[Sent], scores: &[f64], form: OutputForm, out: &mut Outbox) {
        let id_column = self.events.id().unwrap_or_default();
        let [decision, layout, topic] = ["on_time", &self.params.layout, &self.params.events.topic].map(Constant::new);
        for (row, sent) in block.iter().filter(|sent| sent.input == EVENTS).enumerate() {
            let view = PredictionView {
                event_id: self.event_rows.text(id_column, row).unwrap_or_default(),
                entity: &sent.key,
                event_time: self.times[row],
                scored_at: self.times[row],
                model_version: 1,
                arm: Arm::Champion,
                score: scores[row],
                scores: &[],
                decision: &decision,
                features: FeatureRow { columns: self.columns.columns(), row },
                feature_layout: &layout,
                flags: &[],
                source_topic: &topic,
                source_partition: 0,
                source_offset: row as i64,
            };
            out.write(Sink::Predictions, Some(&sent.key), Vec::new(), |pen| view.write_form(form, pen));
        }
    }
}
