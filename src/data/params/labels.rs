//! What a record of the labels topic looks like, and which of them is the label.

use serde::Serialize;

use super::{FieldSpec, InputFormat, NumberIndex, TimeSource};
use crate::data::Span;

/// Position of a kind in [`LabelParams::kinds`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct KindIndex(pub usize);

/// One kind of follow-up record.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct KindSpec {
    /// The name found in the kind field.
    pub name: String,
    /// Declared fields (numbers and booleans only), in the order of their names.
    pub fields: Vec<FieldSpec>,
}

/// Which follow-up is the label.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LabelSpec {
    /// Its kind.
    pub kind: KindIndex,
    /// The column with 1 for the positive class and 0 for the other, within that kind.
    pub field: NumberIndex,
    /// Name of the positive class, as a decision.
    pub positive: String,
    /// Name of the other class.
    pub negative: String,
    /// Share of the positive class assumed before the first model: the score of version 0.
    pub prior: f64,
}

/// The labels topic: follow-ups to events, one kind of which carries the label.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LabelParams {
    /// Topic name.
    pub topic: String,
    /// How a follow-up is written.
    #[serde(skip_serializing_if = "InputFormat::is_json")]
    pub format: InputFormat,
    /// Field with the id of the event it follows up on.
    pub event_id: String,
    /// Where the known-at time comes from.
    pub time: TimeSource,
    /// Field with the name of the kind; `None`: every record is of the one kind declared.
    pub kind: Option<String>,
    /// Declared kinds, in the order of their names; at least one.
    pub kinds: Vec<KindSpec>,
    /// How long a prediction waits for its label, and a label for its event.
    pub wait: Span,
    /// Which of them is the label.
    pub label: LabelSpec,
}
