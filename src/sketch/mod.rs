//! Small linear images of models, from which the geometry follows without reading the models again.

mod compute;
mod content;
mod geometry;
mod kinship;
mod line_sample;
mod line_sums;
mod on_demand;
mod projection;
mod runs;
mod segments;
mod set;
mod settings;

pub(crate) use content::update_text;
pub(crate) use segments::{kept, lines, segments};
pub use set::SketchSet;
pub use settings::SketchSettings;

use crate::error::SourceError;
use crate::kernel::Moments;
use crate::kernel::format::SKETCH_VALUES;
use crate::source::{ParameterInfo, ParameterSource, SafetensorsFile, check_range};
use line_sample::{LineSample, LineSketch};
use projection::{Projection, fold};
use segments::Segment;
use std::ops::Range;
use std::sync::Arc;

/// A small linear image of one model: for each tensor `S θ_t` of `width` values, its exact [`Moments`] and its fingerprint, and of
/// a sample of its rows and columns eight random sums each, from which [`read_lines`](crate::geometry::Geometry::read_lines) tells lines.
///
/// `‖S θ_i − S θ_j‖²` is `‖θ_i − θ_j‖²` but for a relative standard error of `√(2 / width)` in each tensor, however near the two
/// are: it is the error of the *difference*. Tensors of at most `width` values are held whole and are exact.
///
/// `S` is linear and depends on seed and width alone: sketches of shards [join](Self::join), and the distance to a weighted merge
/// of sketched models [follows](Self::squared_distance_to) without the merge. It takes one pass over the model's bytes.
///
/// As a [`ParameterSource`] it lists the tensors of its model and reads those that it holds whole.
///
/// ```
/// use neural_phylogeny::InMemory;
/// use neural_phylogeny::sketch::{Sketch, SketchSettings};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let model = |shift: f32| InMemory::new().with_parameter("w", [100, 100], (0..10_000).map(|i| (i as f32).sin() + shift).collect());
/// let settings = SketchSettings::new().with_size(16 << 10);
/// let (a, b) = (Sketch::compute(&model(0.0)?, &settings)?, Sketch::compute(&model(0.01)?, &settings)?);
///
/// assert_eq!(a.width(), 2048);
/// let (squared, error) = a.squared_distance_to(&[(1.0, &b)])?;
/// assert!((squared - 1.0).abs() < 4.0 * error);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Sketch {
    pub(crate) seed: u64,
    pub(crate) width: usize,
    /// Every tensor of the model, sorted by name.
    pub(crate) parameters: Arc<[ParameterInfo]>,
    /// For each tensor its segments, in order; none of one that was not read.
    pub(crate) tensors: Arc<[Vec<SegmentSketch>]>,
    /// For each tensor the place in the payload of what is kept of its lines; empty where that is whole, or it has none.
    pub(crate) lines: Arc<[Range<usize>]>,
    pub(crate) payload: Payload,
}

/// What is kept of one segment of a tensor.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct SegmentSketch {
    pub(crate) segment: Segment,
    /// Place in the payload: `S x`, or all values when there are no more than the width.
    pub(crate) place: Range<usize>,
    pub(crate) moments: Moments,
    pub(crate) fingerprint: u128,
}

/// All tensors' values one after another.
#[derive(Clone, Debug)]
pub(crate) enum Payload {
    Memory(Arc<[f32]>),
    File(Arc<SafetensorsFile>),
}

impl Sketch {
    /// Seed of the random map.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// Values kept of each tensor that has more.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Bytes of all values kept.
    pub fn size(&self) -> u64 {
        let lines = self.lines.iter().map(Range::len);
        4 * self.tensors.iter().flatten().map(|k| k.place.len()).chain(lines).sum::<usize>() as u64
    }

    /// Every tensor of the model, sorted by name.
    pub fn listed(&self) -> &[ParameterInfo] {
        &self.parameters
    }

    fn place(&self, name: &str) -> Option<usize> {
        self.parameters.binary_search_by(|p| p.name.as_str().cmp(name)).ok()
    }

    /// Exact moments of a tensor; `None` when there is none of that name, or it was not sketched.
    pub fn moments(&self, name: &str) -> Option<Moments> {
        self.kept(name).iter().map(|k| k.moments).reduce(Moments::merge)
    }

    /// What is kept of a tensor, segment by segment.
    pub(crate) fn kept(&self, name: &str) -> &[SegmentSketch] {
        self.place(name).map_or(&[], |at| &self.tensors[at])
    }

    /// Whether a tensor is held whole.
    pub(crate) fn is_whole(&self, name: &str) -> bool {
        self.kept(name).iter().all(SegmentSketch::is_whole) && !self.kept(name).is_empty()
    }

    /// `S x` of one segment at a width no greater than this sketch's; all values of a segment that has no more.
    pub(crate) fn values_at(&self, kept: &SegmentSketch, width: usize) -> Result<Vec<f64>, SourceError> {
        let mut narrow = vec![0.0; kept.place.len()];
        self.read_values(kept.place.start, &mut narrow)?;
        let size = kept.segment.len();
        if size > width && kept.is_whole() {
            let mut sums = vec![0.0; width];
            Projection::new(self.seed, width).add(0, &narrow, &mut sums);
            return Ok(sums);
        }
        let wide = narrow.into_iter().map(f64::from).collect();
        Ok(if size > width { fold(wide, width) } else { wide })
    }

    /// Some of what [`values_at`](Self::values_at) gives, beginning at one of them.
    pub(crate) fn read_at(
        &self,
        kept: &SegmentSketch,
        width: usize,
        first: usize,
        out: &mut [f64],
    ) -> Result<(), SourceError> {
        if kept.place.len() > width {
            out.copy_from_slice(&self.values_at(kept, width)?[first..][..out.len()]);
            return Ok(());
        }
        read_wide(out, |narrow| self.read_values(kept.place.start + first, narrow))
    }

    /// The sample of a matrix's lines, `None` of what is no matrix.
    fn sample(&self, name: &str) -> Option<LineSample> {
        LineSample::new(&self.parameters[self.place(name)?], self.width)
    }

    /// What is kept of the lines of a matrix; made from its values where all are kept.
    fn lines(&self, name: &str) -> Result<Option<LineSketch>, SourceError> {
        let (Some(at), Some(sample)) = (self.place(name), self.sample(name)) else { return Ok(None) };
        let mut numbers = vec![0.0; sample.len()];
        if self.is_whole(name) {
            let mut values = vec![0.0; self.parameters[at].size()];
            self.read(name, 0, &mut values)?;
            sample.add(self.seed, 0, &values, &mut numbers);
        } else {
            read_wide(&mut numbers, |narrow| self.read_values(self.lines[at].start, narrow))?;
        }
        Ok(Some(LineSketch { sample, numbers }))
    }

    pub(crate) fn read_values(&self, begin: usize, out: &mut [f32]) -> Result<(), SourceError> {
        match &self.payload {
            Payload::Memory(values) => out.copy_from_slice(&values[begin..begin + out.len()]),
            Payload::File(file) => file.read(SKETCH_VALUES, begin, out)?,
        }
        Ok(())
    }

    /// Puts sketches of parts of one model together, such as its shards: each tensor is in exactly one.
    ///
    /// # Errors
    ///
    /// [`SourceError::SketchMismatch`] when seeds or widths differ, [`SourceError::DuplicateParameter`] for a tensor that is in two.
    pub fn join(parts: &[Self]) -> Result<Self, SourceError> {
        let Some(first) = parts.first() else {
            return Err(SourceError::SketchMismatch {
                found: "no sketch".to_owned(),
                expected: "one or more".to_owned(),
            });
        };
        let mut all: Vec<(&ParameterInfo, &Self, &[SegmentSketch], &Range<usize>)> = Vec::new();
        for part in parts {
            first.check(part)?;
            let tensors = part.parameters.iter().zip(part.tensors.iter()).zip(part.lines.iter());
            all.extend(tensors.map(|((p, t), lines)| (p, part, t.as_slice(), lines)));
        }
        all.sort_by(|a, b| a.0.cmp(b.0));
        if let Some(pair) = all.windows(2).find(|pair| pair[0].0.name == pair[1].0.name) {
            return Err(SourceError::DuplicateParameter { parameter: pair[0].0.name.clone() });
        }
        let mut values = Vec::new();
        let mut tensors = Vec::with_capacity(all.len());
        for (_, part, segments, _) in &all {
            let mut moved = Vec::with_capacity(segments.len());
            for kept in *segments {
                let begin = values.len();
                values.resize(begin + kept.place.len(), 0.0);
                part.read_values(kept.place.start, &mut values[begin..])?;
                moved.push(SegmentSketch { place: begin..values.len(), ..kept.clone() });
            }
            tensors.push(moved);
        }
        let mut lines = Vec::with_capacity(all.len());
        for (_, part, _, own) in &all {
            let begin = values.len();
            values.resize(begin + own.len(), 0.0);
            part.read_values(own.start, &mut values[begin..])?;
            lines.push(begin..values.len());
        }
        Ok(Self {
            parameters: all.into_iter().map(|(p, ..)| p.clone()).collect(),
            tensors: tensors.into(),
            lines: lines.into(),
            payload: Payload::Memory(values.into()),
            ..*first
        })
    }

    fn check(&self, other: &Self) -> Result<(), SourceError> {
        if (self.seed, self.width) == (other.seed, other.width) {
            return Ok(());
        }
        let described = |s: &Self| format!("seed {} and width {}", s.seed, s.width);
        Err(SourceError::SketchMismatch { found: described(other), expected: described(self) })
    }

    /// `‖θ − Σ_k w_k θ_k‖²` over all floating point tensors, and its standard error: the squared distance to another model, given
    /// alone with weight 1, or to a merge of several.
    ///
    /// # Errors
    ///
    /// [`SourceError::SketchMismatch`] when seeds differ or a tensor has another shape or is missing.
    pub fn squared_distance_to(&self, combination: &[(f64, &Self)]) -> Result<(f64, f64), SourceError> {
        let width = combination.iter().map(|(_, s)| s.width).fold(self.width, usize::min);
        let (mut squared, mut variance) = (0.0, 0.0);
        for info in self.parameters.iter().filter(|p| p.dtype.is_float()) {
            for (_, other) in combination {
                let shape = other.place(&info.name).map(|at| &other.parameters[at].shape);
                if self.seed != other.seed || shape != Some(&info.shape) {
                    let found = format!("seed {}, tensor `{}` of shape {shape:?}", other.seed, info.name);
                    let expected = format!("seed {}, shape {:?}", self.seed, info.shape);
                    return Err(SourceError::SketchMismatch { found, expected });
                }
            }
            for (s, kept) in self.kept(&info.name).iter().enumerate() {
                let mut rest = self.values_at(kept, width)?;
                for (weight, other) in combination {
                    let values = other.values_at(&other.kept(&info.name)[s], width)?;
                    rest.iter_mut().zip(values).for_each(|(r, v)| *r -= weight * v);
                }
                let own: f64 = rest.iter().map(|r| r * r).sum();
                squared += own;
                if kept.segment.len() > width {
                    variance += 2.0 * own * own / width as f64;
                }
            }
        }
        Ok((squared, variance.sqrt()))
    }
}

/// Reads f32 into f64.
fn read_wide(out: &mut [f64], read: impl FnOnce(&mut [f32]) -> Result<(), SourceError>) -> Result<(), SourceError> {
    let mut narrow = vec![0.0; out.len()];
    read(&mut narrow)?;
    out.iter_mut().zip(narrow).for_each(|(wide, x)| *wide = f64::from(x));
    Ok(())
}

impl ParameterSource for Sketch {
    fn parameters(&self) -> Result<Vec<ParameterInfo>, SourceError> {
        Ok(self.parameters.to_vec())
    }

    /// Values of a tensor that is held whole; [`SourceError::Sketched`] for another.
    fn read(&self, name: &str, offset: usize, out: &mut [f32]) -> Result<(), SourceError> {
        let at = self.place(name).ok_or_else(|| SourceError::UnknownParameter { parameter: name.to_owned() })?;
        let (size, kept) = (self.parameters[at].size(), &self.tensors[at]);
        check_range(name, size, offset, out.len())?;
        // Segments that are whole follow one another in the payload as they do in the tensor.
        match kept.first() {
            Some(first) if kept.iter().all(SegmentSketch::is_whole) => {
                self.read_values(first.place.start + offset, out)
            }
            _ if out.is_empty() => Ok(()),
            _ => {
                let kept = kept.iter().map(|k| k.place.len()).sum();
                Err(SourceError::Sketched { parameter: name.to_owned(), size, kept })
            }
        }
    }
}

impl SegmentSketch {
    /// Whether every value is kept.
    pub(crate) fn is_whole(&self) -> bool {
        self.place.len() == self.segment.len()
    }
}
