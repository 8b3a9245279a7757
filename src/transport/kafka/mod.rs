//! Kafka through librdkafka: the transport that proves exactly-once.
//!
//! The rules of the client and of the protocol are kept in the parts: `settings` (what may be configured), `member`
//! (membership and commits), `fetch` (reading), `publish` (writing), `native` (both by the batch, over the C interface),
//! `admin` (topics), `errors` (what an error means), `bounded` (calls that may hang). [`Embedded`] runs the same parts over librdkafka's mock cluster, for trying
//! things out without a broker; it does not prove anything about transactions.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::transport::{Bounds, Member, MemberSpec, Publisher, Reader, TopicSpec, Transport, TransportError};

mod admin;
mod bounded;
mod context;
mod errors;
mod fetch;
mod member;
mod mock;
mod native;
mod outlet;
mod parcel;
mod progress;
mod publish;
mod remarks;
mod settings;
mod upkeep;

pub use mock::Embedded;
pub use progress::GroupProgress;
pub use settings::{PropertyError, check_properties};

use admin::Views;
use fetch::KafkaReader;
use member::KafkaMember;
use publish::{KafkaPublisher, Transactions};
use settings::Settings;

/// What a cluster is reached with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KafkaParams {
    /// `host:port`, several separated by commas.
    pub brokers: String,
    /// Properties of librdkafka, as [`check_properties`] allows them.
    pub properties: BTreeMap<String, String>,
    /// Names this process to the brokers.
    pub client_id: String,
    /// A member not heard of for this long loses its partitions (10 s; the broker's minimum is usually 6 s). A
    /// `session.timeout.ms` among the properties goes before it.
    pub session_timeout: Duration,
    /// Topics whose records are read without their headers: the client takes a tenth of a microsecond to find none.
    pub without_headers: Vec<String>,
}

impl KafkaParams {
    /// Parameters without properties of one's own.
    pub fn new(brokers: impl Into<String>, client_id: impl Into<String>) -> Self {
        KafkaParams {
            brokers: brokers.into(),
            properties: BTreeMap::new(),
            client_id: client_id.into(),
            session_timeout: Duration::from_secs(10),
            without_headers: Vec::new(),
        }
    }
}

impl From<PropertyError> for TransportError {
    fn from(error: PropertyError) -> Self {
        TransportError::Configuration(error.to_string())
    }
}

/// A Kafka cluster.
pub struct Kafka {
    settings: Arc<Settings>,
    views: Mutex<Option<Arc<Views>>>,
}

impl Kafka {
    /// Checks the parameters; connects to nothing yet.
    ///
    /// # Errors
    /// `Configuration` for a property that [`check_properties`] refuses.
    pub fn new(params: KafkaParams) -> Result<Self, TransportError> {
        Ok(Kafka { settings: Arc::new(Settings::new(params)?), views: Mutex::new(None) })
    }

    fn views(&self) -> Result<Arc<Views>, TransportError> {
        let mut views = self.views.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(open) = views.as_ref() {
            return Ok(Arc::clone(open));
        }
        let open = Arc::new(Views::open(&self.settings)?);
        *views = Some(Arc::clone(&open));
        Ok(open)
    }

    /// Asks the clients that are kept for questions. Where no answer came they are given up, and the next question goes to
    /// new ones: a client can wait without end for a connection that it does not open again.
    fn ask<T>(&self, question: impl FnOnce(&Views) -> Result<T, TransportError>) -> Result<T, TransportError> {
        let views = self.views()?;
        let answer = question(&views);
        if matches!(answer, Err(TransportError::Retriable(_))) {
            let mut kept = self.views.lock().unwrap_or_else(PoisonError::into_inner);
            if kept.as_ref().is_some_and(|kept| Arc::ptr_eq(kept, &views)) {
                *kept = None;
            }
        }
        answer
    }
}

impl Transport for Kafka {
    fn join(&self, spec: &MemberSpec) -> Result<Box<dyn Member>, TransportError> {
        Ok(Box::new(KafkaMember::join(&self.settings, spec)?))
    }

    fn reader(&self, topics: &[String]) -> Result<Box<dyn Reader>, TransportError> {
        Ok(Box::new(KafkaReader::new(&self.settings, topics)))
    }

    fn publisher(&self) -> Result<Box<dyn Publisher>, TransportError> {
        Ok(Box::new(KafkaPublisher::connect(&self.settings)?))
    }

    fn bounds(&self, topic: &str) -> Result<Option<Vec<Bounds>>, TransportError> {
        self.ask(|views| views.bounds(topic))
    }

    fn cleanup_policy(&self, topic: &str) -> Result<Option<String>, TransportError> {
        upkeep::cleanup_policy(&self.settings, topic)
    }

    fn create(&self, topics: &[TopicSpec]) -> Result<Vec<String>, TransportError> {
        self.ask(|views| admin::create(&self.settings, views, topics))
    }

    fn fence(&self, transactional_id: &str) -> Result<(), TransportError> {
        Transactions::take_over(&self.settings, transactional_id).map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_that_gave_no_answer_are_given_up_and_others_kept() -> Result<(), TransportError> {
        let kafka = Kafka::new(KafkaParams::new("127.0.0.1:1", "test"))?;
        let first = kafka.views()?;
        kafka.ask(|_| Ok(()))?;
        let missing: Result<(), _> = kafka.ask(|_| Err(TransportError::Configuration("no such topic".to_owned())));
        assert!(missing.is_err() && Arc::ptr_eq(&first, &kafka.views()?));
        let silent: Result<(), _> = kafka.ask(|_| Err(TransportError::Retriable("no answer".to_owned())));
        assert!(silent.is_err() && !Arc::ptr_eq(&first, &kafka.views()?));
        Ok(())
    }
}
