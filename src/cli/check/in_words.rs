//! What each feature is, and what a training makes of it, in words.

use super::understood::Feature;
use crate::config::Config;
use crate::data::Span;
use crate::data::params::{
    Aggregate, FieldColumn, FieldKind, FieldSpec, Filling, NumberIndex, PreparedSpec, Preparing, Scaling, Source,
    TextIndex, WindowKind, WindowSpec, number_names, text_names,
};

/// The features of the row, in its order.
pub(super) fn features(config: &Config) -> Vec<Feature> {
    let features = &config.features;
    let numbers: Vec<&FieldSpec> = config.events.columns().filter(|field| field.kind != FieldKind::Text).collect();
    let kind = |column: &NumberIndex| numbers.get(column.0).map_or("", |field| field.kind.name());
    let fields = features.fields.iter().map(|column| format!("{} of the event", kind(column)));
    let windows = features.windows.iter().map(|window| window_in_words(window, config));
    let derived = features.derived.iter().map(|derived| format!("derived: {}", derived.text));
    let computed: Vec<String> = fields.chain(windows).chain(derived).collect();
    let what = |index: usize| {
        let position = if features.row.is_empty() { Some(index) } else { features.row.get(index).copied() };
        position.and_then(|position| computed.get(position)).cloned().unwrap_or_default()
    };
    let named = features.names.iter().enumerate();
    named.map(|(index, name)| Feature { index, name: name.clone(), what: what(index) }).collect()
}

/// What a training makes of one feature.
pub(super) fn prepared(spec: &PreparedSpec) -> String {
    let PreparedSpec { name, feature, how } = spec;
    match *how {
        Preparing::Number { scaling, missing } => {
            let scaled = match scaling {
                Scaling::Own => "as it is".to_owned(),
                Scaling::Standardised => "standardised".to_owned(),
                Scaling::Normalised { low: 0.0, high: 1.0 } => "between its smallest and its largest value".to_owned(),
                Scaling::Normalised { low, high } => format!("between its quantiles {low} and {high}"),
            };
            let missing = match missing {
                Filling::None => "",
                Filling::Mean => ", the mean where it is missing",
                Filling::Median => ", the median where it is missing",
            };
            format!("`{name}` {scaled}{missing}")
        }
        Preparing::IsMissing => format!("`{name}`, whether it is missing"),
        Preparing::Target { prior_weight, max_categories } => format!(
            "`{name}`, the share of positives by `{feature}`, the overall one weighing {prior_weight} rows, of up to \
             {max_categories} categories"
        ),
        Preparing::Frequency { max_categories } => {
            format!("`{name}`, the share of rows by `{feature}`, of up to {max_categories} categories")
        }
    }
}

/// Names of the columns of what a window is over.
struct Columns<'a> {
    numbers: Vec<&'a str>,
    texts: Vec<&'a str>,
}

impl Columns<'_> {
    fn name(&self, column: FieldColumn) -> &str {
        let name = match column {
            FieldColumn::Number(column) => self.numbers.get(column.0),
            FieldColumn::Text(column) => self.texts.get(column.0),
        };
        name.copied().unwrap_or_default()
    }
}

fn window_in_words(window: &WindowSpec, config: &Config) -> String {
    let kinds = config.labels.as_ref().map(|labels| labels.kinds.as_slice()).unwrap_or_default();
    let texts = text_names(config.events.columns());
    let (of, columns) = match window.of {
        Source::Events => ("events", Columns { numbers: number_names(config.events.columns()), texts: texts.clone() }),
        Source::Kind(kind) => {
            let kind = kinds.get(kind.0);
            let numbers = kind.map(|kind| number_names(&kind.fields)).unwrap_or_default();
            (kind.map_or("", |kind| kind.name.as_str()), Columns { numbers, texts: Vec::new() })
        }
    };
    let by = config.features.groupings.get(window.grouping).map(|grouping| {
        let name = |column: &TextIndex| texts.get(column.0).copied();
        let stage = config.chain.stages.get(window.grouping).and_then(|stage| stage.checked_sub(1));
        let first: Vec<&str> = match stage.and_then(|hop| config.chain.hops.get(hop)) {
            Some(hop) => hop.fields.iter().filter_map(name).collect(),
            None => vec![config.events.key.as_str()],
        };
        first.into_iter().chain(grouping.fields.iter().filter_map(name)).collect::<Vec<_>>().join(", ")
    });
    let by = by.unwrap_or_default();
    let which = which(window);
    let name = window.aggregate.column().map(|column| columns.name(column)).unwrap_or_default();
    let what = match window.aggregate {
        Aggregate::Count => "number".to_owned(),
        Aggregate::Rate => "number per hour".to_owned(),
        Aggregate::Sum(_) => format!("sum of `{name}`"),
        Aggregate::Mean(_) => format!("mean of `{name}`"),
        Aggregate::Variance(_) => format!("variance of `{name}`"),
        Aggregate::Std(_) => format!("standard deviation of `{name}`"),
        Aggregate::Min(_) => format!("smallest `{name}`"),
        Aggregate::Max(_) => format!("largest `{name}`"),
        Aggregate::First(_) => format!("earliest `{name}`"),
        Aggregate::Last(_) => format!("latest `{name}`"),
        Aggregate::Ratio(_) => format!("`{name}` of the event divided by the mean of it"),
        Aggregate::Quantile { share, .. } => format!("{} % quantile of `{name}`", f64::from(share) / 100.0),
        Aggregate::Distinct(_) => format!("number of different `{name}`"),
        Aggregate::TopShare(_) => format!("share of the most frequent `{name}`"),
        Aggregate::IsTop(_) => format!("whether `{name}` of the event is the most frequent"),
        Aggregate::Duration => "seconds since the first".to_owned(),
        Aggregate::SinceLast => {
            let missing = window.reach().map(|span| format!(", missing after {span}")).unwrap_or_default();
            return format!("seconds since the latest of `{of}`, by {by}{missing}");
        }
    };
    format!("{what} of `{of}` {which}, by {by}")
}

fn which(window: &WindowSpec) -> String {
    let mut text = match window.kind {
        WindowKind::Sliding { span, panes, delay } => {
            let pane = Span::from_millis(span.millis() / i64::from(panes.max(1)));
            let until = if delay == Span::default() { String::new() } else { format!(" until {delay} before") };
            format!("of the last {span}{until}, in {panes} panes of {pane}")
        }
        WindowKind::Tumbling { span, every, is_completed, .. } => {
            let which = if is_completed { "the last whole" } else { "this" };
            format!("of {which} {span}, one each {every}")
        }
        WindowKind::Session { gap, is_completed } => {
            let which = if is_completed { "the last session that is over" } else { "this session" };
            format!("of {which}, with pauses up to {gap}")
        }
        WindowKind::Ever { half_life: None } => "ever seen".to_owned(),
        WindowKind::Ever { half_life: Some(half) } => format!("ever seen, counting half after {half}"),
    };
    if window.is_past {
        text.push_str(", without the event itself");
    }
    if window.ends_at_latest {
        text.push_str(", up to the latest");
    }
    text
}
