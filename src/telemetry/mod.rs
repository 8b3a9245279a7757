//! What an operator sees from outside: metrics to scrape, log lines to read, and spans of sampled traces.
//!
//! Every metric is one variant of [`Metric`], so that what dashboards and alerts are built on can be read in one place
//! and cannot be misspelt; the log lines to build on are listed in `docs/logs.md`. Labels are bounded by their type: fixed
//! names, numbers of shards or versions, signals of the configuration, never a key, an id or any other text of a record.
//! No payload reaches a log line or a span.
//!
//! Nothing is counted per event here: callers report once per transaction, alert or training. Until
//! [`install_metrics`] has been called the functions do nothing. How the numbers leave the process is `http`.

mod buckets;
mod declaration;
mod label;
mod logs;
mod metric;
mod process;
mod recorder;
mod table;
mod throttle;
pub mod traces;

pub use declaration::{Declaration, Kind};
pub use label::Label;
pub use logs::{ENVIRONMENT, LogError, change_logs, init_logs, logs_now};
pub use metric::Metric;
pub use recorder::{
    TelemetryError, count, gauge, install_metrics, look_at_process, observe, observe_all, render, unknown,
};
pub use throttle::Throttle;
