//! What the codes of quantized values stand for, and how far rounding to a code may have moved a value.

use crate::format::{Dtype, widen};

/// The number that each code of at most eight bits stands for, before it is scaled.
#[derive(Clone, Debug)]
pub(super) struct Book {
    /// The number of each code. Codes beyond the last are 0 and never stored.
    numbers: Box<[f32; 256]>,
    /// The mean square of what rounding to each code changes, when values are spread evenly.
    errors: Box<[f32; 256]>,
}

/// The magnitudes of a 4-bit float with a 2-bit exponent (E2M1), by its three lower bits. The fourth bit is the sign.
const E2M1: [f32; 8] = [0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0];

impl Book {
    /// Codes that count upwards from `least`, as integers without a sign do.
    pub(super) fn counting(least: i32) -> Self {
        let mut numbers = [0.0; 256];
        for (number, at) in numbers.iter_mut().zip(0i32..) {
            *number = (least + at) as f32;
        }
        Self { numbers: Box::new(numbers), errors: Box::new([1.0 / 12.0; 256]) }
    }

    /// Codes that are the bytes of a dtype of one byte.
    pub(super) fn of_dtype(dtype: Dtype) -> Self {
        let bytes: Vec<u8> = (0..=255).collect();
        let mut numbers = [0.0; 256];
        widen(dtype, &bytes, &mut numbers);
        let errors = if dtype.is_float() { errors(&numbers) } else { [1.0 / 12.0; 256] };
        Self { numbers: Box::new(numbers), errors: Box::new(errors) }
    }

    /// Codes that are 4-bit floats (E2M1).
    pub(super) fn e2m1() -> Self {
        let mut sixteen = [0.0; 16];
        for (code, number) in sixteen.iter_mut().enumerate() {
            let magnitude = E2M1[code % 8];
            *number = if code < 8 { magnitude } else { -magnitude };
        }
        Self::of(&sixteen)
    }

    /// Codes that count the entries of a table of at most 256 numbers.
    pub(super) fn of(table: &[f32]) -> Self {
        let mut numbers = [0.0; 256];
        numbers.iter_mut().zip(table).for_each(|(number, &entry)| *number = entry);
        let mut all = [f32::NAN; 256];
        all.iter_mut().zip(table).for_each(|(number, &entry)| *number = entry);
        Self { numbers: Box::new(numbers), errors: Box::new(errors(&all)) }
    }

    pub(super) fn number(&self, code: u8) -> f32 {
        self.numbers[usize::from(code)]
    }

    pub(super) fn error(&self, code: u8) -> f32 {
        self.errors[usize::from(code)]
    }
}

/// The mean square of what rounding to each number changes. Numbers that are not finite do not count.
///
/// A number takes what is nearer to it than to its neighbors. The least and the largest take values on one side only.
fn errors(numbers: &[f32; 256]) -> [f32; 256] {
    let mut order: Vec<usize> = (0..numbers.len()).filter(|&at| numbers[at].is_finite()).collect();
    order.sort_by(|&a, &b| numbers[a].total_cmp(&numbers[b]));
    let mut sorted: Vec<f32> = order.iter().map(|&at| numbers[at]).collect();
    // +0 and −0 are one number.
    sorted.dedup();
    let mut found = [0.0; 256];
    for at in order {
        let place = sorted.partition_point(|&other| other < numbers[at]);
        let half = |other: Option<&f32>| other.map_or(0.0, |other| (other - numbers[at]).abs() / 2.0);
        let below = half(place.checked_sub(1).and_then(|place| sorted.get(place)));
        let above = half(sorted.get(place + 1));
        let width = below + above;
        found[at] = if width > 0.0 { (below.powi(3) + above.powi(3)) / (3.0 * width) } else { 0.0 };
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn even_steps_have_the_error_of_even_steps() {
        let counting = Book::counting(-8);
        let table: Vec<f32> = (0..16).map(|at| at as f32).collect();
        let book = Book::of(&table);
        for code in 1..15 {
            assert_eq!(counting.error(code), 1.0 / 12.0);
            assert!((book.error(code) - 1.0 / 12.0).abs() < 1e-7);
            assert_eq!((counting.number(code), book.number(code)), (f32::from(code) - 8.0, f32::from(code)));
        }
        assert_eq!(Book::of_dtype(Dtype::I8).number(255), -1.0);
    }

    #[test]
    fn zeros_of_both_signs_are_one_number() {
        let book = Book::e2m1();
        assert_eq!((book.number(7), book.number(15), book.number(9)), (6.0, -6.0, -0.5));
        // The neighbors of zero are half a step away on both sides.
        assert!((book.error(0) - 0.25 / 12.0).abs() < 1e-7 && book.error(0) == book.error(8));
    }
}
