/// The median, of an even number of values the mean of the two in the middle; `None` of none. Reorders the values.
pub(crate) fn median(values: &mut [f64]) -> Option<f64> {
    let (odd, middle) = (values.len() % 2 == 1, values.len() / 2);
    if values.is_empty() {
        return None;
    }
    let (below, &mut upper, _) = values.select_nth_unstable_by(middle, f64::total_cmp);
    let lower = below.iter().copied().max_by(f64::total_cmp).filter(|_| !odd);
    Some(lower.map_or(upper, |lower| (lower + upper) / 2.0))
}

#[cfg(test)]
mod tests {
    use super::median;

    #[test]
    fn one_or_two_values_are_in_the_middle() {
        let cases: [(&[f64], Option<f64>); 5] = [
            (&[], None),
            (&[3.0], Some(3.0)),
            (&[4.0, -1.0], Some(1.5)),
            (&[9.0, 1.0, 2.0], Some(2.0)),
            (&[8.0, 1.0, f64::INFINITY, 2.0], Some(5.0)),
        ];
        for (values, expected) in cases {
            assert_eq!(median(&mut values.to_vec()), expected, "{values:?}");
        }
    }
}
