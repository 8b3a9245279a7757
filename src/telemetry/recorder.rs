//! From a typed call to a page of text.
//!
//! The recorder is one per process, as the `metrics` crate has it. A call costs a look-up and the making of its labels,
//! a microsecond or so: fine once per transaction, too much once per event.

use std::sync::OnceLock;
use std::thread;
use std::time::Duration;

use metrics::{Key, KeyName, Level, Metadata, Recorder, with_recorder};
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle, PrometheusRecorder};

use super::declaration::Kind;
use super::label::Label;
use super::metric::Metric;
use super::process;

/// Observations are folded into their buckets this often, so that memory stays bounded when nobody scrapes.
const UPKEEP: Duration = Duration::from_secs(5);

static METADATA: Metadata<'static> = Metadata::new("driftless", Level::INFO, None);
static INSTALLED: OnceLock<PrometheusHandle> = OnceLock::new();

/// Metrics cannot be recorded.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// A recorder that is not ours is there already.
    #[error("another recorder of metrics is installed in this process")]
    Occupied,
    /// A histogram without buckets, or the like.
    #[error("cannot declare the metrics: {0}")]
    Declaration(#[from] BuildError),
    /// No thread for the upkeep.
    #[error("cannot start the thread that keeps histograms small: {0}")]
    Thread(#[from] std::io::Error),
}

/// Records metrics from now on; a second call changes nothing.
///
/// # Errors
/// When the process has another recorder already or the upkeep thread cannot be started.
pub fn install_metrics() -> Result<(), TelemetryError> {
    if INSTALLED.get().is_some() {
        return Ok(());
    }
    let recorder = recorder()?;
    let handle = recorder.handle();
    let upkeep = handle.clone();
    if metrics::set_global_recorder(recorder).is_err() {
        return if INSTALLED.get().is_some() { Ok(()) } else { Err(TelemetryError::Occupied) };
    }
    let _ = INSTALLED.set(handle);
    thread::Builder::new().name("metrics-upkeep".to_owned()).spawn(move || {
        loop {
            thread::sleep(UPKEEP);
            upkeep.run_upkeep();
        }
    })?;
    gauge(Metric::BuildInfo, &[Label::Version(env!("CARGO_PKG_VERSION"))], 1.0);
    gauge(Metric::Start, &[], process::now_s());
    begin_counters();
    Ok(())
}

/// Shows counters without labels at zero: a rate sees nothing of a series that appears with its first occurrence.
fn begin_counters() {
    for metric in Metric::ALL {
        let declared = metric.declaration();
        if declared.kind == Kind::Counter && declared.labels.is_empty() {
            count(metric, &[], 0);
        }
    }
}

/// Looks at what changes without anybody reporting it; to be called before [`render`].
pub fn look_at_process() {
    let memory = process::memory();
    if let Some(bytes) = memory.resident {
        gauge(Metric::ResidentMemory, &[], bytes);
    }
    if let Some(bytes) = memory.limit {
        gauge(Metric::MemoryLimit, &[], bytes);
    }
}

/// The metrics in Prometheus' text format, version 0.0.4, sorted by name; empty before [`install_metrics`].
pub fn render() -> String {
    INSTALLED.get().map(page).unwrap_or_default()
}

/// Adds `n` to a counter. Labels are given in the order of the declaration.
pub fn count(metric: Metric, labels: &[Label<'_>], n: u64) {
    debug_assert_eq!(metric.declaration().kind, Kind::Counter, "{metric:?}");
    let key = key(metric, labels);
    with_recorder(|recorder| recorder.register_counter(&key, &METADATA).increment(n));
}

/// Sets a gauge. Labels are given in the order of the declaration.
pub fn gauge(metric: Metric, labels: &[Label<'_>], value: f64) {
    debug_assert_eq!(metric.declaration().kind, Kind::Gauge, "{metric:?}");
    let key = key(metric, labels);
    with_recorder(|recorder| recorder.register_gauge(&key, &METADATA).set(value));
}

/// Shows a gauge as unknown, for what was known and no longer is: NaN, which Prometheus leaves out of comparisons.
pub fn unknown(metric: Metric, labels: &[Label<'_>]) {
    gauge(metric, labels, f64::NAN);
}

/// Adds one observation, in the metric's unit, to a histogram. Labels are given in the order of the declaration.
pub fn observe(metric: Metric, labels: &[Label<'_>], value: f64) {
    debug_assert!(matches!(metric.declaration().kind, Kind::Histogram(_)), "{metric:?}");
    let key = key(metric, labels);
    with_recorder(|recorder| recorder.register_histogram(&key, &METADATA).record(value));
}

/// Adds many observations to a histogram, which costs less than one by one.
pub fn observe_all(metric: Metric, labels: &[Label<'_>], values: impl Iterator<Item = f64>) {
    debug_assert!(matches!(metric.declaration().kind, Kind::Histogram(_)), "{metric:?}");
    let key = key(metric, labels);
    with_recorder(|recorder| {
        let histogram = recorder.register_histogram(&key, &METADATA);
        values.for_each(|value| histogram.record(value));
    });
}

fn key(metric: Metric, labels: &[Label<'_>]) -> Key {
    let declared = metric.declaration();
    debug_assert!(
        declared.labels.iter().copied().eq(labels.iter().map(|label| label.name())),
        "{} has the labels {:?}, not {labels:?}",
        declared.name,
        declared.labels
    );
    let labels: Vec<metrics::Label> =
        labels.iter().map(|label| metrics::Label::new(label.name(), label.value())).collect();
    Key::from_parts(declared.name, labels)
}

fn recorder() -> Result<PrometheusRecorder, BuildError> {
    let mut builder = PrometheusBuilder::new();
    for metric in Metric::ALL {
        let declared = metric.declaration();
        if let Kind::Histogram(bounds) = declared.kind {
            builder = builder.set_buckets_for_metric(Matcher::Full(declared.name.to_owned()), bounds)?;
        }
    }
    let recorder = builder.build_recorder();
    describe_all(&recorder);
    Ok(recorder)
}

fn describe_all(recorder: &dyn Recorder) {
    for metric in Metric::ALL {
        let declared = metric.declaration();
        let (name, unit, help) = (KeyName::from_const_str(declared.name), Some(declared.unit), declared.help.into());
        match declared.kind {
            Kind::Counter => recorder.describe_counter(name, unit, help),
            Kind::Gauge => recorder.describe_gauge(name, unit, help),
            Kind::Histogram(_) => recorder.describe_histogram(name, unit, help),
        }
    }
}

/// The exporter separates metrics by empty lines and goes through them in no order.
fn page(handle: &PrometheusHandle) -> String {
    let text = handle.render();
    let mut metrics: Vec<&str> = text.split("\n\n").map(str::trim).filter(|metric| !metric.is_empty()).collect();
    metrics.sort_unstable();
    let mut page = metrics.join("\n");
    page.push('\n');
    page
}

#[cfg(test)]
mod tests {
    use super::super::declaration::Declaration;
    use super::*;
    use crate::data::RejectCode;

    /// One series of every metric, with the labels of its declaration.
    fn report_everything() {
        for metric in Metric::ALL {
            let declared = metric.declaration();
            let labels: Vec<Label<'_>> = declared.labels.iter().map(|name| sample(name)).collect();
            match declared.kind {
                Kind::Counter => count(metric, &labels, 3),
                Kind::Gauge => gauge(metric, &labels, 2.5),
                Kind::Histogram(_) => observe(metric, &labels, 0.75),
            }
        }
    }

    fn sample(name: &str) -> Label<'static> {
        let all = [
            Label::Input("events"),
            Label::Reason(RejectCode::Decode.name()),
            Label::Role("score"),
            Label::Outcome("committed"),
            Label::Cause("refused"),
            Label::Kind("assigned"),
            Label::Command("promote"),
            Label::ModelVersion(7),
            Label::Partition(3),
            Label::Shard(3),
            Label::Signal("distance"),
            Label::Version("0.0.0"),
        ];
        all.into_iter().find(|label| label.name() == name).expect("every declared label exists")
    }

    fn page_of(report: impl FnOnce()) -> String {
        let recorder = recorder().expect("the declarations hold");
        let handle = recorder.handle();
        metrics::with_local_recorder(&recorder, report);
        page(&handle)
    }

    #[test]
    fn every_metric_is_exported_with_help_and_type() {
        let page = page_of(report_everything);
        for metric in Metric::ALL {
            let Declaration { name, kind, help, .. } = metric.declaration();
            let kind = match kind {
                Kind::Counter => "counter",
                Kind::Gauge => "gauge",
                Kind::Histogram(_) => "histogram",
            };
            assert!(page.contains(&format!("# HELP {name} {help}\n# TYPE {name} {kind}\n{name}")), "{name}:\n{page}");
        }
    }

    #[test]
    fn the_page_is_sorted_and_has_no_empty_lines() {
        let page = page_of(report_everything);
        let helps: Vec<&str> = page.lines().filter(|line| line.starts_with("# HELP")).collect();
        assert!(helps.is_sorted());
        assert!(!page.contains("\n\n") && page.ends_with('\n'));
    }

    #[test]
    #[ignore = "by hand: needs promtool"]
    fn prometheus_accepts_the_page() {
        use std::io::Write;
        use std::process::{Command, Stdio};

        let mut promtool = Command::new("promtool")
            .args(["check", "metrics"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("promtool on the path");
        let mut page_in = promtool.stdin.take().expect("piped");
        page_in.write_all(page_of(report_everything).as_bytes()).expect("it reads");
        drop(page_in);
        let done = promtool.wait_with_output().expect("it ends");
        let said = format!("{}{}", String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
        assert!(done.status.success() && said.is_empty(), "{said}");
    }

    #[test]
    fn labels_and_values_arrive_as_given() {
        let page = page_of(|| {
            count(Metric::DeadLetters, &[Label::Input("labels"), Label::Reason("type")], 2);
            count(Metric::DeadLetters, &[Label::Input("labels"), Label::Reason("type")], 3);
            observe(Metric::TransactionSeconds, &[Label::Role("score")], 0.1);
            gauge(Metric::StateGroups, &[Label::Shard(2)], 9.0);
            gauge(Metric::StateGroups, &[Label::HopShard("hop.card", 2)], 3.0);
        });
        assert!(page.contains("driftless_dead_letters_total{input=\"labels\",reason=\"type\"} 5\n"), "{page}");
        assert!(page.contains("driftless_transaction_seconds_bucket{role=\"score\",le=\"0.1\"} 1\n"), "{page}");
        assert!(page.contains("driftless_transaction_seconds_bucket{role=\"score\",le=\"0.05\"} 0\n"), "{page}");
        assert!(page.contains("driftless_state_groups{shard=\"2\"} 9\n"), "{page}");
        assert!(page.contains("driftless_state_groups{shard=\"hop.card/2\"} 3\n"), "{page}");
    }

    #[test]
    #[cfg(debug_assertions)]
    #[should_panic(expected = "driftless_consumed_total has the labels")]
    fn a_label_that_is_not_declared_is_found_in_tests() {
        page_of(|| count(Metric::Consumed, &[Label::Role("score")], 1));
    }

    #[test]
    fn nothing_is_recorded_and_nothing_fails_before_installation() {
        count(Metric::Late, &[], 1);
        metrics::with_local_recorder(&metrics::NoopRecorder, report_everything);
    }

    #[test]
    fn installation_happens_once_and_says_which_version_runs() {
        install_metrics().expect("nothing else records");
        install_metrics().expect("the second time is as good as the first");
        let expected = format!("driftless_build_info{{version=\"{}\"}} 1\n", env!("CARGO_PKG_VERSION"));
        assert!(render().contains(&expected), "{}", render());
        assert!(render().contains("\ndriftless_evicted_groups_total 0\n"), "{}", render());
        look_at_process();
        assert!(render().contains("\ndriftless_resident_memory_bytes ") || !cfg!(target_os = "linux"), "{}", render());
    }
}
