//! The run itself: a day is sent, the roles settle, what they published is read; then the next day.
//!
//! Time moves in steps and only while nothing else moves, so what comes out does not depend on how fast the machine is,
//! nor on whether the broker is the embedded one.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::cluster::Stage;
use super::flights::{Flights, FlightsParams, FollowUp, Stream};
use super::outputs::{Output, Outputs};
use super::report::{GainStory, Report, VersionStory, Way};
use super::rivals::{InCharge, Monthly, base_rate, rescore};
use super::scored::ScoredLog;
use super::screen::{Progress, Screen};
use super::story::{Happening, Story};
use super::weeks::{Grid, Weeks, mean, paired};
use crate::codec;
use crate::data::{Span, Timestamp};
use crate::model::Model;
use crate::registry::Store;
use crate::runtime::{App, AppSetup, Roles};
use crate::transport::{Outgoing, Position, Publisher, TopicPartition};

const DAY: Span = Span::from_days(1);
/// How long a step may take; a training on a loaded machine is the longest part.
const SETTLE_LIMIT: Duration = Duration::from_secs(300);

/// What is replayed.
#[derive(Clone, Copy, Debug, Default)]
pub struct ReplayParams {
    /// Seed by which rows change places; `None`: the year as it happened.
    pub shuffle: Option<u64>,
    /// Days to replay; `None`: all.
    pub days: Option<u32>,
}

/// What was sent.
#[derive(Clone, Copy, Debug, Default)]
struct Sent {
    events: u64,
    broken: u64,
    follow_ups: u64,
    labels: u64,
}

struct Replay<'a> {
    stage: &'a Stage,
    params: ReplayParams,
    started: Instant,
    outputs: Outputs,
    monthly: Monthly,
    log: ScoredLog,
    story: Story,
    sent: Sent,
    /// Outcomes of events without a prediction; there are none.
    strays: u64,
    first: Option<Model>,
    predictions_by: BTreeMap<u32, u64>,
    now: Timestamp,
}

/// Replays and compares.
///
/// # Errors
/// A cluster that does not answer, a role that stopped, counts that do not add up, `stop` having been set.
pub fn replay(stage: &Stage, params: ReplayParams, screen: &mut Screen, stop: &AtomicBool) -> Result<Report> {
    let started = Instant::now();
    let flights = Flights::load(FlightsParams { shuffle: params.shuffle, broken: true })?;
    let app = App::start(AppSetup {
        config: stage.config.clone(),
        previous: None,
        transport: stage.transport.clone(),
        roles: Roles::ALL,
        instance: "demo".to_owned(),
        stepped: true,
        trust_journal: false,
    })?;
    let mut replay = Replay {
        stage,
        params,
        started,
        outputs: Outputs::open(&*stage.transport, &stage.config.topics)?,
        monthly: Monthly::new(&stage.config)?,
        log: ScoredLog::default(),
        story: Story::default(),
        sent: Sent::default(),
        strays: 0,
        first: None,
        predictions_by: BTreeMap::new(),
        now: Timestamp::MIN,
    };
    let ran = replay.days(&flights, &app, screen, stop);
    let stopped = app.stop();
    ran?;
    stopped?;
    screen.finish()?;
    replay.compare()
}

impl Replay<'_> {
    fn days(&mut self, flights: &Flights, app: &App, screen: &mut Screen, stop: &AtomicBool) -> Result<()> {
        let bounds = flights.bounds().context("the bundled stream is empty")?;
        let start = bounds.start().floor(DAY, Span::default());
        let end = match self.params.days {
            Some(days) => start.plus(Span::from_days(days.into())).min(bounds.end().plus(DAY)),
            None => bounds.end().plus(DAY),
        };
        let mut publisher = self.stage.transport.publisher()?;
        let mut position = 0;
        self.now = start;
        while self.now < end && position < flights.len() {
            if stop.load(Ordering::Relaxed) {
                bail!("stopped at {}", self.now);
            }
            self.now = self.now.plus(DAY);
            while flights.at(position).is_some_and(|at| at < self.now) {
                self.send(flights, position, &mut *publisher)?;
                position += 1;
            }
            publisher.flush()?;
            app.advance(self.now, &self.ends()?)?;
            app.settle(SETTLE_LIMIT)?;
            self.read(screen)?;
            let total = (end.millis() - start.millis()) as f64;
            let done = (self.now.millis() - start.millis()) as f64 / total;
            screen.progress(&self.progress(done.min(1.0)))?;
        }
        Ok(())
    }

    fn send(&mut self, flights: &Flights, position: usize, publisher: &mut dyn Publisher) -> Result<()> {
        let Some(record) = flights.record(position)? else { return Ok(()) };
        let topics = &self.stage.config.topics;
        let topic = match record.stream {
            Stream::Event => &topics.events,
            Stream::BrokenEvent => {
                self.sent.broken += 1;
                &topics.events
            }
            Stream::FollowUp(kind) => {
                self.sent.follow_ups += 1;
                self.sent.labels += u64::from(kind == FollowUp::Landed);
                topics.labels.as_ref().context("the configuration has no `[labels]`")?
            }
        };
        self.sent.events += u64::from(!matches!(record.stream, Stream::FollowUp(_)));
        publisher.send(&Outgoing {
            topic,
            // Where the client would choose by chance, the demonstration does not.
            partition: if record.key.as_ref().is_none_or(Vec::is_empty) { Some(0) } else { None },
            key: record.key.as_deref(),
            value: record.value.as_deref(),
            headers: &[],
            timestamp: Some(record.at),
        })?;
        Ok(())
    }

    /// Where the inputs end now.
    fn ends(&self) -> Result<Vec<Position>> {
        let topics = &self.stage.config.topics;
        let mut ends = Vec::new();
        for topic in [Some(&topics.events), topics.labels.as_ref()].into_iter().flatten() {
            let bounds = self.stage.transport.bounds(topic)?.with_context(|| format!("topic `{topic}` is gone"))?;
            let positions = (0..)
                .zip(bounds)
                .map(|(partition, bounds)| Position { at: TopicPartition::new(topic, partition), next: bounds.end });
            ends.extend(positions);
        }
        Ok(ends)
    }

    fn read(&mut self, screen: &mut Screen) -> Result<()> {
        for (output, record) in self.outputs.read(&*self.stage.transport)? {
            let value = record.value.as_deref();
            match output {
                Output::Predictions => {
                    let prediction: crate::data::Prediction = codec::read("prediction", value)?;
                    *self.predictions_by.entry(prediction.model_version).or_default() += 1;
                    self.monthly.add_prediction(&prediction);
                    self.log.add_prediction(prediction);
                }
                Output::Outcomes => {
                    let outcome = codec::read("outcome", value)?;
                    self.monthly.add_outcome(&outcome);
                    self.strays += u64::from(!self.log.add_outcome(&outcome));
                }
                Output::DeadLetters => self.story.add_dead_letter(&record),
                Output::DriftAlerts => {
                    let happened = self.story.add_alert(codec::read("alert", value)?, self.now);
                    tell(screen, happened)?;
                }
                Output::Performance => self.story.add_performance(codec::read("performance", value)?),
                Output::Models => {
                    let happened = self.story.add_model(codec::read("control", value)?);
                    tell(screen, happened)?;
                }
            }
        }
        if let Some(charge) = self.story.first_promoted() {
            self.monthly.begin(charge.at);
            if self.first.is_none() {
                let artifact = self.story.registered.get(&charge.version).and_then(|record| record.artifact.as_ref());
                let artifact = artifact.context("the first version has no artifact")?;
                self.first = Some(Store::local(&self.stage.config.store.path)?.model(artifact)?);
            }
        }
        self.monthly.step(self.now)
    }

    fn progress(&self, done: f64) -> Progress<'_> {
        let charge = self.story.charges.last();
        Progress {
            now: self.now,
            done,
            elapsed: self.started.elapsed(),
            events: self.sent.events,
            predictions: self.log.scored().len() as u64,
            labels: self.log.labels_joined(),
            dead_letters: self.story.dead_letters.values().sum(),
            champion: self.story.champion(),
            age: charge.map(|charge| Span::from_millis(self.now.since(charge.at))),
            latest: self.story.latest(),
            open: self.story.open(),
        }
    }

    fn compare(self) -> Result<Report> {
        let config = &self.stage.config;
        let labels = config.labels.as_ref().context("the configuration has no `[labels]`")?;
        let first = self.story.first_promoted();
        let grid = Grid {
            window: config.performance.window,
            offset: config.performance.offset,
            from: first.map_or(Timestamp::MAX, |charge| charge.at),
            to: self.now,
        };
        let weeks = Weeks::of(&self.log, &grid);
        let rows: Vec<usize> = weeks.rows().collect();
        let mut monthly = self.monthly.finish()?;
        let mut frozen = Vec::new();
        if let (Some(charge), Some(model)) = (first, self.first) {
            monthly.insert(0, InCharge { from: charge.at, model: model.clone() });
            frozen.push(InCharge { from: charge.at, model });
        }
        let of = |scores: &[f64]| weeks.standings(|row| scores.get(row).copied().unwrap_or_default());
        let closed_loop = weeks.standings(|row| self.log.scored().get(row).map_or(0.0, |scored| scored.score));
        let frozen = of(&rescore(&self.log, &rows, &frozen));
        let monthly = of(&rescore(&self.log, &rows, &monthly));
        let base = of(&base_rate(&self.log, labels.label.prior));
        let pairs = || closed_loop.iter().map(|week| week.standing).zip(frozen.iter().map(|week| week.standing));
        let gain_over_frozen = GainStory {
            auc: paired(&pairs().map(|(loop_, frozen)| loop_.auc - frozen.auc).collect::<Vec<_>>()),
            log_loss: paired(&pairs().map(|(loop_, frozen)| frozen.log_loss - loop_.log_loss).collect::<Vec<_>>()),
        };
        let way = |weekly: Vec<_>| {
            let mean = mean(&weekly);
            Way::new(weekly, mean)
        };
        let report = Report {
            version: env!("CARGO_PKG_VERSION"),
            shuffle: self.params.shuffle,
            events: self.sent.events,
            predictions: self.log.scored().len() as u64 + self.log.duplicates(),
            dead_letters: self.story.dead_letters.values().sum(),
            late: 0,
            broken_events: self.sent.broken,
            duplicates: self.log.duplicates(),
            follow_ups: self.sent.follow_ups,
            labels: self.sent.labels,
            labels_joined: self.log.labels_joined(),
            versions: versions(&self.story, &self.predictions_by, self.now),
            dead_letters_by_reason: self.story.dead_letters,
            alerts: self.story.alerts,
            trainings: self.story.trainings,
            weeks: weeks.count(),
            rows: rows.len(),
            closed_loop: way(closed_loop),
            frozen: way(frozen),
            monthly: way(monthly),
            base_rate: way(base),
            gain_over_frozen,
            predictions_sha256: self.log.sha256(),
            seconds: self.started.elapsed().as_secs_f64(),
        };
        check(&report, self.strays)?;
        Ok(report)
    }
}

fn tell(screen: &mut Screen, happened: Option<Happening>) -> Result<()> {
    happened.map_or(Ok(()), |happening| Ok(screen.happened(&happening)?))
}

/// What was counted has to add up, or the demonstration has shown the opposite of what it is for.
fn check(report: &Report, strays: u64) -> Result<()> {
    let Report { events, predictions, dead_letters, late, broken_events, duplicates, .. } = *report;
    if events != predictions + dead_letters + late {
        bail!("{events} events are not {predictions} predictions, {dead_letters} dead letters and {late} late ones");
    }
    if dead_letters != broken_events {
        bail!("{dead_letters} dead letters for {broken_events} broken events");
    }
    if duplicates > 0 || strays > 0 {
        bail!("{duplicates} events were predicted twice, {strays} outcomes belong to no prediction");
    }
    Ok(())
}

fn versions(story: &Story, predictions: &BTreeMap<u32, u64>, end: Timestamp) -> Vec<VersionStory> {
    let ends = story.charges.iter().skip(1).map(|charge| charge.at).chain([end]);
    let in_charge = story.charges.iter().zip(ends).map(|(charge, to)| VersionStory {
        version: charge.version,
        family: story.registered.get(&charge.version).and_then(|record| record.family.clone()),
        from: charge.at,
        to,
        weeks: to.since(charge.at) as f64 / Span::from_days(7).millis() as f64,
        predictions: predictions.get(&charge.version).copied().unwrap_or(0),
    });
    in_charge.collect()
}
