//! Statistics of a training, from the stream to the model and back: what scores is what was judged, on the rows as logged.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot be set up is to fail loudly")]

mod support;

use std::collections::BTreeMap;
use std::sync::Arc;

use driftless::config::Config;
use driftless::data::{
    ArtifactRef, Columns, ControlItem, Item, Machine, ModelCommand, Outbox, Outcome, Prediction, Sink, Span, Timestamp,
};
use driftless::model::{Layout, Model, Prepared};
use driftless::pipeline::{EVENTS, LABELS, Pipeline};
use driftless::retrain::{
    Configured, Dataset, DatasetParams, ExampleRow, Examples, LabelRow, TrainingInputs, TrainingOutcome,
    TrainingParams, train,
};
use driftless::stats::SplitMix64;
use support::cards::payments;
use support::{command, record};

const REST: &str = r#"
[events.fields.shop]
type = "string"

[features]
fields = ["amount"]

[[features.windows]]
spans = ["1h"]
aggregates = ["count"]

[[features.encoded]]
field = "shop"
as = "target"
prior_weight = 5

[[features.encoded]]
field = "shop"
as = "frequency"

[[features.prepared]]
features = ["amount"]
as = "normalised"
quantiles = [0.05, 0.95]
missing = "median"
indicator = true

[retrain]
families = ["forest", "linear"]
history = "200d"
holdout = "20d"
trees = 20
"#;

const NOW: Timestamp = Timestamp::from_millis(1 << 50);
const HOUR: i64 = 3_600_000;
const SHOPS: u64 = 60;

struct Stream {
    random: SplitMix64,
    offsets: [i64; 2],
    next: i64,
}

impl Stream {
    fn new() -> Self {
        Stream { random: SplitMix64::new(3), offsets: [0; 2], next: 0 }
    }

    /// An event an hour, now and then without a shop or an amount, and its label; some shops are worse than others.
    fn items(&mut self, n: i64, shop: impl Fn(u64) -> String) -> Vec<Item<Model>> {
        let mut items = Vec::new();
        for number in self.next..self.next + n {
            let (at, shop_number) = (number * HOUR, self.random.below(SHOPS));
            let name =
                if self.random.below(20) == 0 { "null".to_owned() } else { format!("\"{}\"", shop(shop_number)) };
            let amount = self.random.below(9_000) as f64 / 100.0;
            let amount = if self.random.below(9) == 0 { "null".to_owned() } else { amount.to_string() };
            let event = format!("{{\"id\":\"e{number}\",\"at\":{at},\"amount\":{amount},\"shop\":{name}}}");
            items.push(Item::Record { input: EVENTS, record: record(self.offsets[0], at, "c", event) });
            let fraud = self.random.unit() < if shop_number % 3 == 0 { 0.7 } else { 0.1 };
            let known = at + HOUR / 2;
            let label = format!("{{\"event_id\":\"e{number}\",\"fraud\":{fraud}}}");
            items.push(Item::Record { input: LABELS, record: record(self.offsets[1], known, "c", label) });
            self.offsets = self.offsets.map(|offset| offset + 1);
        }
        self.next += n;
        items
    }
}

fn known(shop: u64) -> String {
    format!("shop-{shop}")
}

fn config() -> Config {
    Config::parse(&payments("0s", REST)).unwrap()
}

fn pipeline() -> Pipeline {
    Pipeline::new(Arc::new(driftless::runtime::pipeline_params(&config()).unwrap()), 0)
}

/// Handles all in one batch, not committed.
fn handle(machine: &mut Pipeline, items: &[Item<Model>]) -> Outbox {
    let mut out = Outbox::default();
    machine.handle(items, NOW, &mut out);
    out
}

fn predictions(out: &Outbox) -> Vec<Prediction> {
    let of = |sink: Sink| out.iter().filter(move |output| output.sink == sink);
    of(Sink::Predictions).map(|output| serde_json::from_slice(output.value.unwrap()).unwrap()).collect()
}

/// A training on what was published, as the retrain role does it.
fn trained(out: &Outbox) -> Arc<Model> {
    let config = config();
    let params: TrainingParams =
        Configured { retrain: &config.retrain, drift: &config.drift, score: &config.score }.into();
    let mut examples = Examples::default();
    for prediction in predictions(out) {
        examples.add_prediction(&ExampleRow::from(&prediction));
    }
    for output in out.iter().filter(|output| output.sink == Sink::Outcomes) {
        let outcome: Outcome = serde_json::from_slice(output.value.unwrap()).unwrap();
        examples.add_outcome(&LabelRow::from(&outcome));
    }
    let layout = Layout::new(config.features.names.clone()).unwrap();
    let wanted =
        DatasetParams { layout: &layout, cutoff: NOW, history: Span::from_millis(1 << 51), maturity: Span::default() };
    let data = Dataset::build(&examples, &wanted);
    match train(TrainingInputs { params, data, champion: None }) {
        TrainingOutcome::Candidate(candidate) => Arc::new(candidate.model),
        other => panic!("no candidate: {other:?}"),
    }
}

fn promotion(model: &Arc<Model>) -> Vec<Item<Model>> {
    [ModelCommand::Registered, ModelCommand::Promoted]
        .into_iter()
        .enumerate()
        .map(|(offset, what)| {
            let mut record = command(what, 1, 0);
            record.artifact = Some(ArtifactRef { sha256: "00".into(), bytes: 1 });
            Item::Command(Arc::new(ControlItem { offset: offset as i64, record, model: Some(model.clone()) }))
        })
        .collect()
}

fn unseen(machine: &Pipeline) -> BTreeMap<String, u64> {
    machine.unseen().map(|(feature, count)| (feature.to_owned(), count)).collect()
}

#[test]
fn a_model_with_statistics_of_its_training_scores_the_stream_as_it_scores_the_logged_rows() {
    let (mut machine, mut stream) = (pipeline(), Stream::new());
    let out = handle(&mut machine, &stream.items(3_000, known));
    machine.commit();
    assert_eq!(config().features.names, ["amount", "card.events.count.1h", "shop.code"]);
    let codes = predictions(&out).iter().filter_map(|prediction| prediction.features[2]).fold(0.0, f64::max);
    assert!(codes > 1e9 && codes < (1_u64 << 48) as f64 && codes.fract() == 0.0, "{codes}");

    let model = trained(&out);
    let names: Vec<&str> = model.preparation().list().iter().map(|input| input.name.as_str()).collect();
    assert_eq!(names, ["amount", "amount.is_missing", "card.events.count.1h", "shop.target", "shop.frequency"]);
    let evidence = model.evidence();
    assert!(evidence.candidate.auc.is_some_and(|auc| auc > 0.75) && evidence.log_loss_gain.low > 0.0, "{evidence:?}");
    let Prepared::Target(shares) = &model.preparation().list()[3].how else { panic!("no shares") };
    assert_eq!(shares.parts().categories.len() as u64, SHOPS);

    handle(&mut machine, &promotion(&model));
    machine.commit();
    assert_eq!(machine.model_version(), 1);
    assert_eq!(unseen(&machine), BTreeMap::from([("shop.code".to_owned(), 0)]));
    let out =
        handle(&mut machine, &stream.items(700, |shop| if shop < 5 { format!("new-{shop}") } else { known(shop) }));
    let published = predictions(&out);
    assert_eq!(published.len(), 700);

    // each logged row by itself, by the model as it is read from its artifact
    let read = Model::from_bytes(&model.to_bytes().unwrap()).unwrap();
    let mut new = 0;
    for prediction in &published {
        let row: Vec<f64> = prediction.features.iter().map(|value| value.unwrap_or(f64::NAN)).collect();
        let mut rows = Columns::new(row.len());
        rows.push_row(&row);
        let (mut scores, mut counts) = (Vec::new(), Vec::new());
        read.score_counting(&rows, &mut scores, &mut counts);
        assert_eq!(scores[0].to_bits(), prediction.score.to_bits(), "{}", prediction.event_id);
        new += counts.get(2).copied().unwrap_or_default();
    }
    assert!(new > 20, "{new}");
    assert_eq!(unseen(&machine), BTreeMap::from([("shop.code".to_owned(), new)]));
    machine.rollback();
    assert_eq!(unseen(&machine)["shop.code"], 0, "taken back with the transaction");
}

#[test]
fn two_machines_that_are_given_batches_of_different_sizes_publish_the_same_bytes() {
    let model = {
        let (mut machine, mut stream) = (pipeline(), Stream::new());
        trained(&handle(&mut machine, &stream.items(2_000, known)))
    };
    let mut items = promotion(&model);
    items.extend(Stream::new().items(600, known));
    let mut whole = pipeline();
    let together = support::written(&handle(&mut whole, &items));
    let mut machine = pipeline();
    let apart: Vec<_> = items.chunks(7).flat_map(|items| support::written(&handle(&mut machine, items))).collect();
    assert_eq!(together, apart);
}
