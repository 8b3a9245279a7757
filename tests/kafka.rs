//! The roles on a real Apache Kafka, whose address is in `DRIFTLESS_TEST_BROKERS`.
#![expect(clippy::unwrap_used, reason = "a test that cannot be set up is to fail loudly")]

mod support;

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use driftless::transport::Transport;
use driftless::transport::kafka::{Kafka, KafkaParams};
use driftless::transport::memory::Memory;
use support::bench::{Bench, Published, assert_whole, differences};
use support::config_of;

fn kafka() -> Arc<dyn Transport> {
    let brokers = std::env::var("DRIFTLESS_TEST_BROKERS").unwrap();
    let params = KafkaParams::new(brokers, "driftless-test");
    Arc::new(Kafka::new(params).unwrap())
}

/// A name that no earlier run on the same broker has used.
fn fresh(name: &str) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    format!("{name}-{}", now.as_millis())
}

fn in_memory(app: &str, seed: u64, n: usize) -> Published {
    let bench = Bench::new(Arc::new(Memory::new()), config_of(app));
    bench.run(seed, n, |_, app| app);
    bench.published()
}

#[test]
#[ignore = "needs a Kafka: set DRIFTLESS_TEST_BROKERS"]
fn a_run_on_kafka_publishes_the_bytes_of_a_run_in_memory() {
    let app = fresh("shops");
    let bench = Bench::new(kafka(), config_of(&app));
    bench.run(21, 400, |_, app| app);
    let published = bench.published();
    assert_whole(&published);
    assert_eq!(differences(&published, &in_memory(&app, 21, 400)), Vec::<String>::new());
}

#[test]
#[ignore = "needs a Kafka: set DRIFTLESS_TEST_BROKERS"]
fn a_run_that_is_stopped_and_started_again_restores_from_its_journal() {
    let app = fresh("shops");
    let bench = Bench::new(kafka(), config_of(&app));
    bench.run(22, 300, |step, app| {
        if step % 2 == 0 {
            return app;
        }
        app.stop().unwrap();
        bench.start()
    });
    let published = bench.published();
    assert_whole(&published);
    assert_eq!(differences(&published, &in_memory(&app, 22, 300)), Vec::<String>::new());
}
