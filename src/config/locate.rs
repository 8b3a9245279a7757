//! Finds the way between a place in the TOML text and the path of the key there.
//!
//! The parser names byte offsets and the checks name key paths; a person wants the path and the line.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Every key of a document with its path and extent.
pub(crate) struct Places<'a> {
    text: &'a str,
    keys: Vec<Key>,
}

struct Key {
    path: String,
    name: Range<usize>,
    value: Range<usize>,
}

impl<'a> Places<'a> {
    /// Collects the keys of a document; empty if `text` is not TOML.
    pub(crate) fn of(text: &'a str) -> Self {
        let mut keys = Vec::new();
        if let Ok(document) = DeTable::parse(text) {
            visit_table(document.get_ref(), "", &mut keys);
        }
        Places { text, keys }
    }

    /// The line of a byte offset, counted from 1.
    pub(crate) fn line_at(&self, offset: usize) -> usize {
        1 + self.text.bytes().take(offset).filter(|byte| *byte == b'\n').count()
    }

    /// The path of the innermost key whose name or value holds the offset.
    pub(crate) fn path_at(&self, offset: usize) -> Option<&str> {
        let holding = self.keys.iter().filter(|key| key.name.contains(&offset) || key.value.contains(&offset));
        holding.max_by_key(|key| key.path.len()).map(|key| key.path.as_str())
    }

    /// The line of a key, or of the nearest table around it that is in the text.
    pub(crate) fn line_of(&self, path: &str) -> Option<usize> {
        let mut path = path;
        loop {
            if let Some(key) = self.keys.iter().find(|key| key.path == path) {
                return Some(self.line_at(key.name.start));
            }
            path = path.get(..path.rfind(['.', '['])?)?;
        }
    }
}

fn visit_table(table: &DeTable<'_>, prefix: &str, keys: &mut Vec<Key>) {
    for (name, value) in table {
        let path = join(prefix, name.get_ref());
        visit_value(value, name.span(), path, keys);
    }
}

fn visit_value(value: &Spanned<DeValue<'_>>, name: Range<usize>, path: String, keys: &mut Vec<Key>) {
    match value.get_ref() {
        DeValue::Table(table) => visit_table(table, &path, keys),
        DeValue::Array(array) => {
            for (position, element) in array.iter().enumerate() {
                visit_value(element, element.span(), format!("{path}[{position}]"), keys);
            }
        }
        _ => {}
    }
    keys.push(Key { path, name, value: value.span() });
}

/// Appends a key to a path, quoted where TOML would need it.
pub(crate) fn join(prefix: &str, name: &str) -> String {
    let bare = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
    let dot = if prefix.is_empty() { "" } else { "." };
    if bare { format!("{prefix}{dot}{name}") } else { format!("{prefix}{dot}\"{name}\"") }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "app = \"x\"\n[kafka.properties]\n\"sasl.password\" = \"p\"\n[[features.windows]]\nspans = [\n  \"1h\",\n  \"2h\",\n]\n";

    #[test]
    fn a_path_leads_to_its_line() {
        let places = Places::of(TEXT);
        assert_eq!(places.line_of("app"), Some(1));
        assert_eq!(places.line_of("kafka.properties.\"sasl.password\""), Some(3));
        assert_eq!(places.line_of("features.windows[0].spans[1]"), Some(7));
        assert_eq!(places.line_of("features.windows[0].by"), Some(4));
        assert_eq!(places.line_of("labels.topic"), None);
    }

    #[test]
    fn an_offset_leads_to_the_innermost_path() {
        let places = Places::of(TEXT);
        let offset = TEXT.find("2h").unwrap_or(0);
        assert_eq!(places.path_at(offset), Some("features.windows[0].spans[1]"));
    }
}
