//! A record that makes the program panic: found, refused, and everything else goes on.
//!
//! A machine that panicked half-way is not used again: the open transaction is given up, and the shard restores as after a
//! crash. What it was handling is then taken one record at a time, so the record that makes it panic again is known; it
//! becomes a dead letter unread, and the journal says so, so that a replay does not read it either. A panic that no
//! record can be blamed for goes on its way and ends the role.
//!
//! A hop holds records back, and one that arrives lets others out: the machine then tells which one it was at.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use super::{State, Worker, WorkerError};
use crate::data::{Item, Machine};
use crate::model::Model;
use crate::runtime::shard::{Place, Refusals, Shard};
use crate::runtime::stage::Stage;
use crate::runtime::watch::Cause;

/// What a panic carries.
pub(super) type Panic = Box<dyn Any + Send>;

/// What is known of the records of a shard that make the program panic.
#[derive(Debug, Default)]
pub(super) struct Suspects {
    /// Those that were found.
    refusals: Refusals,
    /// Up to these offsets, by input, records are taken one by one.
    until: Vec<i64>,
    /// The record taken last was taken alone.
    is_alone: bool,
}

impl Suspects {
    /// The records to be refused unread.
    pub(super) fn refusals(&self) -> &Refusals {
        &self.refusals
    }

    /// How many records the shard may take at once.
    pub(super) fn batch<M: Machine<Model = Model>>(&mut self, shard: &mut Shard<M>, max: usize) -> usize {
        self.is_alone = shard.positions().zip(&self.until).any(|(position, until)| position.next < *until);
        shard.machine.be_careful(self.is_alone);
        if self.is_alone { 1 } else { max }
    }
}

/// Runs what may panic. Whatever it was working on is not to be used afterwards.
pub(super) fn guarded<T>(work: impl FnOnce() -> T) -> Result<T, Panic> {
    catch_unwind(AssertUnwindSafe(work))
}

impl<S: Stage> Worker<S> {
    /// Takes everything back after a panic of a shard's machine on `batch`, or on a record looked at ahead, and lets the
    /// shard restore.
    pub(super) fn panicked(&mut self, number: i32, batch: &[Item<Model>], panic: Panic) -> Result<bool, WorkerError> {
        let Some(State::Running(shard)) = self.shards.remove(&number) else { resume_unwind(panic) };
        let records = batch.iter().filter_map(|item| match item {
            Item::Record { input, record } => Some((input.0, record.offset)),
            Item::Refused { .. } | Item::RefusedHeld(_) | Item::Schema(_) | Item::Command(_) | Item::Idle => None,
        });
        let records: Vec<Place> = shard.looking.into_iter().chain(records).collect();
        if records.is_empty() || !self.shop.stage.is_paced() {
            resume_unwind(panic);
        }
        let suspects = self.suspects.entry(number).or_default();
        suspects.until = shard.positions().map(|position| position.next).collect();
        if let [place] = records[..]
            && (suspects.is_alone || shard.looking.is_some())
        {
            let (topic, partition, offset) = match shard.machine.at_hand() {
                Some(rank) => {
                    suspects.refusals.held.entry(place).or_default().push(rank.clone());
                    let mut inputs = self.shop.topics.inputs();
                    let topic = inputs.nth(usize::from(rank.is_follow_up)).cloned();
                    (topic, rank.partition, rank.offset)
                }
                None => {
                    suspects.refusals.records.insert(place);
                    (self.shop.stage.inputs().into_iter().nth(usize::from(place.0)), number, place.1)
                }
            };
            let topic = topic.unwrap_or_default();
            tracing::error!(shard = number, topic, partition, offset, "record_panicked");
        }
        drop(shard);
        self.shards.insert(number, State::Given);
        self.member.stop(&[number])?;
        self.take_back(Cause::Panic, "handling a record made the program panic")?;
        self.show();
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::{Duration, Instant};

    use crate::config::Config;
    use crate::data::{Header, Record, Timestamp};
    use crate::runtime::stages::chain_roles;
    use crate::runtime::{App, AppSetup, Roles, topic_specs};
    use crate::transport::memory::Memory;
    use crate::transport::{News, Outgoing, Position, TopicPartition, Transport};

    const MINIMAL: &str = include_str!("../../../examples/minimal.toml");

    fn records(memory: &Memory, topic: &str) -> Vec<Record> {
        let mut reader = memory.reader(&[topic.to_owned()]).unwrap();
        reader.start(&[Position { at: TopicPartition::new(topic, 0), next: 0 }]).unwrap();
        let mut found = Vec::new();
        loop {
            let mut news = Vec::new();
            reader.poll(Duration::from_millis(50), 10_000, &mut news).unwrap();
            for news in news {
                match news {
                    News::Record { record, .. } => found.push(record),
                    News::End { .. } => return found,
                    _ => {}
                }
            }
        }
    }

    /// What makes the program panic.
    #[derive(Clone, Copy)]
    enum Tripwire {
        Value,
        Header(&'static str),
    }

    fn event(number: i64) -> Vec<u8> {
        let (at, terminal) = (Timestamp::from_millis(number * 1_000), number % 7);
        format!(
            "{{\"payment_id\":\"e{number}\",\"created_at\":\"{at}\",\"amount\":1,\"foreign\":true,\
             \"terminal\":\"t{terminal}\"}}"
        )
        .into_bytes()
    }

    fn start(memory: &Memory, config: &Config) -> App {
        let roles = Roles { score: true, monitor: false, retrain: false };
        let setup = AppSetup {
            config: Arc::new(config.clone()),
            previous: None,
            transport: Arc::new(memory.clone()),
            roles,
            instance: "a".into(),
            stepped: false,
            trust_journal: false,
        };
        App::start(setup).unwrap()
    }

    /// 200 events, a death of the workers, and 60 more: those that make the program panic become dead letters and nothing
    /// else does, also after the restart, which replays the journal.
    fn assert_that_only_these_are_refused(text: &str, tripwire: impl Fn(i64) -> Option<Tripwire>) {
        let store = tempfile::tempdir().unwrap();
        let mut config = Config::parse(text).unwrap();
        config.store.path = store.path().to_owned();
        config.topics.partitions = 1;
        let memory = Memory::new();
        memory.create(&topic_specs(&config)).unwrap();
        let mut publisher = memory.publisher().unwrap();
        let mut send = |number: i64| {
            let tripwire = tripwire(number);
            let (value, header) = match tripwire {
                None => (event(number), None),
                Some(Tripwire::Value) => (b"tripwire".to_vec(), None),
                Some(Tripwire::Header(name)) => (event(number), Some(name)),
            };
            let headers: Vec<Header> =
                header.into_iter().map(|name| Header { name: name.to_owned(), value: None }).collect();
            publisher
                .send(&Outgoing {
                    topic: &config.topics.events,
                    partition: Some(0),
                    key: Some(b"k"),
                    value: Some(&value),
                    headers: &headers,
                    timestamp: Some(Timestamp::from_millis(number * 1_000)),
                })
                .unwrap();
            tripwire.is_some()
        };
        let mut expected: Vec<bool> = (0..200).map(&mut send).collect();
        let until = |app: &App, n: usize| {
            let limit = Instant::now() + Duration::from_secs(120);
            let count = |topic: &String| records(&memory, topic).len();
            while count(&config.topics.predictions) + count(&config.topics.dead_letters) < n {
                assert!(app.failed().is_none(), "{:?}", app.failed());
                assert!(Instant::now() < limit, "{:?}", app.missing());
                std::thread::sleep(Duration::from_millis(5));
            }
        };
        let app = start(&memory, &config);
        until(&app, 200);
        // Killed, so that the next one replays what was refused.
        for role in chain_roles(&config) {
            memory.kill(&format!("{}.{role}.a.0", config.app));
        }
        let _ = app.stop();
        expected.extend((200..260).map(&mut send));
        let app = start(&memory, &config);
        until(&app, 260);
        app.stop().unwrap();
        let letters = records(&memory, &config.topics.dead_letters);
        let offset = |letter: &Record| {
            let header = |name: &str| {
                let found =
                    letter.headers.iter().find(|header| header.name == name).and_then(|header| header.value.clone());
                String::from_utf8(found.unwrap_or_default()).unwrap()
            };
            assert_eq!(header("driftless.error.code"), "panic");
            assert_eq!(header("driftless.error.topic"), config.topics.events);
            header("driftless.error.offset").parse::<usize>().unwrap()
        };
        let mut refused: Vec<usize> = letters.iter().map(offset).collect();
        refused.sort_unstable();
        let bad: Vec<usize> = expected.iter().enumerate().filter(|(_, bad)| **bad).map(|(at, _)| at).collect();
        assert_eq!(refused, bad);
        assert_eq!(records(&memory, &config.topics.predictions).len(), 260 - bad.len());
    }

    /// Some values make the decoder panic, one header the windows.
    #[test]
    fn records_that_make_the_program_panic_become_dead_letters_and_the_others_go_on() {
        assert_that_only_these_are_refused(MINIMAL, |number| match number % 80 {
            17 => Some(Tripwire::Value),
            57 => Some(Tripwire::Header("tripwire")),
            _ => None,
        });
    }

    /// What a hop holds back comes out with other records, several at once: these are not refused for it.
    #[test]
    fn what_a_hop_lets_out_is_refused_itself_and_not_the_record_that_let_it_out() {
        let windows =
            "[[features.windows]]\nby = [\"terminal\"]\nspans = [\"1h\"]\naggregates = [\"count\"]\n\n[kafka]";
        for order in ["event-time", "arrival"] {
            let text = MINIMAL
                .replace(
                    "[events.fields.amount]",
                    "lateness = \"1s\"\n\n[events.fields.terminal]\ntype = \"string\"\n\n[events.fields.amount]",
                )
                .replace("[features]\n", &format!("[features]\norder = \"{order}\"\nidle_after = \"100ms\"\n"))
                .replace("[kafka]", windows);
            assert_that_only_these_are_refused(&text, |number| match number % 80 {
                17 | 18 | 23 => Some(Tripwire::Header("tripwire in a hop")),
                57 => Some(Tripwire::Header("tripwire")),
                _ => None,
            });
        }
    }
}
