use super::*;
use crate::stats::SplitMix64;

fn at(ms: i64) -> Timestamp {
    Timestamp::from_millis(ms)
}

fn row(number: f64) -> Option<FactRow> {
    Some(FactRow { numbers: [number].into(), texts: [Some(number.to_string().into_bytes().into()), None].into() })
}

fn fact(key: &str, ms: i64, row: Option<FactRow>, passed: i64) -> Fact<'_> {
    Fact { key: key.as_bytes(), at: at(ms), row, passed: at(passed) }
}

fn seen(facts: &Facts, key: &str, ms: i64) -> Option<f64> {
    facts.as_of(key.as_bytes(), at(ms)).map(|row| row.numbers[0])
}

#[test]
fn an_event_is_shown_what_counted_just_before_it_in_whatever_order_it_came() {
    let mut facts = Facts::new(10);
    for ms in [30, 10, 20] {
        facts.take(fact("a", ms, row(ms as f64), 0)).unwrap();
    }
    let shown: Vec<_> = [9, 10, 11, 20, 21, 30, 31].map(|ms| seen(&facts, "a", ms)).into();
    assert_eq!(shown, [None, None, Some(10.0), Some(10.0), Some(20.0), Some(20.0), Some(30.0)]);
    assert_eq!(seen(&facts, "b", 99), None);
    facts.take(fact("a", 20, row(5.0), 0)).unwrap();
    assert_eq!(seen(&facts, "a", 25), Some(5.0), "the later record of one moment counts");
}

#[test]
fn what_is_taken_back_is_known_until_then_and_forgotten_a_day_after_the_watermark_has_passed() {
    let mut facts = Facts::new(10);
    facts.take(fact("a", 10, row(1.0), 0)).unwrap();
    facts.take(fact("a", 20, None, 0)).unwrap();
    facts.take(fact("never", 20, None, 0)).unwrap();
    facts.take(fact("never", 15, row(2.0), 100)).unwrap();
    assert_eq!((seen(&facts, "never", 20), seen(&facts, "never", 21)), (None, None), "older than what took it back");
    assert_eq!((seen(&facts, "a", 20), seen(&facts, "a", 21), facts.len()), (Some(1.0), None, 2));
    facts.commit();
    let day = LOOK.millis();
    facts.expire(at(0), at(day));
    assert_eq!(facts.len(), 2, "older facts may still come");
    facts.expire(at(day), at(2 * day - 1));
    assert_eq!(facts.len(), 2, "not looked at within a day");
    facts.expire(at(2 * day - 1), at(2 * day));
    assert!(facts.is_empty());
    facts.rollback();
    assert_eq!(seen(&facts, "a", 20), Some(1.0));
}

#[test]
fn versions_are_kept_as_far_back_as_the_watermark_and_an_older_one_is_never_replaced_by_a_newer() {
    let mut facts = Facts::new(10);
    for ms in [10, 20, 30, 40] {
        facts.take(fact("a", ms, row(ms as f64), 25)).unwrap();
    }
    assert_eq!((seen(&facts, "a", 25), seen(&facts, "a", 31)), (Some(20.0), Some(30.0)));
    assert_eq!((seen(&facts, "a", 15), seen(&facts, "a", 20)), (None, None), "gone is missing");
}

#[test]
fn keys_and_versions_are_bounded() {
    let mut facts = Facts::new(2);
    for key in ["a", "b"] {
        facts.take(fact(key, 1, row(1.0), 0)).unwrap();
    }
    assert_eq!(facts.take(fact("c", 2, row(1.0), 0)), Err(FactsFull));
    assert_eq!(facts.take(fact("c", 2, None, 0)), Ok(()));
    for ms in 0..1_000 {
        facts.take(fact("a", ms, row(ms as f64), 0)).unwrap();
    }
    assert_eq!(facts.known.get(b"a".as_slice()).map(Vec::len), Some(MAX_VERSIONS));
    assert_eq!((seen(&facts, "a", 500), seen(&facts, "a", 990)), (None, Some(989.0)));
}

/// A stream with disorder against a list of everything that was taken and not taken back, through rollbacks and restores.
#[test]
fn what_is_shown_is_what_a_list_of_all_facts_says_through_rollbacks_and_restores() {
    for seed in 0..40u64 {
        let mut random = SplitMix64::new(seed);
        let mut facts = Facts::new(1_000);
        let mut restored = Facts::new(1_000);
        let (mut committed, mut all) = (Vec::new(), Vec::new());
        let mut passed = -100;
        let mut is_first = true;
        for n in 0..300i64 {
            let key = random.below(6) as usize;
            let ms = n * 10 - 100 + random.below(400) as i64 - 200;
            let value = (random.below(5) > 0).then_some(n as f64);
            passed = passed.max(n * 10 - 400);
            facts.take(fact(["a", "b", "c", "d", "e", "f"][key], ms, value.and_then(row), passed)).unwrap();
            all.push((key, ms, value));
            let asked = passed + random.below(700) as i64;
            for (key, name) in ["a", "b", "c", "d", "e", "f"].iter().enumerate() {
                let mut last: Option<(i64, Option<f64>)> = None;
                for (of, from, value) in &all {
                    if *of == key && *from < asked && last.is_none_or(|(best, _)| *from >= best) {
                        last = Some((*from, *value));
                    }
                }
                assert_eq!(
                    seen(&facts, name, asked),
                    last.and_then(|(_, value)| value),
                    "seed {seed}, {name} at {asked}"
                );
            }
            match random.below(12) {
                0 | 1 => {
                    facts.commit();
                    committed.clone_from(&all);
                }
                2 => {
                    facts.rollback();
                    all.clone_from(&committed);
                }
                3 => {
                    facts.commit();
                    committed.clone_from(&all);
                    facts.begin_checkpoint(std::mem::take(&mut is_first));
                    facts.take(fact("a", ms + 1, row(-1.0), passed)).unwrap();
                    facts.rollback();
                    while facts.has_pending() {
                        let mut out = Writer::default();
                        facts.write_chunk(40, &mut out);
                        restored.read_chunk(&mut Reader::new(&out.finish())).unwrap();
                    }
                    assert_eq!(restored.known.sorted(), facts.known.sorted(), "seed {seed}");
                }
                _ => {}
            }
        }
    }
}

/// A key with two versions, and how it is written.
fn written() -> (Facts, Vec<u8>) {
    let mut facts = Facts::new(10);
    facts.take(fact("a", 10, row(1.5), 0)).unwrap();
    facts.take(fact("a", 20, None, 0)).unwrap();
    facts.commit();
    facts.begin_checkpoint(true);
    let mut out = Writer::default();
    facts.write_chunk(1_000, &mut out);
    let bytes = out.finish();
    (facts, bytes)
}

#[test]
fn what_is_known_is_written_as_it_was_published_and_read_back() {
    let (facts, bytes) = written();
    assert_eq!(bytes, b"\x01\x01a\x02\x14\x01\x01\xb2\x09\x02\x01\x031.5\x00\x28\x00");
    let mut read = Facts::new(10);
    read.read_chunk(&mut Reader::new(&bytes)).unwrap();
    assert_eq!(read.known.sorted(), facts.known.sorted());
}

#[test]
fn hostile_bytes_are_refused() {
    let (_, bytes) = written();
    for (at, bit) in (0..bytes.len()).flat_map(|at| (0..8).map(move |bit| (at, bit))) {
        let mut bytes = bytes.clone();
        bytes[at] ^= 1 << bit;
        let _ = Facts::new(10).read_chunk(&mut Reader::new(&bytes));
        let _ = Facts::new(10).read_chunk(&mut Reader::new(&bytes[..at]));
    }
}
