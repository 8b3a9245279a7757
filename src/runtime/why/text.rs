//! A decision for a person.

use std::fmt;

use crate::rollout::InForce;

use super::facts::{GroupFacts, KnownFacts, LabelFacts, ModelFacts, PaneFacts, Reading, Why, WindowFacts};

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let event = &self.event;
        writeln!(f, "event         {}", self.event_id)?;
        writeln!(f, "  at          `{}` partition {} offset {}", event.topic, event.partition, event.offset)?;
        writeln!(f, "  time        {} (record of {})", event.event_time, event.timestamp)?;
        writeln!(f, "  key         {}", event.key)?;
        writeln!(f, "  value       {}", event.value)?;
        for KnownFacts { name, value } in &self.known {
            writeln!(f, "  known       {name} = {}", value.as_deref().unwrap_or("(nothing)"))?;
        }
        self.groups.iter().try_for_each(|facts| group(facts, f))?;
        writeln!(f, "\nrow")?;
        for Reading { name, value } in &self.row {
            writeln!(f, "  {name} = {}", number(*value))?;
        }
        writeln!(f)?;
        model(&self.model, f)?;
        let side = if self.score >= self.model.threshold { "at or above" } else { "below" };
        writeln!(f, "score         {} ({side} the threshold {})", self.score, self.model.threshold)?;
        write!(f, "decision      {}", self.decision)?;
        if !self.flags.is_empty() {
            write!(f, " ({})", self.flags.join(", "))?;
        }
        let published = &self.published;
        writeln!(
            f,
            "\npublished     `{}` partition {} offset {}",
            published.topic, published.partition, published.offset
        )?;
        match &published.difference {
            None => writeln!(f, "              computed again bit for bit")?,
            Some(difference) => writeln!(
                f,
                "              DIFFERS: `{}` is {} there and {} here",
                difference.field, difference.published, difference.computed
            )?,
        }
        let journal = &self.journal;
        let digest = if journal.is_reproduced { "digest identical" } else { "digest DIFFERS" };
        writeln!(f, "transaction   journal record {} of {}, {digest}", journal.sequence, journal.now)?;
        if self.labels.is_empty() {
            writeln!(f, "label         none joined")?;
        }
        for LabelFacts { revision, label, known_at } in &self.labels {
            writeln!(f, "label         {label}, known at {known_at} (revision {revision})")?;
        }
        Ok(())
    }
}

fn number(value: Option<f64>) -> String {
    value.map_or_else(|| "missing".to_owned(), |value| value.to_string())
}

fn group(facts: &GroupFacts, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let key: Vec<&str> = facts.key.iter().map(|part| part.as_deref().unwrap_or("(missing)")).collect();
    let new = if facts.is_new { ", its first event" } else { "" };
    writeln!(f, "\nwindows of    {} {}{new}", facts.grouping, key.join(", "))?;
    facts.windows.iter().try_for_each(|facts| window(facts, f))?;
    for since in &facts.since_last {
        let last = since.last.map_or_else(|| "never".to_owned(), |last| last.to_string());
        writeln!(f, "  {}, the latest: {last}", since.of)?;
        writeln!(f, "    {} = {}", since.reading.name, number(since.reading.value))?;
    }
    Ok(())
}

fn window(facts: &WindowFacts, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    writeln!(f, "  {} from {} to {}", facts.of, facts.from, facts.to)?;
    facts.panes.iter().try_for_each(|facts| pane(facts, f))?;
    facts.readings.iter().try_for_each(|Reading { name, value }| writeln!(f, "    {name} = {}", number(*value)))
}

fn pane(facts: &PaneFacts, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    write!(f, "    [{}, {}) {}", facts.from, facts.to, facts.count)?;
    for field in &facts.fields {
        write!(f, "; {}: {} known, sum {}, max {}", field.name, field.known, field.sum, number(field.max))?;
    }
    writeln!(f, "{}", if facts.is_read { "" } else { " (left out: it may hold what came to be known later)" })
}

fn model(facts: &ModelFacts, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let family = facts.family.unwrap_or("base rate");
    writeln!(f, "model         v{} ({family}), {}, threshold {}", facts.version, facts.arm.name(), facts.threshold)?;
    match &facts.in_charge_by {
        Some(record) => {
            let what = record.command.name().replace('_', " ");
            writeln!(f, "              {what} at {} by {}: {}", record.at, record.by, record.why)?;
        }
        None => writeln!(f, "              in charge from the beginning")?,
    }
    match &facts.threshold_by {
        Some(InForce { value, since, by, why }) => {
            writeln!(f, "              threshold set to {value} at {since} by {by}: {why}")
        }
        None => Ok(()),
    }
}
