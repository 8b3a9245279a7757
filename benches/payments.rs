//! What a card payment costs in the core: decode and check, windows, encode; nanoseconds per event, without a broker.
//!
//! The application is `examples/payments-bench.toml`: 15 features from three windows of each customer, Avro in and out;
//! the same once more as JSON in and out. Customers pay twice a day on average and come in random order: once all equally
//! often, so that the windows of nearly every event lie in memory that was not touched for long, and once by Zipf's law
//! with exponent 0.9, where few customers make most payments. As in the pipeline, the memory of a batch is fetched ahead,
//! which counts as part of the windows; what they cost without it is printed beside. As there, too, records come as many
//! at a time as are polled at once, where the client has just put them, and what was made of them is handed on before the
//! next ones come.
//!
//! `cargo bench --bench payments`; `DRIFTLESS_BENCH_CUSTOMERS` (100000), `DRIFTLESS_BENCH_EVENTS` (400000 measured, after
//! one week that fills the windows), `DRIFTLESS_BENCH_REPETITIONS` (5).

mod common;

use std::time::Instant;

use anyhow::{Result, anyhow};
use common::avro::{long, text};
use common::{Spread, count_from_env, machine};
use driftless::codec::{Constant, EventDecoder, FeatureRow, PredictionView};
use driftless::config::Config;
use driftless::data::params::{EventParams, InputFormat, OutputForm};
use driftless::data::{Arm, Columns, Outbox, Sink, Table, Timestamp};
use driftless::features::{EventRow, Features};
use driftless::pipeline::BATCH;
use driftless::stats::SplitMix64;
use driftless::validate::{FieldRules, TimeReader};

const START_MS: i64 = 1_750_000_000_000;
const DAY_MS: i64 = 86_400_000;
const PAYMENTS_A_DAY: usize = 2;
/// The windows reach back a week.
const FILLED_DAYS: usize = 7;
/// Polls of a transaction of 100 ms at full speed.
const POLLS_PER_COMMIT: usize = 20;

struct Payment {
    key: Vec<u8>,
    avro: Vec<u8>,
    json: Vec<u8>,
}

/// A record where the client has put it.
#[derive(Clone, Copy)]
struct Received<'a> {
    key: &'a [u8],
    value: &'a [u8],
}

fn main() -> Result<()> {
    let customers = count_from_env("DRIFTLESS_BENCH_CUSTOMERS", 100_000);
    let events = count_from_env("DRIFTLESS_BENCH_EVENTS", 400_000);
    let repetitions = count_from_env("DRIFTLESS_BENCH_REPETITIONS", 5).max(1);
    let path = common::flights::project().join("examples/payments-bench.toml");
    let config = Config::load(&path)?;
    println!("machine: {}", machine::describe());
    for (name, exponent) in [("equally often", 0.0), ("by Zipf's law, exponent 0.9", 0.9)] {
        let first = customers * PAYMENTS_A_DAY * FILLED_DAYS;
        let payments = payments(&Customers::new(customers, exponent), first + events);
        let sizes = [|p: &Payment| p.avro.len(), |p: &Payment| p.json.len()];
        let [avro, json] = sizes.map(|size| payments.iter().map(size).sum::<usize>() / payments.len().max(1));
        println!(
            "\n{events} payments of {customers} customers, {name}; {} features; {avro} bytes of Avro, {json} bytes of JSON; \
             {repetitions} repetitions\n",
            config.features.width()
        );
        println!("{:<34} {:>8} {:>8} {:>8} {:>8}   median ns per event", "", "decode", "windows", "encode", "together");
        for (name, form, is_fetched) in [
            ("Avro", OutputForm::Avro, true),
            ("Avro, nothing fetched ahead", OutputForm::Avro, false),
            ("JSON", OutputForm::Json, true),
        ] {
            let spent: Vec<[f64; 3]> = (0..repetitions)
                .map(|_| Parts::new(&config, form).run(&payments, first, is_fetched))
                .collect::<Result<_>>()?;
            let median =
                |part: fn(&[f64; 3]) -> f64| Spread::of(spent.iter().map(part).collect()).median * 1e9 / events as f64;
            let parts = [median(|p| p[0]), median(|p| p[1]), median(|p| p[2]), median(|p| p.iter().sum())];
            println!("{name:<34} {:>8.0} {:>8.0} {:>8.0} {:>8.0}", parts[0], parts[1], parts[2], parts[3]);
        }
    }
    Ok(())
}

/// How often each customer pays: the share of the first ones up to each.
struct Customers(Vec<f64>);

impl Customers {
    /// Shares that fall with a power of the rank; all equal for exponent 0.
    fn new(n: usize, exponent: f64) -> Self {
        let mut up_to: Vec<f64> = Vec::with_capacity(n);
        for rank in 1..=n {
            up_to.push(up_to.last().unwrap_or(&0.0) + libm::pow(rank as f64, -exponent));
        }
        let all = up_to.last().copied().unwrap_or(1.0);
        up_to.iter_mut().for_each(|share| *share /= all);
        Customers(up_to)
    }

    fn pick(&self, random: &mut SplitMix64) -> usize {
        let at = random.below(1 << 53) as f64 / (1u64 << 53) as f64;
        self.0.partition_point(|up_to| *up_to <= at)
    }
}

/// Payments in the order of time, of random customers.
fn payments(customers: &Customers, n: usize) -> Vec<Payment> {
    let mut random = SplitMix64::new(5);
    let step = DAY_MS as f64 / (customers.0.len() * PAYMENTS_A_DAY) as f64;
    (0..n)
        .map(|number| {
            let (customer, terminal) = (customers.pick(&mut random), random.below(10_000));
            let at = START_MS + (number as f64 * step) as i64;
            let amount = random.below(20_000) as f64 / 100.0;
            let id = format!("{:08x}-{number:027}", random.below(1 << 32));
            let (key, terminal) = (format!("C{customer:07}"), format!("T{terminal:05}"));
            let json = format!(
                "{{\"event_id\":\"{id}\",\"event_time\":{at},\"customer\":\"{key}\",\"terminal\":\"{terminal}\",\
                 \"amount\":{amount},\"channel\":\"online\",\"country\":\"DE\",\"device_age_days\":12.5,\"lat\":48.1,\
                 \"lon\":11.5,\"merchant_category\":\"grocery\",\"hour_bias\":0.5,\"attempt\":1,\"note\":null}}"
            );
            let mut avro = vec![0, 0, 0, 0, 1];
            text(&id, &mut avro);
            long(at, &mut avro);
            text(&key, &mut avro);
            text(&terminal, &mut avro);
            avro.extend_from_slice(&amount.to_le_bytes());
            text("online", &mut avro);
            text("DE", &mut avro);
            for number in [12.5f64, 48.1, 11.5] {
                avro.extend_from_slice(&number.to_le_bytes());
            }
            text("grocery", &mut avro);
            avro.extend_from_slice(&0.5f64.to_le_bytes());
            long(1, &mut avro);
            long(0, &mut avro);
            Payment { key: key.into_bytes(), avro, json: json.into_bytes() }
        })
        .collect()
}

/// The parts of a pipeline, one by one.
struct Parts {
    form: OutputForm,
    /// Most records of a poll.
    max_batch: usize,
    /// Decision, layout and topic.
    constants: [Constant; 3],
    params: EventParams,
    decoder: EventDecoder,
    rules: FieldRules,
    table: Table,
    features: Features,
    columns: Columns,
    times: Vec<Timestamp>,
    out: Outbox,
}

impl Parts {
    fn new(config: &Config, form: OutputForm) -> Self {
        let mut params = config.events.clone();
        if form == OutputForm::Json {
            params.format = InputFormat::Json;
        }
        let decoder = EventDecoder::new(&params);
        let features = Features::new(&config.features);
        Parts {
            form,
            max_batch: config.score.max_batch,
            constants: ["false", "0123456789abcdef", &params.topic].map(Constant::new),
            rules: FieldRules::new(&params.fields),
            table: decoder.table(),
            decoder,
            params,
            columns: Columns::new(features.width()),
            features,
            times: Vec::new(),
            out: Outbox::default(),
        }
    }

    /// Seconds in each part for the payments from `first` on.
    fn run(&mut self, payments: &[Payment], first: usize, is_fetched: bool) -> Result<[f64; 3]> {
        let mut spent = [0.0; 3];
        let mut bytes = Vec::new();
        for (number, polled) in payments.chunks(self.max_batch).enumerate() {
            for block in self.receive(polled, &mut bytes).chunks(BATCH) {
                let begun = Instant::now();
                self.decode(block)?;
                let decoded = Instant::now();
                self.windows(block, is_fetched);
                let computed = Instant::now();
                self.encode(block);
                let encoded = Instant::now();
                if number * self.max_batch >= first {
                    let parts = [decoded - begun, computed - decoded, encoded - computed];
                    spent.iter_mut().zip(parts).for_each(|(sum, part)| *sum += part.as_secs_f64());
                }
            }
            self.out.drain();
            if number % POLLS_PER_COMMIT == 0 {
                self.features.commit();
                self.out.clear();
            }
        }
        Ok(spent)
    }

    /// Payments as they come in, put beside each other.
    fn receive<'b>(&self, polled: &[Payment], bytes: &'b mut Vec<u8>) -> Vec<Received<'b>> {
        bytes.clear();
        for payment in polled {
            bytes.extend_from_slice(&payment.key);
            bytes.extend_from_slice(self.value(payment));
        }
        let mut rest = bytes.as_slice();
        let mut taken = |n: usize| rest.split_off(..n).unwrap_or_default();
        let received = polled
            .iter()
            .map(|payment| Received { key: taken(payment.key.len()), value: taken(self.value(payment).len()) });
        received.collect()
    }

    /// A payment in the form that comes in.
    fn value<'a>(&self, payment: &'a Payment) -> &'a [u8] {
        if self.form == OutputForm::Json { &payment.json } else { &payment.avro }
    }

    fn decode(&mut self, block: &[Received<'_>]) -> Result<()> {
        self.table.clear();
        self.times.clear();
        let cell = self.decoder.time().ok_or_else(|| anyhow!("payments have a time"))?;
        let reader = TimeReader::new(cell.column, &self.params.time);
        for (row, record) in block.iter().enumerate() {
            self.decoder.decode(record.value, &mut self.table).map_err(|reject| anyhow!(reject.message))?;
            self.rules.check(&self.table, row, 0).map_err(|reject| anyhow!(reject.message))?;
            self.times.push(reader.read(&self.table, row).map_err(|reject| anyhow!(reject.message))?);
        }
        Ok(())
    }

    fn windows(&mut self, block: &[Received<'_>], is_fetched: bool) {
        self.columns.clear();
        let events = block.iter().zip(&self.times).enumerate();
        let events = events.map(|(row, (record, at))| EventRow { key: record.key, at: *at, table: &self.table, row });
        if is_fetched {
            self.features.look_ahead(&events);
        }
        for event in events {
            std::hint::black_box(self.features.take(event, std::iter::empty()));
        }
        self.features.finish(&self.table, &mut self.columns);
    }

    fn encode(&mut self, block: &[Received<'_>]) {
        let id = self.decoder.id().unwrap_or_default();
        let [decision, feature_layout, source_topic] = &self.constants;
        for (row, record) in block.iter().enumerate() {
            let view = PredictionView {
                event_id: self.table.text(id, row).unwrap_or_default(),
                entity: record.key,
                event_time: self.times[row],
                scored_at: self.times[row],
                model_version: 1,
                arm: Arm::Champion,
                score: 0.25,
                scores: &[],
                decision,
                features: FeatureRow { columns: self.columns.columns(), row },
                feature_layout,
                flags: &[],
                source_topic,
                source_partition: 0,
                source_offset: row as i64,
            };
            self.out.write(Sink::Predictions, Some(record.key), Vec::new(), |pen| view.write_form(self.form, pen));
        }
    }
}
