//! What a client error means for the caller.
//!
//! librdkafka says of a transaction error itself whether it can be retried, needs an abort, or is fatal; for the rest the
//! code decides. Invariant: what is neither known to be retriable nor known to be abortable is fatal, because dropping
//! the client and asking the broker what was committed is always right.

use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};

use crate::transport::TransportError;

/// What to do about an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    Retriable,
    Abortable,
    Fatal,
    Fenced,
    Gone,
    Configuration,
}

impl Class {
    pub(super) fn error(self, message: String) -> TransportError {
        match self {
            Class::Retriable => TransportError::Retriable(message),
            Class::Abortable => TransportError::Aborted(message),
            Class::Fatal => TransportError::Fatal(message),
            Class::Fenced => TransportError::Fenced(message),
            Class::Gone => TransportError::Gone(message),
            Class::Configuration => TransportError::Configuration(message),
        }
    }
}

pub(super) fn classify(error: &KafkaError) -> Class {
    match error {
        KafkaError::Transaction(inner) => match inner.code() {
            code if is_of_configuration(code) => Class::Configuration,
            code if inner.is_fatal() => ending(code),
            _ if inner.txn_requires_abort() => Class::Abortable,
            _ if inner.is_retriable() => Class::Retriable,
            _ => Class::Fatal,
        },
        KafkaError::ClientConfig(..) | KafkaError::ClientCreation(_) => Class::Configuration,
        KafkaError::MessageConsumptionFatal(_) => Class::Fatal,
        other => other.rdkafka_error_code().map_or(Class::Fatal, classify_code),
    }
}

/// What an error that ends the client means: it is broken, or another one has taken its place.
fn ending(code: Code) -> Class {
    match code {
        Code::Fenced | Code::ProducerFenced | Code::InvalidProducerEpoch => Class::Fenced,
        _ => Class::Fatal,
    }
}

/// The error of a client that is finished.
pub(super) fn finished(code: Code, message: String) -> TransportError {
    ending(code).error(message)
}

pub(super) fn classify_code(code: Code) -> Class {
    match code {
        code if is_of_configuration(code) => Class::Configuration,
        Code::OffsetOutOfRange | Code::AutoOffsetReset | Code::NoOffset | Code::LogTruncation => Class::Gone,
        Code::Fenced | Code::ProducerFenced | Code::InvalidProducerEpoch => Class::Fenced,
        Code::Fatal
        | Code::State
        | Code::DestroyBroker
        | Code::BrokerDestroy
        | Code::FencedInstanceId
        | Code::InvalidProducerIdMapping
        | Code::InvalidTransactionalState
        | Code::OutOfOrderSequenceNumber
        | Code::UnknownProducerId => Class::Fatal,
        _ => Class::Retriable,
    }
}

/// Errors that last until an operator changes something.
fn is_of_configuration(code: Code) -> bool {
    matches!(
        code,
        Code::Authentication
            | Code::SaslAuthenticationFailed
            | Code::UnsupportedSASLMechanism
            | Code::SSL
            | Code::TopicAuthorizationFailed
            | Code::GroupAuthorizationFailed
            | Code::ClusterAuthorizationFailed
            | Code::TransactionalIdAuthorizationFailed
            | Code::UnknownTopic
            | Code::UnknownTopicOrPartition
            | Code::UnknownPartition
            | Code::InvalidTopic
            | Code::InvalidConfig
            | Code::InvalidArgument
            | Code::InvalidPartitions
            | Code::InvalidReplicationFactor
            | Code::InvalidReplicaAssignment
            | Code::InvalidSessionTimeout
            | Code::InvalidTransactionTimeout
            | Code::InvalidTimestamp
            | Code::InvalidRecord
            | Code::InconsistentGroupProtocol
            | Code::MessageSizeTooLarge
            | Code::MessageBatchTooLarge
            | Code::PolicyViolation
            | Code::UnsupportedFeature
            | Code::UnsupportedVersion
            | Code::UnsupportedCompressionType
            | Code::NotImplemented
            | Code::BadMessage
            | Code::BadCompression
    )
}

/// The error of a call, naming what was being done.
pub(super) fn failed(what: &str, error: &KafkaError) -> TransportError {
    classify(error).error(format!("{what}: {error}"))
}

/// Whether a reader can go on regardless: librdkafka keeps trying by itself, or the news comes another way.
pub(super) fn passes(code: Code) -> bool {
    matches!(
        code,
        Code::BrokerTransportFailure
            | Code::AllBrokersDown
            | Code::Resolve
            | Code::OperationTimedOut
            | Code::RequestTimedOut
            | Code::TimedOutQueue
            | Code::WaitingForCoordinator
            | Code::PollExceeded
            | Code::NotCoordinator
            | Code::CoordinatorNotAvailable
            | Code::CoordinatorLoadInProgress
            | Code::LeaderNotAvailable
            | Code::NotLeaderForPartition
            | Code::ReplicaNotAvailable
            | Code::BrokerNotAvailable
            | Code::NetworkException
            | Code::OffsetNotAvailable
            | Code::FencedLeaderEpoch
            | Code::UnknownLeaderEpoch
            | Code::KafkaStorageError
            | Code::ThrottlingQuotaExceeded
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_sorted_by_what_the_caller_does() {
        let consumption = |code| classify(&KafkaError::MessageConsumption(code));
        assert_eq!(consumption(Code::TopicAuthorizationFailed), Class::Configuration);
        assert_eq!(consumption(Code::AutoOffsetReset), Class::Gone);
        assert_eq!(consumption(Code::ProducerFenced), Class::Fenced);
        assert_eq!(consumption(Code::BrokerTransportFailure), Class::Retriable);
        assert_eq!(consumption(Code::FencedInstanceId), Class::Fatal);
        assert_eq!(classify(&KafkaError::Seek("erroneous state".to_owned())), Class::Fatal);
        assert_eq!(classify(&KafkaError::ClientCreation("no".to_owned())), Class::Configuration);
    }
}
