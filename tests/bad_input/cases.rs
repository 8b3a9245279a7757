//! The rows of the matrix that are one record each: what it is, and what has to come of it.

use driftless::data::Header;

/// The record timestamps of all cases.
pub(crate) const AT: i64 = 1_700_000_000_000;

/// One bad record, or one that looks bad and is not.
pub(crate) struct Case {
    /// Row of the matrix in `docs/faults.md`.
    pub row: u8,
    /// What is odd about it.
    pub what: &'static str,
    pub key: Option<Vec<u8>>,
    pub value: Option<Vec<u8>>,
    pub headers: Vec<Header>,
    pub expected: Expected,
    /// Too large for what a broker takes unless it is set up for it.
    pub is_huge: bool,
}

/// What has to come of a record.
#[derive(Clone, Copy)]
pub(crate) enum Expected {
    /// A dead letter with this code.
    Letter(&'static str),
    /// A prediction with this amount among its features.
    Predicted(f64),
}

use Expected::{Letter, Predicted};

/// An event with these members beside the usual ones, which they may replace.
pub(crate) fn event(members: &str) -> Vec<u8> {
    let mut all = Vec::new();
    for (name, value) in [("id", "\"x\""), ("at", "1700000000000"), ("amount", "2.5")] {
        if !members.contains(&format!("\"{name}\":")) {
            all.push(format!("\"{name}\":{value}"));
        }
    }
    if !members.is_empty() {
        all.push(members.to_owned());
    }
    format!("{{{}}}", all.join(",")).into_bytes()
}

fn case(row: u8, what: &'static str, expected: Expected, value: impl Into<Vec<u8>>) -> Case {
    Case {
        row,
        what,
        key: Some(b"north".to_vec()),
        value: Some(value.into()),
        headers: Vec::new(),
        expected,
        is_huge: false,
    }
}

fn keyed(row: u8, what: &'static str, code: &'static str, key: Option<Vec<u8>>) -> Case {
    let is_huge = key.as_ref().is_some_and(|key| key.len() > 1 << 16);
    Case { key, is_huge, ..case(row, what, Letter(code), event("")) }
}

fn headed(what: &'static str, headers: Vec<Header>) -> Case {
    let is_huge = headers.iter().map(Header::bytes).sum::<usize>() > 1 << 16;
    Case { headers, is_huge, ..case(26, what, Letter("headers"), event("")) }
}

pub(crate) fn header(name: &str, bytes: usize) -> Header {
    Header { name: name.to_owned(), value: Some(vec![b'h'; bytes]) }
}

fn nested(open: &str, close: &str, depth: usize) -> Vec<u8> {
    event(&format!("\"more\":{}0{}", open.repeat(depth), close.repeat(depth)))
}

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = vec![
        Case { value: None, ..case(1, "a tombstone", Letter("empty"), "") },
        case(1, "an empty value", Letter("empty"), ""),
        keyed(2, "no key", "key_missing", None),
        keyed(3, "an empty key", "key_size", Some(Vec::new())),
        keyed(3, "a key of 257 bytes", "key_size", Some(vec![b'k'; 257])),
        keyed(3, "a key of a megabyte", "key_size", Some(vec![b'k'; 1 << 20])),
        case(4, "a value above events.max_bytes", Letter("value_size"), event(&pad(70_000))),
        Case { is_huge: true, ..case(4, "a value of three megabytes", Letter("value_size"), event(&pad(3 << 20))) },
        case(5, "no JSON", Letter("decode"), "amount=2.5"),
        case(5, "JSON that is cut off", Letter("decode"), "{\"id\":\"x\",\"at\":17000"),
        case(5, "JSON that is no object", Letter("decode"), "[1]"),
        case(5, "two objects", Letter("decode"), "{} {}"),
        case(6, "a text that is not UTF-8", Letter("decode"), b"{\"id\":\"\xff\"}".to_vec()),
        case(
            6,
            "a field that nobody declared is not UTF-8",
            Letter("decode"),
            b"{\"id\":\"x\",\"at\":1700000000000,\"amount\":1,\"y\":\"\xff\"}".to_vec(),
        ),
        keyed(6, "a key that is not UTF-8", "decode", Some(vec![0xff, 0xfe])),
        case(7, "arrays 10000 deep", Letter("depth"), nested("[", "]", 10_000)),
        case(7, "objects 10000 deep", Letter("depth"), nested("{\"x\":", "}", 10_000)),
        case(7, "arrays 10000 deep that never end", Letter("depth"), nested("[", "", 10_000)),
        case(7, "as deep as is taken", Predicted(2.5), nested("[", "]", 31)),
        case(8, "a declared field twice", Letter("duplicate_field"), event("\"amount\":1,\"amount\":2")),
        case(8, "a field twice that nobody declared", Letter("duplicate_field"), event("\"x\":1,\"y\":2,\"x\":1")),
        case(9, "fields that nobody declared", Predicted(2.5), event("\"x\":{\"y\":[1,null]},\"z\":\"\"")),
        case(10, "a required field left out", Letter("missing"), "{\"id\":\"x\",\"at\":1700000000000}"),
        case(10, "a required field that is null", Letter("missing"), event("\"amount\":null")),
        case(10, "no id", Letter("missing"), event("\"id\":null")),
        case(11, "a text for a number", Letter("type"), event("\"amount\":\"12\"")),
        case(11, "an array for a number", Letter("type"), event("\"amount\":[12]")),
        case(11, "a number for a text", Letter("type"), event("\"card\":12")),
        case(12, "not a number", Letter("non_finite"), event("\"amount\":NaN")),
        case(12, "infinite", Letter("non_finite"), event("\"amount\":-Infinity")),
        case(12, "more than a double holds", Letter("non_finite"), event("\"amount\":1e999")),
        case(13, "negative zero", Predicted(0.0), event("\"amount\":-0.0")),
        case(13, "a subnormal", Predicted(0.0), event("\"amount\":4e-320")),
        case(14, "2^53 + 1", Letter("range"), event("\"amount\":9007199254740993")),
        case(
            14,
            "2^53 + 2, which a double holds",
            Predicted(9_007_199_254_740_994.0),
            event("\"amount\":9007199254740994"),
        ),
        case(14, "2^64 + 1", Letter("range"), event("\"amount\":18446744073709551617")),
        case(14, "2^64", Predicted(18_446_744_073_709_551_616.0), event("\"amount\":18446744073709551616")),
        case(15, "no time", Letter("time"), "{\"id\":\"x\",\"amount\":1}"),
        case(15, "the time 0", Letter("past"), event("\"at\":0")),
        case(15, "a negative time", Letter("past"), event("\"at\":-1")),
        case(15, "a time with a fraction", Letter("time"), event("\"at\":1700000000000.5")),
        case(15, "a time beyond the year 9999", Letter("time"), event("\"at\":1e18")),
        case(16, "the year 9999", Letter("future"), event("\"at\":253402300799000")),
        case(16, "ten minutes and a millisecond ahead", Letter("future"), event("\"at\":1700000600001")),
        headed("65 headers", (0..65).map(|number| header(&format!("h{number}"), 1)).collect()),
        headed("headers of 17 KiB", vec![header("long", 17 << 10)]),
        headed("headers of a megabyte", (0..1_000).map(|_| header("h", 1 << 10)).collect()),
        case(27, "control characters and a line break", Predicted(2.5), event("\"id\":\"a\\u0000\\n\\u001b[31m\"")),
        case(28, "a class never seen", Predicted(2.5), event("\"card\":\"never seen\"")),
    ];
    cases.extend([
        case(0, "none of the values listed", Letter("one_of"), event("\"channel\":\"fax\"")),
        case(0, "a pattern not matched", Letter("pattern"), event("\"country\":\"ch\"")),
        case(0, "a text too long", Letter("length"), event("\"card\":\"0123456789012345678901\"")),
        case(0, "a number below its minimum", Letter("range"), event("\"amount\":-1")),
        case(0, "every rule kept", Predicted(2.5), event("\"channel\":\"web\",\"country\":\"CH\",\"card\":\"c1\"")),
    ]);
    cases
}

/// A member that nobody declared, this long.
fn pad(bytes: usize) -> String {
    format!("\"pad\":\"{}\"", "p".repeat(bytes))
}
