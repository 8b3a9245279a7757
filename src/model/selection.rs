//! The columns a model reads, where rows are of another layout than its own.
//!
//! Features are found by name. A row that lacks one of them cannot be scored: a value that is missing everywhere is not
//! what the model was trained on.

use std::borrow::Cow;

use super::Layout;
use crate::data::Columns;

/// Where the features of a model are in a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selection {
    /// `None` where the row is what the model expects.
    positions: Option<Vec<usize>>,
}

impl Selection {
    /// Finds the features of `model` among those of a row; `None` if one is not there.
    pub fn of(model: &Layout, row: &[String]) -> Option<Self> {
        if model.names() == row {
            return Some(Selection { positions: None });
        }
        let find = |name: &String| row.iter().position(|known| known == name);
        let positions = model.names().iter().map(find).collect::<Option<_>>()?;
        Some(Selection { positions: Some(positions) })
    }

    /// The rows as the model expects them.
    pub fn take<'a>(&self, rows: &'a Columns) -> Cow<'a, Columns> {
        match &self.positions {
            None => Cow::Borrowed(rows),
            Some(positions) => {
                let columns = positions.iter().map(|position| rows.column(*position).to_vec());
                // Columns of one batch are equally long.
                Cow::Owned(Columns::from_columns(columns.collect()).unwrap_or_default())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    #[test]
    fn columns_are_found_by_name_and_a_missing_one_is_noticed() {
        let model = Layout::new(names(&["b", "a"])).unwrap();
        let rows = Columns::from_columns(vec![vec![1.0], vec![2.0], vec![3.0]]).unwrap();
        let selection = Selection::of(&model, &names(&["a", "c", "b"])).unwrap();
        assert_eq!(selection.take(&rows).columns(), [[3.0], [1.0]]);
        assert_eq!(Selection::of(&model, &names(&["a", "c"])), None);
        let same = Selection::of(&model, &names(&["b", "a"])).unwrap();
        assert!(matches!(same.take(&rows), Cow::Borrowed(_)));
    }
}
