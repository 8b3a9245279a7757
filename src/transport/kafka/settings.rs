//! The client properties each kind of client runs with, and the ones a user may not set.
//!
//! Three layers: defaults that a user may override through `[kafka.properties]`, the user's properties, and the ones
//! exactly-once rests on, which are refused in the user's. Everything is checked without a broker.

use std::collections::BTreeMap;
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::config::RDKafkaLogLevel;

use super::KafkaParams;

/// Why a property was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PropertyError {
    /// The property is not for the user to set.
    #[error("kafka property `{property}` cannot be set: {why}")]
    Refused {
        /// The property.
        property: String,
        /// What depends on it.
        why: &'static str,
    },
    /// The property needs TLS, which was not built in.
    #[error("kafka property `{property}` = `{value}` needs TLS; build with `--features tls`")]
    NeedsTls {
        /// The property.
        property: String,
        /// Its value.
        value: String,
    },
    /// The client does not know the property or its value.
    #[error("kafka property `{property}` = `{value}`: {why}")]
    Unknown {
        /// The property.
        property: String,
        /// Its value.
        value: String,
        /// The client's words.
        why: String,
    },
    /// A small prefetch queue with a long back-off: fetching stops for the back-off every time the queue is full.
    #[error(
        "`queued.min.messages` = {queued} with `fetch.queue.backoff.ms` = {backoff_ms} stalls fetching; \
         keep the back-off at 100 or below, or the queue at 100000 or above"
    )]
    Stalls {
        /// Length of the prefetch queue in records.
        queued: u64,
        /// Back-off in milliseconds.
        backoff_ms: u64,
    },
}

const OWN_KEY: &str = "it has a key of its own in the configuration";
const EXACTLY_ONCE: &str = "exactly-once depends on its value";
const OFFSETS: &str = "offsets are committed with the outputs, in one transaction, and nowhere else";
const REBALANCE: &str = "partitions have to be handed over one by one, after their last commit";

const REFUSED: [(&str, &str); 38] = [
    ("delivery.report.only.error", "failures are what is looked at, and only they"),
    ("bootstrap.servers", OWN_KEY),
    ("metadata.broker.list", OWN_KEY),
    ("client.id", OWN_KEY),
    ("group.id", "it is derived from the application's name, and offsets belong to it"),
    ("transactional.id", "it names the worker, and a restarted worker fences its predecessor by it"),
    ("group.instance.id", "several workers of one process would claim the same membership"),
    ("group.protocol", REBALANCE),
    ("group.remote.assignor", REBALANCE),
    ("partition.assignment.strategy", REBALANCE),
    ("group.protocol.type", REBALANCE),
    ("enable.idempotence", EXACTLY_ONCE),
    ("enable.gapless.guarantee", EXACTLY_ONCE),
    ("acks", EXACTLY_ONCE),
    ("request.required.acks", EXACTLY_ONCE),
    ("isolation.level", "records of aborted transactions would be read"),
    ("enable.auto.commit", OFFSETS),
    ("auto.commit.enable", OFFSETS),
    ("auto.commit.interval.ms", OFFSETS),
    ("enable.auto.offset.store", OFFSETS),
    ("offset.store.method", OFFSETS),
    ("offset.store.path", OFFSETS),
    ("offset.store.sync.interval.ms", OFFSETS),
    ("auto.offset.reset", "a position that is gone has to stop the worker, not move it"),
    ("enable.partition.eof", "the order of inputs depends on knowing their ends"),
    ("partitioner", "records meet by key, so every writer has to place them as Java does"),
    ("partitioner_cb", "records meet by key, so every writer has to place them as Java does"),
    ("sticky.partitioning.linger.ms", "records meet by key, so every writer has to place them as Java does"),
    ("queuing.strategy", "records have to keep their order"),
    ("api.version.request", "transactions need the broker's versions"),
    ("broker.version.fallback", "transactions need the broker's versions"),
    ("plugin.library.paths", "it loads foreign code into the process"),
    ("test.mock.num.brokers", "it replaces the cluster by a mock"),
    ("test.mock.broker.rtt", "it replaces the cluster by a mock"),
    ("builtin.features", "it is a fact of the build"),
    ("sasl.oauthbearer.method", "tokens by OIDC need a client built with curl, which this one is not"),
    ("consume.callback.max.messages", "records are polled, not called back"),
    ("dr_msg_cb", "delivery reports are read by the worker"),
];

const NEED_TLS: [(&str, &[&str]); 4] = [
    ("security.protocol", &["ssl", "sasl_ssl"]),
    ("sasl.mechanism", &["scram-sha-256", "scram-sha-512", "oauthbearer"]),
    ("sasl.mechanisms", &["scram-sha-256", "scram-sha-512", "oauthbearer"]),
    ("enable.sasl.oauthbearer.unsecure.jwt", &["true"]),
];

/// Properties of producers only; given to a consumer each would be a warning in the log.
const PRODUCER_ONLY: [&str; 19] = [
    "linger.ms",
    "queue.buffering.max.ms",
    "queue.buffering.max.messages",
    "queue.buffering.max.kbytes",
    "queue.buffering.backpressure.threshold",
    "batch.size",
    "batch.num.messages",
    "compression.type",
    "compression.codec",
    "compression.level",
    "message.timeout.ms",
    "delivery.timeout.ms",
    "message.send.max.retries",
    "retries",
    "retry.backoff.ms",
    "retry.backoff.max.ms",
    "request.timeout.ms",
    "transaction.timeout.ms",
    "max.in.flight.requests.per.connection",
];

/// Properties of consumers only.
const CONSUMER_ONLY: [&str; 14] = [
    "session.timeout.ms",
    "heartbeat.interval.ms",
    "max.poll.interval.ms",
    "coordinator.query.interval.ms",
    "queued.min.messages",
    "queued.max.messages.kbytes",
    "fetch.wait.max.ms",
    "fetch.queue.backoff.ms",
    "fetch.message.max.bytes",
    "max.partition.fetch.bytes",
    "fetch.max.bytes",
    "fetch.min.bytes",
    "fetch.error.backoff.ms",
    "check.crcs",
];

/// `max.poll.interval.ms` is also how long a rebalance waits for members that do not come back, and where a coordinator was
/// killed and has forgotten the session timers of members that died with it, nothing else ends that wait. The longest that
/// a worker blocks is a producer replaced while the cluster is away, 40 s.
const CONSUMER_DEFAULTS: [(&str, &str); 6] = [
    ("queued.min.messages", "10000"),
    ("queued.max.messages.kbytes", "16384"),
    ("fetch.queue.backoff.ms", "1"),
    ("fetch.wait.max.ms", "10"),
    ("check.crcs", "true"),
    ("max.poll.interval.ms", "45000"),
];

const PRODUCER_DEFAULTS: [(&str, &str); 6] = [
    ("linger.ms", "5"),
    ("batch.num.messages", "10000"),
    ("queue.buffering.max.kbytes", "65536"),
    ("message.timeout.ms", "8000"),
    ("retry.backoff.ms", "10"),
    ("socket.keepalive.enable", "true"),
];

/// Checks `[kafka.properties]` without a broker.
///
/// # Errors
/// The first property, in their order, that is refused, needs TLS, or is unknown to the client.
pub fn check_properties(properties: &BTreeMap<String, String>) -> Result<(), PropertyError> {
    for (property, value) in properties {
        if let Some((_, why)) = REFUSED.iter().find(|(refused, _)| refused == property) {
            return Err(PropertyError::Refused { property: property.clone(), why });
        }
        if !cfg!(feature = "tls") && needs_tls(property, value) {
            return Err(PropertyError::NeedsTls { property: property.clone(), value: shown(property, value) });
        }
        let mut config = ClientConfig::new();
        config.set(property, value);
        if let Err(error) = config.create_native_config() {
            let why = match error {
                rdkafka::error::KafkaError::ClientConfig(_, why, ..) => why,
                other => other.to_string(),
            };
            return Err(PropertyError::Unknown { property: property.clone(), value: shown(property, value), why });
        }
    }
    let number =
        |property: &str, default: u64| properties.get(property).and_then(|value| value.parse().ok()).unwrap_or(default);
    let queued = number("queued.min.messages", 10_000);
    let backoff_ms = number("fetch.queue.backoff.ms", 1);
    if queued < 100_000 && backoff_ms > 100 {
        return Err(PropertyError::Stalls { queued, backoff_ms });
    }
    Ok(())
}

fn needs_tls(property: &str, value: &str) -> bool {
    let value = value.to_ascii_lowercase();
    property.starts_with("ssl.")
        || NEED_TLS.iter().any(|(name, values)| *name == property && values.contains(&value.as_str()))
}

/// The value as it may appear in a message.
fn shown(property: &str, value: &str) -> String {
    let secret = ["password", "secret", "key.pem", "oauthbearer.config"].iter().any(|part| property.contains(part));
    if secret { "***".to_owned() } else { value.to_owned() }
}

/// The checked parameters, and the client configurations made from them.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    params: KafkaParams,
}

impl Settings {
    pub(super) fn new(params: KafkaParams) -> Result<Self, PropertyError> {
        check_properties(&params.properties)?;
        Ok(Settings { params })
    }

    pub(super) fn client_id(&self) -> &str {
        &self.params.client_id
    }

    /// Whether the headers of the records of a topic are wanted.
    pub(super) fn reads_headers(&self, topic: &str) -> bool {
        !self.params.without_headers.iter().any(|without| without == topic)
    }

    fn base(&self, defaults: &[(&str, &str)], not_of_this_kind: &[&str]) -> ClientConfig {
        let mut config = ClientConfig::new();
        for (property, value) in defaults {
            config.set(*property, *value);
        }
        for (property, value) in &self.params.properties {
            if !not_of_this_kind.contains(&property.as_str()) {
                config.set(property, value);
            }
        }
        config.set("bootstrap.servers", &self.params.brokers);
        config.set("client.id", &self.params.client_id);
        config
    }

    fn consumer(&self) -> ClientConfig {
        let mut config = self.base(&CONSUMER_DEFAULTS, &PRODUCER_ONLY);
        config.set("enable.auto.commit", "false");
        config.set("enable.auto.offset.store", "false");
        config.set("auto.offset.reset", "error");
        config.set("isolation.level", "read_committed");
        config
    }

    /// The consumer that holds the membership and never delivers.
    pub(super) fn membership(&self, group: &str) -> ClientConfig {
        let mut config = self.consumer();
        config.set("group.id", group);
        config.set("partition.assignment.strategy", "cooperative-sticky");
        let chosen = config.get("session.timeout.ms").and_then(|value| value.parse::<u64>().ok());
        let session_ms = chosen.unwrap_or_else(|| millis(self.params.session_timeout));
        config.set("session.timeout.ms", session_ms.to_string());
        if config.get("heartbeat.interval.ms").is_none() {
            config.set("heartbeat.interval.ms", (session_ms / 4).clamp(1, 3_000).to_string());
        }
        let poll_ms = config.get("max.poll.interval.ms").and_then(|value| value.parse::<u64>().ok());
        config.set("max.poll.interval.ms", poll_ms.map_or(session_ms, |poll_ms| poll_ms.max(session_ms)).to_string());
        config
    }

    /// A consumer that is told what to read. It names a group because librdkafka wants one; it neither joins it nor
    /// commits.
    pub(super) fn fetching(&self, group: &str) -> ClientConfig {
        let mut config = self.consumer();
        config.set("group.id", group);
        config.set("enable.partition.eof", "true");
        config
    }

    /// A client that asks for what a group has committed; transactions that are not decided do not keep it waiting.
    pub(super) fn listening(&self, group: &str) -> ClientConfig {
        let mut config = self.view("read_uncommitted");
        config.set("group.id", group);
        config
    }

    /// A client that only asks for metadata and offsets.
    pub(super) fn view(&self, isolation: &str) -> ClientConfig {
        let mut config = self.consumer();
        config.set("isolation.level", isolation);
        config
    }

    /// A client that asks what a group has committed, undecided offsets not waited for; it never joins.
    pub(super) fn outside(&self, group: &str) -> ClientConfig {
        let mut config = self.view("read_uncommitted");
        config.set("group.id", group);
        config
    }

    pub(super) fn admin(&self) -> ClientConfig {
        let neither: Vec<&str> = PRODUCER_ONLY.iter().chain(&CONSUMER_ONLY).copied().collect();
        self.base(&[], &neither)
    }

    pub(super) fn publishing(&self) -> ClientConfig {
        let mut config = self.base(&PRODUCER_DEFAULTS, &CONSUMER_ONLY);
        config.set("enable.idempotence", "true");
        config.set("acks", "all");
        config.set("partitioner", "murmur2_random");
        config.set("delivery.report.only.error", "true");
        config
    }

    pub(super) fn transactional(&self, transactional_id: &str) -> ClientConfig {
        let mut config = self.publishing();
        config.set("transactional.id", transactional_id);
        // While a request of a partition is under way the idempotent client sends no other, and with records that have
        // lingered long enough, or are being flushed, it looks for the end of that request without pause. It rests where
        // a finished request waits for the connection: so that has one under way at a time.
        config.set("max.in.flight.requests.per.connection", "1");
        // A commit does not wait for it.
        if !self.params.properties.contains_key("linger.ms")
            && !self.params.properties.contains_key("queue.buffering.max.ms")
        {
            config.set("linger.ms", "100");
        }
        // Lost connections are told by debug lines of this kind alone without exception; there are few others of it.
        let debug = config.get("debug").map_or_else(|| "broker".to_owned(), |more| format!("broker,{more}"));
        config.set("debug", debug);
        config.set_log_level(RDKafkaLogLevel::Debug);
        if config.get("transaction.timeout.ms").is_none() {
            config.set("transaction.timeout.ms", "10000");
        }
        config
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(pairs: &[(&str, &str)]) -> Result<(), PropertyError> {
        check_properties(&pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect())
    }

    #[test]
    fn properties_that_exactly_once_rests_on_are_refused_by_name() {
        for (property, _) in REFUSED {
            let error = check(&[(property, "x")]).unwrap_err();
            assert!(error.to_string().contains(property), "{error}");
        }
    }

    #[test]
    fn harmless_properties_pass_and_misspelt_ones_do_not() {
        check(&[("compression.type", "lz4"), ("linger.ms", "20"), ("sasl.mechanism", "PLAIN")]).unwrap();
        assert!(matches!(check(&[("lingr.ms", "20")]), Err(PropertyError::Unknown { .. })));
        assert!(matches!(check(&[("linger.ms", "soon")]), Err(PropertyError::Unknown { .. })));
    }

    #[cfg(not(feature = "tls"))]
    #[test]
    fn tls_is_asked_for_at_build_time() {
        for pair in [("security.protocol", "SASL_SSL"), ("sasl.mechanism", "SCRAM-SHA-512"), ("ssl.ca.location", "/ca")]
        {
            let error = check(&[pair]).unwrap_err();
            assert!(error.to_string().contains("--features tls"), "{error}");
        }
    }

    #[test]
    fn the_combination_that_stalls_is_refused() {
        assert!(matches!(check(&[("fetch.queue.backoff.ms", "1000")]), Err(PropertyError::Stalls { .. })));
        check(&[("fetch.queue.backoff.ms", "1000"), ("queued.min.messages", "100000")]).unwrap();
    }

    #[test]
    fn every_client_configuration_is_known_to_the_client() {
        let settings = Settings::new(KafkaParams::new("localhost:9092", "driftless-test")).unwrap();
        let configs = [
            settings.membership("g"),
            settings.fetching("g"),
            settings.view("read_uncommitted"),
            settings.admin(),
            settings.publishing(),
            settings.transactional("t"),
        ];
        for config in configs {
            config.create_native_config().unwrap();
        }
    }
}
