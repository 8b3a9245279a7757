//! A small application for tests: card payments, by themselves or with what is known of the customer and the account.

/// The configuration of payments alone with this lateness, and with what a test adds: `[features]` to begin with.
pub(crate) fn payments(lateness: &str, rest: &str) -> String {
    format!("{}{rest}", BASE.replace("LATENESS", lateness))
}

/// That of payments which have an amount, with facts, and with what a test adds: windows and other features to begin with.
pub(crate) fn cards(lateness: &str, rest: &str) -> String {
    payments(lateness, &format!("{FACTS}{rest}"))
}

/// It ends with the field `amount`.
const BASE: &str = r#"
app = "cards"

[events]
key = "card"
id = "id"
time = "at"
lateness = "LATENESS"

[labels.kinds.label.fields.fraud]
type = "boolean"

[labels.label]
field = "fraud"
prior = 0.1

[events.fields.amount]
type = "number"
"#;

const FACTS: &str = r#"required = true

[facts.customer]
time = "since"

[facts.customer.fields.country]
type = "string"

[facts.customer.fields.limit]
type = "number"
min = 0.0

[facts.account.fields.level]
type = "number"

[features]
fields = ["amount", "account.level", "customer.limit"]
"#;
