//! A report for a person.

use std::fmt;

use super::report::{AlertLine, AlertsReport, Difference, DifferenceKind, ReplayReport, TopicReport, WhatIfReport};
use super::scores::Quality;

/// Alerts shown of each side.
const SHOWN: usize = 5;

impl fmt::Display for ReplayReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "application   {}", self.app)?;
        for journal in &self.journals {
            write!(
                f,
                "journal       {} {}: {} of {} records",
                journal.role, journal.shard, journal.compared, journal.records
            )?;
            match (&self.what_if, journal.different, journal.different_before) {
                (Some(_), ..) => writeln!(f, " fed")?,
                (None, 0, 0) => writeln!(f, ", digests identical")?,
                (None, different, 0) => writeln!(f, ", {different} digests DIFFER")?,
                (None, different, before) => writeln!(f, ", {different} digests DIFFER, and {before} before them")?,
            }
            if let Some(first) = &journal.first {
                writeln!(f, "              the first is record {} of {}", first.sequence, first.now)?;
            }
        }
        self.topics.iter().try_for_each(|report| topic(report, f))?;
        if let Some(report) = &self.what_if {
            what_if(report, f)?;
        }
        for result in &self.results {
            writeln!(f, "written       {result}")?;
        }
        for note in &self.notes {
            writeln!(f, "note          {note}")?;
        }
        writeln!(f, "took          {:.1} s", self.seconds)?;
        match (&self.what_if, self.identical) {
            (None, true) => writeln!(f, "identical     everything is, bit for bit, what was published"),
            (None, false) => writeln!(f, "DIFFERENT     what is computed now is not what was published"),
            (Some(_), true) => writeln!(f, "what if       nothing would have been different"),
            (Some(_), false) => Ok(()),
        }
    }
}

fn topic(report: &TopicReport, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let TopicReport { topic, compared, identical, changed, missing, extra, gone, .. } = report;
    write!(f, "{topic}\n              {identical} of {compared} records identical")?;
    for (count, what) in [(changed, "CHANGED"), (missing, "NOT PUBLISHED"), (extra, "NOT COMPUTED")] {
        if *count > 0 {
            write!(f, ", {count} {what}")?;
        }
    }
    if *gone > 0 {
        write!(f, ", {gone} no longer in the topic")?;
    }
    if report.is_identical() {
        writeln!(f, "\n              sha256 {}", report.sha256_published)?;
    } else {
        writeln!(f, "\n              sha256 {} published", report.sha256_published)?;
        writeln!(f, "              sha256 {} computed", report.sha256_computed)?;
    }
    report.first.iter().try_for_each(|difference| line(difference, f))
}

fn line(difference: &Difference, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let Difference { kind, partition, offset, about, field, .. } = difference;
    let place = offset.map_or_else(|| format!("partition {partition}"), |offset| format!("{partition}:{offset}"));
    match (kind, field) {
        (DifferenceKind::Missing, _) => writeln!(f, "              {place} {about}: not published"),
        (DifferenceKind::Extra, _) => writeln!(f, "              {place} {about}: published, not computed"),
        (DifferenceKind::Changed, Some(field)) => writeln!(
            f,
            "              {place} {about}: `{}` is {} there and {} here",
            field.field, field.published, field.computed
        ),
        (DifferenceKind::Changed, None) => writeln!(f, "              {place} {about}: changed"),
    }
}

fn what_if(report: &WhatIfReport, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let scores = &report.scores;
    let model = report.model.map_or_else(|| "the versions in charge".to_owned(), |version| format!("v{version}"));
    let config = if report.other_config { "another configuration" } else { "the same configuration" };
    writeln!(f, "what if       {model} had scored everything, with {config}")?;
    write!(
        f,
        "predictions   {} compared: {} identical, {} differ",
        scores.compared, scores.identical, scores.differing
    )?;
    for (count, what) in [(scores.only_published, "would not be there"), (scores.only_computed, "would be there too")] {
        if count > 0 {
            write!(f, ", {count} {what}")?;
        }
    }
    let number = |number: Option<f64>| number.map_or_else(|| "-".to_owned(), |number| format!("{number:.6}"));
    writeln!(
        f,
        "\nscore         mean difference {}, without sign {}, at most {} (event {})",
        number(scores.mean_difference),
        number(scores.mean_absolute_difference),
        number(scores.max_absolute_difference),
        scores.max_event_id.as_deref().unwrap_or("-")
    )?;
    writeln!(f, "decisions     {} changed", scores.decisions_changed)?;
    writeln!(f, "labels        {} known", scores.labelled)?;
    let quality = |Quality { auc, log_loss }: Quality| format!("AUC {}, log loss {}", number(auc), number(log_loss));
    writeln!(f, "  published   {}", quality(scores.published))?;
    writeln!(f, "  computed    {}", quality(scores.computed))?;
    report.alerts.as_ref().map_or(Ok(()), |report| alerts(report, f))
}

fn alerts(report: &AlertsReport, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let AlertsReport { published, computed, both, only_published, only_computed } = report;
    writeln!(f, "alerts        {published} opened, {computed} would have; {both} are the same")?;
    let mut list = |what: &str, lines: &[AlertLine]| {
        lines.iter().take(SHOWN).try_for_each(|line| writeln!(f, "  {what:11} {}", line.message))
    };
    list("only was", only_published)?;
    list("only would", only_computed)
}
