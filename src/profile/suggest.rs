//! The right name for a wrong one.

/// Longer words are not compared: nobody mistypes a name of this length, and the comparison takes
/// quadratic time.
const MAX_LENGTH: usize = 64;

/// The candidate that is nearest to `word`, if one is near enough to be meant.
///
/// Near enough is a third of the word's length in edits: letters inserted, left out, replaced, or
/// swapped with the next one. Failing that, it is the only candidate that begins with the word
/// (`net` for `network`). Case does not count.
#[must_use]
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word = folded(word)?;
    let candidates: Vec<_> = candidates
        .into_iter()
        .filter_map(|candidate| Some((folded(candidate)?, candidate)))
        .collect();
    let near_enough = (word.len() / 3).max(1);
    let near = candidates
        .iter()
        .map(|(folded, candidate)| (distance(&word, folded), *candidate))
        .filter(|(distance, _)| *distance <= near_enough)
        .min_by_key(|(distance, _)| *distance);
    near.map(|(_, candidate)| candidate).or_else(|| {
        let mut longer = candidates.iter().filter(|(folded, _)| folded.starts_with(&word));
        let (_, only) = longer.next().filter(|_| word.len() > 1)?;
        longer.next().is_none().then_some(*only)
    })
}

/// The help that goes with a wrong name: the nearest right one, or all of them.
#[must_use]
pub fn help<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> String {
    let candidates: Vec<&str> = candidates.into_iter().collect();
    match nearest(word, candidates.iter().copied()) {
        Some(name) => format!("did you mean \"{name}\"?"),
        None => format!("valid names: {}", candidates.join(", ")),
    }
}

/// The word in lower case, with both separators made one; `None` if it is too long to compare.
fn folded(word: &str) -> Option<Vec<char>> {
    (word.len() <= MAX_LENGTH).then(|| {
        let unify = |c| if c == '_' { '-' } else { c };
        word.chars().flat_map(char::to_lowercase).map(unify).collect()
    })
}

/// The optimal string alignment distance.
fn distance(a: &[char], b: &[char]) -> usize {
    let mut before_last = vec![0; b.len() + 1];
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i; b.len() + 1];
        for j in 1..=b.len() {
            let replaced = last[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            row[j] = replaced.min(last[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                row[j] = row[j].min(before_last[j - 2] + 1);
            }
        }
        before_last = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}
