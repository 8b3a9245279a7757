//! The layouts an application has had: the names behind the fingerprints that logged rows carry.
//!
//! One object per layout, `layouts/<fingerprint>.json`, so that rows written before a change of features can be read by
//! name for as long as they are in the training log.

use object_store::path::Path;

use super::store::{Store, StoreError};
use crate::model::Layout;

const FOLDER: &str = "layouts";
const MAX_BYTES: u64 = 4 << 20;

impl Store {
    /// Keeps a layout.
    ///
    /// # Errors
    /// A store that does not take it.
    pub fn put_layout(&self, layout: &Layout) -> Result<(), StoreError> {
        let name = format!("{}.json", layout.fingerprint());
        let bytes = serde_json::to_vec(layout).unwrap_or_default();
        self.put(&Path::from_iter([FOLDER, &name]), bytes)
    }

    /// All layouts kept; an object that is none, or has another fingerprint than its name says, is passed over.
    ///
    /// # Errors
    /// A store that cannot be read.
    pub fn layouts(&self) -> Result<Vec<Layout>, StoreError> {
        let folder = Path::from(FOLDER);
        let mut layouts = Vec::new();
        for name in self.list(&folder)? {
            let bytes = self.get(&folder.clone().join(name.as_str()), MAX_BYTES)?;
            let layout = serde_json::from_slice::<Layout>(&bytes).ok();
            layouts.extend(layout.filter(|layout| name == format!("{}.json", layout.fingerprint())));
        }
        Ok(layouts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layouts_are_kept_by_fingerprint_and_what_is_none_is_passed_over() {
        let store = Store::in_memory().unwrap();
        assert_eq!(store.layouts().unwrap(), []);
        let layout = |name: &str| Layout::new(vec![name.to_owned()]).unwrap();
        for name in ["a", "b", "a"] {
            store.put_layout(&layout(name)).unwrap();
        }
        store.put(&Path::from_iter([FOLDER, "other.json"]), b"[\"c\"]".to_vec()).unwrap();
        store.put(&Path::from_iter([FOLDER, "broken.json"]), b"{".to_vec()).unwrap();
        let mut found = store.layouts().unwrap();
        found.sort_by(|a, b| a.names().cmp(b.names()));
        assert_eq!(found, [layout("a"), layout("b")]);
    }
}
