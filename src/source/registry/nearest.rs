//! Which tags a user may have meant.

/// How many are named.
const MOST: usize = 5;

/// The tags that are nearest to one that does not exist, the nearest first; of equals the later one in a list, which
/// is the newer one in most registries.
pub fn nearest<'t>(missing: &str, tags: &'t [String]) -> Vec<&'t str> {
    let mut ranked: Vec<(isize, usize, &str)> = tags
        .iter()
        .rev()
        .enumerate()
        .map(|(age, tag)| {
            let common = missing.bytes().zip(tag.bytes()).take_while(|(one, other)| one == other).count();
            // What begins alike belongs together, also where the rest is longer: `1.36` and `1.36.1-musl`.
            let signed = |count: usize| isize::try_from(count).unwrap_or(isize::MAX / 4);
            (2 * signed(distance(missing, tag)) - signed(common), age, tag.as_str())
        })
        .collect();
    ranked.sort_unstable();
    ranked.into_iter().map(|(_, _, tag)| tag).take(MOST).collect()
}

/// How many characters have to be put in, taken out or changed (Levenshtein).
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (line, left) in one.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], line + 1);
        for (column, &right) in other.iter().enumerate() {
            let changed = diagonal + usize::from(left != right);
            diagonal = row[column + 1];
            row[column + 1] = changed.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_are_those_of_the_textbook() {
        for (one, other, expected) in
            [("", "", 0), ("", "abc", 3), ("kitten", "sitting", 3), ("abc", "abc", 0), ("flaw", "lawn", 2)]
        {
            assert_eq!(distance(one, other), expected, "{one} {other}");
            assert_eq!(distance(other, one), expected, "{other} {one}");
        }
    }

    #[test]
    fn the_nearest_tags_come_first() {
        let tags: Vec<String> = ["1.35", "1.36", "1.36.1", "edge", "latest", "musl"].map(str::to_owned).to_vec();
        assert_eq!(nearest("1.37", &tags)[..2], ["1.36", "1.35"]);
        assert_eq!(nearest("lastest", &tags)[0], "latest");
        assert_eq!(nearest("1.36.2", &tags)[0], "1.36.1");
        assert_eq!(nearest("x", &tags).len(), 5);
        assert!(nearest("x", &[]).is_empty());
    }
}
