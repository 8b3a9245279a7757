//! The monitor's state in pieces: a head with everything that is small, and chunks of performance windows.
//!
//! The ledger and the model in charge are not in it: they are the fold of the control log, which the runtime hands in. The
//! settings that commands have changed are: what the monitor goes by is what it took in.

use std::borrow::Cow;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::alerts::Alerts;
use super::merge::Shards;
use super::performance::{Due, Key, Merged};
use super::training::Trainings;
use super::{Monitor, State, Tally, drift};
use crate::data::{BinaryError, ControlItem, Reader, StateChunk, Writer};
use crate::model::Model;
use crate::rollout::{Effect, Settings};

/// Format of the head; 2 has the settings that commands have changed.
const HEAD_VERSION: u64 = 2;
/// What is written where no command has changed a setting, so that a binary from before settings can go on with it.
const WITHOUT_SETTINGS: u64 = 1;
/// Format of a chunk.
const CHUNK_VERSION: u64 = 1;

#[derive(Serialize, Deserialize)]
struct Head<'a> {
    shards: Cow<'a, Shards>,
    due: Cow<'a, Due>,
    drift: Cow<'a, drift::Counts>,
    alerts: Cow<'a, Alerts>,
    trainings: Cow<'a, Trainings>,
    tally: Tally,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    settings: Option<Cow<'a, Settings>>,
}

#[derive(Serialize, Deserialize)]
struct Window<'a> {
    key: Key,
    merged: Option<Cow<'a, Merged>>,
}

impl Monitor {
    pub(super) fn encode_head(&self) -> Vec<u8> {
        let State { shards, due, drift, alerts, trainings, tally, ledger, .. } = &self.state;
        let settings = Some(ledger.settings()).filter(|settings| !settings.is_empty());
        let head = Head {
            shards: Cow::Borrowed(shards),
            due: Cow::Borrowed(due),
            drift: Cow::Borrowed(drift),
            alerts: Cow::Borrowed(alerts),
            trainings: Cow::Borrowed(trainings),
            tally: *tally,
            settings: settings.map(Cow::Borrowed),
        };
        let mut out = Writer::default();
        out.unsigned(if settings.is_some() { HEAD_VERSION } else { WITHOUT_SETTINGS });
        out.slice(&json(&head));
        out.finish()
    }

    pub(super) fn write_chunk(&mut self, size: usize) -> Option<StateChunk> {
        if !self.windows.has_pending() {
            return None;
        }
        let mut out = Writer::default();
        out.unsigned(CHUNK_VERSION);
        self.windows.write_chunk(size, &mut out, |key, merged, out| {
            out.slice(&json(&Window { key: *key, merged: merged.map(Cow::Borrowed) }));
        });
        Some(StateChunk { bytes: out.finish(), until: None })
    }

    pub(super) fn read_head(&mut self, head: &[u8], control: &[Arc<ControlItem<Model>>]) -> Result<(), BinaryError> {
        let mut reader = Reader::new(head);
        reader.version_up_to("the state of the monitor", HEAD_VERSION)?;
        let head: Head<'_> = read_json(&mut reader)?;
        reader.finish()?;
        self.state = State {
            shards: head.shards.into_owned(),
            due: head.due.into_owned(),
            drift: head.drift.into_owned(),
            alerts: head.alerts.into_owned(),
            trainings: head.trainings.into_owned(),
            tally: head.tally,
            ..State::default()
        };
        for item in control {
            if self.state.ledger.apply(&item.record) == Effect::Switched {
                self.state.champion.clone_from(&item.model);
            }
        }
        self.state.ledger.set_settings(head.settings.map(Cow::into_owned).unwrap_or_default());
        Ok(())
    }

    pub(super) fn read_chunk(&mut self, chunk: &[u8]) -> Result<(), BinaryError> {
        let mut reader = Reader::new(chunk);
        reader.version("the state of the monitor", CHUNK_VERSION)?;
        while !reader.is_at_end() {
            let window: Window<'_> = read_json(&mut reader)?;
            self.windows.restore(window.key, window.merged.map(Cow::into_owned));
        }
        Ok(())
    }
}

/// These types always have a JSON form: their maps are keyed by numbers and texts.
fn json<T: Serialize>(value: &T) -> Vec<u8> {
    serde_json::to_vec(value).unwrap_or_default()
}

fn read_json<T: for<'de> Deserialize<'de>>(reader: &mut Reader<'_>) -> Result<T, BinaryError> {
    serde_json::from_slice(reader.slice()?).map_err(|_| BinaryError::Invalid { what: "state of the monitor", at: 0 })
}
