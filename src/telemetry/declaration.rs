//! What is promised of a metric.

use metrics::Unit;

/// What sort of series a metric is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    /// Only grows; starts again at zero with the process.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Counts by bucket; the upper bounds, ascending, in the metric's unit.
    Histogram(&'static [f64]),
}

/// What a metric promises.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Declaration {
    /// Exported name.
    pub name: &'static str,
    /// Sort of series.
    pub kind: Kind,
    /// Unit of its values.
    pub unit: Unit,
    /// Names of its labels, in order.
    pub labels: &'static [&'static str],
    /// One sentence for whoever reads the page.
    pub help: &'static str,
}

pub(super) const fn counter(
    name: &'static str,
    unit: Unit,
    labels: &'static [&'static str],
    help: &'static str,
) -> Declaration {
    Declaration { name, kind: Kind::Counter, unit, labels, help }
}

pub(super) const fn gauge(
    name: &'static str,
    unit: Unit,
    labels: &'static [&'static str],
    help: &'static str,
) -> Declaration {
    Declaration { name, kind: Kind::Gauge, unit, labels, help }
}

pub(super) const fn histogram(
    name: &'static str,
    bounds: &'static [f64],
    unit: Unit,
    labels: &'static [&'static str],
    help: &'static str,
) -> Declaration {
    Declaration { name, kind: Kind::Histogram(bounds), unit, labels, help }
}
