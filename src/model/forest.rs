//! The forest family: the mean of many regression trees fitted to 0/1 labels, laid out for scoring.
//!
//! Nodes of 16 bytes with the two children side by side; a leaf leads to itself, so that every walk through a tree takes
//! the same number of steps and none branches. Eight rows walk at once, which hides the wait for memory, and one tree
//! serves the whole batch before the next one is touched. Thresholds, outputs and the order of the sum are those of the
//! library that trained the trees, so scores equal its own predictions bit for bit (`x <= threshold` goes to the first
//! child, everything else to the second).
//!
//! A missing or infinite value is replaced by a number stored per feature before the walk.

use serde::{Deserialize, Serialize};

use super::{Columns, TreeError, TreeNodes};

/// The most trees of one forest.
pub const MAX_TREES: usize = 2_000;
const MAX_FOREST_NODES: usize = 1 << 22;
const BLOCK_ROWS: usize = 256;
const WALKS: usize = 8;

/// A forest ready to score.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "ForestParts", into = "ForestParts")]
pub struct Forest {
    imputation: Vec<f64>,
    trees: Vec<Tree>,
}

#[derive(Clone, Debug, PartialEq)]
struct Tree {
    steps: usize,
    nodes: Vec<Node>,
    outputs: Vec<f64>,
}

/// `child` is the first of two neighbours; a leaf has an infinite threshold and itself as `child`.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Node {
    threshold: f64,
    child: u32,
    feature: u16,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ForestParts {
    imputation: Vec<f64>,
    trees: Vec<TreeNodes>,
}

/// Why trees are no forest.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ForestError {
    /// No tree, or too many.
    #[error("a forest of {found} trees is not possible; between 1 and {MAX_TREES} are")]
    Trees {
        /// Trees given.
        found: usize,
    },
    /// Too many nodes in all.
    #[error("a forest of {found} nodes is too large; up to {MAX_FOREST_NODES} are possible")]
    Nodes {
        /// Nodes given.
        found: usize,
    },
    /// No feature, more than fit, or an imputation value that is not finite.
    #[error("the imputation values of a forest must be finite and between 1 and 65536 in number; there are {found}")]
    Imputation {
        /// Values given.
        found: usize,
    },
    /// A tree that is none.
    #[error("tree {tree} of a forest: {error}")]
    Tree {
        /// Its position.
        tree: usize,
        /// What is wrong with it.
        error: TreeError,
    },
}

impl Forest {
    /// Checks trees and lays them out. `imputation` has, for each feature, the number a missing value counts as.
    ///
    /// # Errors
    /// No tree, more than [`MAX_TREES`] or four million nodes, an imputation value that is not finite, a tree that does not
    /// hang together or asks for a feature that is not there.
    pub fn new(imputation: Vec<f64>, trees: &[TreeNodes]) -> Result<Self, ForestError> {
        if trees.is_empty() || trees.len() > MAX_TREES {
            return Err(ForestError::Trees { found: trees.len() });
        }
        let width = imputation.len();
        if width == 0 || width > usize::from(u16::MAX) || !imputation.iter().all(|value| value.is_finite()) {
            return Err(ForestError::Imputation { found: width });
        }
        let found = trees.iter().map(|tree| tree.feature.len()).sum();
        if found > MAX_FOREST_NODES {
            return Err(ForestError::Nodes { found });
        }
        let trees = trees.iter().enumerate().map(|(tree, nodes)| {
            let steps = nodes.check(width).map_err(|error| ForestError::Tree { tree, error })?;
            Ok(Tree::lay_out(nodes, steps))
        });
        Ok(Forest { imputation, trees: trees.collect::<Result<_, ForestError>>()? })
    }

    /// Number of features.
    pub fn width(&self) -> usize {
        self.imputation.len()
    }

    /// Number of trees.
    pub fn n_trees(&self) -> usize {
        self.trees.len()
    }

    /// Number of nodes of all trees.
    pub fn n_nodes(&self) -> usize {
        self.trees.iter().map(|tree| tree.nodes.len()).sum()
    }

    /// Writes the probability of each row of `rows` to `out`, which is as long. A feature that `rows` lacks is missing.
    pub fn score(&self, rows: &Columns, out: &mut [f64]) {
        let mut block = vec![0.0; self.width() * out.len().min(BLOCK_ROWS)];
        for (number, out) in out.chunks_mut(BLOCK_ROWS).enumerate() {
            self.fill(rows, number * BLOCK_ROWS, &mut block);
            out.fill(0.0);
            for tree in &self.trees {
                tree.add(self.width(), &block, out);
            }
            let n_trees = self.trees.len() as f64;
            for sum in out {
                *sum /= n_trees;
            }
        }
    }

    /// Copies rows from `first` on into `block`, row by row, with nothing missing.
    fn fill(&self, rows: &Columns, first: usize, block: &mut [f64]) {
        let width = self.width();
        for (position, &imputed) in self.imputation.iter().enumerate() {
            let column = rows.column(position).get(first..).unwrap_or_default();
            let values = column.iter().copied().chain(std::iter::repeat(imputed));
            for (row, x) in block.chunks_exact_mut(width).zip(values) {
                if let Some(slot) = row.get_mut(position) {
                    *slot = if x.is_finite() { x } else { imputed };
                }
            }
        }
    }
}

impl Tree {
    fn lay_out(nodes: &TreeNodes, steps: usize) -> Tree {
        let mut child = 1;
        let mut tree = Tree { steps, nodes: Vec::with_capacity(nodes.value.len()), outputs: Vec::new() };
        for (at, (&feature, &value)) in nodes.feature.iter().zip(&nodes.value).enumerate() {
            match u16::try_from(feature) {
                Ok(feature) => {
                    tree.nodes.push(Node { threshold: value, child, feature });
                    tree.outputs.push(0.0);
                    child += 2;
                }
                Err(_) => {
                    tree.nodes.push(Node { threshold: f64::INFINITY, child: at as u32, feature: 0 });
                    tree.outputs.push(value);
                }
            }
        }
        tree
    }

    /// Adds the tree's output for each row of `block` to `out`.
    #[expect(clippy::indexing_slicing, reason = "`TreeNodes::check` passed the tree; rows are cut to whole widths")]
    fn add(&self, width: usize, block: &[f64], out: &mut [f64]) {
        for (rows, out) in block.chunks(width * WALKS).zip(out.chunks_mut(WALKS)) {
            let mut at = [0_u32; WALKS];
            if out.len() == WALKS && rows.len() == width * WALKS {
                for _ in 0..self.steps {
                    for (walk, at) in at.iter_mut().enumerate() {
                        *at = self.next(*at, &rows[walk * width..(walk + 1) * width]);
                    }
                }
            } else {
                for (row, at) in rows.chunks(width).zip(&mut at) {
                    for _ in 0..self.steps {
                        *at = self.next(*at, row);
                    }
                }
            }
            for (sum, &leaf) in out.iter_mut().zip(&at) {
                *sum += self.outputs[leaf as usize];
            }
        }
    }

    #[inline(always)]
    #[expect(clippy::indexing_slicing, reason = "`TreeNodes::check` passed the tree for this width")]
    fn next(&self, at: u32, row: &[f64]) -> u32 {
        let node = &self.nodes[at as usize];
        let at_most = row[usize::from(node.feature)] <= node.threshold;
        node.child + u32::from(!at_most)
    }
}

impl TryFrom<ForestParts> for Forest {
    type Error = ForestError;

    fn try_from(parts: ForestParts) -> Result<Self, ForestError> {
        Forest::new(parts.imputation, &parts.trees)
    }
}

impl From<Forest> for ForestParts {
    fn from(forest: Forest) -> Self {
        let trees = forest.trees.iter().map(|tree| {
            let is_leaf = |at: usize, node: &Node| node.child as usize == at;
            let nodes = || tree.nodes.iter().zip(&tree.outputs).enumerate();
            TreeNodes {
                feature: nodes()
                    .map(|(at, (node, _))| if is_leaf(at, node) { -1 } else { node.feature.into() })
                    .collect(),
                value: nodes().map(|(at, (node, &out))| if is_leaf(at, node) { out } else { node.threshold }).collect(),
            }
        });
        ForestParts { trees: trees.collect(), imputation: forest.imputation }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// x0 <= 1 -> 0.25, else x1 <= -1 -> 0.5, else 1
    fn forest(n_trees: usize) -> Forest {
        let tree = TreeNodes { feature: vec![0, -1, 1, -1, -1], value: vec![1.0, 0.25, -1.0, 0.5, 1.0] };
        Forest::new(vec![7.0, -9.0], &vec![tree; n_trees]).unwrap()
    }

    fn score(forest: &Forest, rows: &[[f64; 2]]) -> Vec<f64> {
        let mut columns = Columns::new(2);
        rows.iter().for_each(|row| columns.push_row(row));
        let mut out = vec![f64::NAN; rows.len()];
        forest.score(&columns, &mut out);
        out
    }

    #[test]
    fn a_value_on_the_threshold_goes_to_the_first_child() {
        assert_eq!(score(&forest(3), &[[1.0, 0.0], [1.5, -1.0], [1.5, 0.0]]), [0.25, 0.5, 1.0]);
    }

    #[test]
    fn missing_and_infinite_count_as_the_stored_value() {
        let imputed = score(&forest(1), &[[7.0, -9.0]]);
        assert_eq!(score(&forest(1), &[[f64::NAN, f64::NAN]]), imputed);
        assert_eq!(score(&forest(1), &[[f64::INFINITY, f64::NEG_INFINITY]]), imputed);
        let mut out = [0.0];
        forest(1).score(&Columns::new(0), &mut out);
        assert_eq!(out[0], imputed[0]);
    }

    #[test]
    fn no_tree_no_feature_and_a_bad_tree_are_refused() {
        let leaf = TreeNodes { feature: vec![-1], value: vec![0.5] };
        assert_eq!(Forest::new(vec![0.0], &[]), Err(ForestError::Trees { found: 0 }));
        assert_eq!(Forest::new(vec![], std::slice::from_ref(&leaf)), Err(ForestError::Imputation { found: 0 }));
        assert!(Forest::new(vec![f64::NAN], std::slice::from_ref(&leaf)).is_err());
        let bad = TreeNodes { feature: vec![3, -1, -1], value: vec![0.5; 3] };
        assert!(matches!(Forest::new(vec![0.0], &[leaf, bad]), Err(ForestError::Tree { tree: 1, .. })));
    }

    proptest! {
        #[test]
        fn a_row_scores_the_same_in_a_batch_of_any_size(rows in prop::collection::vec([-3.0..3.0, -3.0..3.0], 0..600)) {
            let forest = forest(5);
            let together = score(&forest, &rows);
            for (row, score_in_batch) in rows.iter().zip(together) {
                prop_assert_eq!(score(&forest, &[*row])[0].to_bits(), score_in_batch.to_bits());
            }
        }
    }
}
