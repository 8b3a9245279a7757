//! The retrain role: follows predictions and outcomes into the training log, and answers each request for a training
//! with a candidate or a refusal.
//!
//! One request at a time. The record that answers it and the offset of the request commit in one transaction, so a
//! request is answered at most once, also across restarts; a crash in between trains again.

mod met;
mod request;
mod spans;
mod tail;

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::board::{Board, Phase};
use super::control::{ControlTail, Models};
use super::pace::Pace;
use super::traces::Traces;
use super::twin::Fencings;
use super::worker::WorkerError;
use crate::config::Config;
use crate::data::Record;
use crate::model::Layout;
use crate::registry::ExampleLog;
use crate::transport::{Member, MemberSpec, News, Position, TopicPartition, Transport, TransportError};

use request::Request;
use tail::Tail;

/// The name of the role.
pub(super) const RETRAIN: &str = "retrain";
const IDLE_POLL: Duration = Duration::from_millis(5);
/// Wait before joining anew.
const REJOIN: Duration = Duration::from_millis(500);

/// What the role works with.
pub(super) struct RetrainShop {
    pub config: Arc<Config>,
    pub transport: Arc<dyn Transport>,
    pub models: Arc<Models>,
    pub layout: Layout,
    pub log: Arc<Mutex<ExampleLog>>,
    pub pace: Arc<Pace>,
    pub board: Arc<Board>,
    pub stop: Arc<AtomicBool>,
    /// Where traces are told, where they are.
    pub traces: Option<Traces>,
}

struct Role<'a> {
    shop: &'a RetrainShop,
    id: String,
    member: Box<dyn Member>,
    control: ControlTail,
    tail: Tail,
    assigned: bool,
    waiting: VecDeque<Record>,
    request: Option<Request>,
    next: i64,
    /// Where the topic ended when it was last read out.
    ended: i64,
}

/// Runs until told to stop or until something needs an operator.
pub(super) fn run(shop: &RetrainShop, transactional_id: &str) -> Result<(), WorkerError> {
    let mut fencings = Fencings::default();
    while !shop.stop.load(Ordering::Relaxed) {
        shop.board.worker(transactional_id, Phase::Joining);
        let joined = shop.pace.clock().instant();
        let result = Role::join(shop, transactional_id).and_then(|mut role| {
            let result = role.work();
            role.let_go();
            result
        });
        match result {
            Ok(()) => return Ok(()),
            Err(WorkerError::Transport(error))
                if !matches!(error, TransportError::Configuration(_) | TransportError::Gone(_)) =>
            {
                let by_fencing = matches!(error, TransportError::Fenced(_));
                if fencings.ended(by_fencing, shop.pace.clock().since(joined)) {
                    return Err(WorkerError::twin(transactional_id));
                }
                tracing::warn!(worker = transactional_id, %error, "worker_rejoins");
                let clock = shop.pace.clock();
                clock.wait_until(clock.instant() + REJOIN, &shop.stop);
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

impl<'a> Role<'a> {
    fn join(shop: &'a RetrainShop, id: &str) -> Result<Self, WorkerError> {
        let topics = &shop.config.topics;
        let control = ControlTail::open(&*shop.transport, &topics.models, shop.models.clone())?;
        let tail = Tail::open(shop, topics)?;
        let spec = MemberSpec {
            group: shop.config.group(RETRAIN),
            transactional_id: id.to_owned(),
            inputs: vec![topics.drift_alerts.clone()],
        };
        Ok(Role {
            shop,
            id: id.to_owned(),
            member: shop.transport.join(&spec)?,
            control,
            tail,
            assigned: false,
            waiting: VecDeque::new(),
            request: None,
            next: 0,
            ended: 0,
        })
    }

    fn work(&mut self) -> Result<(), WorkerError> {
        self.shop.board.worker(&self.id, Phase::Running { restoring: 0 });
        let mut news = Vec::new();
        while !self.shop.stop.load(Ordering::Relaxed) {
            let polled = self.member.poll(IDLE_POLL, 1_000, &mut news);
            for news in news.drain(..) {
                self.take_in(news)?;
            }
            polled?;
            self.control.poll(Duration::ZERO, self.shop.pace.clock().instant())?;
            self.shop.board.lacks(&self.id, self.control.lack());
            self.shop.board.position(RETRAIN, self.control.at(), self.control.settled(self.control.next()));
            if self.assigned {
                self.tail.follow(self.shop)?;
                match self.answer() {
                    Err(WorkerError::Transport(TransportError::Aborted(why))) => {
                        tracing::warn!(worker = self.id, why, "transaction_aborted");
                        self.member.abort()?;
                        return Err(TransportError::Retriable(why).into());
                    }
                    other => other?,
                }
            }
        }
        let mut log = self.shop.log.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(error) = log.flush() {
            tracing::warn!(%error, "training_log_unwritten");
        }
        Ok(())
    }

    fn take_in(&mut self, news: News) -> Result<(), WorkerError> {
        match news {
            News::Assigned(partitions) => {
                let topic = &self.shop.config.topics.drift_alerts;
                let committed = self.member.committed(&partitions)?;
                let bounds = self.shop.transport.bounds(topic)?.and_then(|all| all.first().copied());
                let start = bounds.map_or(0, |bounds| bounds.start);
                self.next = committed.iter().find_map(|offset| offset.next).unwrap_or(start);
                self.member.start(&[Position { at: TopicPartition::new(topic.as_str(), 0), next: self.next }])?;
                self.assigned = true;
                self.show();
            }
            News::Revoked(partitions) | News::Lost(partitions) => {
                self.assigned = false;
                self.let_go();
                self.waiting.clear();
                self.member.release(&partitions)?;
            }
            News::Record { record, .. } => self.waiting.push_back(record),
            News::End { next, .. } => {
                self.ended = next;
                self.show();
            }
        }
        Ok(())
    }

    /// Forgets the request under way; whoever takes over answers it.
    fn let_go(&mut self) {
        if self.request.take().is_some() {
            self.shop.board.trainings(-1);
        }
    }

    /// Shows how far requests have been answered; where none is left, that is the end of the topic.
    fn show(&self) {
        let at = TopicPartition::new(self.shop.config.topics.drift_alerts.as_str(), 0);
        let done = self.waiting.is_empty() && self.request.is_none();
        self.shop.board.position(RETRAIN, &at, if done { self.next.max(self.ended) } else { self.next });
    }
}
