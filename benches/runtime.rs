//! What share of raw pass-through the score role reaches on a real Kafka, and what an event costs the client.
//!
//! Both sides read the same preloaded topic with one worker through the same transport: same client settings, same
//! transactions of 100 ms with offsets. Pass-through consumes, copies to an output as large as a prediction and
//! produces; the role decodes, computes windows, counts drift, scores with the linear model, and writes predictions and
//! its journal. They take turns, so that a busy machine disturbs both alike; the ratio of each round counts.
//!
//! A run is timed from the first tenth of the outputs that a reader of committed records can see to the last; joining the
//! group is not in it. Processor time is that of the whole process, the client's own threads and the watching included.
//!
//! `DRIFTLESS_BENCH_BROKERS=HOST:PORT cargo bench --bench runtime`; `DRIFTLESS_BENCH_EVENTS` (500000),
//! `DRIFTLESS_BENCH_ROUNDS` (5).

mod common;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use common::sitting::{INTERVAL, Measured, PARTITIONS, Role, Sitting};
use common::{Spread, count_from_env, machine};
use driftless::data::params::Delivery;
use driftless::transport::{Member, MemberSpec, News, Outgoing, Position, TopicPartition};

fn main() -> Result<()> {
    let Ok(brokers) = std::env::var("DRIFTLESS_BENCH_BROKERS") else {
        println!(
            "skipped: no Kafka given; `scripts/kafka start` starts one and prints its address, then\n\
             DRIFTLESS_BENCH_BROKERS=HOST:PORT cargo bench --bench runtime"
        );
        return Ok(());
    };
    let rounds = count_from_env("DRIFTLESS_BENCH_ROUNDS", 5).max(1);
    let bench = Sitting::prepare(&brokers, count_from_env("DRIFTLESS_BENCH_EVENTS", 500_000))?;
    println!("machine: {}; broker on {brokers}", machine::describe());
    println!(
        "{} events in {PARTITIONS} partitions, predictions of {} bytes, linear model, 1 worker, transactions of {} ms\n",
        bench.n_events,
        bench.prediction_bytes,
        INTERVAL.as_millis()
    );
    println!("round   pass-through               score role                 ratio");
    let mut ratios = Vec::new();
    let mut costs = [Vec::new(), Vec::new()];
    for round in 1..=rounds {
        let passed = pass_through(&bench, round)?;
        let label = format!("app-{round}");
        let scored = bench.score(Role {
            label: &label,
            transport: bench.transport.clone(),
            delivery: Delivery::ExactlyOnce,
            live: false,
        })?;
        let ratio = scored.per_second / passed.per_second;
        println!("{round:>5}   {passed}   {scored}   {ratio:.3}");
        ratios.push(ratio);
        costs[0].push(passed.cpu_us);
        costs[1].push(scored.cpu_us);
    }
    let [passed, scored] = costs.map(|cost| Spread::of(cost).median);
    println!(
        "\nmedian ratio {:.3}; client processor time per event: pass-through {passed:.2} us, score {scored:.2} us",
        Spread::of(ratios).median
    );
    Ok(())
}

/// Consume, copy, produce.
fn pass_through(bench: &Sitting, round: usize) -> Result<Measured> {
    let output = format!("{}.raw-{round}", bench.name);
    bench.create(&[(&output, PARTITIONS)])?;
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let worker = scope.spawn(|| pass_all(bench, &output, &stop));
        let measured = bench.watch(&output, || worker.is_finished());
        stop.store(true, Ordering::Relaxed);
        match worker.join() {
            Ok(done) => done.and(measured),
            Err(_) => bail!("the pass-through panicked"),
        }
    })
}

fn pass_all(bench: &Sitting, output: &str, stop: &AtomicBool) -> Result<()> {
    let input = bench.config.topics.events.clone();
    let spec =
        MemberSpec { group: output.to_owned(), transactional_id: output.to_owned(), inputs: vec![input.clone()] };
    let mut member = bench.transport.join(&spec)?;
    let mut positions: BTreeMap<i32, i64> = BTreeMap::new();
    let mut open: Option<Instant> = None;
    let mut copy = vec![b' '; bench.prediction_bytes];
    let mut news = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        let wait = if news.is_empty() { Duration::from_millis(5) } else { Duration::ZERO };
        news.clear();
        member.poll(wait, bench.config.score.max_batch, &mut news)?;
        for item in &news {
            match item {
                News::Record { partition, record, .. } => {
                    if open.is_none() {
                        member.begin()?;
                        open = Some(Instant::now());
                    }
                    let value = record.value.as_deref().unwrap_or_default();
                    let n = value.len().min(copy.len());
                    copy[..n].copy_from_slice(&value[..n]);
                    member.send(&Outgoing {
                        topic: output,
                        partition: Some(*partition),
                        key: record.key.as_deref(),
                        value: Some(&copy),
                        headers: &[],
                        timestamp: None,
                    })?;
                    positions.insert(*partition, record.offset + 1);
                }
                News::Assigned(partitions) => {
                    let at = |partition: &i32| Position { at: TopicPartition::new(&input, *partition), next: 0 };
                    member.start(&partitions.iter().map(at).collect::<Vec<_>>())?;
                }
                News::End { .. } => {}
                News::Revoked(_) | News::Lost(_) => bail!("the group took partitions back"),
            }
        }
        if open.is_some_and(|since| since.elapsed() >= INTERVAL) {
            commit(&mut *member, &input, &positions)?;
            open = None;
        }
    }
    member.close();
    Ok(())
}

fn commit(member: &mut dyn Member, input: &str, positions: &BTreeMap<i32, i64>) -> Result<()> {
    let positions: Vec<Position> = positions
        .iter()
        .map(|(partition, next)| Position { at: TopicPartition::new(input, *partition), next: *next })
        .collect();
    Ok(member.commit(&positions)?)
}
