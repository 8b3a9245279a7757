//! Two instances that get a new configuration one after the other, while events come in.
#![allow(dead_code, reason = "each test binary uses a part of it")]
#![expect(clippy::unwrap_used, reason = "a test that cannot be set up is to fail loudly")]

use std::collections::BTreeSet;

use driftless::data::Prediction;
use driftless::runtime::App;

use super::bench::Bench;

/// What the new configuration has more.
pub(crate) const NEW_WINDOW: &str = r#"
[[features.windows]]
of = "events"
by = ["shop"]
spans = ["10m"]
aggregates = ["count", "max:amount"]
panes = 10
"#;

/// Upgrades `a`, then `b`, then lets `a` be ended by `end`; each event has one prediction, the layout of one or the other.
pub(crate) fn upgrade_one_after_the_other(old: &Bench, new: &Bench, end: impl FnOnce(App)) {
    let [a, b] = ["a", "b"].map(|instance| old.start_live(instance));
    let mut published = 0;
    let mut feed = |app: &App, apart: &App| {
        new.publish_slowly(published, 200);
        published += 200;
        new.until(app, || {
            assert!(apart.failed().is_none(), "{:?}", apart.failed());
            ids(&new.predicted()) == published
        });
    };
    feed(&a, &b);
    a.stop().unwrap();
    let a = new.start_live("a");
    feed(&b, &a);
    feed(&a, &b);
    b.stop().unwrap();
    feed(&a, &a);
    let b = new.start_live("b");
    feed(&a, &b);
    end(a);
    feed(&b, &b);
    b.stop().unwrap();
    let predicted = new.predicted();
    assert_eq!((predicted.len(), ids(&predicted)), (published, published), "each event is predicted once");
    let layouts: BTreeSet<&str> = predicted.iter().map(|prediction| prediction.feature_layout.as_str()).collect();
    assert_eq!(layouts.len(), 2);
}

fn ids(predictions: &[Prediction]) -> usize {
    predictions.iter().map(|prediction| prediction.event_id.as_str()).collect::<BTreeSet<_>>().len()
}
