//! What the codes of quantized values stand for, and how far rounding to a code may have moved a value.

use crate::format::{Dtype, widen};
use pulp::{Arch, Simd, WithSimd};

/// The number that each code of at most eight bits stands for, before it is scaled.
#[derive(Clone, Debug)]
pub(super) struct Book {
    /// The number of each code. Codes beyond the last are 0 and never stored.
    numbers: Box<[f32; 256]>,
    /// The mean square of what rounding to each code changes, when values are spread evenly.
    errors: Box<[f32; 256]>,
    rule: Rule,
}

/// How the numbers follow from their codes. A loop over a rule takes vector registers, and one over a table does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rule {
    /// They count upwards from this one.
    Counting(i16),
    /// They are integers with a sign.
    Signed,
    /// They are 4-bit floats.
    E2m1,
    Table,
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
        let rule = i16::try_from(least).map_or(Rule::Table, Rule::Counting);
        Self { numbers: Box::new(numbers), errors: Box::new([1.0 / 12.0; 256]), rule }
    }

    /// Codes that are the bytes of a dtype of one byte.
    pub(super) fn of_dtype(dtype: Dtype) -> Self {
        let bytes: Vec<u8> = (0..=255).collect();
        let mut numbers = [0.0; 256];
        widen(dtype, &bytes, &mut numbers);
        let errors = if dtype.is_float() { errors(&numbers) } else { [1.0 / 12.0; 256] };
        let rule = if dtype == Dtype::I8 { Rule::Signed } else { Rule::Table };
        Self { numbers: Box::new(numbers), errors: Box::new(errors), rule }
    }

    /// Codes that are 4-bit floats (E2M1).
    pub(super) fn e2m1() -> Self {
        let mut sixteen = [0.0; 16];
        for (code, number) in sixteen.iter_mut().enumerate() {
            let magnitude = E2M1[code % 8];
            *number = if code < 8 { magnitude } else { -magnitude };
        }
        Self { rule: Rule::E2m1, ..Self::of(&sixteen) }
    }

    /// Codes that count the entries of a table of at most 256 numbers.
    pub(super) fn of(table: &[f32]) -> Self {
        let mut numbers = [0.0; 256];
        numbers.iter_mut().zip(table).for_each(|(number, &entry)| *number = entry);
        let mut all = [f32::NAN; 256];
        all.iter_mut().zip(table).for_each(|(number, &entry)| *number = entry);
        Self { numbers: Box::new(numbers), errors: Box::new(errors(&all)), rule: Rule::Table }
    }

    pub(super) fn number(&self, code: u8) -> f32 {
        self.numbers[usize::from(code)]
    }

    /// Whether numbers follow from their codes without a table.
    pub(super) fn has_rule(&self) -> bool {
        self.rule != Rule::Table
    }

    /// Fills `out` with `(number − zero) · scale`, one scale and zero point for all codes. A bias is added after that.
    pub(super) fn scale(&self, codes: &[u8], [scale, zero]: [f32; 2], bias: Option<f32>, out: &mut [f32]) {
        match (self.rule, bias) {
            (Rule::Counting(least), None) => {
                let least = f32::from(least);
                each(codes, out, move |code| (f32::from(code) + least - zero) * scale);
            }
            (Rule::Counting(least), Some(bias)) => {
                let least = f32::from(least);
                each(codes, out, move |code| {
                    // Two roundings: no fused operation.
                    let product = (f32::from(code) + least - zero) * scale;
                    product + bias
                });
            }
            (Rule::Signed, None) => each(codes, out, move |code| (f32::from(code as i8) - zero) * scale),
            (Rule::E2m1, None) => each(codes, out, move |code| (e2m1(code) - zero) * scale),
            _ => {
                for (value, &code) in out.iter_mut().zip(codes) {
                    let product = (self.number(code) - zero) * scale;
                    *value = bias.map_or(product, |bias| product + bias);
                }
            }
        }
    }

    /// Fills `out` with `(number − zero) · scale`, a scale and a zero point for each code.
    pub(super) fn scale_each(&self, codes: &[u8], [scales, zeros]: [&[f32]; 2], out: &mut [f32]) {
        match self.rule {
            Rule::Counting(least) => {
                let (least, number) = (f32::from(least), |code: u8| f32::from(code));
                Arch::new().dispatch(Scaled { codes, scales, zeros, out, number: move |code| number(code) + least });
            }
            Rule::E2m1 => Arch::new().dispatch(Scaled { codes, scales, zeros, out, number: e2m1 }),
            Rule::Signed | Rule::Table => {
                for ((value, &code), (scale, zero)) in out.iter_mut().zip(codes).zip(scales.iter().zip(zeros)) {
                    *value = (self.number(code) - zero) * scale;
                }
            }
        }
    }

    pub(super) fn error(&self, code: u8) -> f32 {
        self.errors[usize::from(code)]
    }
}

/// The value of a 4-bit float, by its bits.
#[inline(always)]
fn e2m1(code: u8) -> f32 {
    let (magnitude, sign) = (u32::from(code & 7), u32::from(code & 8) << 28);
    // The two bits of the exponent have the bias 1. Zero and a half have no leading digit.
    let number = if magnitude < 2 { magnitude as f32 * 0.5 } else { f32::from_bits((magnitude << 22) + (126 << 23)) };
    f32::from_bits(number.to_bits() | sign)
}

fn each(codes: &[u8], out: &mut [f32], number: impl Fn(u8) -> f32) {
    Arch::new().dispatch(Each { codes, out, number });
}

/// A loop over codes, in a type so that `pulp` can compile it for each set of vector instructions.
struct Each<'a, F> {
    codes: &'a [u8],
    out: &'a mut [f32],
    number: F,
}

impl<F: Fn(u8) -> f32> WithSimd for Each<'_, F> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        for (value, &code) in self.out.iter_mut().zip(self.codes) {
            *value = (self.number)(code);
        }
    }
}

/// The same with a scale and a zero point for each code.
struct Scaled<'a, F> {
    codes: &'a [u8],
    scales: &'a [f32],
    zeros: &'a [f32],
    out: &'a mut [f32],
    number: F,
}

impl<F: Fn(u8) -> f32> WithSimd for Scaled<'_, F> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let numbers = self.codes.iter().zip(self.scales).zip(self.zeros);
        for (value, ((&code, scale), zero)) in self.out.iter_mut().zip(numbers) {
            *value = ((self.number)(code) - zero) * scale;
        }
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
    fn rules_give_the_numbers_of_tables() {
        let mut codes: Vec<u8> = (0..16).collect();
        let (scales, zeros): (Vec<f32>, Vec<f32>) = (0..16).map(|i| (0.1 + i as f32, 0.3 * i as f32)).unzip();
        for book in [Book::counting(0), Book::counting(-8), Book::e2m1(), Book::of_dtype(Dtype::I8)] {
            if book.rule == Rule::Signed {
                codes.iter_mut().for_each(|code| *code = code.wrapping_mul(37).wrapping_sub(90));
            }

            let table = Book { rule: Rule::Table, ..book.clone() };
            let codes = &codes[..];
            let found = |book: &Book, bias| {
                let (mut one, mut each) = ([0.0; 16], [0.0; 16]);
                book.scale(codes, [0.7, 0.3], bias, &mut one);
                book.scale_each(codes, [&scales, &zeros], &mut each);
                let mut plain = [0.0; 16];
                book.scale(codes, [1.0, 0.0], None, &mut plain);
                [one, each, plain].map(|all| all.map(f32::to_bits))
            };
            for bias in [None, Some(0.11)] {
                assert_eq!(found(&book, bias), found(&table, bias), "{:?}", book.rule);
            }
        }
    }

    #[test]
    fn zeros_of_both_signs_are_one_number() {
        let book = Book::e2m1();
        assert_eq!((book.number(7), book.number(15), book.number(9)), (6.0, -6.0, -0.5));
        // The neighbors of zero are half a step away on both sides.
        assert!((book.error(0) - 0.25 / 12.0).abs() < 1e-7 && book.error(0) == book.error(8));
    }
}
