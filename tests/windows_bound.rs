//! Memory of windows: bounded by `features.max_keys`, whatever the number of keys.
#![expect(clippy::unwrap_used, reason = "a test that cannot be set up is to fail loudly")]

use driftless::config::Config;
use driftless::data::{Columns, Table, Timestamp};
use driftless::features::{EventRow, Features};

const CONFIG: &str = r#"
app = "bound"

[events]
key = "customer"

[events.fields.amount]
type = "number"

[features]
max_keys = 100000

[[features.windows]]
spans = ["1h", "1d", "7d"]
panes = 24
aggregates = ["count", "sum:amount", "max:amount"]
"#;

/// Resident memory in MiB.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
    kib.unwrap_or_default() / 1_024
}

/// Feeds as many keys, each once; resident memory after each tenth.
fn feed(keys: u64) -> (Features, Vec<u64>) {
    let config = Config::parse(CONFIG).unwrap();
    let mut features = Features::new(&config.features);
    let mut columns = Columns::new(features.width());
    let mut table = Table::new(1, 0);
    let mut seen = Vec::new();
    for number in 0..keys {
        if number % 256 == 0 {
            table.clear();
            columns.clear();
        }
        let row = table.begin();
        table.set_number(0, number as f64);
        let key = format!("customer-{number}");
        let at = Timestamp::from_millis(number as i64 * 10);
        features.event(EventRow { key: key.as_bytes(), at, table: &table, row }, &mut columns);
        if number % 20_000 == 0 {
            features.commit();
        }
        if (number + 1) % (keys / 10) == 0 {
            seen.push(resident());
        }
    }
    (features, seen)
}

#[test]
fn no_more_groups_are_kept_than_allowed() {
    let (features, _) = feed(110_000);
    let evicted = features.counts().evicted;
    assert_eq!((features.groups() as u64 + evicted, features.groups() <= 100_000), (110_000, true));
}

#[test]
#[ignore = "by hand: takes a minute and 300 MiB in a release build"]
fn memory_stays_flat_under_ten_million_keys() {
    let (features, seen) = feed(10_000_000);
    println!(
        "{} groups of {:?} bytes; resident MiB after each million: {seen:?}",
        features.groups(),
        features.group_bytes()
    );
    let (second, last) = (seen[1], seen[9]);
    assert!(last <= second + second / 20, "{seen:?}");
}
