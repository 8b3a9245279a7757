//! Driftless keeps machine-learning models honest on live Kafka streams.
//!
//! Raw events come in; windowed features, predictions and drift statistics go out; labels come late and are joined; when
//! the world changes, an alert goes out, a better model is trained, proven and put in place. The program is a thin shell
//! around this library. `docs/ARCHITECTURE.md` shows how the parts fit together and follows one event through them.
//!
//! # The deterministic part
//!
//! Same state and same input give the same bytes, on every machine: no clock, file, network, thread or ambient
//! randomness is in reach of these modules, and a test of their imports keeps it so.
//!
//! Plain types, and numbers in, numbers out:
//! - [`data`]: times, records, columns, what enters and leaves a machine, and every published record.
//! - [`stats`]: tests, intervals, summaries that merge exactly.
//!
//! One concept each:
//! - [`codec`]: bytes to columns and back; the journal's format.
//! - [`validate`]: what a record has to be besides decodable.
//! - [`facts`]: what is known of a key as of a time.
//! - [`features`]: windows per group, in event time.
//! - [`drift`]: reference profiles, and the verdict on a window.
//! - [`model`]: what turns a row into a score, and the artifact it travels in.
//!
//! Rules that combine them:
//! - [`score`]: who answers, the promoted model or the base rate.
//! - [`labels`]: predictions waiting for labels, follow-ups waiting for events.
//! - [`performance`]: how good the predictions of a window were.
//! - [`retrain`]: from logged rows to a candidate with evidence.
//! - [`rollout`]: the control log folded, and the decision about a candidate.
//!
//! The two machines:
//! - [`pipeline`]: the score stage of one shard.
//! - [`monitor`]: summaries merged; alerts, trainings and promotions decided.
//!
//! Beside them:
//! - [`config`]: one TOML file, resolved once into checked parameters.
//!
//! # The outside
//!
//! - [`transport`]: records in and out, in transactions: Kafka, its mock cluster, or memory.
//! - [`registry`]: artifacts and the training log in an object store.
//! - [`schema_registry`]: writer schemas by their ids, from a registry.
//! - [`telemetry`]: metrics, log lines, spans of sampled traces.
//! - [`runtime`]: the roles as threads around the machines.
//! - [`http`]: health and metrics for whoever watches.
//! - [`demo`]: a year of real events through the whole loop, and what it was worth.
//! - [`cli`]: the commands.

pub mod cli;
pub mod codec;
pub mod config;
pub mod data;
pub mod demo;
pub mod drift;
pub mod facts;
pub mod features;
pub mod http;
pub mod labels;
pub mod model;
pub mod monitor;
pub mod performance;
pub mod pipeline;
pub mod registry;
pub mod retrain;
pub mod rollout;
pub mod runtime;
pub mod schema_registry;
pub mod score;
pub mod stats;
pub mod telemetry;
pub mod transport;
pub mod validate;
