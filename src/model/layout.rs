//! The layout of a feature row: which feature each position is.
//!
//! The fingerprint says in 16 characters what a row is: names and order. It rides in every prediction. A row of another
//! layout is read by name (`Selection`), or not at all.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// The most features a layout can have: node indices are 16 bits wide and a row has to stay in cache.
pub const MAX_FEATURES: usize = 4_096;
const MAX_NAME_BYTES: usize = 256;

/// Feature names in row order, unique and not empty.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<String>", into = "Vec<String>")]
pub struct Layout {
    names: Vec<String>,
    fingerprint: String,
}

/// Why a list of names is no layout.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LayoutError {
    /// No feature at all, or too many.
    #[error("a layout of {found} features is not possible; between 1 and {MAX_FEATURES} are")]
    Width {
        /// Number of names given.
        found: usize,
    },
    /// A name that is empty or too long.
    #[error("feature name {position} has {bytes} bytes; between 1 and {MAX_NAME_BYTES} are possible")]
    Name {
        /// Position in the list, from 0.
        position: usize,
        /// Its length.
        bytes: usize,
    },
    /// A name given twice.
    #[error("feature `{name}` is named twice in one layout")]
    Twice {
        /// The name.
        name: String,
    },
}

impl Layout {
    /// Takes names in row order.
    ///
    /// # Errors
    /// No name, more than [`MAX_FEATURES`], an empty or overlong name, a name given twice.
    pub fn new(names: Vec<String>) -> Result<Self, LayoutError> {
        if names.is_empty() || names.len() > MAX_FEATURES {
            return Err(LayoutError::Width { found: names.len() });
        }
        let mut seen = std::collections::BTreeSet::new();
        for (position, name) in names.iter().enumerate() {
            if name.is_empty() || name.len() > MAX_NAME_BYTES {
                return Err(LayoutError::Name { position, bytes: name.len() });
            }
            if !seen.insert(name.as_str()) {
                return Err(LayoutError::Twice { name: name.clone() });
            }
        }
        let fingerprint = fingerprint(&names);
        Ok(Layout { names, fingerprint })
    }

    /// Feature names in row order.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Number of features.
    pub fn width(&self) -> usize {
        self.names.len()
    }

    /// The position of a feature.
    pub fn position(&self, name: &str) -> Option<usize> {
        self.names.iter().position(|known| known == name)
    }

    /// The [`fingerprint`] of its names.
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }
}

/// What tells layouts apart: the first 8 bytes, in hex, of SHA-256 over the names, each led by its length in bytes (32
/// bits, little endian), so that no two lists of names run together.
pub fn fingerprint(names: &[String]) -> String {
    let mut digest = Sha256::new();
    for name in names {
        digest.update((name.len() as u32).to_le_bytes());
        digest.update(name.as_bytes());
    }
    digest.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

impl TryFrom<Vec<String>> for Layout {
    type Error = LayoutError;

    fn try_from(names: Vec<String>) -> Result<Self, LayoutError> {
        Layout::new(names)
    }
}

impl From<Layout> for Vec<String> {
    fn from(layout: Layout) -> Self {
        layout.names
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout(names: &[&str]) -> Result<Layout, LayoutError> {
        Layout::new(names.iter().map(|&name| name.to_owned()).collect())
    }

    #[test]
    fn the_fingerprint_depends_on_names_and_order_and_on_where_names_end() {
        let prints =
            [["a", "b"], ["b", "a"], ["ab", "c"], ["a", "bc"]].map(|names| layout(&names).unwrap().fingerprint);
        let distinct: std::collections::BTreeSet<_> = prints.iter().collect();
        assert_eq!(distinct.len(), prints.len());
        assert!(prints.iter().all(|print| print.len() == 16));
    }

    #[test]
    fn the_fingerprint_is_pinned() {
        // python: hashlib.sha256(b'\x01\0\0\0a\x01\0\0\0b').hexdigest()[:16]
        assert_eq!(layout(&["a", "b"]).unwrap().fingerprint(), "37efc929c5c40fd7");
    }

    #[test]
    fn empty_and_double_names_are_refused() {
        assert_eq!(layout(&[]), Err(LayoutError::Width { found: 0 }));
        assert_eq!(layout(&["a", ""]), Err(LayoutError::Name { position: 1, bytes: 0 }));
        assert_eq!(layout(&["a", "a"]), Err(LayoutError::Twice { name: "a".to_owned() }));
    }
}
