//! Sketches: small linear images of models, which give the geometry without another read of the models.

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

/// A small linear image of one model.
///
/// For each tensor it holds `S θ_t` of `width` values, the exact [`Moments`] and a fingerprint. For a sample of the tensor's
/// rows and columns it holds eight random sums each, which [`read_lines`](crate::geometry::Geometry::read_lines) uses.
///
/// `‖S θ_i − S θ_j‖²` is `‖θ_i − θ_j‖²` with a relative standard error of `√(2 / width)` in each tensor. The error is one of
/// the *difference*, however near the two models are. Tensors of at most `width` values are held whole and are exact.
///
/// `S` is linear and depends only on seed and width. So sketches of shards can be [joined](Self::join), and the distance to a
/// weighted merge of sketched models [follows](Self::squared_distance_to) without the merge. A sketch takes one pass over the
/// model's bytes.
///
/// As a [`ParameterSource`], it lists the tensors of its model and reads those that it holds whole.
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
    /// The segments of each tensor, in order; empty for a tensor that was not read.
    pub(crate) tensors: Arc<[Vec<SegmentSketch>]>,
    /// For each tensor, the place of its lines in the payload; empty where the tensor is held whole or has no lines.
    pub(crate) lines: Arc<[Range<usize>]>,
    pub(crate) payload: Payload,
}

/// The sketch of one segment of a tensor.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct SegmentSketch {
    pub(crate) segment: Segment,
    /// Place in the payload: `S x`, or all values when there are at most as many as the width.
    pub(crate) place: Range<usize>,
    pub(crate) moments: Moments,
    pub(crate) fingerprint: u128,
}

/// The values of all tensors, one tensor after another.
#[derive(Clone, Debug)]
pub(crate) enum Payload {
    Memory(Arc<[f32]>),
    File(Arc<SafetensorsFile>),
}

impl Sketch {
    /// The seed of the random map.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// Number of values kept of each tensor that has more.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Size of all values kept, in bytes.
    pub fn size(&self) -> u64 {
        let lines = self.lines.iter().map(Range::len);
        4 * self.tensors.iter().flatten().map(|k| k.place.len()).chain(lines).sum::<usize>() as u64
    }

    /// Every tensor of the model, sorted by name.
    pub fn listed(&self) -> &[ParameterInfo] {
        &self.parameters
    }

    /// Position of a tensor among those of the model.
    fn place(&self, name: &str) -> Option<usize> {
        self.parameters.binary_search_by(|p| p.name.as_str().cmp(name)).ok()
    }

    /// The exact moments of a tensor; `None` when no tensor has that name or it was not sketched.
    pub fn moments(&self, name: &str) -> Option<Moments> {
        self.kept(name).iter().map(|k| k.moments).reduce(Moments::merge)
    }

    /// The sketch of a tensor, segment by segment; empty when there is none.
    pub(crate) fn kept(&self, name: &str) -> &[SegmentSketch] {
        self.place(name).map_or(&[], |at| &self.tensors[at])
    }

    /// Whether a tensor is held whole.
    pub(crate) fn is_whole(&self, name: &str) -> bool {
        self.kept(name).iter().all(SegmentSketch::is_whole) && !self.kept(name).is_empty()
    }

    /// `S x` of one segment at a width no greater than this sketch's. A segment of at most that many values gives all its
    /// values.
    pub(crate) fn values_at(&self, kept: &SegmentSketch, width: usize) -> Result<Vec<f64>, SourceError> {
        let mut narrow = vec![0.0; kept.place.len()];
        self.read_values(kept.place.start, &mut narrow)?;
        let size = kept.segment.len();
        // A whole segment was never projected, so this is done now.
        if size > width && kept.is_whole() {
            let mut sums = vec![0.0; width];
            Projection::new(self.seed, width).add(0, &narrow, &mut sums);
            return Ok(sums);
        }
        let wide = narrow.into_iter().map(f64::from).collect();
        Ok(if size > width { fold(wide, width) } else { wide })
    }

    /// Some of the numbers of [`values_at`](Self::values_at), from number `first` on.
    pub(crate) fn read_at(
        &self,
        kept: &SegmentSketch,
        width: usize,
        first: usize,
        out: &mut [f64],
    ) -> Result<(), SourceError> {
        // Folding needs the whole segment.
        if kept.place.len() > width {
            out.copy_from_slice(&self.values_at(kept, width)?[first..][..out.len()]);
            return Ok(());
        }
        read_wide(out, |narrow| self.read_values(kept.place.start + first, narrow))
    }

    /// The sample of a matrix's lines; `None` for a tensor that is no matrix.
    fn sample(&self, name: &str) -> Option<LineSample> {
        LineSample::new(&self.parameters[self.place(name)?], self.width)
    }

    /// The sketch of a matrix's lines. Where all values are kept, it is made from them.
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

    /// Reads stored values, from position `begin` of the payload on.
    pub(crate) fn read_values(&self, begin: usize, out: &mut [f32]) -> Result<(), SourceError> {
        match &self.payload {
            Payload::Memory(values) => out.copy_from_slice(&values[begin..begin + out.len()]),
            Payload::File(file) => file.read(SKETCH_VALUES, begin, out)?,
        }
        Ok(())
    }

    /// Joins sketches of parts of one model, such as its shards. Each tensor must be in exactly one part.
    ///
    /// # Errors
    ///
    /// [`SourceError::SketchMismatch`] when seeds or widths differ, or there is no part. [`SourceError::DuplicateParameter`]
    /// for a tensor in two parts.
    pub fn join(parts: &[Self]) -> Result<Self, SourceError> {
        let Some(first) = parts.first() else {
            return Err(SourceError::SketchMismatch {
                found: "no sketch".to_owned(),
                expected: "one or more".to_owned(),
            });
        };
        let mut all: Vec<(&ParameterInfo, &Self, &[SegmentSketch], &Range<usize>)> = Vec::new();
        for part in parts {
            // Numbers of two maps cannot stand in one sketch.
            first.check(part)?;
            let tensors = part.parameters.iter().zip(part.tensors.iter()).zip(part.lines.iter());
            all.extend(tensors.map(|((p, t), lines)| (p, part, t.as_slice(), lines)));
        }
        // The order by name makes the result the same as a sketch of the whole model.
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
        // Lines follow all segments, as in a sketch of the whole model.
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

    /// Refuses another sketch whose seed or width differs.
    fn check(&self, other: &Self) -> Result<(), SourceError> {
        if (self.seed, self.width) == (other.seed, other.width) {
            return Ok(());
        }
        let described = |s: &Self| format!("seed {} and width {}", s.seed, s.width);
        Err(SourceError::SketchMismatch { found: described(other), expected: described(self) })
    }

    /// `‖θ − Σ_k w_k θ_k‖²` over all floating point tensors, and its standard error.
    ///
    /// With one model of weight 1, this is the squared distance to that model. With several, it is the squared distance to
    /// their merge.
    ///
    /// # Errors
    ///
    /// [`SourceError::SketchMismatch`] when seeds differ, or when a tensor has another shape or is missing.
    pub fn squared_distance_to(&self, combination: &[(f64, &Self)]) -> Result<(f64, f64), SourceError> {
        // Wider sketches are folded to the narrowest one, so that all come from one map.
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
                    // The map is linear: the image of a combination is the combination of the images.
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

/// Reads f32 values into f64.
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

    /// Reads values of a tensor that is held whole. Any other tensor gives [`SourceError::Sketched`].
    fn read(&self, name: &str, offset: usize, out: &mut [f32]) -> Result<(), SourceError> {
        let at = self.place(name).ok_or_else(|| SourceError::UnknownParameter { parameter: name.to_owned() })?;
        let (size, kept) = (self.parameters[at].size(), &self.tensors[at]);
        check_range(name, size, offset, out.len())?;
        // Whole segments follow one another in the payload as they do in the tensor, so one read serves all.
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
