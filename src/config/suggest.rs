//! The nearest known name to one that is not known.

/// The candidate nearest to `name`, if it is near enough to be meant: at most a third of its letters differ, two at
/// least being allowed.
pub(crate) fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let budget = (name.chars().count() / 3).max(2);
    let measured = candidates.into_iter().map(|candidate| (distance(name, candidate), candidate));
    measured
        .filter(|(edits, candidate)| *edits <= budget && *edits < candidate.chars().count())
        .min()
        .map(|(_, name)| name)
}

/// `; did you mean X` for an unknown name, or the known ones, ready to end a message.
pub(crate) fn hint<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str> + Clone) -> String {
    if let Some(meant) = nearest(name, candidates.clone()) {
        return format!("did you mean `{meant}`?");
    }
    let known = list(candidates);
    if known.is_empty() { "there is none to choose from".to_owned() } else { format!("known are {known}") }
}

/// Names in back quotes, separated by commas.
pub(crate) fn list<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    names.into_iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

/// Edits (insert, delete, replace, swap of neighbours) between two names: the optimal string alignment distance.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    let mut previous = None;
    for (row, x) in a.chars().enumerate() {
        let mut next = vec![row + 1];
        for (column, y) in b.iter().enumerate() {
            let replaced = last.get(column).copied().unwrap_or(usize::MAX - 1) + usize::from(x != *y);
            let deleted = last.get(column + 1).copied().unwrap_or(usize::MAX - 1) + 1;
            let inserted = next.last().copied().unwrap_or(usize::MAX - 1) + 1;
            let mut best = replaced.min(deleted).min(inserted);
            let swapped = column.checked_sub(1).filter(|&left| previous == Some(*y) && b.get(left) == Some(&x));
            if let Some(edits) = swapped.and_then(|left| before.get(left)) {
                best = best.min(edits + 1);
            }
            next.push(best);
        }
        before = std::mem::replace(&mut last, next);
        previous = Some(x);
    }
    last.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_count_edits_and_swaps() {
        assert_eq!(distance("topic", "topic"), 0);
        assert_eq!(distance("tpoic", "topic"), 1);
        assert_eq!(distance("spam", "spans"), 2);
        assert_eq!(distance("", "abc"), 3);
    }

    #[test]
    fn a_far_name_is_not_suggested() {
        assert_eq!(nearest("lateness_ms", ["lateness", "topic"]), Some("lateness"));
        assert_eq!(nearest("zebra", ["lateness", "topic"]), None);
        assert_eq!(nearest("x", ["id"]), None);
    }
}
