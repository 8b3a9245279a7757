//! The training log: what was learned from the predictions and outcomes topics, in memory and in files.
//!
//! Training reads memory; files are for the next start, and for histories longer than topics are kept. A file holds the
//! rows of one range of offsets of one partition, `examples/<topic>/<partition>/<from>-<to>-<hash>.avro`, `to` being the
//! offset after the last. Every row carries its offset, and a row below the end of what was read before it is left out:
//! whatever ranges a crash or a second instance left behind, each offset counts once. Partitions resume where their
//! files end; the offsets of the consumer group are of no account.

mod file_name;

use std::collections::BTreeMap;
use std::sync::Arc;

use object_store::path::Path;
use sha2::{Digest, Sha256};

use super::store::{Store, StoreError, hex};
use super::stored_rows::{Logged, LoggedAt, decode, encode};
use crate::data::Timestamp;
use crate::model::Layout;
use crate::retrain::{ExampleRow, Examples, LabelRow};
use file_name::{FileName, HASH_DIGITS};

const FOLDER: &str = "examples";
const MAX_FILE_BYTES: u64 = 1 << 30;

/// Where a record lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LogPosition<'a> {
    /// Its topic.
    pub topic: &'a str,
    /// Its partition.
    pub partition: i32,
    /// Its offset.
    pub offset: i64,
}

/// What a training log covers.
#[derive(Clone, Debug)]
pub struct LogSettings {
    /// The topics whose files are read at the start.
    pub topics: Vec<String>,
    /// Rows of a partition that are written to a file of their own.
    pub file_rows: usize,
}

/// Rows in memory, with the files behind them.
#[derive(Debug)]
pub struct ExampleLog {
    store: Arc<Store>,
    file_rows: usize,
    partitions: BTreeMap<(String, i32), Partition>,
    examples: Examples,
}

#[derive(Debug, Default)]
struct Partition {
    /// The offset after the last one taken in.
    next: i64,
    /// Where the rows not yet in a file begin.
    unwritten_from: i64,
    unwritten: Vec<LoggedAt>,
}

/// What went wrong with the training log.
#[derive(Debug, thiserror::Error)]
pub enum ExampleLogError {
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A topic name Kafka would not allow.
    #[error("`{0}` is not a topic name")]
    Topic(String),
    /// A file that does not have the hash in its name, or is no Avro file of ours.
    #[error("training log file `{name}` cannot be read: {why}; move it away to go on without its rows")]
    File {
        /// Its name.
        name: String,
        /// What is wrong.
        why: String,
    },
    /// Rows that Avro does not take.
    #[error("rows of the training log cannot be written: {0}")]
    Encode(#[source] Box<apache_avro::Error>),
}

impl ExampleLog {
    /// Reads what the files of the topics hold.
    ///
    /// # Errors
    /// A store that cannot be read, or a file that is damaged.
    pub fn open(store: Arc<Store>, settings: &LogSettings) -> Result<ExampleLog, ExampleLogError> {
        let mut log = ExampleLog {
            store,
            file_rows: settings.file_rows.max(1),
            partitions: BTreeMap::new(),
            examples: Examples::default(),
        };
        for topic in &settings.topics {
            let folder = Path::from_iter([FOLDER, checked(topic)?]);
            for name in log.store.list(&folder)? {
                if let Ok(partition) = name.parse() {
                    log.read_partition(topic, partition)?;
                }
            }
        }
        Ok(log)
    }

    fn read_partition(&mut self, topic: &str, partition: i32) -> Result<(), ExampleLogError> {
        let folder = folder_of(topic, partition)?;
        let mut ranges: Vec<FileName> =
            self.store.list(&folder)?.iter().filter_map(|name| FileName::parse(name)).collect();
        ranges.sort_unstable_by(|a, b| (a.from, a.to, &a.hash).cmp(&(b.from, b.to, &b.hash)));
        let mut next = None;
        for file in ranges {
            if next.is_some_and(|next| file.to <= next) {
                continue;
            }
            let path = folder.clone().join(file.to_string());
            let bad = |why: String| ExampleLogError::File { name: path.to_string(), why };
            let bytes = self.store.get(&path, MAX_FILE_BYTES)?;
            if !hex(&Sha256::digest(&bytes)).starts_with(&file.hash) {
                return Err(bad("its bytes do not have the hash in its name".to_owned()));
            }
            let examples = &mut self.examples;
            decode(&bytes, |LoggedAt { offset, row }| {
                if next.is_none_or(|next| offset >= next) {
                    add(examples, &row);
                }
            })
            .map_err(|error| bad(error.to_string()))?;
            next = Some(file.to);
        }
        if let Some(next) = next {
            let empty = Partition { next, unwritten_from: next, unwritten: Vec::new() };
            self.partitions.insert((topic.to_owned(), partition), empty);
        }
        Ok(())
    }

    /// The offset at which reading of a partition goes on; `None` where nothing has been read yet.
    pub fn resume_at(&self, topic: &str, partition: i32) -> Option<i64> {
        self.partitions.get(&(topic.to_owned(), partition)).map(|known| known.next)
    }

    /// Rows and labels of all partitions.
    pub fn examples(&self) -> &Examples {
        &self.examples
    }

    /// Makes rows of a layout usable for others, by the names of its features.
    pub fn add_layout(&mut self, layout: &Layout) {
        self.examples.add_layout(layout);
    }

    /// Takes in a prediction; one that was taken in before is passed over.
    ///
    /// # Errors
    /// Rows enough for a file, and a store that does not take it; the rows are kept and written with the next.
    pub fn add_prediction(&mut self, at: LogPosition<'_>, row: ExampleRow) -> Result<(), ExampleLogError> {
        self.append(at, Logged::Prediction(row))
    }

    /// Takes in a label; one that was taken in before is passed over.
    ///
    /// # Errors
    /// As [`ExampleLog::add_prediction`].
    pub fn add_label(&mut self, at: LogPosition<'_>, row: LabelRow) -> Result<(), ExampleLogError> {
        self.append(at, Logged::Label(row))
    }

    fn append(&mut self, at: LogPosition<'_>, row: Logged) -> Result<(), ExampleLogError> {
        let LogPosition { topic, partition, offset } = at;
        let key = (checked(topic)?.to_owned(), partition);
        let fresh = Partition { next: offset, unwritten_from: offset, unwritten: Vec::new() };
        let known = self.partitions.entry(key).or_insert(fresh);
        if offset < known.next {
            return Ok(());
        }
        known.next = offset.saturating_add(1);
        add(&mut self.examples, &row);
        known.unwritten.push(LoggedAt { offset, row });
        if known.unwritten.len() >= self.file_rows { write(&self.store, at.topic, partition, known) } else { Ok(()) }
    }

    /// Writes all rows that are not yet in a file.
    ///
    /// # Errors
    /// A store that does not take them; the rest stay to be written.
    pub fn flush(&mut self) -> Result<(), ExampleLogError> {
        for ((topic, partition), known) in &mut self.partitions {
            write(&self.store, topic, *partition, known)?;
        }
        Ok(())
    }

    /// Lets go, in memory, of events earlier than `time`; their files stay.
    pub fn forget_before(&mut self, time: Timestamp) {
        self.examples.forget_before(time);
    }
}

fn add(examples: &mut Examples, row: &Logged) {
    match row {
        Logged::Prediction(row) => examples.add_prediction(row),
        Logged::Label(row) => examples.add_outcome(row),
    }
}

fn write(store: &Store, topic: &str, partition: i32, known: &mut Partition) -> Result<(), ExampleLogError> {
    if known.unwritten.is_empty() {
        return Ok(());
    }
    let (from, to) = (known.unwritten_from, known.next);
    let position = format!("{topic}/{partition}/{from}-{to}");
    let bytes = encode(&known.unwritten, &position).map_err(|error| ExampleLogError::Encode(Box::new(error)))?;
    let mut hash = hex(&Sha256::digest(&bytes));
    hash.truncate(HASH_DIGITS);
    let name = FileName { from, to, hash };
    store.put(&folder_of(topic, partition)?.join(name.to_string()), bytes)?;
    known.unwritten.clear();
    known.unwritten_from = to;
    Ok(())
}

fn folder_of(topic: &str, partition: i32) -> Result<Path, ExampleLogError> {
    Ok(Path::from_iter([FOLDER, checked(topic)?, &partition.to_string()]))
}

/// A topic name as Kafka allows it, which is also a safe folder name.
fn checked(topic: &str) -> Result<&str, ExampleLogError> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    let good = !topic.is_empty() && topic.len() <= 249 && topic != "." && topic != ".." && topic.bytes().all(allowed);
    if good { Ok(topic) } else { Err(ExampleLogError::Topic(topic.to_owned())) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{Arm, Span};
    use crate::retrain::{Dataset, DatasetParams};

    fn store() -> Arc<Store> {
        Arc::new(Store::in_memory().unwrap())
    }

    fn open(store: &Arc<Store>, file_rows: usize) -> ExampleLog {
        let topics = ["fraud.predictions", "fraud.outcomes"].map(str::to_owned).to_vec();
        ExampleLog::open(Arc::clone(store), &LogSettings { topics, file_rows }).unwrap()
    }

    fn layout() -> Layout {
        Layout::new(vec!["a".into(), "b".into()]).unwrap()
    }

    fn append(log: &mut ExampleLog, i: i64) {
        let event_time = Timestamp::from_millis(i);
        let row = ExampleRow {
            event_id: format!("e{i}"),
            event_time,
            model_version: 1,
            arm: Arm::Champion,
            score: 0.1,
            layout: layout().fingerprint().to_owned(),
            features: vec![i as f64 / 3.0, f64::NAN],
        };
        let label = LabelRow { event_id: format!("e{i}"), known_at: event_time, label: (i % 2) as f64, revision: 0 };
        let partition = (i % 2) as i32;
        // every third offset is a transaction's marker
        let offset = i / 2 * 3 / 2;
        log.add_prediction(LogPosition { topic: "fraud.predictions", partition, offset }, row).unwrap();
        log.add_label(LogPosition { topic: "fraud.outcomes", partition, offset }, label).unwrap();
    }

    fn digest(log: &ExampleLog) -> (usize, String) {
        let params = DatasetParams {
            layout: &layout(),
            cutoff: Timestamp::from_millis(1_000_000),
            history: Span::from_days(1),
            maturity: Span::default(),
        };
        let data = Dataset::build(log.examples(), &params);
        (data.len(), data.sha256().to_owned())
    }

    fn files(store: &Store, topic: &str, partition: i32) -> Vec<String> {
        store.list(&folder_of(topic, partition).unwrap()).unwrap()
    }

    #[test]
    fn a_restart_finds_what_was_flushed_and_goes_on_where_it_ends() {
        let store = store();
        let mut whole = open(&store, 7);
        (0..100).for_each(|i| append(&mut whole, i));
        whole.flush().unwrap();
        assert_eq!(files(&store, "fraud.predictions", 0).len(), 8);
        let read = open(&store, 7);
        assert_eq!(digest(&read), digest(&whole));
        assert_eq!(read.resume_at("fraud.predictions", 1), Some(49 * 3 / 2 + 1));
        assert_eq!(read.resume_at("fraud.predictions", 2), None);
    }

    #[test]
    fn a_prediction_that_was_published_twice_is_one_example() {
        let (store, again) = (store(), self::store());
        let (mut once, mut twice) = (open(&store, 7), open(&again, 7));
        (0..40).for_each(|i| append(&mut once, i));
        for (offset, i) in (0..20).chain(10..40).enumerate() {
            let (event_id, event_time) = (format!("e{i}"), Timestamp::from_millis(i));
            let layout = layout().fingerprint().to_owned();
            let features = vec![i as f64 / 3.0, f64::NAN];
            let row = ExampleRow {
                event_id: event_id.clone(),
                event_time,
                model_version: 1,
                arm: Arm::Champion,
                score: 0.1,
                layout,
                features,
            };
            let label = LabelRow { event_id, known_at: event_time, label: (i % 2) as f64, revision: 0 };
            let at = |topic| LogPosition { topic, partition: 0, offset: offset as i64 };
            twice.add_prediction(at("fraud.predictions"), row).unwrap();
            if offset < 20 || i >= 20 {
                twice.add_label(at("fraud.outcomes"), label).unwrap();
            }
        }
        assert_eq!(digest(&twice), digest(&once));
        twice.flush().unwrap();
        assert_eq!(digest(&open(&again, 7)), digest(&once));
    }

    #[test]
    fn a_crash_between_flushes_neither_loses_nor_doubles_rows() {
        let (clean, crashed) = (store(), store());
        let mut whole = open(&clean, 10);
        (0..200).for_each(|i| append(&mut whole, i));
        let mut first = open(&crashed, 10);
        (0..97).for_each(|i| append(&mut first, i));
        drop(first);
        let mut second = open(&crashed, 13);
        assert!(digest(&second).0 < 97);
        // read again from the beginning: what is in files is passed over
        (0..200).for_each(|i| append(&mut second, i));
        assert_eq!(digest(&second), digest(&whole));
        second.flush().unwrap();
        assert_eq!(digest(&open(&crashed, 10)), digest(&whole));
    }

    #[test]
    fn overlapping_files_count_each_offset_once() {
        let store = store();
        let mut one = open(&store, 1_000);
        (0..60).for_each(|i| append(&mut one, i));
        let mut other = open(&store, 1_000);
        (20..100).for_each(|i| append(&mut other, i));
        one.flush().unwrap();
        other.flush().unwrap();
        assert_eq!(files(&store, "fraud.predictions", 0).len(), 2);
        let read = open(&store, 1_000);
        assert_eq!(digest(&read).0, 100);
        assert_eq!(read.examples().n_rows(), 100);
    }

    #[test]
    fn a_damaged_file_is_named() {
        let store = store();
        let mut log = open(&store, 10);
        (0..20).for_each(|i| append(&mut log, i));
        let name = files(&store, "fraud.outcomes", 1).remove(0);
        store.put(&folder_of("fraud.outcomes", 1).unwrap().join(name.as_str()), b"else".to_vec()).unwrap();
        let settings = LogSettings { topics: vec!["fraud.outcomes".into()], file_rows: 1 };
        let error = ExampleLog::open(store, &settings).err().map(|error| error.to_string());
        assert!(error.is_some_and(|error| error.contains(&name) && error.contains("hash")));
    }

    #[test]
    fn names_that_are_no_topic_are_refused_and_foreign_files_are_left_alone() {
        for topic in ["", ".", "..", "a/b", "../a", "a b", "ä"] {
            assert!(matches!(checked(topic), Err(ExampleLogError::Topic(_))), "{topic}");
        }
        let store = store();
        store.put(&folder_of("fraud.outcomes", 0).unwrap().join("readme.txt"), b"x".to_vec()).unwrap();
        assert_eq!(open(&store, 1).resume_at("fraud.outcomes", 0), None);
        for name in
            ["1-0-0123456789abcdef.avro", "0-1-x.avro", "0-1-0123456789abcdef.json", "a-b-0123456789abcdef.avro"]
        {
            assert_eq!(FileName::parse(name), None, "{name}");
        }
    }
}
