//! What an application refuses to work on, with the words it says so in, and how it begins anew.
#![expect(clippy::unwrap_used, reason = "a test that cannot be set up is to fail loudly")]

mod support;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use driftless::codec::JournalRecord;
use driftless::config::Config;
use driftless::config::params::OnGap;
use driftless::data::{Prediction, Span};
use driftless::runtime::{App, Beginning, ResetParams, Roles, plan_reset};
use driftless::transport::kafka::{Kafka, KafkaParams};
use driftless::transport::memory::Memory;
use driftless::transport::{MemberSpec, Outgoing, Position, TopicPartition, TopicSpec, Transport, Upkeep};
use rdkafka::admin::{AdminClient, AdminOptions, NewPartitions};
use rdkafka::client::DefaultClientContext;
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use support::bench::Bench;
use support::{CONFIG, config, config_of};

const SCORE: Roles = Roles { score: true, monitor: false, retrain: false };
/// Transactional id of the score worker of instance `a`.
const WORKER: &str = "shops.score.a.0";

fn bench_of(config: Config) -> (Memory, Bench) {
    let memory = Memory::new();
    (memory.clone(), Bench::new(Arc::new(memory), config))
}

fn bench() -> (Memory, Bench) {
    bench_of(config())
}

/// An application of which a crash leaves no later checkpoint than the one its last clean stop made.
fn rarely_checkpointed() -> (Memory, Bench) {
    let mut config = config();
    config.score.checkpoint = Span::from_millis(3_600_000);
    bench_of(config)
}

/// Runs the score role until there are `n` predictions in all, and stops it.
fn work_until(bench: &Bench, n: usize) {
    let app = bench.start_live("a");
    bench.until(&app, || bench.predicted().len() >= n);
    app.stop().unwrap();
}

/// Works on records `from` to `from + n` and dies.
fn work_and_die(memory: &Memory, bench: &Bench, from: usize, n: usize) {
    let app = bench.start_live("a");
    bench.publish_slowly(from, n);
    bench.until(&app, || bench.predicted().len() >= from + n);
    memory.kill(WORKER);
    let _ = app.stop();
}

/// The words with which the next start stops.
fn refusal(bench: &Bench) -> String {
    let app = bench.start_live("a");
    let why = bench.stopped(&app);
    assert_eq!(app.stop().unwrap_err().why, why);
    why
}

fn has(why: &str, parts: &[&str]) {
    for part in parts {
        assert!(why.contains(part), "`{part}` is not in: {why}");
    }
}

fn end(memory: &Memory, topic: &str, partition: i32) -> i64 {
    memory.bounds(topic).unwrap().unwrap()[partition as usize].end
}

fn trim(memory: &Memory, topic: &str, start: i64) {
    memory.trim(&TopicPartition::new(topic, 0), start).unwrap();
}

fn distinct(predictions: &[Prediction]) -> usize {
    predictions.iter().map(|prediction| prediction.event_id.as_str()).collect::<BTreeSet<_>>().len()
}

fn remake(memory: &Memory, topic: &str) {
    let partitions = memory.bounds(topic).unwrap().unwrap().len() as i32;
    memory.remake(&TopicSpec { name: topic.to_owned(), partitions, replication: -1, config: Vec::new() }).unwrap();
}

#[test]
fn topics_that_go_together_must_have_equal_counts() {
    for key in ["labels", "predictions", "outcomes", "dead-letters", "journal", "state"] {
        let (memory, bench) = bench();
        memory.grow(&format!("shops.{key}"), 3);
        let why = bench.try_start("a", SCORE).err().unwrap().why;
        let said = format!("`shops.{key}` has 3 partitions and `shops.events` has 2");
        has(&why, &[&said, "driftless topics create", "driftless reset"]);
    }
}

#[test]
fn topics_that_need_one_order_must_have_one_partition() {
    for key in ["summaries", "drift-alerts", "performance", "models", "monitor-journal", "monitor-state"] {
        let (memory, bench) = bench();
        memory.grow(&format!("shops.{key}"), 2);
        let why = bench.try_start("a", SCORE).err().unwrap().why;
        has(&why, &[&format!("`shops.{key}` has 2 partitions, and it must have one")]);
    }
}

#[test]
fn a_compacted_input_is_refused() {
    for input in ["events", "labels"] {
        let memory = Memory::new();
        let config = vec![("cleanup.policy".to_owned(), "delete,compact".to_owned())];
        let spec = TopicSpec { name: format!("shops.{input}"), partitions: 2, replication: -1, config };
        memory.create(&[spec]).unwrap();
        let bench = Bench::new(Arc::new(memory), self::config());
        let why = bench.try_start("a", SCORE).err().unwrap().why;
        has(
            &why,
            &[&format!("`shops.{input}` is compacted (its `cleanup.policy` is `delete,compact`)"), "to `delete`"],
        );
    }
}

#[test]
fn partitions_added_before_a_start_are_refused() {
    let (memory, bench) = bench();
    memory.grow("shops.events", 3);
    let why = bench.try_start("a", Roles::ALL).err().unwrap().why;
    has(&why, &["`shops.labels` has 2 partitions and `shops.events` has 3"]);
}

#[test]
fn partitions_added_under_a_running_application_are_refused() {
    for (topic, roles, rejoins) in [
        ("shops.events", SCORE, true),
        ("shops.events", SCORE, false),
        ("shops.labels", SCORE, false),
        ("shops.events", Roles { score: false, monitor: true, retrain: false }, false),
    ] {
        let (memory, bench) = bench();
        let app = bench.try_start("a", roles).unwrap();
        bench.until(&app, || app.missing().is_empty());
        memory.grow(topic, 3);
        if rejoins {
            memory.kick(WORKER);
        }
        let why = bench.stopped(&app);
        has(&why, &[&format!("`{topic}` has 3 partitions now and had 2 when this process started"), "driftless reset"]);
        let _ = app.stop();
    }
}

#[test]
fn a_journal_cut_behind_the_checkpoint_is_refused() {
    let (memory, bench) = rarely_checkpointed();
    bench.publish_slowly(0, 40);
    work_until(&bench, 40);
    work_and_die(&memory, &bench, 40, 40);
    trim(&memory, "shops.journal", end(&memory, "shops.journal", 0));
    has(&refusal(&bench), &["the journal in `shops.journal` begins at offset", "needs it from", "driftless reset"]);
}

#[test]
fn a_journal_without_its_first_records_and_no_checkpoint_is_refused() {
    let (memory, bench) = rarely_checkpointed();
    work_and_die(&memory, &bench, 0, 40);
    assert_eq!(end(&memory, "shops.state", 0), 0);
    trim(&memory, "shops.journal", 1);
    has(&refusal(&bench), &["`shops.journal` begins at offset 1, and there is no checkpoint"]);
}

#[test]
fn a_journal_with_a_foreign_record_is_refused() {
    let (memory, bench) = bench();
    bench.publish_slowly(0, 40);
    work_until(&bench, 40);
    let at = TopicPartition::new("shops.journal", 0);
    let last = memory.records(&at).pop().unwrap();
    let mut foreign = JournalRecord::decode(last.value.as_deref().unwrap()).unwrap();
    foreign.sequence += 7;
    let value = foreign.encode().unwrap();
    let outgoing = Outgoing {
        topic: &at.topic,
        partition: Some(0),
        key: None,
        value: Some(&value),
        headers: &[],
        timestamp: None,
    };
    memory.publisher().unwrap().send(&outgoing).unwrap();
    has(&refusal(&bench), &[&format!("it is journal record {}, where", foreign.sequence), "another application"]);
}

#[test]
fn topics_made_anew_under_the_offsets_of_their_group_are_no_first_start() {
    let (memory, bench) = bench();
    bench.publish_slowly(0, 40);
    work_until(&bench, 40);
    for topic in bench.config.topics.named() {
        remake(&memory, topic.name);
    }
    has(&refusal(&bench), &["the group has committed offset", "but the journal `shops.journal` is empty"]);
}

#[test]
fn an_input_made_anew_is_refused() {
    let (memory, bench) = bench();
    bench.publish_slowly(0, 40);
    work_until(&bench, 40);
    remake(&memory, "shops.events");
    has(&refusal(&bench), &["`shops.events` partition", "ends at offset 0, before offset", "the topic was made anew"]);
}

#[test]
fn a_gap_is_refused_and_skipped_where_the_configuration_says_so() {
    let (memory, mut bench) = bench();
    bench.publish_slowly(0, 60);
    work_until(&bench, 60);
    let before = end(&memory, "shops.events", 0);
    bench.publish_slowly(60, 60);
    let gone = before + 10;
    trim(&memory, "shops.events", gone);
    let why = refusal(&bench);
    let said = format!("`shops.events` partition 0 begins at offset {gone}, but has been read only up to {before}");
    has(&why, &[&said, "removed 10 offsets unread", "`kafka.on_gap`", "`skip`"]);

    let config = Arc::make_mut(&mut bench.config);
    config.kafka.on_gap = OnGap::Skip;
    // Nothing but the journal tells what came after the gap.
    config.score.checkpoint = Span::from_millis(3_600_000);
    let app = bench.start_live("a");
    bench.until(&app, || bench.predicted().len() == 110);
    memory.kill(WORKER);
    let _ = app.stop();
    Arc::make_mut(&mut bench.config).kafka.on_gap = OnGap::Refuse;
    let app = bench.start_live("a");
    bench.publish_slowly(120, 10);
    bench.until(&app, || bench.predicted().len() == 120);
    app.stop().unwrap();
    assert_eq!(distinct(&bench.predicted()), 120, "only the records of the gap are missing");
}

#[test]
fn records_that_the_journal_names_and_nobody_has_are_refused() {
    let (memory, bench) = rarely_checkpointed();
    work_and_die(&memory, &bench, 0, 40);
    trim(&memory, "shops.events", 2);
    has(&refusal(&bench), &["`shops.events` no longer holds offset 0, which the journal names", "driftless reset"]);
}

#[test]
fn offsets_that_expired_are_refused_and_the_journal_stands_in_for_them_when_told() {
    let (memory, mut bench) = bench();
    bench.publish_slowly(0, 40);
    work_until(&bench, 40);
    memory.expire_offsets("shops.score");
    let why = refusal(&bench);
    has(&why, &["but group `shops.score` has committed none", "offsets.retention.minutes", "--trust-journal"]);
    bench.publish_slowly(40, 20);
    bench.trust_journal = true;
    work_until(&bench, 60);
    bench.trust_journal = false;
    bench.publish_slowly(60, 20);
    work_until(&bench, 80);
    assert_eq!((bench.predicted().len(), distinct(&bench.predicted())), (80, 80));
}

#[test]
fn offsets_that_somebody_moved_are_refused_even_when_the_journal_is_trusted() {
    let (memory, mut bench) = bench();
    bench.publish_slowly(0, 40);
    work_until(&bench, 40);
    let spec = MemberSpec {
        group: "shops.score".to_owned(),
        transactional_id: "somebody".to_owned(),
        inputs: vec!["shops.events".to_owned()],
    };
    let mut somebody = memory.join(&spec).unwrap();
    somebody.poll(Duration::ZERO, 1, &mut Vec::new()).unwrap();
    somebody.begin().unwrap();
    somebody.commit(&[Position { at: TopicPartition::new("shops.events", 0), next: 1 }]).unwrap();
    drop(somebody);
    bench.trust_journal = true;
    has(
        &refusal(&bench),
        &["its journal ends at offsets [", "but the group has committed [Some(1)", "somebody has changed"],
    );
}

#[test]
fn of_two_instances_with_one_name_one_stops_and_the_other_goes_on() {
    let (_, bench) = bench();
    let apps: [App; 2] = [bench.start_live("a"), bench.start_live("a")];
    bench.publish_slowly(0, 100);
    let until = Instant::now() + Duration::from_secs(60);
    while apps.iter().all(|app| app.failed().is_none()) {
        assert!(Instant::now() < until, "they fight for ever");
        std::thread::sleep(Duration::from_millis(5));
    }
    let (stopped, other): (Vec<App>, Vec<App>) = apps.into_iter().partition(|app| app.failed().is_some());
    let said = "another process takes the transactional id `shops.score.a.0` over again and again";
    has(&stopped[0].failed().unwrap().why, &[said, "`--instance`"]);
    bench.publish_slowly(100, 20);
    bench.until(&other[0], || bench.predicted().len() >= 120);
    assert_eq!((bench.predicted().len(), distinct(&bench.predicted())), (120, 120));
    for app in other {
        app.stop().unwrap();
    }
}

#[test]
fn another_application_of_the_same_name_is_refused() {
    let (_, bench) = bench();
    bench.publish_slowly(0, 40);
    work_until(&bench, 40);
    let text = CONFIG.replace("[events]\n", "[events]\ntopic = \"others\"\n");
    let mut other = Config::parse(&text).unwrap();
    other.topics.partitions = 2;
    let other = Bench::new(bench.transport.clone(), other);
    has(&refusal(&other), &["was written with another configuration", "choose another `app`"]);
}

fn reset(memory: &Memory, bench: &Bench, to: Beginning) {
    let plan = plan_reset(memory, &bench.config, ResetParams { score: true, monitor: true, to }).unwrap();
    plan.carry_out(memory, &bench.config).unwrap();
}

#[test]
fn after_a_reset_everything_is_predicted_again() {
    let (memory, bench) = bench();
    bench.publish_slowly(0, 40);
    work_until(&bench, 40);
    memory.expire_offsets("shops.score");
    reset(&memory, &bench, Beginning::Earliest);
    work_until(&bench, 80);
    let predictions = bench.predicted();
    assert_eq!((predictions.len(), distinct(&predictions)), (80, 40));
}

#[test]
fn after_a_reset_to_the_end_only_new_records_are_predicted() {
    let (memory, bench) = bench();
    bench.publish_slowly(0, 40);
    work_until(&bench, 40);
    bench.publish_slowly(40, 20);
    reset(&memory, &bench, Beginning::Latest);
    let app = bench.try_start("a", Roles::ALL).unwrap();
    bench.publish_slowly(60, 20);
    bench.until(&app, || app.missing().is_empty() && bench.predicted().len() >= 60);
    app.stop().unwrap();
    bench.publish_slowly(80, 5);
    work_until(&bench, 65);
    let ids: BTreeSet<String> = bench.predicted().into_iter().map(|prediction| prediction.event_id).collect();
    assert_eq!((bench.predicted().len(), ids.len()), (65, 65));
    assert!((40..60).all(|number| !ids.contains(&format!("e{number}"))));
}

#[test]
fn a_reset_makes_partitions_that_were_added_usable() {
    let (memory, bench) = bench();
    bench.publish_slowly(0, 40);
    work_until(&bench, 40);
    for topic in ["events", "labels", "predictions", "outcomes", "dead-letters"] {
        memory.grow(&format!("shops.{topic}"), 3);
    }
    let why = bench.try_start("a", SCORE).err().unwrap().why;
    has(&why, &["`shops.journal` has 2 partitions and `shops.events` has 3"]);
    reset(&memory, &bench, Beginning::Latest);
    bench.publish_slowly(40, 40);
    work_until(&bench, 80);
    assert_eq!(bench.predicted().len(), 80);
}

#[test]
fn a_running_application_is_not_reset() {
    let (memory, bench) = bench();
    let app = bench.start_live("a");
    bench.publish_slowly(0, 1);
    bench.until(&app, || bench.predicted().len() == 1);
    let params = ResetParams { score: true, monitor: true, to: Beginning::Earliest };
    let error = plan_reset(&memory, &bench.config, params).unwrap_err().to_string();
    has(&error, &["group `shops.score` has members", "stop every instance first"]);
    assert!(memory.forget("shops.score").is_err());
    app.stop().unwrap();
    assert!(plan_reset(&memory, &bench.config, params).is_ok());
}

/// An application of its own on a real broker, and what an operator does to the broker.
struct Broker {
    kafka: Arc<Kafka>,
    admin: AdminClient<DefaultClientContext>,
    runtime: tokio::runtime::Runtime,
    app: String,
}

impl Broker {
    fn new(name: &str) -> (Broker, Bench) {
        let brokers = std::env::var("DRIFTLESS_TEST_BROKERS").unwrap();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let app = format!("{name}-{}", now.as_millis());
        let kafka = Arc::new(Kafka::new(KafkaParams::new(brokers.as_str(), "driftless-test")).unwrap());
        let admin = ClientConfig::new().set("bootstrap.servers", &brokers).create().unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let bench = Bench::new(kafka.clone(), config_of(&app));
        (Broker { kafka, admin, runtime, app }, bench)
    }

    fn topic(&self, key: &str) -> String {
        format!("{}.{key}", self.app)
    }

    fn group(&self) -> String {
        format!("{}.score", self.app)
    }

    fn grow(&self, key: &str, partitions: usize) {
        let topic = self.topic(key);
        let new = [NewPartitions::new(&topic, partitions)];
        let grown = self.runtime.block_on(self.admin.create_partitions(&new, &AdminOptions::new())).unwrap();
        assert!(grown.iter().all(Result::is_ok), "{grown:?}");
    }

    /// Removes what lies before `start` from the first partition, as retention does.
    fn trim(&self, key: &str, start: i64) {
        let mut offsets = TopicPartitionList::new();
        offsets.add_partition_offset(&self.topic(key), 0, Offset::Offset(start)).unwrap();
        let trimmed = self.runtime.block_on(self.admin.delete_records(&offsets, &AdminOptions::new())).unwrap();
        assert!(trimmed.elements().iter().all(|element| element.error().is_ok()), "{trimmed:?}");
    }

    fn end(&self, key: &str) -> i64 {
        self.kafka.bounds(&self.topic(key)).unwrap().unwrap()[0].end
    }

    fn reset(&self, bench: &Bench, to: Beginning) {
        let plan = plan_reset(&*self.kafka, &bench.config, ResetParams { score: true, monitor: true, to }).unwrap();
        plan.carry_out(&*self.kafka, &bench.config).unwrap();
    }
}

#[test]
#[ignore = "needs a Kafka: set DRIFTLESS_TEST_BROKERS"]
fn a_compacted_input_is_refused_on_kafka() {
    let (broker, bench) = Broker::new("compacted");
    let config = vec![("cleanup.policy".to_owned(), "compact".to_owned())];
    let name = broker.topic("compact-events");
    broker.kafka.create(&[TopicSpec { name: name.clone(), partitions: 2, replication: -1, config }]).unwrap();
    let mut bench = bench;
    Arc::make_mut(&mut bench.config).topics.events.clone_from(&name);
    let why = bench.try_start("a", SCORE).err().unwrap().why;
    has(&why, &[&format!("`{name}` is compacted (its `cleanup.policy` is `compact`)")]);
}

#[test]
#[ignore = "needs a Kafka: set DRIFTLESS_TEST_BROKERS"]
fn partitions_added_live_are_refused_on_kafka() {
    let (broker, bench) = Broker::new("grown");
    let app = bench.start_live("a");
    bench.publish_slowly(0, 20);
    bench.until(&app, || bench.predicted().len() == 20);
    broker.grow("events", 3);
    let why = bench.stopped(&app);
    has(&why, &[&format!("`{}` has 3 partitions now and had 2", broker.topic("events"))]);
    let _ = app.stop();
    let why = bench.try_start("a", SCORE).err().unwrap().why;
    has(&why, &[&format!("`{}` has 2 partitions and `{}` has 3", broker.topic("labels"), broker.topic("events"))]);
}

#[test]
#[ignore = "needs a Kafka: set DRIFTLESS_TEST_BROKERS"]
fn a_gap_is_refused_and_skipped_on_kafka() {
    let (broker, mut bench) = Broker::new("gap");
    bench.publish_slowly(0, 40);
    work_until(&bench, 40);
    let before = broker.end("events");
    bench.publish_slowly(40, 40);
    broker.trim("events", before + 5);
    let why = refusal(&bench);
    let said = format!("partition 0 begins at offset {}, but has been read only up to {before}", before + 5);
    has(&why, &[&broker.topic("events"), &said, "`kafka.on_gap`"]);
    Arc::make_mut(&mut bench.config).kafka.on_gap = OnGap::Skip;
    work_until(&bench, 75);
    bench.publish_slowly(80, 5);
    work_until(&bench, 80);
    assert_eq!((bench.predicted().len(), distinct(&bench.predicted())), (80, 80));
}

#[test]
#[ignore = "needs a Kafka: set DRIFTLESS_TEST_BROKERS"]
fn deleted_offsets_are_refused_and_the_journal_stands_in_for_them_on_kafka() {
    let (broker, mut bench) = Broker::new("offsets");
    bench.publish_slowly(0, 40);
    work_until(&bench, 40);
    assert_eq!(broker.kafka.members(&broker.group()).unwrap(), Vec::<String>::new());
    broker.kafka.forget(&broker.group()).unwrap();
    broker.kafka.forget(&broker.group()).unwrap();
    has(&refusal(&bench), &[&format!("group `{}` has committed none", broker.group()), "--trust-journal"]);
    bench.publish_slowly(40, 20);
    bench.trust_journal = true;
    work_until(&bench, 60);
    bench.trust_journal = false;
    bench.publish_slowly(60, 20);
    work_until(&bench, 80);
    assert_eq!((bench.predicted().len(), distinct(&bench.predicted())), (80, 80));
}

#[test]
#[ignore = "needs a Kafka: set DRIFTLESS_TEST_BROKERS"]
fn of_two_instances_with_one_name_one_stops_on_kafka() {
    let (broker, bench) = Broker::new("twins");
    let apps: [App; 2] = [bench.start_live("a"), bench.start_live("a")];
    bench.publish_slowly(0, 60);
    let until = Instant::now() + Duration::from_secs(120);
    while apps.iter().all(|app| app.failed().is_none()) {
        assert!(Instant::now() < until, "they fight for ever");
        std::thread::sleep(Duration::from_millis(50));
    }
    let (stopped, other): (Vec<App>, Vec<App>) = apps.into_iter().partition(|app| app.failed().is_some());
    let said = format!("takes the transactional id `{}.score.a.0` over again and again", broker.app);
    has(&stopped[0].failed().unwrap().why, &[&said]);
    bench.until(&other[0], || bench.predicted().len() >= 60);
    assert_eq!((bench.predicted().len(), distinct(&bench.predicted())), (60, 60));
    for app in other {
        app.stop().unwrap();
    }
}

#[test]
#[ignore = "needs a Kafka: set DRIFTLESS_TEST_BROKERS"]
fn an_application_begins_anew_on_kafka() {
    let (broker, bench) = Broker::new("reset");
    let app = bench.start_live("a");
    bench.publish_slowly(0, 40);
    bench.until(&app, || bench.predicted().len() == 40);
    let params = ResetParams { score: true, monitor: true, to: Beginning::Earliest };
    let error = plan_reset(&*broker.kafka, &bench.config, params).unwrap_err().to_string();
    has(&error, &[&format!("group `{}` has members (driftless-test on ", broker.group())]);
    let error = broker.kafka.forget(&broker.group()).unwrap_err().to_string();
    has(&error, &["it has members"]);
    app.stop().unwrap();

    broker.reset(&bench, Beginning::Earliest);
    work_until(&bench, 80);
    assert_eq!((bench.predicted().len(), distinct(&bench.predicted())), (80, 40));

    bench.publish_slowly(40, 20);
    broker.reset(&bench, Beginning::Latest);
    bench.publish_slowly(60, 20);
    work_until(&bench, 100);
    bench.publish_slowly(80, 20);
    work_until(&bench, 120);
    let ids: BTreeSet<String> = bench.predicted().into_iter().map(|prediction| prediction.event_id).collect();
    assert_eq!((bench.predicted().len(), ids.len()), (120, 80));
    assert!((40..60).all(|number| !ids.contains(&format!("e{number}"))));
}

#[test]
#[ignore = "needs a Kafka: set DRIFTLESS_TEST_BROKERS"]
fn a_topic_made_anew_keeps_its_settings_on_kafka() {
    let (broker, _) = Broker::new("kept");
    let config = vec![("cleanup.policy".to_owned(), "compact".to_owned())];
    let name = broker.topic("one");
    let spec = TopicSpec { name: name.clone(), partitions: 2, replication: -1, config };
    broker.kafka.create(std::slice::from_ref(&spec)).unwrap();
    broker.kafka.remake(&TopicSpec { partitions: 3, config: Vec::new(), ..spec }).unwrap();
    assert_eq!(broker.kafka.cleanup_policy(&name).unwrap().as_deref(), Some("compact"));
    assert_eq!(broker.kafka.bounds(&name).unwrap().unwrap().len(), 3);
}
