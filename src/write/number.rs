/// Writes a finite number in four significant digits, in scientific form where that would be long.
pub(super) fn significant(value: f64) -> String {
    if value == 0.0 {
        return "0".to_owned();
    }
    // The exponent is taken after rounding: 9.9996 becomes 10.00.
    let scientific = format!("{value:.3e}");
    let exponent = scientific.split_once('e').and_then(|(_, e)| e.parse::<i32>().ok());
    match exponent {
        Some(e @ -4..=3) => format!("{value:.*}", (3 - e).unsigned_abs() as usize),
        // Up to seven digits a whole number is no longer than its scientific form.
        Some(4..=6) => format!("{value:.0}"),
        _ => scientific,
    }
}

/// Writes a finite number in two significant digits.
pub(super) fn brief(error: f64) -> String {
    let exponent = error.abs().log10().floor();
    if (-4.0..2.0).contains(&exponent) {
        format!("{error:.*}", (1.0 - exponent) as usize)
    } else {
        format!("{error:.1e}")
    }
}

#[cfg(test)]
mod tests {
    use super::significant;

    #[test]
    fn four_digits_at_every_size() {
        let cases = [
            (0.0, "0"),
            (3.21, "3.210"),
            (9.9996, "10.00"),
            (1234.5678, "1235"),
            (1_234_567.0, "1234567"),
            (12_345_678.0, "1.235e7"),
            (0.000123456, "0.0001235"),
            (0.0000123456, "1.235e-5"),
            (1e-300, "1.000e-300"),
        ];
        for (value, expected) in cases {
            assert_eq!(significant(value), expected);
        }
    }
}
