//! The trees of a forest of smartcore, whose nodes are private: read through its serialised form.

use serde::Deserialize;

use super::SmartcoreForest;
use crate::model::{LinkedNode, TreeNodes};

/// The part of a serialised smartcore 0.7 forest that scoring needs.
#[derive(Deserialize)]
struct StoredForest {
    forest_regressor: StoredTrees,
}

#[derive(Deserialize)]
struct StoredTrees {
    trees: Vec<StoredTree>,
}

#[derive(Deserialize)]
struct StoredTree {
    nodes: Vec<StoredNode>,
}

#[derive(Deserialize)]
struct StoredNode {
    output: f64,
    split_feature: usize,
    split_value: Option<f64>,
    true_child: Option<usize>,
    false_child: Option<usize>,
}

/// The trees of a fitted forest.
pub(super) fn trees_of(forest: &SmartcoreForest) -> Result<Vec<TreeNodes>, String> {
    let stored = serde_json::to_value(forest).and_then(serde_json::from_value::<StoredForest>);
    let stored = stored.map_err(|error| format!("its trees cannot be read: {error}"))?;
    stored
        .forest_regressor
        .trees
        .iter()
        .map(|tree| {
            let nodes: Vec<LinkedNode> = tree.nodes.iter().map(linked).collect();
            TreeNodes::from_linked(&nodes).map_err(|error| error.to_string())
        })
        .collect()
}

fn linked(node: &StoredNode) -> LinkedNode {
    match (node.true_child, node.false_child) {
        (Some(at_most), Some(above)) => {
            // a threshold that is not there passes for one that is not finite, and is refused with the tree
            let threshold = node.split_value.unwrap_or(f64::NAN);
            LinkedNode::Split { feature: node.split_feature, threshold, at_most, above }
        }
        _ => LinkedNode::Leaf { output: node.output },
    }
}
