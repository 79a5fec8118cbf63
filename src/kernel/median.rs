/// Returns the median. For an even number of values, it is the mean of the two in the middle. `None` when there are no values.
/// The values are reordered.
pub(crate) fn median(values: &mut [f64]) -> Option<f64> {
    let (odd, middle) = (values.len() % 2 == 1, values.len() / 2);
    if values.is_empty() {
        return None;
    }
    let (below, &mut upper, _) = values.select_nth_unstable_by(middle, f64::total_cmp);
    // The lower of the two values in the middle is the greatest of those before the upper one.
    let lower = below.iter().copied().max_by(f64::total_cmp).filter(|_| !odd);
    Some(lower.map_or(upper, |lower| (lower + upper) / 2.0))
}

/// Returns the value in the middle. For an even number of values, it is the upper of the two, so it is always one of the
/// values. `None` when there are no values. The values are reordered.
pub(crate) fn upper_median(values: &mut [f64]) -> Option<f64> {
    let middle = values.len() / 2;
    (!values.is_empty()).then(|| *values.select_nth_unstable_by(middle, f64::total_cmp).1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_or_two_values_are_in_the_middle() {
        let cases: [(&[f64], Option<f64>, Option<f64>); 5] = [
            (&[], None, None),
            (&[3.0], Some(3.0), Some(3.0)),
            (&[4.0, -1.0], Some(1.5), Some(4.0)),
            (&[9.0, 1.0, 2.0], Some(2.0), Some(2.0)),
            (&[8.0, 1.0, f64::INFINITY, 2.0], Some(5.0), Some(8.0)),
        ];
        for (values, expected, upper) in cases {
            assert_eq!(median(&mut values.to_vec()), expected, "{values:?}");
            assert_eq!(upper_median(&mut values.to_vec()), upper, "{values:?}");
        }
    }
}
