//! What becomes of a candidate.

use super::{Monitor, Sheet};
use crate::data::{ModelCommand, ModelRecord, Sink};
use crate::rollout::{Decision, decide};

/// Who writes the records.
const BY: &str = "monitor";

impl Monitor {
    pub(super) fn decide(&mut self, candidate: &ModelRecord, sheet: &mut Sheet<'_>) {
        let params = self.state.ledger.settings().promote(&self.params.promote);
        let (command, why) = match decide(candidate, &self.state.ledger, &params) {
            Decision::Promote { why } => {
                self.state.tally.promoted += 1;
                (ModelCommand::Promoted, why)
            }
            Decision::Refuse { why } => {
                self.state.tally.refused += 1;
                (ModelCommand::Refused, why)
            }
            Decision::Wait { .. } => return,
        };
        let record = ModelRecord {
            command,
            version: candidate.version,
            replaces: self.state.ledger.champion(),
            at: sheet.now,
            by: BY.to_owned(),
            why,
            incident_id: candidate.incident_id.clone(),
            family: candidate.family.clone(),
            feature_layout: candidate.feature_layout.clone(),
            artifact: None,
            evidence: candidate.evidence.clone(),
            setting: None,
        };
        sheet.put(Sink::Models, &format!("v{}", candidate.version), &record);
    }
}
