//! What seeds share: a tiny application and two models for it, another with windows by a second entity, and one with facts.

use std::cell::Cell;
use std::sync::{Arc, OnceLock};

use crate::config::Config;
use crate::data::{ArtifactRef, Columns, Evidence, Gain, HoldoutScore, Span, Timestamp};
use crate::drift::{Profile, ProfileInputs, Sample};
use crate::model::{Estimator, Layout, Lineage, Linear, LinearParts, Model, ModelParts, Preparation};
use crate::registry::Store;
use crate::runtime::control::Models;
use crate::stats::SplitMix64;

const CONFIG: &str = r#"
app = "sim"

[events]
key = "shop"
id = "id"
time = "at"
lateness = "0s"

[events.fields.amount]
type = "number"
required = true

[labels]
event_id = "event_id"
time = "known_at"
kind = "kind"
wait = "1h"

[labels.kinds.checked.fields.fraud]
type = "number"
required = true

[labels.label]
kind = "checked"
field = "fraud"
positive = "fraud"
negative = "fine"
prior = 0.1

[features]
fields = ["amount"]

[[features.windows]]
of = "events"
by = ["shop"]
spans = ["5m"]
aggregates = ["count", "sum:amount"]
panes = 5

[[features.windows]]
of = "checked"
by = ["shop"]
spans = ["10m"]
aggregates = ["sum:fraud"]
panes = 5

[drift]
window = "6m"
min_n = 3

[performance]
window = "6m"
every = "3m"
min_n = 4

[retrain]
first_after = "9m"
min_labels = 10
cool_down = "6m"
schedule = "30m"
history = "4h"
holdout = "6m"
"#;

/// Windows by something else than the key: events go through a hop.
const HOP: &str = r#"
[events.fields.terminal]
type = "string"

[[features.windows]]
by = ["terminal"]
spans = ["5m"]
aggregates = ["count", "sum:amount"]
panes = 5

[[features.windows]]
of = "checked"
by = ["terminal"]
spans = ["10m"]
aggregates = ["count"]
panes = 5
"#;

/// What is known of the key, in a compacted topic.
const FACTS: &str = r#"
[facts.owner.fields.country]
type = "string"

[facts.owner.fields.limit]
type = "number"
min = 0.0

[[features.windows]]
by = ["shop", "owner.country"]
spans = ["5m"]
aggregates = ["count", "max:owner.limit"]
panes = 5
"#;

/// What an application of the simulation has beside its events and labels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum With {
    #[default]
    Nothing,
    Hop,
    Facts,
}

thread_local! {
    static WITH: Cell<With> = const { Cell::new(With::Nothing) };
}

/// Which application the world of this thread runs.
pub(super) fn choose_stock(with: With) {
    WITH.with(|of| of.set(with));
}

/// What seeds share: it does not change.
pub(super) struct Stock {
    pub config: Config,
    pub models: Arc<Models>,
    pub artifacts: Vec<ArtifactRef>,
}

pub(super) fn stock() -> &'static Stock {
    static STOCKS: [OnceLock<Stock>; 3] = [const { OnceLock::new() }; 3];
    let with = WITH.with(Cell::get);
    STOCKS[with as usize].get_or_init(|| {
        let text = match with {
            With::Nothing => CONFIG.to_owned(),
            With::Hop => CONFIG
                .replace("[features]", "[features]\nidle_after = \"100ms\"")
                .replace("[drift]", &format!("{HOP}\n[drift]")),
            With::Facts => CONFIG
                .replace("fields = [\"amount\"]", "fields = [\"amount\", \"owner.limit\"]")
                .replace("[drift]", &format!("{FACTS}\n[drift]")),
        };
        let config = Config::parse(&text).unwrap();
        let store = Store::in_memory().unwrap();
        let artifacts = [1, 2].map(|version| store.put_model(&model(&config, version)).unwrap());
        let models = Arc::new(Models::new(Arc::new(store)));
        Stock { models, artifacts: artifacts.to_vec(), config }
    })
}

pub(super) fn evidence() -> Evidence {
    let at = Timestamp::from_millis;
    let gain = Gain { mean: 0.2, low: 0.1, high: 0.3 };
    Evidence {
        trained_from: at(0),
        trained_to: at(10),
        holdout_from: at(11),
        holdout_to: at(20),
        n_train: 300,
        n_holdout: 100,
        champion: HoldoutScore { auc: Some(0.6), log_loss: 0.5 },
        candidate: HoldoutScore { auc: Some(0.7), log_loss: 0.4 },
        log_loss_gain: gain,
        auc_gain: Some(gain),
    }
}

/// A linear model whose reference the events leave soon.
fn model(config: &Config, version: u32) -> Model {
    let names = config.features.names.clone();
    let mut random = SplitMix64::new(u64::from(version));
    let columns: Vec<Vec<f64>> =
        names.iter().map(|_| (0..200).map(|_| random.below(1_000) as f64 / 40.0).collect()).collect();
    let times: Vec<Timestamp> = (0..200).map(|i| Timestamp::from_millis(i * 30_000)).collect();
    let linear = Linear::new(LinearParts {
        mean: vec![10.0; names.len()],
        scale: vec![10.0; names.len()],
        coefficients: (0..names.len()).map(|i| 0.3 * f64::from(version) - 0.1 * i as f64).collect(),
        intercept: -0.5,
    });
    let estimator = Estimator::Linear(linear.unwrap());
    let mut scores = Vec::new();
    estimator.score(&Columns::from_columns(columns.clone()).unwrap(), &mut scores);
    let profile = Profile::build(&ProfileInputs {
        names: &names,
        features: Sample { columns: &columns, times: &times },
        scores: Sample { columns: &[scores], times: &times },
        window: Span::from_millis(360_000),
        importance: &[],
    });
    let lineage = Lineage {
        cutoff: Timestamp::from_millis(0),
        seed: 1,
        examples_sha256: "00".repeat(32),
        trained_by: "simulation".to_owned(),
    };
    let layout = Layout::new(names).unwrap();
    let preparation = Preparation::default();
    Model::new(ModelParts { layout, preparation, estimator, threshold: 0.5, profile, lineage, evidence: evidence() })
        .unwrap()
}
