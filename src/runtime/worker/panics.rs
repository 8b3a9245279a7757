//! A record that makes the program panic: found, refused, and everything else goes on.
//!
//! A machine that panicked half-way is not used again: the open transaction is given up, and the shard restores as after a
//! crash. What it was handling is then taken one record at a time, so the record that makes it panic again is known; it
//! becomes a dead letter unread, and the journal says so, so that a replay does not read it either. A panic that no
//! record can be blamed for goes on its way and ends the role.

use std::any::Any;
use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use super::{State, Worker, WorkerError};
use crate::data::{Item, Machine};
use crate::model::Model;
use crate::runtime::shard::Shard;
use crate::runtime::stage::Stage;

/// What a panic carries.
pub(super) type Panic = Box<dyn Any + Send>;

/// What is known of the records of a shard that make the program panic.
#[derive(Debug, Default)]
pub(super) struct Suspects {
    /// Input and offset of those that were found.
    refused: BTreeSet<(u8, i64)>,
    /// Up to these offsets, by input, records are taken one by one.
    until: Vec<i64>,
}

impl Suspects {
    /// Input and offset of the records to be refused unread.
    pub(super) fn refused(&self) -> &BTreeSet<(u8, i64)> {
        &self.refused
    }

    /// How many records the shard may take at once.
    pub(super) fn batch<M: Machine<Model = Model>>(&self, shard: &Shard<M>, max: usize) -> usize {
        let is_before = shard.positions().zip(&self.until).any(|(position, until)| position.next < *until);
        if is_before { 1 } else { max }
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
            Item::Refused { .. } | Item::Schema(_) | Item::Command(_) | Item::Idle => None,
        });
        let records: Vec<(u8, i64)> = shard.looking.into_iter().chain(records).collect();
        if records.is_empty() || !self.shop.stage.is_paced() {
            resume_unwind(panic);
        }
        let suspects = self.suspects.entry(number).or_default();
        suspects.until = shard.positions().map(|position| position.next).collect();
        if let [(input, offset)] = records[..] {
            suspects.refused.insert((input, offset));
            let topic = self.shop.stage.inputs().into_iter().nth(usize::from(input)).unwrap_or_default();
            tracing::error!(shard = number, topic, partition = number, offset, "record_panicked");
        }
        drop(shard);
        self.shards.insert(number, State::Given);
        self.member.stop(&[number])?;
        self.take_back("handling a record made the program panic")?;
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
    use crate::runtime::{App, AppSetup, Roles, topic_specs};
    use crate::transport::memory::Memory;
    use crate::transport::{News, Outgoing, Position, TopicPartition, Transport};

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

    fn event(number: i64) -> Vec<u8> {
        let at = Timestamp::from_millis(number * 1_000);
        format!("{{\"payment_id\":\"e{number}\",\"created_at\":\"{at}\",\"amount\":1,\"foreign\":true}}").into_bytes()
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

    /// Some values make the decoder panic, one header the windows: all become dead letters, and everything else is
    /// predicted once, also after a restart that replays the journal.
    #[test]
    fn records_that_make_the_program_panic_become_dead_letters_and_the_others_go_on() {
        let store = tempfile::tempdir().unwrap();
        let text = include_str!("../../../examples/minimal.toml");
        let mut config = Config::parse(text).unwrap();
        config.store.path = store.path().to_owned();
        config.topics.partitions = 1;
        let memory = Memory::new();
        memory.create(&topic_specs(&config)).unwrap();
        let mut publisher = memory.publisher().unwrap();
        let mut expected = Vec::new();
        let mut send = |number: i64| {
            let is_bad = number % 40 == 17;
            let tripwire = [Header { name: "tripwire".to_owned(), value: None }];
            let value = match is_bad && number % 80 == 17 {
                true => b"tripwire".to_vec(),
                false => event(number),
            };
            publisher
                .send(&Outgoing {
                    topic: &config.topics.events,
                    partition: Some(0),
                    key: Some(b"k"),
                    value: Some(&value),
                    headers: if is_bad && number % 80 != 17 { &tripwire[..] } else { &[] },
                    timestamp: Some(Timestamp::from_millis(number * 1_000)),
                })
                .unwrap();
            is_bad
        };
        for number in 0..200 {
            expected.push(send(number));
        }
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
        memory.kill(&format!("{}.score.a.0", config.app));
        let _ = app.stop();
        for number in 200..260 {
            expected.push(send(number));
        }
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
            header("driftless.error.offset").parse::<usize>().unwrap()
        };
        let mut refused: Vec<usize> = letters.iter().map(offset).collect();
        refused.sort_unstable();
        let bad: Vec<usize> = expected.iter().enumerate().filter(|(_, bad)| **bad).map(|(at, _)| at).collect();
        assert_eq!(refused, bad);
        assert_eq!(records(&memory, &config.topics.predictions).len(), 260 - bad.len());
    }
}
