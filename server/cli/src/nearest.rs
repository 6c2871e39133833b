//! Which word was meant: the nearest of those that there are, where one is near.

/// What is to be said of an unknown key, if serde's message is of one: the known key that is nearest to it.
pub(crate) fn suggestion(message: &str) -> Option<String> {
    let list = message.split_once("unknown field ")?.1;
    // Every other piece is in backticks, the unknown one first.
    let mut words = list.split('`').skip(1).step_by(2);
    let unknown = words.next()?;
    nearest(unknown, words).map(|known| format!("did you mean `{known}`?"))
}

/// The nearest of the known words, if one is near.
pub(crate) fn nearest<'w>(unknown: &str, known: impl Iterator<Item = &'w str>) -> Option<&'w str> {
    let near = known.map(|known| (distance(unknown, known), known)).min()?;
    let is_near = near.0 <= 2.min(unknown.chars().count() / 2);
    is_near.then_some(near.1)
}

/// How many letters must be put in, taken out, or changed (Levenshtein).
fn distance(one: &str, other: &str) -> usize {
    let mut row: Vec<usize> = (0..=other.chars().count()).collect();
    for (line, a) in one.chars().enumerate() {
        // What stood above and to the left of the next cell.
        let mut before = std::mem::replace(&mut row[0], line + 1);
        let mut left = line + 1;
        for (cell, b) in row.iter_mut().skip(1).zip(other.chars()) {
            let here = (before + usize::from(a != b)).min(left + 1).min(*cell + 1);
            before = std::mem::replace(cell, here);
            left = here;
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_word() {
        for (one, other, expected) in
            [("", "", 0), ("a", "", 1), ("", "ab", 2), ("htpt", "http", 2), ("bdy", "body", 1)]
        {
            assert_eq!(distance(one, other), expected, "{one} {other}");
            assert_eq!(distance(other, one), expected, "{other} {one}");
        }
        assert_eq!(distance("kitten", "sitting"), 3);
        let said = |unknown: &str| {
            suggestion(&format!(
                "unknown field `{unknown}`, expected one of `body`, `head`, `target`"
            ))
        };
        assert_eq!(said("bdy").as_deref(), Some("did you mean `body`?"));
        assert_eq!(said("targets").as_deref(), Some("did you mean `target`?"));
        assert_eq!((said("upstream"), said("xx")), (None, None));
        assert_eq!(suggestion("invalid type: `x`"), None);
        assert_eq!(suggestion("unknown field `x"), None);
    }
}
