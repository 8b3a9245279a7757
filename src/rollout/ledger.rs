//! The control log, folded: which version is in charge, which versions exist, whether promotions are frozen, which settings
//! are not those of the configuration.
//!
//! Every reader folds the same records in log order and so comes to the same answer. A record that names another
//! version in charge than the log says at that point is void: two writers can race, and only the first one counts.
//! There is always exactly one champion; before the first promotion it is version 0, the base rate.

use std::collections::BTreeMap;

use crate::data::{ArtifactRef, ModelCommand, ModelRecord, Timestamp};

use super::Settings;

/// What a record did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Another version is in charge.
    Switched,
    /// Something else changed.
    Noted,
    /// The record is stale or makes no sense at its place; nothing changed.
    Void,
}

/// What is known of a version.
#[derive(Clone, Debug, PartialEq)]
pub struct Version {
    /// The record that registered it.
    pub registered: ModelRecord,
    /// Whether it was refused.
    pub refused: bool,
}

/// The fold of the control log.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Ledger {
    champion: u32,
    since: Option<Timestamp>,
    previous: Vec<u32>,
    frozen: bool,
    settings: Settings,
    versions: BTreeMap<u32, Version>,
}

impl Ledger {
    /// The version in charge.
    pub fn champion(&self) -> u32 {
        self.champion
    }

    /// Since when it is in charge; `None` before the first promotion.
    pub fn since(&self) -> Option<Timestamp> {
        self.since
    }

    /// The version that was in charge before, if any.
    pub fn previous(&self) -> Option<u32> {
        self.previous.last().copied()
    }

    /// Whether the monitor may not promote.
    pub fn is_frozen(&self) -> bool {
        self.frozen
    }

    /// The settings that commands have changed.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Sets them to what a state holds: what its machine went by, even where it had passed a command over.
    pub fn set_settings(&mut self, settings: Settings) {
        self.settings = settings;
    }

    /// The versions registered so far.
    pub fn versions(&self) -> &BTreeMap<u32, Version> {
        &self.versions
    }

    /// The number the next registered version gets.
    pub fn next_version(&self) -> u32 {
        self.versions.keys().next_back().map_or(1, |last| last.saturating_add(1))
    }

    /// The artifact of a version; `None` for version 0 and unknown ones.
    pub fn artifact(&self, version: u32) -> Option<&ArtifactRef> {
        self.versions.get(&version)?.registered.artifact.as_ref()
    }

    /// Takes the next record of the log in.
    pub fn apply(&mut self, record: &ModelRecord) -> Effect {
        match record.command {
            ModelCommand::Registered => {
                if record.version == 0 || record.artifact.is_none() || self.versions.contains_key(&record.version) {
                    return Effect::Void;
                }
                let version = Version { registered: record.clone(), refused: false };
                self.versions.insert(record.version, version);
                Effect::Noted
            }
            ModelCommand::Refused => match self.versions.get_mut(&record.version) {
                Some(version) => {
                    version.refused = true;
                    Effect::Noted
                }
                None => Effect::Void,
            },
            ModelCommand::Promoted | ModelCommand::RolledBack => self.switch(record),
            ModelCommand::Frozen => self.freeze(true),
            ModelCommand::Unfrozen => self.freeze(false),
            ModelCommand::TrainingFailed => Effect::Noted,
            ModelCommand::Set => {
                if self.settings.apply(record) {
                    Effect::Noted
                } else {
                    Effect::Void
                }
            }
        }
    }

    /// Whether the record, as the next of the log, puts another version in charge.
    pub fn switches(&self, record: &ModelRecord) -> bool {
        let known = record.version == 0 || self.versions.contains_key(&record.version);
        let orders = matches!(record.command, ModelCommand::Promoted | ModelCommand::RolledBack);
        orders && record.replaces == self.champion && record.version != self.champion && known
    }

    fn switch(&mut self, record: &ModelRecord) -> Effect {
        if !self.switches(record) {
            return Effect::Void;
        }
        if record.command == ModelCommand::RolledBack && self.previous.last() == Some(&record.version) {
            self.previous.pop();
        } else {
            self.previous.push(self.champion);
        }
        self.champion = record.version;
        self.since = Some(record.at);
        Effect::Switched
    }

    fn freeze(&mut self, frozen: bool) -> Effect {
        if self.frozen == frozen {
            return Effect::Void;
        }
        self.frozen = frozen;
        Effect::Noted
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    pub(crate) fn record(command: ModelCommand, version: u32, replaces: u32) -> ModelRecord {
        ModelRecord {
            replaces,
            at: Timestamp::from_millis(0),
            by: "test".into(),
            why: "test".into(),
            artifact: (command == ModelCommand::Registered).then(|| ArtifactRef { sha256: "00".into(), bytes: 1 }),
            ..ModelRecord::plain(command, version)
        }
    }

    #[test]
    fn of_two_racing_promotions_the_first_counts() {
        let mut ledger = Ledger::default();
        ledger.apply(&record(ModelCommand::Registered, 1, 0));
        ledger.apply(&record(ModelCommand::Registered, 2, 0));
        assert_eq!(ledger.apply(&record(ModelCommand::Promoted, 1, 0)), Effect::Switched);
        assert_eq!(ledger.apply(&record(ModelCommand::Promoted, 2, 0)), Effect::Void);
        assert_eq!((ledger.champion(), ledger.previous()), (1, Some(0)));
        assert_eq!(ledger.since(), Some(Timestamp::from_millis(0)));
    }

    #[test]
    fn a_rollback_returns_to_the_version_before_and_can_be_repeated() {
        let mut ledger = Ledger::default();
        for version in 1..=2 {
            ledger.apply(&record(ModelCommand::Registered, version, version - 1));
            ledger.apply(&record(ModelCommand::Promoted, version, version - 1));
        }
        assert_eq!(ledger.apply(&record(ModelCommand::RolledBack, 1, 2)), Effect::Switched);
        assert_eq!((ledger.champion(), ledger.previous()), (1, Some(0)));
        assert_eq!(ledger.apply(&record(ModelCommand::RolledBack, 0, 1)), Effect::Switched);
        assert_eq!((ledger.champion(), ledger.previous()), (0, None));
    }

    #[test]
    fn a_version_that_was_never_registered_cannot_take_charge() {
        let mut ledger = Ledger::default();
        assert_eq!(ledger.apply(&record(ModelCommand::Promoted, 7, 0)), Effect::Void);
        assert_eq!(ledger.champion(), 0);
    }

    proptest! {
        #[test]
        fn the_champion_is_always_zero_or_registered(
            log in prop::collection::vec((0usize..8, 0u32..4, 0u32..4), 0..60)
        ) {
            const COMMANDS: [ModelCommand; 8] = [
                ModelCommand::Registered, ModelCommand::Refused, ModelCommand::Promoted, ModelCommand::RolledBack,
                ModelCommand::Frozen, ModelCommand::Unfrozen, ModelCommand::TrainingFailed,
                ModelCommand::Set,
            ];
            let mut ledger = Ledger::default();
            for (command, version, replaces) in log {
                let before = ledger.champion();
                let effect = ledger.apply(&record(COMMANDS[command], version, replaces));
                let champion = ledger.champion();
                prop_assert_eq!(champion != before, effect == Effect::Switched);
                prop_assert!(champion == 0 || ledger.versions().contains_key(&champion));
            }
        }
    }
}
