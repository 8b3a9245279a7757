//! Every kind of window and every aggregate against brute force over the raw stream.
//!
//! The oracle keeps every record and goes through all of them for each event, the plain way: no panes put together, no
//! sketch, no running sum. Streams are random, with negative times, disorder, missing values, groups that go and come
//! back, transactions taken back, and restores from checkpoints on the way; whatever happens, features are the same.
#![expect(clippy::unwrap_used, reason = "a test that cannot be set up is to fail loudly")]

mod oracle;

use driftless::config::Config;
use driftless::data::params::{KindIndex, Source};
use driftless::data::{Columns, Reader, Table, Timestamp, Writer};
use driftless::features::{EventRow, Features, FollowUpRow, Handles};
use driftless::stats::SplitMix64;
use oracle::{Oracle, Raw};

const CONFIG: &str = r#"
app = "oracle"

[events]
key = "card"

[events.fields.amount]
type = "number"

[events.fields.kind]
type = "string"

[events.fields.place]
type = "string"

[labels]
event_id = "event_id"
kind = "kind"
wait = "1h"

[labels.kinds.checked.fields.fraud]
type = "number"

[labels.label]
kind = "checked"
field = "fraud"
positive = "fraud"
negative = "fine"
prior = 0.1

[[features.windows]]
spans = ["40s", "3m"]
panes = 10
aggregates = [
    "count", "rate", "sum:amount", "mean:amount", "variance:amount", "std:amount", "min:amount", "max:amount",
    "first:amount", "last:amount", "ratio:amount", "p50:amount", "p95:amount", "distinct:kind", "distinct:amount",
    "top_share:kind", "is_top:kind", "since_last",
]

[[features.windows]]
spans = ["40s"]
panes = 80
includes_event = false
aggregates = ["count", "sum:amount", "max:amount", "last:amount", "variance:amount"]

[[features.windows]]
by = ["card", "place"]
spans = ["1m"]
panes = 6
delay = "45s"
aggregates = ["count", "mean:amount", "p50:amount"]

[[features.windows]]
spans = ["1m"]
panes = 12
ends = "latest"
aggregates = ["count", "sum:amount", "max:amount"]

[[features.windows]]
spans = ["50s"]
panes = 5
aggregates = ["count", "rate", "sum:amount", "mean:amount", "max:amount", "ratio:amount"]

[[features.windows]]
kind = "tumbling"
spans = ["30s", "2m"]
aggregates = ["count", "mean:amount", "min:amount"]

[[features.windows]]
kind = "tumbling"
which = "completed"
spans = ["1m"]
every = "15s"
offset = "7s"
aggregates = ["count", "sum:amount", "rate"]

[[features.windows]]
by = ["card", "place"]
kind = "session"
gap = "20s"
aggregates = ["count", "sum:amount", "duration", "first:amount", "distinct:kind"]

[[features.windows]]
by = ["card", "place"]
kind = "session"
gap = "20s"
which = "completed"
aggregates = ["count", "max:amount", "duration"]

[[features.windows]]
kind = "ever"
aggregates = ["count", "mean:amount", "variance:amount", "min:amount", "last:amount", "distinct:kind", "p50:amount"]

[[features.windows]]
kind = "ever"
half_life = "50s"
aggregates = ["count", "rate", "sum:amount", "mean:amount", "variance:amount", "ratio:amount"]

[[features.windows]]
of = "checked"
spans = ["2m"]
panes = 8
aggregates = ["count", "mean:fraud", "std:fraud", "since_last"]

[[features.windows]]
of = "checked"
by = ["card", "place"]
spans = ["1m"]
panes = 10
delay = "30s"
aggregates = ["count", "sum:fraud"]

[[features.windows]]
of = "checked"
kind = "ever"
half_life = "2m"
aggregates = ["count", "mean:fraud"]
"#;

/// One record of a stream.
enum Sent {
    Event(Raw),
    /// Of the event at a position.
    FollowUp {
        of: usize,
        at: i64,
        fraud: f64,
    },
    Commit,
    Rollback,
    Restore,
}

/// `late`: how far back in time an event may be that comes after others.
fn stream(seed: u64, n: usize, late: u64) -> Vec<Sent> {
    let mut random = SplitMix64::new(seed);
    let mut now = -400_000i64;
    let mut sent = Vec::new();
    let mut events: Vec<(i64, usize)> = Vec::new();
    for _ in 0..n {
        let pause = if random.below(40) == 0 { 200_000 } else { 6_000 };
        now += random.below(pause) as i64;
        if random.below(3) == 0 && !events.is_empty() {
            let back = random.below(events.len().min(30) as u64) as usize;
            let (_, of) = events[events.len() - 1 - back];
            sent.push(Sent::FollowUp { of, at: now, fraud: random.below(3) as f64 });
            continue;
        }
        let at = now - if late > 0 && random.below(4) == 0 { random.below(late) as i64 } else { 0 };
        let amount = match random.below(8) {
            0 => f64::NAN,
            1 => 0.0,
            _ => random.below(20_000) as f64 / 100.0 - 50.0,
        };
        let text = |random: &mut SplitMix64, name: &str, n: u64| match random.below(n + 1) {
            0 => None,
            number => Some(format!("{name}{number}")),
        };
        let (kind, place) = (text(&mut random, "kind", 6), text(&mut random, "place", 2));
        let card =
            format!("{}{}", "a-card-with-a-key-of-more-than-23-bytes-".repeat((seed % 2) as usize), random.below(3));
        events.push((at, events.len()));
        sent.push(Sent::Event(Raw { card, place, at, amount, kind }));
        match random.below(60) {
            0 => sent.push(Sent::Commit),
            1 => sent.push(Sent::Rollback),
            2 => sent.push(Sent::Restore),
            _ => {}
        }
    }
    sent
}

struct Fed {
    features: Features,
    events: Table,
    follow_ups: Table,
}

impl Fed {
    fn event(&mut self, raw: &Raw) -> (Vec<f64>, Handles) {
        let row = self.events.begin();
        if !raw.amount.is_nan() {
            self.events.set_number(0, raw.amount);
        }
        for (column, text) in [(0, &raw.kind), (1, &raw.place)] {
            if let Some(text) = text {
                self.events.set_text(column, text.as_bytes());
            }
        }
        let mut columns = Columns::new(self.features.width());
        let (key, at) = (raw.card.as_bytes(), Timestamp::from_millis(raw.at));
        let handles = self.features.event(EventRow { key, at, table: &self.events, row }, &mut columns);
        (columns.row(0).collect(), handles)
    }

    fn follow_up(&mut self, handles: &[u32], at: i64, fraud: f64) {
        let row = self.follow_ups.begin();
        self.follow_ups.set_number(0, fraud);
        let (kind, at) = (KindIndex(0), Timestamp::from_millis(at));
        self.features.follow_up(handles, FollowUpRow { kind, at, table: &self.follow_ups, first_column: 0, row });
    }

    /// Written to a checkpoint while it goes on, and read back.
    fn restore(&mut self, config: &Config, is_whole: bool, chunks: &mut Vec<Vec<u8>>) {
        self.features.commit();
        self.features.begin_checkpoint(is_whole);
        if is_whole {
            chunks.clear();
        }
        loop {
            let mut out = Writer::default();
            if !self.features.write_chunk(300, &mut out) {
                break;
            }
            chunks.push(out.finish());
        }
        let mut read = Features::new(&config.features);
        for chunk in chunks.iter() {
            read.read_chunk(&mut Reader::new(chunk)).unwrap();
        }
        self.features = read;
    }
}

fn check(seed: u64, n: usize, late: u64) -> usize {
    let config = Config::parse(CONFIG).unwrap();
    let names = &config.features.names;
    let mut fed =
        Fed { features: Features::new(&config.features), events: Table::new(1, 2), follow_ups: Table::new(1, 0) };
    let mut oracle = Oracle::new(&config);
    let sent = stream(seed, n, late);
    let mut handles: Vec<Handles> = Vec::new();
    let (mut compared, mut committed, mut at) = (0, 0, 0);
    let mut chunks = Vec::new();
    // Each rollback happens once.
    let mut rolled_back = 0;
    while at < sent.len() {
        match &sent[at] {
            Sent::Event(raw) => {
                let (row, handle) = fed.event(raw);
                handles.push(handle);
                let expected = oracle.event(raw);
                for ((name, found), expected) in names.iter().zip(row).zip(expected) {
                    let is_same = expected.agrees(found);
                    assert!(is_same, "seed {seed}, record {at} at {}: {name} is {found}, not {expected:?}", raw.at);
                    compared += usize::from(!found.is_nan());
                }
            }
            Sent::FollowUp { of, at, fraud } => {
                fed.follow_up(&handles[*of], *at, *fraud);
                oracle.follow_up(*of, *at, *fraud);
            }
            Sent::Commit => {
                fed.features.commit();
                oracle.commit();
                committed = at + 1;
            }
            // Everything since the last commit comes again.
            Sent::Rollback if at >= rolled_back => {
                rolled_back = at + 1;
                fed.features.rollback();
                oracle.rollback();
                handles.truncate(oracle.events());
                at = committed;
                continue;
            }
            Sent::Rollback => {}
            Sent::Restore => {
                fed.restore(&config, at % 3 == 0 || chunks.is_empty(), &mut chunks);
                oracle.commit();
                committed = at + 1;
            }
        }
        at += 1;
    }
    compared
}

#[test]
fn every_window_holds_what_brute_force_finds_in_an_ordered_stream() {
    let compared: usize = (1..5).map(|seed| check(seed, 300, 0)).sum();
    assert!(compared > 10_000, "{compared}");
}

#[test]
fn every_window_holds_what_brute_force_finds_in_a_disordered_stream() {
    let compared: usize = (11..17).map(|seed| check(seed, 300, 30_000)).sum();
    assert!(compared > 15_000, "{compared}");
}

/// What follow-ups known at the time of an event or later say, and how many there are, changes none of its features.
#[test]
fn an_event_reads_nothing_that_was_not_yet_known() {
    let config = Config::parse(CONFIG).unwrap();
    let first = config.features.windows.iter().position(|window| window.of != Source::Events).unwrap();
    let mut told = 0;
    for seed in 21..41 {
        let sent = stream(seed, 250, 60_000);
        // The same stream, then outcomes that differ, then an event that comes late: before they were known.
        let mut random = SplitMix64::new(seed);
        let cut = (random.below(200) + 40) as usize;
        let run = |times: usize, fraud: f64| {
            let mut fed = Fed {
                features: Features::new(&config.features),
                events: Table::new(1, 2),
                follow_ups: Table::new(1, 0),
            };
            let mut handles: Vec<Handles> = Vec::new();
            let mut time = i64::MIN;
            for sent in &sent[..cut] {
                match sent {
                    Sent::Event(raw) => {
                        handles.push(fed.event(raw).1);
                        time = time.max(raw.at);
                    }
                    Sent::FollowUp { of, at, fraud } => fed.follow_up(&handles[*of], *at, *fraud),
                    _ => {}
                }
            }
            let probe = Raw { at: (time - 5_000).div_euclid(3_000) * 3_000 + 1_000, ..oracle::raw("0") };
            for (position, handle) in handles.iter().enumerate() {
                // In the pane of the event: what is later makes windows forget their oldest panes.
                let at = probe.at + position as i64 % 1_000;
                (0..times).for_each(|_| fed.follow_up(handle, at, fraud));
            }
            fed.event(&probe).0[first..].to_vec()
        };
        let (one, other) = (run(1, 1.0), run(3, 50.0));
        let bits = |row: &[f64]| row.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(&one), bits(&other), "seed {seed}: {one:?} {other:?}");
        told += one.iter().filter(|x| !x.is_nan() && **x != 0.0).count();
    }
    assert!(told > 20, "{told}");
}
