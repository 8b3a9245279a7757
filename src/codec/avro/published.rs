//! Published records as datums of `schemas/*.avsc`, written and read by hand.
//!
//! Fields stand in the order of their schemas; tests hold both against the reference implementation. The schemas evolve by
//! adding fields at the end. Predictions, the hot path, are written beside their JSON form, in `codec/prediction.rs`.

use super::datum::{Datum, Flaw, WriteDatum};
use crate::data::{
    AlertAction, Arm, DriftAlert, ModelRecord, Outcome, PerformanceRecord, Phase, Prediction, Summary, Timestamp,
    TrainingReason,
};

/// A published record that has an Avro form.
pub trait PublishedDatum {
    /// Appends its datum.
    fn write_datum(&self, out: &mut Vec<u8>);
}

/// A published record that can be read back.
pub trait Published: serde::de::DeserializeOwned {
    /// The record of a datum; `None` where it has no Avro form, or the bytes are not one.
    fn of_datum(_bytes: &[u8]) -> Option<Self> {
        None
    }
}

impl Published for ModelRecord {}
impl Published for Summary {}

fn put_time(out: &mut Vec<u8>, time: Timestamp) {
    out.put_long(time.millis());
}

/// The symbol of an arm.
#[inline]
pub(in crate::codec) fn arm_index(arm: Arm) -> i64 {
    match arm {
        Arm::Champion => 0,
        Arm::Canary => 1,
    }
}

fn put_optional(out: &mut Vec<u8>, value: Option<f64>) {
    out.put_long(i64::from(value.is_some()));
    if let Some(value) = value {
        out.put_double(value);
    }
}

fn put_texts<T: AsRef<str>>(out: &mut Vec<u8>, texts: &[T]) {
    if !texts.is_empty() {
        out.put_long(texts.len() as i64);
        texts.iter().for_each(|text| out.put_text(text.as_ref()));
    }
    out.put_long(0);
}

impl PublishedDatum for Outcome {
    fn write_datum(&self, out: &mut Vec<u8>) {
        out.put_text(&self.event_id);
        out.put_text(&self.entity);
        put_time(out, self.event_time);
        put_time(out, self.known_at);
        out.put_double(self.label);
        out.put_long(i64::from(self.revision));
        out.put_long(i64::from(self.model_version));
        out.put_long(arm_index(self.arm));
        out.put_double(self.score);
        out.put_text(&self.decision);
    }
}

impl PublishedDatum for DriftAlert {
    fn write_datum(&self, out: &mut Vec<u8>) {
        out.put_text(&self.alert_id);
        out.put_long(match self.phase {
            Phase::Opened => 0,
            Phase::Ongoing => 1,
            Phase::Recovered => 2,
        });
        out.put_text(&self.signal);
        out.put_text(&self.segment);
        out.put_text(&self.statistic);
        [self.value, self.p_value, self.effect, self.threshold].into_iter().for_each(|value| put_optional(out, value));
        out.put_long(self.n as i64);
        put_time(out, self.window_start);
        put_time(out, self.window_end);
        out.put_long(i64::from(self.reference_version));
        out.put_long(i64::from(self.model_version));
        put_texts(out, &self.top_features);
        out.put_text(&self.incident_id);
        out.put_long(i64::from(self.action.is_some()));
        if let Some(AlertAction::Retrain) = self.action {
            out.put_long(0);
        }
        out.put_long(i64::from(self.reason.is_some()));
        if let Some(reason) = self.reason {
            out.put_long(match reason {
                TrainingReason::Drift => 0,
                TrainingReason::Performance => 1,
                TrainingReason::Schedule => 2,
                TrainingReason::Labels => 3,
            });
        }
        out.put_long(i64::from(self.cutoff.is_some()));
        if let Some(cutoff) = self.cutoff {
            put_time(out, cutoff);
        }
        out.put_text(&self.message);
    }
}

impl PublishedDatum for PerformanceRecord {
    fn write_datum(&self, out: &mut Vec<u8>) {
        put_time(out, self.window_start);
        put_time(out, self.window_end);
        out.put_long(i64::from(self.revision));
        out.put_long(i64::from(self.model_version));
        out.put_long(arm_index(self.arm));
        out.put_text(&self.segment);
        out.put_long(self.predictions as i64);
        out.put_long(self.n as i64);
        let shares = [self.coverage, self.label_age_s, self.positive_share];
        let figures = [self.auc, self.auc_low, self.auc_high, self.log_loss, self.brier];
        shares.into_iter().chain(figures).for_each(|value| put_optional(out, value));
    }
}

/// Takes the fields of published records.
struct Fields<'a>(Datum<'a>);

impl Fields<'_> {
    fn text(&mut self) -> Result<String, Flaw> {
        let bytes = self.0.text()?.ok_or(Flaw::Utf8(0))?;
        Ok(String::from_utf8_lossy(bytes).into_owned())
    }

    fn time(&mut self) -> Result<Timestamp, Flaw> {
        Ok(Timestamp::from_millis(self.0.long()?))
    }

    fn small(&mut self) -> Result<u32, Flaw> {
        u32::try_from(self.0.long()?).map_err(|_| Flaw::Integer)
    }

    fn count(&mut self) -> Result<u64, Flaw> {
        u64::try_from(self.0.long()?).map_err(|_| Flaw::Integer)
    }

    fn arm(&mut self) -> Result<Arm, Flaw> {
        Ok(if self.0.index(2)? == 0 { Arm::Champion } else { Arm::Canary })
    }

    fn optional<T>(&mut self, take: impl FnOnce(&mut Self) -> Result<T, Flaw>) -> Result<Option<T>, Flaw> {
        if self.0.index(2)? == 1 { take(self).map(Some) } else { Ok(None) }
    }

    fn number(&mut self) -> Result<Option<f64>, Flaw> {
        self.optional(|fields| fields.0.double())
    }

    fn list<T>(&mut self, take: impl Fn(&mut Self) -> Result<T, Flaw>) -> Result<Vec<T>, Flaw> {
        let mut list = Vec::new();
        while let Some(block) = self.0.block(1)? {
            for _ in 0..block.items {
                list.push(take(self)?);
            }
        }
        Ok(list)
    }

    /// The record that `take` makes of all of `bytes`.
    fn whole<T>(bytes: &[u8], take: impl FnOnce(&mut Fields<'_>) -> Result<T, Flaw>) -> Option<T> {
        let mut fields = Fields(Datum::new(bytes));
        let record = take(&mut fields).ok()?;
        fields.0.finish().ok()?;
        Some(record)
    }
}

impl Published for Prediction {
    fn of_datum(bytes: &[u8]) -> Option<Self> {
        Fields::whole(bytes, |fields| {
            Ok(Prediction {
                event_id: fields.text()?,
                entity: fields.text()?,
                event_time: fields.time()?,
                scored_at: fields.time()?,
                model_version: fields.small()?,
                arm: fields.arm()?,
                score: fields.0.double()?,
                scores: fields.list(|fields| fields.0.double())?,
                decision: fields.text()?,
                features: fields.list(Fields::number)?,
                feature_layout: fields.text()?,
                flags: fields.list(Fields::text)?,
                source_topic: fields.text()?,
                source_partition: i32::try_from(fields.0.long()?).map_err(|_| Flaw::Integer)?,
                source_offset: fields.0.long()?,
            })
        })
    }
}

impl Published for Outcome {
    fn of_datum(bytes: &[u8]) -> Option<Self> {
        Fields::whole(bytes, |fields| {
            Ok(Outcome {
                event_id: fields.text()?,
                entity: fields.text()?,
                event_time: fields.time()?,
                known_at: fields.time()?,
                label: fields.0.double()?,
                revision: fields.small()?,
                model_version: fields.small()?,
                arm: fields.arm()?,
                score: fields.0.double()?,
                decision: fields.text()?,
            })
        })
    }
}

impl Published for DriftAlert {
    fn of_datum(bytes: &[u8]) -> Option<Self> {
        const REASONS: [TrainingReason; 4] =
            [TrainingReason::Drift, TrainingReason::Performance, TrainingReason::Schedule, TrainingReason::Labels];
        let reason = |fields: &mut Fields<'_>| REASONS.get(fields.0.index(4)? as usize).copied().ok_or(Flaw::Index);
        Fields::whole(bytes, |fields| {
            Ok(DriftAlert {
                alert_id: fields.text()?,
                phase: match fields.0.index(3)? {
                    0 => Phase::Opened,
                    1 => Phase::Ongoing,
                    _ => Phase::Recovered,
                },
                signal: fields.text()?,
                segment: fields.text()?,
                statistic: fields.text()?,
                value: fields.number()?,
                p_value: fields.number()?,
                effect: fields.number()?,
                threshold: fields.number()?,
                n: fields.count()?,
                window_start: fields.time()?,
                window_end: fields.time()?,
                reference_version: fields.small()?,
                model_version: fields.small()?,
                top_features: fields.list(Fields::text)?,
                incident_id: fields.text()?,
                action: fields.optional(|fields| fields.0.index(1).map(|_| AlertAction::Retrain))?,
                reason: fields.optional(reason)?,
                cutoff: fields.optional(Fields::time)?,
                message: fields.text()?,
            })
        })
    }
}

impl Published for PerformanceRecord {
    fn of_datum(bytes: &[u8]) -> Option<Self> {
        Fields::whole(bytes, |fields| {
            Ok(PerformanceRecord {
                window_start: fields.time()?,
                window_end: fields.time()?,
                revision: fields.small()?,
                model_version: fields.small()?,
                arm: fields.arm()?,
                segment: fields.text()?,
                predictions: fields.count()?,
                n: fields.count()?,
                coverage: fields.number()?,
                label_age_s: fields.number()?,
                positive_share: fields.number()?,
                auc: fields.number()?,
                auc_low: fields.number()?,
                auc_high: fields.number()?,
                log_loss: fields.number()?,
                brier: fields.number()?,
            })
        })
    }
}
