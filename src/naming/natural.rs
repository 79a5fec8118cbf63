//! The order of names in which numbers count as numbers: layer 2 comes before layer 10.

use std::cmp::Ordering;

/// Compares two names. Equal only if they are the same text.
pub(crate) fn natural(a: &str, b: &str) -> Ordering {
    parts(a).cmp(parts(b)).then_with(|| a.cmp(b))
}

/// A run of digits, or one other character. Digits come first, and fewer digits are a smaller number.
type Part<'a> = (bool, usize, &'a str);

fn parts(name: &str) -> impl Iterator<Item = Part<'_>> {
    let mut rest = name;
    std::iter::from_fn(move || {
        let first = rest.chars().next()?;
        let is_number = first.is_ascii_digit();
        let length = match is_number {
            true => rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len()),
            false => first.len_utf8(),
        };
        let (part, after) = rest.split_at(length);
        rest = after;
        let digits = part.trim_start_matches('0');
        Some(if is_number { (false, digits.len(), digits) } else { (true, 0, part) })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_compared_as_numbers() {
        let mut names = ["b.10.w", "b.2.w", "b.w", "a", "b.02.w", "", "b.2", "b.9é"];
        names.sort_by(|a, b| natural(a, b));
        assert_eq!(names, ["", "a", "b.2", "b.02.w", "b.2.w", "b.9é", "b.10.w", "b.w"]);
    }
}
