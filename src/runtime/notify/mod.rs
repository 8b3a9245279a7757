//! Tells one receiver over HTTP of what the monitor decides: alerts, trainings, promotions.
//!
//! It follows the topics in a group of its own, so that of many processes one tells, and each record once; offsets are
//! committed when a notice was taken, or given up. A receiver that is away holds up nothing but the notices behind this one:
//! no role waits for it, and readiness does not speak of it. After a crash between the two a notice may be posted twice,
//! with the same `id` and `event`.

mod form;
mod notice;
mod post;

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::app::AppSetup;
use super::pace::Pace;
use super::watch;
use crate::codec::read;
use crate::config::Config;
use crate::config::notify::NotifyParams;
use crate::data::{DriftAlert, ModelRecord, Record};
use crate::rollout::{Effect, Ledger};
use crate::transport::{Member, MemberSpec, News, Position, TopicPartition, Transport, TransportError};
use notice::Notice;
use post::{Poster, Refusal};

/// The name of its group.
const NOTIFY: &str = "notify";
const IDLE_POLL: Duration = Duration::from_millis(100);
/// Wait before joining anew.
const REJOIN: Duration = Duration::from_secs(5);
/// A notice is given up after so many refusals: with the waits between them after about ten minutes.
const TRIES: u32 = 12;
const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(120);
/// A receiver that asks to be left alone for longer is asked again after this time.
const LONGEST_ASKED: Duration = Duration::from_secs(600);
/// Notices remembered as told: the same record may come again after a rebalance.
const REMEMBERED: usize = 512;
/// Offsets of records that nobody is told of are committed this often.
const COMMIT: Duration = Duration::from_secs(5);

/// What it works with.
struct NotifyShop {
    pub config: Arc<Config>,
    pub params: NotifyParams,
    pub transport: Arc<dyn Transport>,
    pub pace: Arc<Pace>,
    pub stop: Arc<AtomicBool>,
}

/// A record on its way: a notice, or only an offset to be passed.
struct Pending {
    notice: Option<Notice>,
    input: usize,
    next: i64,
    tries: u32,
    due: Instant,
}

struct Teller<'a> {
    shop: &'a NotifyShop,
    poster: Poster,
    member: Box<dyn Member>,
    ledger: Ledger,
    /// Next offset of each input that has been told of, or passed.
    done: [i64; 2],
    committed: [i64; 2],
    is_assigned: bool,
    waiting: VecDeque<Pending>,
    told: VecDeque<(String, &'static str)>,
    looked: Instant,
}

/// Tells on a thread of its own, where that is configured, beside the monitor role.
///
/// # Errors
/// An address that is not there or is none, or no thread.
pub(super) fn spawn(
    setup: &AppSetup,
    pace: &Arc<Pace>,
    stop: &Arc<AtomicBool>,
) -> anyhow::Result<Option<JoinHandle<()>>> {
    let config = setup.config.clone();
    let Some(params) = config.notify.clone().filter(|_| setup.roles.monitor && !setup.stepped) else { return Ok(None) };
    params.address()?;
    let id = format!("{}.{NOTIFY}.{}.0", config.app, setup.instance);
    let shop =
        NotifyShop { config, params, transport: setup.transport.clone(), pace: pace.clone(), stop: stop.clone() };
    let thread = std::thread::Builder::new().name(NOTIFY.to_owned()).spawn(move || run(&shop, &id))?;
    Ok(Some(thread))
}

/// Tells until it is to stop; what goes wrong is logged and tried again.
fn run(shop: &NotifyShop, transactional_id: &str) {
    while !shop.stop.load(Ordering::Relaxed) {
        let told = Teller::join(shop, transactional_id).and_then(|mut teller| teller.work());
        let Err(error) = told else { return };
        tracing::warn!(%error, "notifications_interrupted");
        let clock = shop.pace.clock();
        clock.wait_until(clock.instant() + REJOIN, &shop.stop);
    }
}

impl<'a> Teller<'a> {
    fn join(shop: &'a NotifyShop, id: &str) -> Result<Self, TransportError> {
        let address = shop.params.address().map_err(|error| TransportError::Configuration(error.to_string()))?;
        let url = form::url(shop.params.format, address.reveal());
        let member = shop.transport.join(&MemberSpec {
            group: shop.config.group(NOTIFY),
            transactional_id: id.to_owned(),
            inputs: shop.inputs(),
        })?;
        Ok(Teller {
            poster: Poster::new(crate::config::Secret::new(url), shop.params.timeout.to_std()),
            shop,
            member,
            ledger: Ledger::default(),
            done: [0; 2],
            committed: [0; 2],
            is_assigned: false,
            waiting: VecDeque::new(),
            told: VecDeque::new(),
            looked: Instant::now(),
        })
    }

    fn work(&mut self) -> Result<(), TransportError> {
        let mut news = Vec::new();
        while !self.shop.stop.load(Ordering::Relaxed) {
            self.member.poll(IDLE_POLL, 1_000, &mut news)?;
            for news in news.drain(..) {
                self.take_in(news)?;
            }
            self.tell()?;
        }
        self.commit()
    }

    fn take_in(&mut self, news: News) -> Result<(), TransportError> {
        match news {
            News::Assigned(partitions) => self.begin(&partitions)?,
            News::Revoked(partitions) => {
                self.commit()?;
                self.let_go(&partitions)?;
            }
            News::Lost(partitions) => self.let_go(&partitions)?,
            News::Record { input, record, .. } => {
                let notice = self.notice(input, &record);
                let next = record.offset + 1;
                self.waiting.push_back(Pending { notice, input, next, tries: 0, due: Instant::now() });
            }
            News::End { .. } => {}
        }
        Ok(())
    }

    /// Goes on where the group was; the first time of all from now on. The control log is read from its beginning, as only
    /// who has read it all knows what took effect.
    fn begin(&mut self, partitions: &[i32]) -> Result<(), TransportError> {
        let committed = self.member.committed(partitions)?;
        let mut positions = Vec::new();
        for (input, topic) in self.shop.inputs().into_iter().enumerate() {
            let bounds = self.shop.transport.bounds(&topic)?.and_then(|all| all.first().copied());
            let (start, end, high) = bounds.map_or((0, 0, 0), |bounds| (bounds.start, bounds.end, bounds.high));
            let known = committed.iter().find(|offset| offset.input == input).and_then(|offset| offset.next);
            // An offset beyond the end is of a topic that was made anew.
            let from = known.filter(|next| *next <= high).unwrap_or(end).max(start);
            (self.done[input], self.committed[input]) = (from, known.unwrap_or(-1));
            let next = if input == MODELS { start } else { from };
            positions.push(Position { at: TopicPartition::new(topic, 0), next });
        }
        self.ledger = Ledger::default();
        self.member.start(&positions)?;
        self.is_assigned = true;
        Ok(())
    }

    fn let_go(&mut self, partitions: &[i32]) -> Result<(), TransportError> {
        self.is_assigned = false;
        self.waiting.clear();
        self.member.release(partitions)
    }

    /// What is told of a record; nothing of one that was told of before, took no effect, or is not asked for.
    fn notice(&mut self, input: usize, record: &Record) -> Option<Notice> {
        let app = &self.shop.config.app;
        let notice = if input == MODELS {
            let command: ModelRecord = read("control", record.value.as_deref()).ok()?;
            let is_void = self.ledger.apply(&command) == Effect::Void;
            notice::of_decision(app, &command).filter(|_| !is_void)
        } else {
            let alert: DriftAlert = read("alert", record.value.as_deref()).ok()?;
            Some(notice::of_alert(app, &alert))
        };
        notice.filter(|notice| record.offset >= self.done[input] && self.shop.params.on.contains(&notice.topic))
    }

    /// Posts what is due, in order.
    fn tell(&mut self) -> Result<(), TransportError> {
        while let Some(first) = self.waiting.front_mut() {
            if first.due > Instant::now() {
                return Ok(());
            }
            if let Some(notice) = &first.notice {
                let key = (notice.id.clone(), notice.event);
                let format = self.shop.params.format;
                let body = form::body(format, notice, self.shop.pace.now());
                // What goes on is told as often as it comes: that is its purpose.
                let is_new = notice.event == "alert_ongoing" || !self.told.contains(&key);
                if let Some(body) = body.filter(|_| is_new) {
                    match self.poster.post(&body) {
                        Ok(()) => {
                            watch::notified("delivered");
                            tracing::debug!(event = key.1, id = key.0, "notified");
                        }
                        Err(Refusal::Later(_, asked)) if first.tries + 1 < TRIES => {
                            let wait = (FIRST_WAIT * 2_u32.pow(first.tries)).min(LONGEST_WAIT);
                            first.due = Instant::now() + wait.max(asked.unwrap_or_default().min(LONGEST_ASKED));
                            first.tries += 1;
                            return Ok(());
                        }
                        Err(refusal) => {
                            watch::notified("given_up");
                            let tries = first.tries + 1;
                            tracing::warn!(
                                event = key.1,
                                id = key.0,
                                tries,
                                why = refusal.why(),
                                "notification_given_up"
                            );
                        }
                    }
                    self.told.push_back(key);
                    if self.told.len() > REMEMBERED {
                        self.told.pop_front();
                    }
                }
            }
            let was_told = first.notice.is_some();
            let (input, next) = (first.input, first.next);
            self.waiting.pop_front();
            self.done[input] = self.done[input].max(next);
            if was_told {
                self.commit()?;
            }
        }
        if self.looked.elapsed() >= COMMIT {
            self.looked = Instant::now();
            self.commit()?;
        }
        Ok(())
    }

    fn commit(&mut self) -> Result<(), TransportError> {
        if !self.is_assigned || self.done == self.committed {
            return Ok(());
        }
        let inputs = self.shop.inputs().into_iter().zip(self.done);
        let positions = inputs.map(|(topic, next)| Position { at: TopicPartition::new(topic, 0), next });
        self.member.begin()?;
        self.member.commit(&positions.collect::<Vec<_>>())?;
        self.committed = self.done;
        Ok(())
    }
}

/// Index of the control log among the inputs.
const MODELS: usize = 1;

impl NotifyShop {
    fn inputs(&self) -> Vec<String> {
        let topics = &self.config.topics;
        vec![topics.drift_alerts.clone(), topics.models.clone()]
    }
}

#[cfg(test)]
mod tests;
