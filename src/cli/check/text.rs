//! What was understood, as aligned lines for a person.

use std::fmt;

use super::understood::{Field, Understood};
use crate::data::params::OneOf;

impl fmt::Display for Understood {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "application  {}", self.app)?;
        writeln!(f, "digest       {}", self.digest)?;
        self.write_topics(f)?;
        self.write_settings(f)?;
        self.write_fields(f)?;
        self.write_features(f)?;
        if !self.warnings.is_empty() {
            writeln!(f, "\nwarnings")?;
        }
        self.warnings.iter().try_for_each(|warning| writeln!(f, "  - {warning}"))
    }
}

impl Understood {
    fn write_topics(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\ntopics (those read: same key, same number of partitions)")?;
        let width = widest(self.topics.iter().map(|topic| topic.name.as_str()));
        for topic in &self.topics {
            writeln!(f, "  {:7}  {:width$}  {}", topic.access, topic.name, topic.key)?;
        }
        Ok(())
    }

    fn write_settings(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table = "";
        let width = widest(self.settings.iter().map(|setting| setting.name));
        for setting in &self.settings {
            if setting.table != table {
                table = setting.table;
                writeln!(f, "\n{table}")?;
            }
            writeln!(f, "  {:width$}  {}", setting.name, setting.value)?;
        }
        Ok(())
    }

    fn write_fields(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut of = "";
        let width = widest(self.fields.iter().map(|field| field.name.as_str()));
        for field in &self.fields {
            if field.of != of {
                of = &field.of;
                writeln!(f, "\nfields of {of}")?;
            }
            let line = format!("  {:width$}  {:7}  {}", field.name, field.kind, rules(field));
            writeln!(f, "{}", line.trim_end())?;
        }
        Ok(())
    }

    fn write_features(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\nfeatures ({} in layout {})", self.features.len(), self.layout)?;
        let width = widest(self.features.iter().map(|feature| feature.name.as_str()));
        for feature in &self.features {
            writeln!(f, "  {:3}  {:width$}  {}", feature.index, feature.name, feature.what)?;
        }
        let groupings = if self.groupings.is_empty() { "none".to_owned() } else { self.groupings.join(", ") };
        writeln!(f, "\ngroupings  {groupings}")
    }
}

fn rules(field: &Field) -> String {
    let mut rules = vec![if field.required { "required" } else { "optional" }.to_owned()];
    match (field.min, field.max) {
        (Some(min), Some(max)) => rules.push(format!("from {min} to {max}")),
        (Some(min), None) => rules.push(format!("from {min}")),
        (None, Some(max)) => rules.push(format!("up to {max}")),
        (None, None) => {}
    }
    match &field.one_of {
        Some(OneOf::Numbers(values)) => rules.push(format!("one of {} numbers", values.len())),
        Some(OneOf::Texts(values)) => rules.push(format!("one of {} texts", values.len())),
        None => {}
    }
    rules.extend(field.pattern.as_ref().map(|pattern| format!("like `{pattern}`")));
    rules.extend(field.max_length.map(|length| format!("up to {length} characters")));
    rules.join("  ")
}

fn widest<'a>(texts: impl Iterator<Item = &'a str>) -> usize {
    texts.map(|text| text.chars().count()).max().unwrap_or(0)
}
