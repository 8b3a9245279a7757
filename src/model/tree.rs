//! One decision tree in its stored form: nodes in breadth-first order, children implied.
//!
//! Per node there is a feature (or -1 for a leaf) and a value (the threshold of a split, the output of a leaf). The two
//! children of the k-th split, counted from 0, are the nodes 2k + 1 and 2k + 2. Links that lead astray or in circles
//! cannot be written down in this form; what is left to check is that every node can be reached, that features exist, and
//! that numbers are finite. A row goes to the first child if its value is `<=` the threshold, else to the second.

use serde::{Deserialize, Serialize};

/// The most nodes of one tree.
pub const MAX_NODES: usize = 1 << 20;
/// The most splits between root and leaf.
pub const MAX_DEPTH: usize = 64;
const LEAF: i32 = -1;

/// Nodes in breadth-first order; unchecked until a forest is made of them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TreeNodes {
    /// The feature a node splits on; -1 for a leaf.
    pub feature: Vec<i32>,
    /// The threshold of a split; the output of a leaf, between 0 and 1.
    pub value: Vec<f64>,
}

/// A node of a tree whose children are given by index, as libraries hand trees out.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum LinkedNode {
    /// An end, with its output.
    Leaf {
        /// What the tree says here.
        output: f64,
    },
    /// A question with two answers.
    Split {
        /// The feature asked about.
        feature: usize,
        /// Where it divides.
        threshold: f64,
        /// The node for values `<=` the threshold.
        at_most: usize,
        /// The node for all others.
        above: usize,
    },
}

/// Why nodes are no tree.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum TreeError {
    /// Feature and value lists differ, are empty or too long.
    #[error(
        "{features} features and {values} values do not make a tree; it has 1 to {MAX_NODES} nodes with one of each"
    )]
    Length {
        /// Features given.
        features: usize,
        /// Values given.
        values: usize,
    },
    /// A split on a feature that the layout does not have.
    #[error("node {node} splits on feature {feature} of {width}")]
    Feature {
        /// The node.
        node: usize,
        /// Its feature.
        feature: i32,
        /// Features there are.
        width: usize,
    },
    /// A threshold that is not finite or an output outside 0 to 1.
    #[error("node {node} has value `{value}`; a threshold is finite, an output between 0 and 1")]
    Value {
        /// The node.
        node: usize,
        /// Its value.
        value: f64,
    },
    /// Nodes that no path leads to, or children that are not there.
    #[error(
        "{nodes} nodes with {splits} splits do not hang together; {splits} splits need twice as many nodes and one"
    )]
    Shape {
        /// Nodes given.
        nodes: usize,
        /// Splits among them.
        splits: usize,
    },
    /// More than [`MAX_DEPTH`] splits in a row.
    #[error("a path of more than {MAX_DEPTH} splits")]
    Depth,
}

impl TreeNodes {
    /// Renumbers a tree given by links, node 0 its root, breadth first.
    ///
    /// # Errors
    /// Links that lead nowhere or in circles come out as too many nodes or a wrong shape.
    pub fn from_linked(nodes: &[LinkedNode]) -> Result<Self, TreeError> {
        let mut tree = TreeNodes { feature: Vec::with_capacity(nodes.len()), value: Vec::with_capacity(nodes.len()) };
        let mut order = Vec::with_capacity(nodes.len());
        order.push(0_usize);
        let mut next = 0;
        while let Some(&at) = order.get(next) {
            next += 1;
            let split_count = order.len() / 2;
            let Some(node) = nodes.get(at) else {
                return Err(TreeError::Shape { nodes: nodes.len(), splits: split_count });
            };
            match *node {
                LinkedNode::Leaf { output } => {
                    tree.feature.push(LEAF);
                    tree.value.push(output);
                }
                LinkedNode::Split { feature, threshold, at_most, above } => {
                    tree.feature.push(i32::try_from(feature).unwrap_or(i32::MAX));
                    tree.value.push(threshold);
                    order.extend([at_most, above]);
                }
            }
            if order.len() > nodes.len() {
                return Err(TreeError::Shape { nodes: nodes.len(), splits: split_count });
            }
        }
        Ok(tree)
    }

    /// Checks the nodes against a layout of `width` features and returns the largest number of splits from root to leaf.
    pub(super) fn check(&self, width: usize) -> Result<usize, TreeError> {
        let nodes = self.feature.len();
        if nodes == 0 || nodes > MAX_NODES || nodes != self.value.len() {
            return Err(TreeError::Length { features: nodes, values: self.value.len() });
        }
        let mut splits = 0;
        let mut level_end = 1;
        let mut depth = 0;
        for (node, (&feature, &value)) in self.feature.iter().zip(&self.value).enumerate() {
            if node > 2 * splits {
                return Err(TreeError::Shape { nodes, splits });
            }
            if node == level_end {
                depth += 1;
                level_end = 2 * splits + 1;
            }
            let leaf = feature == LEAF;
            if !leaf && usize::try_from(feature).map_or(true, |feature| feature >= width) {
                return Err(TreeError::Feature { node, feature, width });
            }
            if !value.is_finite() || leaf && !(0.0..=1.0).contains(&value) {
                return Err(TreeError::Value { node, value });
            }
            splits += usize::from(!leaf);
        }
        if nodes != 2 * splits + 1 {
            return Err(TreeError::Shape { nodes, splits });
        }
        if depth > MAX_DEPTH { Err(TreeError::Depth) } else { Ok(depth) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(feature: &[i32], value: &[f64]) -> TreeNodes {
        TreeNodes { feature: feature.to_vec(), value: value.to_vec() }
    }

    #[test]
    fn linked_nodes_are_renumbered_breadth_first() {
        let leaf = |output| LinkedNode::Leaf { output };
        let split = |feature, at_most, above| LinkedNode::Split { feature, threshold: 0.5, at_most, above };
        let nodes = [split(1, 4, 1), split(0, 3, 2), leaf(0.9), leaf(0.5), leaf(0.1)];
        let found = TreeNodes::from_linked(&nodes).unwrap();
        assert_eq!(found, tree(&[1, -1, 0, -1, -1], &[0.5, 0.1, 0.5, 0.5, 0.9]));
        assert_eq!(found.check(2), Ok(2));
    }

    #[test]
    fn links_in_circles_or_nowhere_are_refused() {
        let split = |at_most, above| LinkedNode::Split { feature: 0, threshold: 0.0, at_most, above };
        for nodes in [vec![split(0, 0)], vec![split(1, 2)], vec![], vec![split(1, 1), LinkedNode::Leaf { output: 0.0 }]]
        {
            assert!(TreeNodes::from_linked(&nodes).is_err(), "{nodes:?}");
        }
    }

    #[test]
    fn a_lone_leaf_is_a_tree() {
        assert_eq!(tree(&[-1], &[0.25]).check(1), Ok(0));
    }

    #[test]
    fn stored_nodes_are_checked() {
        let long = TreeNodes { feature: [[0, -1].repeat(66), vec![-1]].concat(), value: vec![0.0; 133] };
        assert_eq!(long.check(1), Err(TreeError::Depth));
        assert!(matches!(tree(&[], &[]).check(1), Err(TreeError::Length { .. })));
        assert!(matches!(tree(&[-1], &[]).check(1), Err(TreeError::Length { .. })));
        assert!(matches!(tree(&[1, -1, -1], &[0.0; 3]).check(1), Err(TreeError::Feature { .. })));
        assert!(matches!(tree(&[-2, -1, -1], &[0.0; 3]).check(1), Err(TreeError::Feature { .. })));
        assert!(matches!(tree(&[0, -1, -1], &[f64::NAN, 0.0, 0.0]).check(1), Err(TreeError::Value { .. })));
        assert!(matches!(tree(&[0, -1, -1], &[0.0, 1.5, 0.0]).check(1), Err(TreeError::Value { .. })));
        assert!(matches!(tree(&[0, -1], &[0.0; 2]).check(1), Err(TreeError::Shape { .. })));
        assert!(matches!(tree(&[-1, 0, -1, -1], &[0.0; 4]).check(1), Err(TreeError::Shape { .. })));
    }
}
