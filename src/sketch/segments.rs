//! The runs of a tensor that are sketched separately.

use super::line_sample::LineSample;
use crate::kernel::format::TALL;
use crate::source::ParameterInfo;
use std::ops::Range;

/// A range of values of a tensor that is made of whole rows.
pub(crate) type Segment = Range<usize>;

/// The runs of a tensor that are sketched separately.
///
/// A tall matrix is cut where the binary digits of its number of rows add up. For example, 32,064 rows become segments of
/// 16,384, 8,192, 4,096, 2,048, 1,024, 256 and 64 rows. Two matrices may differ by some rows at the end, as vocabularies do.
/// Then they have all but the last few segments in common, and are compared on those.
///
/// An integer tensor with more values than the width has no segment, because it is never compared.
pub(crate) fn segments(info: &ParameterInfo, width: usize) -> Vec<Segment> {
    let size = info.size();
    if size == 0 || (!info.dtype.is_float() && size > width) {
        return Vec::new();
    }
    let Some((&rows, columns)) = info.shape.split_first().filter(|(_, columns)| !columns.is_empty()) else {
        return std::iter::once(0..size).collect();
    };
    let row: usize = columns.iter().product();
    // Only tall matrices grow by rows, as vocabularies do. Cutting others would cost width and give nothing.
    if rows as f64 <= TALL * row as f64 || row < 2 {
        return std::iter::once(0..size).collect();
    }
    let mut begin = 0;
    let digits = (0..usize::BITS).rev().map(|bit| 1usize << bit).filter(|digit| rows & digit != 0);
    digits
        .map(|digit| {
            let segment = begin * row..(begin + digit) * row;
            begin += digit;
            segment
        })
        .collect()
}

/// Number of numbers kept of the lines of a tensor; 0 where every value is kept.
pub(crate) fn lines(info: &ParameterInfo, segments: &[Segment], width: usize) -> usize {
    let whole = segments.iter().all(|segment| segment.len() <= width);
    if whole { 0 } else { LineSample::new(info, width).map_or(0, |sample| sample.len()) }
}

/// Number of values kept of a segment.
pub(crate) fn kept(segment: &Segment, width: usize) -> usize {
    segment.len().min(width)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::Dtype;

    fn of(shape: &[usize], dtype: Dtype) -> Vec<Segment> {
        segments(&ParameterInfo::new("w", shape, dtype), 1000)
    }

    fn one(size: usize) -> Vec<Segment> {
        std::iter::once(0..size).collect()
    }

    #[test]
    fn vocabularies_of_unlike_size_have_their_first_segments_in_common() {
        let (plain, padded) = (of(&[50_257, 768], Dtype::F32), of(&[50_304, 768], Dtype::F32));
        let common = plain.iter().zip(&padded).take_while(|(a, b)| a == b).count();
        assert_eq!(plain[common - 1].end, 50_176 * 768);
        assert_eq!((plain[0].start, plain[plain.len() - 1].end), (0, 50_257 * 768));
        assert!(plain.windows(2).all(|w| w[0].end == w[1].start));
    }

    #[test]
    fn other_tensors_are_one_segment_and_large_integers_none() {
        assert_eq!(of(&[768, 768], Dtype::F16), one(768 * 768));
        assert_eq!(of(&[5000], Dtype::F32), one(5000));
        assert_eq!(of(&[], Dtype::I64), one(1));
        assert!(of(&[5000], Dtype::I64).is_empty() && of(&[0, 4], Dtype::F32).is_empty());
    }
}
