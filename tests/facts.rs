//! Facts against brute force: what an event sees of them follows from its own time alone, however the stream is cut.
//!
//! The oracle keeps every fact and goes through all of them for each event. Streams are random, with disorder, facts of the
//! past and of the future, facts taken back and broken ones; transactions are taken back, and machines restored from
//! checkpoints on the way.
#![expect(clippy::unwrap_used, reason = "a test that cannot be set up is to fail loudly")]

mod support;

use std::collections::BTreeMap;
use std::sync::Arc;

use driftless::config::Config;
use driftless::data::{Extent, InputIndex, Item, Machine, Outbox, Prediction, Record, Sink, Timestamp};
use driftless::model::Model;
use driftless::pipeline::{EVENTS, HOP, Pipeline};
use driftless::runtime::{chain_params, pipeline_params};
use driftless::stats::SplitMix64;
use support::cards::cards;
use support::kept::{Kept, state_of};
use support::record;

const CUSTOMER: InputIndex = InputIndex(3);
const ACCOUNT: InputIndex = InputIndex(2);
const LATENESS: i64 = 30_000;
const NOW: Timestamp = Timestamp::from_millis(1_000_000_000);

fn application() -> String {
    cards("30s", REST)
}

const REST: &str = r#"
[events.fields.terminal]
type = "string"

[[features.windows]]
kind = "ever"
by = ["card", "customer.country"]
aggregates = ["count", "last:customer.limit"]

[[features.encoded]]
field = "customer.country"
as = "one_hot"
categories = ["DE", "FR"]

[[features.derived]]
name = "of_limit"
expr = "amount / customer.limit"

[performance]
window = "30m"
every = "1m"
"#;

fn pipeline() -> Pipeline {
    Pipeline::new(Arc::new(pipeline_params(&Config::parse(&application()).unwrap()).unwrap()), 0)
}

fn item(input: InputIndex, record: Record) -> Item<Model> {
    Item::Record { input, record }
}

/// A fact of the oracle.
#[derive(Clone, Debug, PartialEq)]
struct Known {
    of: InputIndex,
    card: String,
    at: i64,
    /// Country and number; `None` where it was taken back.
    row: Option<(Option<&'static str>, Option<f64>)>,
}

/// A record with what the oracle makes of it.
#[derive(Clone, Debug)]
enum Made {
    Event { id: String, card: String, at: i64, amount: f64 },
    Fact(Known),
    BadFact,
}

/// What may come in a stream.
#[derive(Clone, Copy)]
struct Stream {
    n: usize,
    /// Events beyond the lateness.
    has_late: bool,
}

fn stream(seed: u64, of: Stream) -> Vec<(Made, Item<Model>)> {
    let mut random = SplitMix64::new(seed);
    let mut offsets = [0i64; 4];
    let mut all = Vec::new();
    for number in 0..of.n as i64 {
        let clock = number * 2_000 - 50_000;
        let card = format!("c{}", random.below(4));
        let mut next = |input: InputIndex| {
            let offset = &mut offsets[usize::from(input.0)];
            *offset += 1;
            *offset - 1
        };
        if random.below(3) == 0 {
            let (made, record) = fact(&mut random, &card, clock);
            let of = if let Made::Fact(known) = &made { known.of } else { CUSTOMER };
            all.push((made, item(of, Record { offset: next(of), ..record })));
            continue;
        }
        let late = if of.has_late && random.below(20) == 0 { 10 * LATENESS } else { 0 };
        // Often the very moment from which a fact counts.
        let at = clock - 500 * random.below(LATENESS as u64 / 1_000) as i64 - late;
        let (id, amount) = (format!("e{number}"), random.below(900) as f64);
        let terminal = random.below(3);
        let value = format!("{{\"id\":\"{id}\",\"at\":{at},\"amount\":{amount},\"terminal\":\"t{terminal}\"}}");
        let record = record(next(EVENTS), clock, &card, value);
        all.push((Made::Event { id, card, at, amount }, item(EVENTS, record)));
    }
    all
}

fn fact(random: &mut SplitMix64, card: &str, clock: i64) -> (Made, Record) {
    let plain = |value: &str| record(0, clock, card, value);
    match random.below(12) {
        0 => {
            let broken = match random.below(3) {
                0 => plain("{\"country\":"),
                1 => plain(&format!("{{\"since\":{clock},\"limit\":-1}}")),
                _ => Record { key: None, ..plain("{}") },
            };
            (Made::BadFact, broken)
        }
        1 | 2 => {
            let of = [CUSTOMER, ACCOUNT][random.below(2) as usize];
            let known = Known { of, card: card.to_owned(), at: clock, row: None };
            (Made::Fact(known), Record { value: None, ..plain("") })
        }
        3..=5 => {
            let level = random.below(9) as f64;
            let known = Known { of: ACCOUNT, card: card.to_owned(), at: clock, row: Some((None, Some(level))) };
            (Made::Fact(known), plain(&format!("{{\"level\":{level}}}")))
        }
        _ => {
            let at = clock - LATENESS + 500 * random.below(LATENESS as u64 / 125) as i64;
            let country = ["DE", "FR", "IT"].get(random.below(4) as usize).copied();
            let limit = (random.below(5) > 0).then(|| 1.0 + random.below(50) as f64);
            let text = country.map_or("null".to_owned(), |country| format!("\"{country}\""));
            let number = limit.map_or("null".to_owned(), |limit| limit.to_string());
            let known = Known { of: CUSTOMER, card: card.to_owned(), at, row: Some((country, limit)) };
            (Made::Fact(known), plain(&format!("{{\"since\":{at},\"country\":{text},\"limit\":{number}}}")))
        }
    }
}

/// What counted of a card just before a time: of several facts from one moment the last one.
fn as_of(facts: &[Known], of: InputIndex, card: &str, at: i64) -> (Option<&'static str>, Option<f64>) {
    let mut found: Option<&Known> = None;
    for fact in facts {
        if fact.of == of && fact.card == card && fact.at < at && found.is_none_or(|found| fact.at >= found.at) {
            found = Some(fact);
        }
    }
    found.and_then(|fact| fact.row).unwrap_or_default()
}

/// The events of a group so far.
#[derive(Default)]
struct Counted {
    count: f64,
    /// The limits known then, with the times of the events.
    limits: Vec<(i64, f64)>,
}

/// The rows that the stream has to give, event by event: what facts make of it in the order of the layout.
fn expected(made: &[Made]) -> BTreeMap<String, Vec<Option<f64>>> {
    let mut facts = Vec::new();
    let mut counts: BTreeMap<(String, Option<&str>), Counted> = BTreeMap::new();
    let mut rows = BTreeMap::new();
    for made in made {
        match made {
            Made::BadFact => {}
            Made::Fact(known) => facts.push(known.clone()),
            Made::Event { id, card, at, amount } => {
                let (country, limit) = as_of(&facts, CUSTOMER, card, *at);
                let (_, level) = as_of(&facts, ACCOUNT, card, *at);
                let Counted { count, limits } = counts.entry((card.clone(), country)).or_default();
                *count += 1.0;
                limits.extend(limit.map(|limit| (*at, limit)));
                let last = limits.iter().copied().reduce(|a, b| if b.0 >= a.0 { b } else { a });
                let is = |yes: bool| Some(f64::from(u8::from(yes)));
                let is_other = country.is_some_and(|country| !["DE", "FR"].contains(&country));
                let row = vec![
                    Some(*amount),
                    level,
                    limit,
                    Some(*count),
                    last.map(|(_, limit)| limit),
                    is(country == Some("DE")),
                    is(country == Some("FR")),
                    is(is_other),
                    limit.map(|limit| amount / limit),
                ];
                rows.insert(id.clone(), row);
            }
        }
    }
    rows
}

fn predictions(out: &Outbox) -> Vec<Prediction> {
    let predictions = out.iter().filter(|output| output.sink == Sink::Predictions);
    predictions.map(|output| serde_json::from_slice(output.value.unwrap()).unwrap()).collect()
}

/// Cut at random into batches and transactions, some of which are taken back and done again, with checkpoints between
/// them and restores from the last complete one.
fn cut(items: &[Item<Model>], seed: u64) -> (Vec<Prediction>, Pipeline) {
    let mut random = SplitMix64::new(seed);
    let mut machine = pipeline();
    let mut kept = Kept::default();
    kept.begin(&mut machine, Extent::All);
    while !kept.take(&mut machine, 1 << 20) {}
    // Transactions since the checkpoint that counts, and since the one that is being written.
    let mut since: [Vec<&[Item<Model>]>; 2] = Default::default();
    let mut found = Vec::new();
    let mut rest = items;
    while !rest.is_empty() {
        let (transaction, after) = rest.split_at((1 + random.below(60) as usize).min(rest.len()));
        rest = after;
        if random.below(3) == 0 {
            let part = random.below(transaction.len() as u64 + 1) as usize;
            machine.handle(&transaction[..part], NOW, &mut Outbox::default());
            machine.rollback();
        }
        let mut out = Outbox::default();
        for batch in transaction.chunks(1 + random.below(40) as usize) {
            for item in batch.iter().filter(|_| random.below(2) == 0) {
                let Item::Record { input, record } = item else { continue };
                machine.order_time(*input, record);
            }
            machine.handle(batch, NOW, &mut out);
        }
        machine.commit();
        found.extend(predictions(&out));
        since.iter_mut().for_each(|since| since.push(transaction));
        if !kept.is_open() && random.below(3) == 0 {
            kept.begin(&mut machine, [Extent::Changes, Extent::Compact][random.below(2) as usize]);
            since[1].clear();
        }
        for _ in 0..random.below(4) {
            if kept.take(&mut machine, 1 + random.below(300) as usize) {
                since[0] = since[1].clone();
                break;
            }
        }
        if random.below(6) == 0 {
            machine = pipeline();
            kept.restore(&mut machine, &[]);
            for transaction in &since[0] {
                machine.handle(transaction, NOW, &mut Outbox::muted());
                machine.commit();
            }
            kept.abandon();
            kept.begin(&mut machine, Extent::All);
            while !kept.take(&mut machine, 1 << 20) {}
            since = Default::default();
        }
    }
    (found, machine)
}

#[test]
fn features_of_facts_are_those_of_brute_force_wherever_the_stream_is_cut() {
    for seed in 0..12 {
        let (made, items): (Vec<Made>, Vec<Item<Model>>) =
            stream(seed, Stream { n: 700, has_late: false }).into_iter().unzip();
        let expected = expected(&made);
        let (found, mut machine) = cut(&items, seed ^ 99);
        assert_eq!(found.len(), expected.len(), "seed {seed}");
        for prediction in &found {
            let id = prediction.event_id.as_str();
            assert_eq!(Some(&prediction.features), expected.get(id), "seed {seed}, event {id}");
        }
        let mut whole = pipeline();
        whole.handle(&items, NOW, &mut Outbox::muted());
        whole.commit();
        assert!(state_of(&mut machine) == state_of(&mut whole), "the states differ, seed {seed}");
        let tally = whole.tally();
        let bad = made.iter().filter(|made| matches!(made, Made::BadFact)).count() as u64;
        assert_eq!((tally.fact_dead_letters, tally.event_dead_letters, tally.unaccounted()), (bad, 0, 0));
        assert_eq!(tally.facts + tally.events, items.len() as u64);
    }
}

/// Leakage: all facts at the start, those of the future among them, give the same as each just in time.
#[test]
fn when_a_fact_is_read_changes_no_event_before_it() {
    for seed in 100..110 {
        let all = stream(seed, Stream { n: 250, has_late: false });
        let is_fact = |made: &Made| !matches!(made, Made::Event { .. });
        let first: Vec<Item<Model>> = {
            let (facts, events): (Vec<_>, Vec<_>) = all.iter().cloned().partition(|(made, _)| is_fact(made));
            facts.into_iter().chain(events).map(|(_, item)| item).collect()
        };
        let mut facts: Vec<_> = all.iter().filter(|(made, _)| matches!(made, Made::Fact(_))).cloned().collect();
        let begins = |made: &Made| if let Made::Fact(known) = made { known.at } else { i64::MAX };
        facts.sort_by_key(|(made, _)| begins(made));
        let mut facts = facts.into_iter().peekable();
        let mut just_in_time = Vec::new();
        for (made, item) in &all {
            let Made::Event { at, .. } = made else { continue };
            while let Some((_, fact)) = facts.next_if(|(made, _)| begins(made) < *at) {
                just_in_time.push(fact);
            }
            just_in_time.push(item.clone());
        }
        let rows = |items: &[Item<Model>]| {
            let mut out = Outbox::default();
            let mut machine = pipeline();
            machine.handle(items, NOW, &mut out);
            predictions(&out)
        };
        assert_eq!(rows(&first), rows(&just_in_time), "seed {seed}");
        assert!(rows(&first).iter().any(|prediction| prediction.features[2].is_some()));
    }
}

#[test]
fn a_late_event_sees_what_counted_at_its_time_or_nothing() {
    let mut missing = 0;
    for seed in 200..210 {
        let (made, items): (Vec<Made>, Vec<Item<Model>>) =
            stream(seed, Stream { n: 700, has_late: true }).into_iter().unzip();
        let expected = expected(&made);
        let mut out = Outbox::default();
        pipeline().handle(&items, NOW, &mut out);
        for prediction in predictions(&out) {
            let id = prediction.event_id.as_str();
            for position in [1, 2] {
                let (found, right) = (prediction.features[position], expected[id][position]);
                let is_late = prediction.flags.iter().any(|flag| flag == "late");
                assert!(
                    found == right || (is_late && found.is_none()),
                    "seed {seed}, event {id}: {found:?}, {right:?}"
                );
                missing += u32::from(found != right);
            }
        }
    }
    assert!(missing > 0, "some come so late that what counted is gone");
}

#[test]
fn a_bad_fact_is_a_dead_letter_of_its_topic_and_facts_move_no_clock() {
    let mut machine = pipeline();
    let mut out = Outbox::default();
    let event = |offset: i64, at: i64| {
        item(EVENTS, record(offset, at, "c", format!("{{\"id\":\"e{offset}\",\"at\":{at},\"amount\":1}}")))
    };
    let customer = |offset: i64, value: &str| item(CUSTOMER, record(offset, 5_000, "c", value));
    let far = i64::from(u32::MAX) * 1_000;
    let items = [
        event(0, 10_000),
        customer(0, &format!("{{\"since\":{far},\"limit\":3}}")),
        customer(1, "{\"since\":9000,\"limit\":7}"),
        customer(2, "{\"limit\":7}"),
        event(1, 10_000),
    ];
    machine.handle(&items, NOW, &mut out);
    assert_eq!(machine.time(), Some(Timestamp::from_millis(10_000)));
    let limits: Vec<_> = predictions(&out).iter().map(|prediction| prediction.features[2]).collect();
    assert_eq!(limits, [None, Some(7.0)]);
    let letters: Vec<_> = out.iter().filter(|output| output.sink == Sink::DeadLetters).collect();
    let header = |name: &str| {
        let found = letters[0].headers.iter().find(|header| header.name == name);
        String::from_utf8(found.unwrap().value.clone().unwrap()).unwrap()
    };
    assert_eq!(letters.len(), 1);
    assert_eq!(header("driftless.error.code"), "time");
    assert_eq!(header("driftless.error.topic"), "cards.facts.customer");
    assert_eq!(header("driftless.error.offset"), "2");
}

#[test]
fn facts_of_one_key_too_many_are_dead_letters_and_those_known_go_on() {
    let text = application().replace("[facts.customer]\n", "[facts.customer]\nmax_keys = 2\n");
    let mut machine = Pipeline::new(Arc::new(pipeline_params(&Config::parse(&text).unwrap()).unwrap()), 0);
    let mut out = Outbox::default();
    let fact = |offset: i64, card: &str| item(CUSTOMER, record(offset, 0, card, "{\"since\":1,\"limit\":3}"));
    machine.handle(&[fact(0, "a"), fact(1, "b"), fact(2, "c"), fact(3, "a")], NOW, &mut out);
    let codes: Vec<_> =
        out.iter().flat_map(|output| output.headers).filter(|h| h.name == "driftless.error.code").collect();
    assert_eq!(codes.len(), 1);
    assert_eq!(codes[0].value.as_deref(), Some(b"facts_full".as_slice()));
    assert_eq!((machine.known_keys(), machine.tally().facts), (Some(2), 4));
}

/// With hops the first stage looks facts up, and they travel on with the event.
#[test]
fn facts_travel_through_a_hop() {
    let window = "[[features.windows]]\nby = [\"terminal\"]\nspans = [\"1m\"]\naggregates = [\"max:customer.limit\"]\npanes = 6\n\n[[features.encoded]]";
    let text = application()
        .replace("[[features.encoded]]", window)
        .replace("[features]\n", "[features]\norder = \"arrival\"\n");
    let config = Config::parse(&text).unwrap();
    let mut stages: Vec<Pipeline> =
        chain_params(&config, 1).unwrap().into_iter().map(|params| Pipeline::new(Arc::new(params), 0)).collect();
    let [first, last] = stages.as_mut_slice() else { panic!("two stages") };
    let all = stream(7, Stream { n: 300, has_late: false });
    let (made, items): (Vec<Made>, Vec<Item<Model>>) = all.into_iter().unzip();
    let mut out = Outbox::default();
    first.handle(&items, NOW, &mut out);
    first.seal(NOW, &mut out);
    let onward = out.iter().filter(|output| output.sink == Sink::Hop).enumerate().map(|(offset, output)| {
        let value = Some(output.value.unwrap().into());
        let key = output.key.map(Into::into);
        item(HOP, Record { offset: offset as i64, timestamp: NOW, key, value, headers: Vec::new() })
    });
    let onward: Vec<Item<Model>> = onward.collect();
    let mut out = Outbox::default();
    last.handle(&onward, NOW, &mut out);
    let expected = expected(&made);
    let found = predictions(&out);
    assert_eq!(found.len(), expected.len());
    let names = &config.features.names;
    let of = |name: &str| names.iter().position(|known| known == name).unwrap();
    let (limit, derived, at_terminal) =
        (of("customer.limit"), of("of_limit"), of("terminal.events.max_customer.limit.1m"));
    for prediction in &found {
        let row = &expected[&prediction.event_id];
        assert_eq!([prediction.features[limit], prediction.features[derived]], [row[2], row[8]]);
        assert!(row[2].is_none_or(|limit| prediction.features[at_terminal].is_some_and(|most| most >= limit)));
    }
}
