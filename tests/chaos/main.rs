//! The fault harness: the real binary against a real Apache Kafka, under seeded faults, and a checker that shares no code
//! with what it checks.
//!
//! `scripts/chaos` runs it. Without `DRIFTLESS_CHAOS` it does nothing, so that `cargo test` passes it over.

#![expect(clippy::indexing_slicing, reason = "a harness that reaches past its own lists is to fail loudly")]

mod application;
mod checker;
mod cluster;
mod feed;
mod instances;
mod monitored;
mod oracle;
mod plan;
mod proxy;
mod report;
mod schedule;
mod topics;
mod visible;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::ExitCode;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use rdkafka::producer::Producer;

use application::Application;
use cluster::Cluster;
use feed::{Ending, Fed, Feed, Source, Stream};
use instances::{Common, Instance};
use monitored::Monitored;
use plan::{Plan, Random};
use proxy::Proxy;
use report::Report;
use schedule::World;
use visible::Visible;

/// How long what is left of a feed may take.
const DRAIN_LIMIT: Duration = Duration::from_secs(180);

fn main() -> ExitCode {
    let Ok(text) = std::env::var(plan::ENVIRONMENT) else {
        println!("\nrunning 1 test\ntest faults ... ignored, by scripts/chaos");
        println!("\ntest result: ok. 0 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s\n");
        return ExitCode::SUCCESS;
    };
    match Plan::parse(&text).and_then(|plan| run(&plan)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("chaos: {error:#}");
            ExitCode::from(2)
        }
    }
}

/// Whether nothing was breached.
fn run(plan: &Plan) -> Result<bool> {
    let mut report = Report::new(plan);
    let mut random = Random::new(plan.seed);
    let kept = tempfile::Builder::new().prefix("driftless-chaos-").tempdir()?;
    let directory = kept.path().to_owned();
    report.say(&format!("{plan:?} in {}", directory.display()));
    if plan.keep {
        // Left behind on purpose.
        let _ = kept.keep();
    }
    let mut cluster = Cluster::start(&directory.join("kafka"), plan.nodes, &mut random)?;
    let brokers = cluster.brokers();
    let proxies = (0..cluster.size())
        .map(|node| Proxy::start(cluster.proxied + node as u16, cluster.behind_proxy(node)))
        .collect::<Result<Vec<Proxy>>>()?;
    let model = application::model(plan.rate)?;
    let run = Application::create(&directory, "chaos", &brokers, &cluster.proxies(), &model)?;
    let undisturbed = Application::create(&directory, "calm", &brokers, &brokers, &model)?;
    let site = Site { directory: &directory, cluster: &mut cluster, proxies: &proxies, run: &run };
    let outcome = disturb(plan, &mut report, site);
    if let Err(error) = outcome {
        report.breach(format!("the run ended early: {error:#}"));
    }
    // A run that broke off has nothing that an undisturbed one could be compared with.
    let checked = if report.breach_count > 0 && plan.mutation.is_some() {
        checker::check(&mut report, &brokers, &run, None)
    } else {
        calm_run(&mut report, &brokers, &directory, &run, &undisturbed)
            .and_then(|()| checker::check(&mut report, &brokers, &run, Some(&undisturbed)))
    };
    if let Err(error) = checked {
        report.breach(format!("cannot be checked: {error:#}"));
    }
    drop(cluster);
    Ok(report.conclude())
}

/// What faults are done to.
struct Site<'a> {
    directory: &'a Path,
    cluster: &'a mut Cluster,
    proxies: &'a [Proxy],
    run: &'a Application,
}

/// The disturbed run: feed, faults, and the end of it.
fn disturb(plan: &Plan, report: &mut Report, site: Site<'_>) -> Result<()> {
    let Site { directory, cluster, proxies, run } = site;
    let brokers = cluster.brokers();
    let feed = Feed::start(&brokers, run.inputs(), Source::new(plan.seed, plan.rate), plan.rate)?;
    let visible = Visible::follow(&brokers, &run.config.topics.predictions, feed.sent.clone())?;
    let monitored = Monitored::follow(&brokers, &run.config.topics.summaries, &run.config.group("monitor"))?;
    let common = Common { file: &run.file, logs: directory, mutation: plan.mutation.as_deref() };
    let fleet = ["a", "b", "c"].map(|name| Instance::new("score", name, &common)).into();
    let monitor = Instance::new("monitor", "m", &common);
    let random = Random::new(plan.seed.wrapping_add(1));
    let (breaks_off, timed) = (plan.mutation.is_some(), plan.timed);
    let (visible, monitored) = (&visible, &monitored);
    let mut world = World { random, cluster, proxies, fleet, monitor, visible, monitored, report, breaks_off, timed };
    world.mend()?;
    world.report.say("all partitions move");
    let went = world.go_through(plan);
    let mut told = BTreeMap::new();
    let World { mut fleet, mut monitor, .. } = world;
    let mut ending = feed.finish()?;
    let sent = ending.sent.events.load(Ordering::SeqCst);
    report.say(&format!("{sent} events sent, {} predictions visible", visible.count.load(Ordering::SeqCst)));
    let drained = went.and_then(|()| {
        for part in 0..Ending::PARTS {
            ending.end(part)?;
            taken(&brokers, run, report)?;
        }
        leave(&brokers, run, &mut fleet, &mut monitor, report)
    });
    for instance in fleet.iter().chain([&monitor]) {
        instance.told(&mut told);
    }
    report.logs(&told);
    drained
}

/// Waits until all inputs have been taken, and every shard has said so.
fn taken(brokers: &str, run: &Application, report: &mut Report) -> Result<()> {
    let inputs = run.inputs();
    let group = run.config.group("score");
    let until = Instant::now() + DRAIN_LIMIT;
    for topic in [&inputs.events, &inputs.labels] {
        let ends = topics::ends(brokers, topic, "read_uncommitted")?;
        loop {
            let committed = topics::committed(brokers, &group, topic, ends.len());
            if committed.as_ref().is_ok_and(|committed| *committed == ends) {
                break;
            }
            if Instant::now() > until {
                report.breach(format!("`{topic}` ends at {ends:?}, committed is {committed:?}"));
                break;
            }
            std::thread::sleep(Duration::from_millis(200));
        }
    }
    // Idle shards say so every second.
    std::thread::sleep(Duration::from_secs(3));
    Ok(())
}

/// Stops the roles one after the other, the monitor when it has read everything.
fn leave(
    brokers: &str,
    run: &Application,
    fleet: &mut [Instance],
    monitor: &mut Instance,
    report: &mut Report,
) -> Result<()> {
    let until = Instant::now() + DRAIN_LIMIT;
    for instance in fleet {
        if let Err(why) = instance.stop()? {
            report.breach(why);
        }
    }
    let summaries = topics::read_all(brokers, &run.config.topics.summaries)?;
    let last = summaries.last().context("no summaries")?.offset + 1;
    while topics::committed(brokers, &run.config.group("monitor"), &run.config.topics.summaries, 1)
        .map_or(true, |committed| committed[0] < last)
    {
        ensure!(Instant::now() < until, "the monitor does not read its summaries to the end\n{}", monitor.last_lines());
        std::thread::sleep(Duration::from_millis(200));
    }
    if let Err(why) = monitor.stop()? {
        report.breach(why);
    }
    Ok(())
}

/// The same inputs, taken without any fault by one instance.
fn calm_run(
    report: &mut Report,
    brokers: &str,
    directory: &Path,
    run: &Application,
    undisturbed: &Application,
) -> Result<()> {
    report.say("the same inputs once more, undisturbed");
    let producer = feed::producer(brokers)?;
    let (from, to) = (run.inputs(), undisturbed.inputs());
    for stream in [Stream::Events, Stream::Labels] {
        for read in topics::read_all(brokers, from.topic(stream))? {
            let key = String::from_utf8_lossy(read.key.as_deref().unwrap_or_default()).into_owned();
            let (partition, value, timestamp) = (read.partition, read.value, read.timestamp);
            feed::send(&producer, &to, &Fed { stream, partition, key, value, timestamp, number: None })?;
        }
    }
    producer.flush(Duration::from_secs(60))?;
    let common = Common { file: &undisturbed.file, logs: directory, mutation: None };
    let mut fleet = [Instance::new("score", "calm", &common)];
    let mut monitor = Instance::new("monitor", "calm", &common);
    fleet[0].start("")?;
    monitor.start("")?;
    taken(brokers, undisturbed, report)?;
    leave(brokers, undisturbed, &mut fleet, &mut monitor, report)
}
