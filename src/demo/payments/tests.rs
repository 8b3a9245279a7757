use std::collections::BTreeMap;

use super::*;

fn params() -> PaymentsParams {
    let start = Timestamp::from_rfc3339("2018-04-01T00:00:00Z").unwrap();
    PaymentsParams { customers: 5_000, terminals: 10_000, radius: 5.0, days: 122, seed: 1, start }
}

fn small() -> PaymentsParams {
    PaymentsParams { customers: 200, terminals: 400, radius: 10.0, days: 10, ..params() }
}

/// What the tests hold a stream against.
#[derive(Default)]
struct Moments {
    n: f64,
    sum: f64,
    squares: f64,
}

impl Moments {
    fn add(&mut self, value: f64) {
        self.n += 1.0;
        self.sum += value;
        self.squares += value * value;
    }

    fn mean(&self) -> f64 {
        self.sum / self.n
    }

    fn deviation(&self) -> f64 {
        (self.squares / self.n - self.mean() * self.mean()).sqrt()
    }
}

fn near(what: &str, found: f64, expected: f64, tolerance: f64) {
    assert!((found / expected - 1.0).abs() < tolerance, "{what}: {found}, {expected} was expected");
}

/// Held against the simulated payments published with the handbook, April to July 2018 (122 days, 1,169,723 payments,
/// measured with pandas). Both are draws of the same random process: tolerances are four standard deviations between two
/// draws, most of which comes of who is drawn (5,000 customers of 0 to 4 payments a day; 700 compromised ones).
#[test]
fn the_stream_has_the_properties_of_the_published_one() {
    let mut days: BTreeMap<i64, f64> = BTreeMap::new();
    let mut customers: BTreeMap<u32, f64> = BTreeMap::new();
    let mut terminals: BTreeMap<u32, f64> = BTreeMap::new();
    let [mut amounts, mut seconds] = [Moments::default(), Moments::default()];
    let mut scenarios: [Moments; 4] = Default::default();
    let mut settled = [0.0; 4];
    for payment in Payments::new(params()).unwrap() {
        let since = payment.at.since(params().start);
        let day = since.div_euclid(86_400_000);
        *days.entry(day).or_default() += 1.0;
        *customers.entry(payment.customer).or_default() += 1.0;
        *terminals.entry(payment.terminal).or_default() += 1.0;
        amounts.add(payment.amount);
        seconds.add((since.rem_euclid(86_400_000) / 1_000) as f64);
        let scenario = usize::from(payment.scenario);
        scenarios[scenario].add(payment.amount);
        if day >= 28 {
            settled[scenario] += 1.0;
        }
    }
    let n = amounts.n;
    near("payments a day", n / 122.0, 9_587.9, 0.05);
    assert_eq!((days.len(), terminals.len()), (122, 10_000));
    let spread = days.values().fold(Moments::default(), |mut moments, count| {
        moments.add(*count);
        moments
    });
    near("deviation of a day", spread.deviation(), 94.6, 0.35);
    near("customers who pay", customers.len() as f64, 4_986.0, 0.004);
    near("most payments of a customer a day", customers.values().copied().fold(0.0, f64::max) / 122.0, 4.303, 0.08);

    near("amount", amounts.mean(), 53.62, 0.05);
    near("deviation of amounts", amounts.deviation(), 42.11, 0.05);
    near("amount of no fraud", scenarios[0].mean(), 52.98, 0.05);
    near("second of the day", seconds.mean(), 43_196.0, 0.002);
    near("deviation of the second", seconds.deviation(), 18_180.9, 0.005);

    near("share of frauds", 1.0 - scenarios[0].n / n, 0.008_092, 0.12);
    near("share of too much", scenarios[1].n / n, 0.000_564, 0.3);
    near("share of terminals", scenarios[2].n / n, 0.004_915, 0.12);
    near("share of customers", scenarios[3].n / n, 0.002_613, 0.25);
    let after = settled.iter().sum::<f64>();
    near("share of frauds from day 28", 1.0 - settled[0] / after, 0.008_834, 0.12);
    near("amount of too much", scenarios[1].mean(), 235.3, 0.03);
    near("amount of a terminal's", scenarios[2].mean(), 54.39, 0.1);
    near("amount of a customer's", scenarios[3].mean(), 256.95, 0.1);
}

#[test]
fn what_is_a_fraud_follows_from_the_three_ways() {
    let mut first_of_two = u32::MAX;
    for payment in Payments::new(PaymentsParams { days: 40, ..params() }).unwrap() {
        assert!(payment.amount >= 0.0 && payment.terminal < 10_000 && payment.customer < 5_000);
        let day = payment.at.since(params().start).div_euclid(86_400_000) as u32;
        match payment.scenario {
            0 => assert!(payment.amount <= TOO_MUCH),
            1 => assert!(payment.amount > TOO_MUCH),
            2 => first_of_two = first_of_two.min(day),
            scenario => assert!(scenario == 3 && day > 0),
        }
    }
    assert!((1..3).contains(&first_of_two), "compromised from the day after");
}

#[test]
fn a_compromised_terminal_takes_frauds_alone_for_28_days() {
    let mut payments = Payments::new(params()).unwrap();
    let mut begun: BTreeMap<u32, u32> = BTreeMap::new();
    for day in 0..40 {
        let today = payments.draw_day();
        let bad = |terminal: u32| begun.get(&terminal).is_some_and(|from| (from + 1..=from + 28).contains(&day));
        for payment in &today {
            assert_eq!(payment.scenario == 2, bad(payment.terminal) && payment.scenario != 3, "{payment:?}");
        }
        payments.compromise();
        payments.day += 1;
        begun.extend(payments.terminals.back().into_iter().flatten().map(|terminal| (*terminal, day)));
        assert!(payments.terminals.len() <= 28 && payments.victims.len() <= 14);
    }
}

#[test]
fn the_stream_of_a_seed_is_pinned_and_days_do_not_depend_on_how_many_follow() {
    let all: Vec<Payment> = Payments::new(small()).unwrap().collect();
    let fewer: Vec<Payment> = Payments::new(PaymentsParams { days: 4, ..small() }).unwrap().collect();
    assert_eq!(all[..fewer.len()], fewer);
    assert!(all.is_sorted_by_key(|payment| payment.at));
    assert!((0..).zip(&all).all(|(id, payment)| payment.id == id));
    let other: Vec<Payment> = Payments::new(PaymentsParams { seed: 2, ..small() }).unwrap().collect();
    assert_ne!(all, other);
    let digest = all.iter().fold(0_u64, |digest, payment| {
        let [id, at] = [payment.id, payment.at.millis() as u64];
        [id, at, u64::from(payment.customer), u64::from(payment.terminal), payment.amount.to_bits()]
            .iter()
            .fold(digest, |digest, part| (digest.rotate_left(5) ^ part).wrapping_mul(0x517c_c1b7_2722_0a95))
    });
    assert_eq!((all.len(), digest), (3_748, 18_362_189_677_482_867_074));
}

#[test]
fn sizes_that_leave_nobody_give_an_empty_stream_and_no_radius_an_error() {
    let count = |params| Payments::new(params).unwrap().count();
    assert_eq!(count(PaymentsParams { customers: 0, ..small() }), 0);
    assert_eq!(count(PaymentsParams { terminals: 0, ..small() }), 0);
    assert_eq!(count(PaymentsParams { days: 0, ..small() }), 0);
    assert!(count(PaymentsParams { customers: 1, terminals: 1, radius: 200.0, ..small() }) > 0);
    for radius in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        assert!(matches!(Payments::new(PaymentsParams { radius, ..small() }), Err(PaymentsError::Radius(_))));
    }
}

#[test]
fn a_label_comes_after_the_events_of_its_time_and_once_for_each_payment() {
    let day = 86_400_000;
    let payment = |id, at| {
        Ok(Payment {
            id,
            at: Timestamp::from_millis(at),
            customer: 3,
            terminal: 4,
            amount: 12.5,
            scenario: u8::from(id == 1),
        })
    };
    let payments = [payment(0, 0), payment(1, day), payment(2, 7 * day), payment(3, 8 * day + 1)];
    let records = PaymentRecords::new(payments.into_iter(), Span::from_days(7)).map(Result::unwrap);
    let values: Vec<String> = records
        .map(|record| {
            assert_eq!(record.key, b"3");
            String::from_utf8(record.value).unwrap()
        })
        .collect();
    let event =
        |id: u64, at: i64| format!(r#"{{"tx_id":{id},"ts":{at},"customer_id":"3","terminal_id":"4","amount":12.5}}"#);
    let label = |id: u64, at: i64, fraud: u8| {
        format!(r#"{{"event_id":{id},"customer_id":"3","known_at":{at},"fraud":{fraud}}}"#)
    };
    assert_eq!(
        values,
        [
            event(0, 0),
            event(1, day),
            event(2, 7 * day),
            label(0, 7 * day, 0),
            label(1, 8 * day, 1),
            event(3, 8 * day + 1),
            label(2, 14 * day, 0),
            label(3, 15 * day + 1, 0),
        ]
    );
}

#[test]
fn a_file_reads_back_as_it_was_written_packed_or_not() {
    let folder = tempfile::tempdir().unwrap();
    let all: Vec<Payment> = Payments::new(small()).unwrap().collect();
    for name in ["payments.csv", "payments.csv.gz"] {
        let path = folder.path().join(name);
        let mut writer = PaymentWriter::create(&path).unwrap();
        for payment in &all {
            writer.write(payment).unwrap();
        }
        writer.finish().unwrap();
        let read: Vec<Payment> = PaymentFile::open(&path).unwrap().map(Result::unwrap).collect();
        assert_eq!(read, all);
    }
    assert!(std::fs::metadata(folder.path().join("payments.csv.gz")).unwrap().len() < 60_000);
}

#[test]
fn a_row_that_is_none_is_named_with_its_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("p.csv");
    let header = "tx_id,ts,customer_id,terminal_id,amount,fraud\n";
    let first = "0,2018-04-01T00:00:31,596,3156,57.16,0\n";
    let cases = [
        ("1,2018-04-01 00:00:30Z,1,2,3.5,0\n", "line 3: the payment is earlier than the one before it"),
        ("1,noon,1,2,3.5,0\n", "line 3: `ts` is no time: `noon`"),
        ("1,2018-04-01T00:00:31,1,2,3.5,2\n", "line 3: `fraud` is 2"),
        ("1,2018-04-01T00:00:31,1,2,NaN,1\n", "line 3: `amount` is no number"),
        ("1,2018-04-01T00:00:31,1,2\n", "line 3"),
        ("1,2018-04-01T00:00:31,one,2,3.5,1\n", "line 3"),
    ];
    for (row, expected) in cases {
        std::fs::write(&path, format!("{header}{first}{row}")).unwrap();
        let read: Vec<Result<Payment, anyhow::Error>> = PaymentFile::open(&path).unwrap().collect();
        assert!(read[0].as_ref().is_ok_and(|payment| payment.amount == 57.16 && !payment.is_fraud()));
        let error = format!("{:#}", read[1].as_ref().unwrap_err());
        assert!(error.contains(expected), "{error}");
    }
    std::fs::write(&path, format!("{header}5,2018-04-01T00:00:31,596,3156,57.16,1\n")).unwrap();
    let read = PaymentFile::open(&path).unwrap().next().unwrap().unwrap();
    assert_eq!((read.id, read.scenario), (5, 1), "a fraud of no scenario is taken as the first");
}
