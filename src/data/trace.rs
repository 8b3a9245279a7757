//! Places in distributed traces, as W3C Trace Context names them, and what a machine did there.
//!
//! Invariant: an id that is given out here is a hash of what is recorded (positions, ids of incidents), so that the same
//! input gives the same ids wherever and however often it is handled. Only sampled traces have a place: what is not sampled
//! costs one look at the headers. Nothing of an event but its position enters a trace.

use std::fmt;

use xxhash_rust::xxh3::Xxh3;

use super::params::TraceParams;
use super::{BinaryError, Header, Reader, Record, Writer};

/// The header that carries a place from one process to the next.
pub const TRACEPARENT: &str = "traceparent";

/// Length of a `traceparent` of the first version: `00-` 32 digits `-` 16 digits `-` 2 digits.
const LENGTH: usize = 55;
/// The bit of its flags that says that the trace is sampled.
const IS_SAMPLED: u8 = 1;

/// Id of a trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TraceId(pub [u8; 16]);

/// Id of a span within its trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SpanId(pub [u8; 8]);

/// A span of a sampled trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TracePoint {
    /// The trace.
    pub trace: TraceId,
    /// The span.
    pub span: SpanId,
}

/// What the headers of a record say of its trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Incoming {
    /// Nothing.
    Absent,
    /// What is no `traceparent`: as good as nothing, but counted.
    Malformed,
    /// Whoever began the trace does not sample it.
    Unsampled,
    /// It is sampled, and this is the span that the record comes from.
    Sampled(TracePoint),
}

/// What a span is a hash of.
#[derive(Clone, Copy, Debug)]
pub enum Seed<'a> {
    /// A name.
    Text(&'a str),
    /// A number.
    Number(i64),
}

/// Something done for a sampled trace by a machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Traced {
    /// The span of what was done.
    pub at: TracePoint,
    /// The span that led to it.
    pub parent: Option<SpanId>,
    /// Another trace that met it.
    pub link: Option<TracePoint>,
    /// Partition of the record that it was done for.
    pub partition: i32,
    /// Its offset.
    pub offset: i64,
    /// What was done.
    pub deed: Deed,
}

/// What a machine did for a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Deed {
    /// Scored an event.
    Scored {
        /// The version that answered.
        model_version: u32,
        /// The class decided for.
        decision: Box<str>,
    },
    /// Joined a label with its prediction.
    Joined {
        /// The version that had answered.
        model_version: u32,
        /// 0 for the first label, one more for each correction.
        revision: u32,
    },
    /// Refused an event, with the code of the reason.
    Refused(&'static str),
}

impl TracePoint {
    /// The first span of a trace of its own.
    pub fn root(seeds: &[Seed<'_>]) -> Self {
        let hash = hash(seeds);
        TracePoint { trace: TraceId(hash.max(1).to_be_bytes()), span: span_of(hash, &[]) }
    }

    /// A span further on in the same trace.
    #[must_use]
    pub fn then(&self, seeds: &[Seed<'_>]) -> Self {
        let from = u128::from_be_bytes(self.trace.0) ^ u128::from(u64::from_be_bytes(self.span.0));
        TracePoint { trace: self.trace, span: span_of(from, seeds) }
    }

    /// The header that hands it on.
    pub fn header(&self) -> Header {
        let value = format!("00-{}-{}-{IS_SAMPLED:02x}", self.trace, self.span);
        Header { name: TRACEPARENT.to_owned(), value: Some(value.into_bytes()) }
    }

    /// Puts it in the place of whatever headers say of a trace.
    pub fn put(&self, headers: &mut Vec<Header>) {
        headers.retain(|header| header.name != TRACEPARENT);
        headers.push(self.header());
    }

    /// Appends its binary form.
    pub fn write(&self, out: &mut Writer) {
        out.raw(&self.trace.0);
        out.raw(&self.span.0);
    }

    /// Takes its binary form.
    ///
    /// # Errors
    /// Fewer bytes.
    pub fn read(reader: &mut Reader<'_>) -> Result<Self, BinaryError> {
        let trace = TraceId(reader.array()?);
        Ok(TracePoint { trace, span: SpanId(reader.array()?) })
    }
}

impl Incoming {
    /// Reads the headers of a record; of several `traceparent` the last counts, as with every Kafka propagator.
    pub fn of(headers: &[Header]) -> Self {
        let Some(header) = headers.iter().rfind(|header| header.name == TRACEPARENT) else { return Incoming::Absent };
        header.value.as_deref().and_then(parse).unwrap_or(Incoming::Malformed)
    }
}

/// Where an event stands in a sampled trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventPlace {
    /// The span of its scoring.
    pub at: TracePoint,
    /// The span that led to it.
    pub parent: Option<SpanId>,
}

impl EventPlace {
    /// The place of an event of this partition; `None` where its trace is not sampled.
    ///
    /// The sender's decision counts; where there is none, the event's position decides, so that it is the same each time.
    pub fn of(params: &TraceParams, record: &Record, partition: i32) -> Option<Self> {
        EventPlace::after(Incoming::of(&record.headers), params, record, partition)
    }

    /// The same, where its headers have been read.
    pub fn after(from: Incoming, params: &TraceParams, record: &Record, partition: i32) -> Option<Self> {
        let seeds = [
            Seed::Text(&params.app),
            Seed::Text(&params.topic),
            Seed::Number(i64::from(partition)),
            Seed::Number(record.offset),
            Seed::Number(record.timestamp.millis()),
        ];
        match from {
            Incoming::Unsampled => None,
            Incoming::Sampled(from) => Some(EventPlace { at: from.then(&seeds), parent: Some(from.span) }),
            Incoming::Absent | Incoming::Malformed => {
                let at = TracePoint::root(&seeds);
                params.samples(at.trace).then_some(EventPlace { at, parent: None })
            }
        }
    }
}

fn parse(text: &[u8]) -> Option<Incoming> {
    let version = byte(text.get(..2)?)?;
    // Later versions may say more behind another dash.
    let is_whole = text.len() == LENGTH || (version > 0 && text.get(LENGTH) == Some(&b'-'));
    let dashes = [2, 35, 52].iter().all(|at| text.get(*at) == Some(&b'-'));
    if version == 0xff || !is_whole || !dashes {
        return None;
    }
    let trace = TraceId(bytes(text.get(3..35)?)?);
    let span = SpanId(bytes(text.get(36..52)?)?);
    let flags = byte(text.get(53..55)?)?;
    if trace.0 == [0; 16] || span.0 == [0; 8] {
        return None;
    }
    let is_sampled = flags & IS_SAMPLED != 0;
    Some(if is_sampled { Incoming::Sampled(TracePoint { trace, span }) } else { Incoming::Unsampled })
}

fn bytes<const N: usize>(digits: &[u8]) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    for (into, pair) in bytes.iter_mut().zip(digits.chunks(2)) {
        *into = byte(pair)?;
    }
    Some(bytes)
}

/// Two lower-case digits.
fn byte(pair: &[u8]) -> Option<u8> {
    let digit = |at: usize| match pair.get(at)? {
        digit @ b'0'..=b'9' => Some(digit - b'0'),
        digit @ b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    };
    Some(digit(0)? << 4 | digit(1)?)
}

fn hash(seeds: &[Seed<'_>]) -> u128 {
    let mut hash = Xxh3::new();
    for seed in seeds {
        match seed {
            Seed::Text(text) => {
                hash.update(&(text.len() as u64).to_le_bytes());
                hash.update(text.as_bytes());
            }
            Seed::Number(number) => hash.update(&number.to_le_bytes()),
        }
    }
    hash.digest128()
}

fn span_of(from: u128, seeds: &[Seed<'_>]) -> SpanId {
    let mut mixed = Xxh3::new();
    mixed.update(&from.to_le_bytes());
    mixed.update(&hash(seeds).to_le_bytes());
    SpanId(mixed.digest().max(1).to_be_bytes())
}

fn hex(bytes: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        hex(&self.0, f)
    }
}

impl fmt::Display for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        hex(&self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::data::Timestamp;

    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
    const SPAN: &str = "00f067aa0ba902b7";

    fn incoming(value: &str) -> Incoming {
        Incoming::of(&[Header { name: TRACEPARENT.to_owned(), value: Some(value.as_bytes().to_vec()) }])
    }

    fn point() -> TracePoint {
        let Incoming::Sampled(point) = incoming(&format!("00-{TRACE}-{SPAN}-01")) else { panic!("sampled") };
        point
    }

    fn event(offset: i64, headers: Vec<Header>) -> Record {
        Record { offset, timestamp: Timestamp::from_millis(7), key: None, value: None, headers }
    }

    fn params(ratio: f64) -> TraceParams {
        TraceParams::new("fraud", "events", ratio)
    }

    #[test]
    fn a_header_is_read_as_the_w3c_writes_it() {
        assert_eq!((point().trace.to_string().as_str(), point().span.to_string().as_str()), (TRACE, SPAN));
        assert_eq!(Incoming::of(&[point().header()]), Incoming::Sampled(point()));
        assert_eq!(incoming(&format!("00-{TRACE}-{SPAN}-00")), Incoming::Unsampled);
        // Flags that nobody has given a meaning yet.
        assert_eq!(incoming(&format!("00-{TRACE}-{SPAN}-03")), Incoming::Sampled(point()));
        assert_eq!(incoming(&format!("00-{TRACE}-{SPAN}-fe")), Incoming::Unsampled);
        // Later versions, with and without more.
        for more in ["", "-", "-what the future brings"] {
            assert_eq!(incoming(&format!("cc-{TRACE}-{SPAN}-01{more}")), Incoming::Sampled(point()), "{more}");
        }
        assert_eq!(Incoming::of(&[]), Incoming::Absent);
    }

    #[test]
    fn what_is_no_traceparent_is_told_from_none() {
        let zero = "0".repeat(32);
        for value in [
            String::new(),
            "00".to_owned(),
            format!("ff-{TRACE}-{SPAN}-01"),
            format!("00-{zero}-{SPAN}-01"),
            format!("00-{TRACE}-{}-01", &zero[..16]),
            format!("00-{}-{SPAN}-01", TRACE.to_uppercase()),
            format!("00-{TRACE}-{SPAN}-1"),
            format!("00-{TRACE}-{SPAN}-0g"),
            format!("00-{TRACE}-{SPAN}-01-more"),
            format!("00-{TRACE}-{SPAN}-011"),
            format!("cc-{TRACE}-{SPAN}-01.more"),
            format!("00_{TRACE}-{SPAN}-01"),
            format!("00-{TRACE}_{SPAN}-01"),
            format!("0-{TRACE}-{SPAN}-01"),
            format!(" 00-{TRACE}-{SPAN}-01"),
            format!("00-{}-{SPAN}-01", &TRACE[1..]),
        ] {
            assert_eq!(incoming(&value), Incoming::Malformed, "{value:?}");
        }
        assert_eq!(Incoming::of(&[Header { name: TRACEPARENT.to_owned(), value: None }]), Incoming::Malformed);
    }

    #[test]
    fn of_several_headers_the_last_counts_and_all_are_replaced() {
        let other = Header { name: TRACEPARENT.to_owned(), value: Some(b"nonsense".to_vec()) };
        let state = Header { name: "tracestate".to_owned(), value: Some(b"a=b".to_vec()) };
        let mut headers = vec![other.clone(), state.clone(), point().header()];
        assert_eq!(Incoming::of(&headers), Incoming::Sampled(point()));
        let next = point().then(&[]);
        next.put(&mut headers);
        assert_eq!(headers, [state, next.header()]);
        headers.push(other);
        assert_eq!(Incoming::of(&headers), Incoming::Malformed);
    }

    #[test]
    fn an_event_goes_on_in_the_trace_it_came_with() {
        let place = EventPlace::of(&params(0.0), &event(1, vec![point().header()]), 3).unwrap();
        assert_eq!((place.at.trace, place.parent), (point().trace, Some(point().span)));
        assert_ne!(place.at.span, point().span);
        let elsewhere = EventPlace::of(&params(0.0), &event(2, vec![point().header()]), 3).unwrap();
        assert_ne!(elsewhere.at.span, place.at.span);
        let header = format!("00-{TRACE}-{SPAN}-00").into_bytes();
        let unsampled = Header { name: TRACEPARENT.to_owned(), value: Some(header) };
        assert_eq!(EventPlace::of(&params(1.0), &event(1, vec![unsampled]), 3), None);
    }

    #[test]
    fn an_event_without_a_trace_is_sampled_by_its_position() {
        let sampled = |ratio: f64| {
            (0..10_000)
                .filter(|offset| EventPlace::of(&params(ratio), &event(*offset, Vec::new()), 0).is_some())
                .count()
        };
        assert_eq!((sampled(0.0), sampled(1.0)), (0, 10_000));
        let some = sampled(0.1);
        assert!((900..1_100).contains(&some), "{some}");
        let place = |offset, partition| EventPlace::of(&params(1.0), &event(offset, Vec::new()), partition).unwrap();
        assert_eq!(place(5, 1), place(5, 1));
        assert_eq!(place(5, 1).parent, None);
        assert_ne!(place(5, 1).at.trace, place(5, 2).at.trace);
        assert_ne!(place(5, 1).at.trace, place(6, 1).at.trace);
        // What can be read again elsewhere has to stay what it is.
        assert_eq!(place(5, 1).at.header().value.unwrap(), PINNED.as_bytes());
    }

    const PINNED: &str = "00-5c762a4693bf0412b46a7eebaac63aec-0701fecc2e351fe6-01";

    #[test]
    fn the_binary_form_is_read_back() {
        let mut out = Writer::default();
        point().write(&mut out);
        let bytes = out.finish();
        assert_eq!(bytes.len(), 24);
        assert_eq!(TracePoint::read(&mut Reader::new(&bytes)), Ok(point()));
        assert!(TracePoint::read(&mut Reader::new(&bytes[1..])).is_err());
    }

    proptest! {
        #[test]
        fn hostile_bytes_never_panic_and_one_byte_more_or_less_is_malformed(
            bytes in prop::collection::vec(any::<u8>(), 0..80), at in 0usize..55,
        ) {
            let of = |value: Vec<u8>| Incoming::of(&[Header { name: TRACEPARENT.to_owned(), value: Some(value) }]);
            prop_assert_eq!(of(bytes), Incoming::Malformed);
            let mut cut = point().header().value.unwrap();
            cut.remove(at);
            prop_assert_eq!(of(cut), Incoming::Malformed);
        }
    }
}
