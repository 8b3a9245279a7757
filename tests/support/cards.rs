//! A small application with facts for tests: card payments, with what is known of the customer and the account.

/// Its configuration with this lateness and with what a test adds: windows and other features to begin with.
pub(crate) fn cards(lateness: &str, rest: &str) -> String {
    format!("{}{rest}", BASE.replace("LATENESS", lateness))
}

const BASE: &str = r#"
app = "cards"

[events]
key = "card"
id = "id"
time = "at"
lateness = "LATENESS"

[events.fields.amount]
type = "number"
required = true

[facts.customer]
time = "since"

[facts.customer.fields.country]
type = "string"

[facts.customer.fields.limit]
type = "number"
min = 0.0

[facts.account.fields.level]
type = "number"

[labels.kinds.label.fields.fraud]
type = "boolean"

[labels.label]
field = "fraud"
prior = 0.1

[features]
fields = ["amount", "account.level", "customer.limit"]
"#;
