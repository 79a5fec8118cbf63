//! Numbers of both precisions, as loops over vector registers see them.

use pulp::Simd;

/// A number that vector registers hold.
pub(crate) trait Element: Copy {
    /// The register.
    type Vector<S: Simd>: Copy;

    /// Cuts values into registers, and what is left over.
    fn vectors<S: Simd>(values: &[Self]) -> (&[Self::Vector<S>], &[Self])
    where
        Self: Sized;
    fn zero<S: Simd>(simd: S) -> Self::Vector<S>;
    fn subtract<S: Simd>(simd: S, x: Self::Vector<S>, y: Self::Vector<S>) -> Self::Vector<S>;
    /// Returns `x · y + sum`.
    fn multiply_add<S: Simd>(simd: S, x: Self::Vector<S>, y: Self::Vector<S>, sum: Self::Vector<S>) -> Self::Vector<S>;
    /// Adds up what a register holds.
    fn total<S: Simd>(simd: S, sum: Self::Vector<S>) -> f64;
    fn wide(self) -> f64;
}

impl Element for f64 {
    type Vector<S: Simd> = S::f64s;

    #[inline(always)]
    fn vectors<S: Simd>(values: &[Self]) -> (&[S::f64s], &[Self]) {
        S::as_simd_f64s(values)
    }

    #[inline(always)]
    fn zero<S: Simd>(simd: S) -> S::f64s {
        simd.splat_f64s(0.0)
    }

    #[inline(always)]
    fn subtract<S: Simd>(simd: S, x: S::f64s, y: S::f64s) -> S::f64s {
        simd.sub_f64s(x, y)
    }

    #[inline(always)]
    fn multiply_add<S: Simd>(simd: S, x: S::f64s, y: S::f64s, sum: S::f64s) -> S::f64s {
        simd.mul_add_e_f64s(x, y, sum)
    }

    #[inline(always)]
    fn total<S: Simd>(simd: S, sum: S::f64s) -> f64 {
        simd.reduce_sum_f64s(sum)
    }

    fn wide(self) -> f64 {
        self
    }
}

impl Element for f32 {
    type Vector<S: Simd> = S::f32s;

    #[inline(always)]
    fn vectors<S: Simd>(values: &[Self]) -> (&[S::f32s], &[Self]) {
        S::as_simd_f32s(values)
    }

    #[inline(always)]
    fn zero<S: Simd>(simd: S) -> S::f32s {
        simd.splat_f32s(0.0)
    }

    #[inline(always)]
    fn subtract<S: Simd>(simd: S, x: S::f32s, y: S::f32s) -> S::f32s {
        simd.sub_f32s(x, y)
    }

    #[inline(always)]
    fn multiply_add<S: Simd>(simd: S, x: S::f32s, y: S::f32s, sum: S::f32s) -> S::f32s {
        simd.mul_add_e_f32s(x, y, sum)
    }

    #[inline(always)]
    fn total<S: Simd>(simd: S, sum: S::f32s) -> f64 {
        f64::from(simd.reduce_sum_f32s(sum))
    }

    fn wide(self) -> f64 {
        f64::from(self)
    }
}
