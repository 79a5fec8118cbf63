//! A factor of an increment, of which only the columns or rows that are needed are read.

use super::wave::Waves;
use crate::error::SourceError;
use crate::source::ParameterSource;
use std::ops::Range;

/// One of the two thin matrices of an increment. It has `rank` values for each place, an input or an output of the weight.
#[derive(Debug)]
pub(super) struct Factor {
    pub(super) values: Values,
    /// Stored vector with one scale for each rank.
    pub(super) rank_scales: Option<String>,
    /// Stored vector with one scale for each place.
    pub(super) place_scales: Option<String>,
}

/// Where the values of a factor come from.
#[derive(Debug)]
pub(super) enum Values {
    /// Stored with ranks as rows. A row may be longer than what is used of it.
    ByRank { tensor: String, width: usize },
    /// Stored with places as rows.
    ByPlace { tensor: String },
    /// Computed for a convolution: place (j, k) of rank i is the sum over n of `core[i, n, k] * side[n, j]`.
    Tucker { core: String, side: String, middle: usize, kernel: usize, places: usize },
    /// Waves over the places, two ranks for each wave.
    Waves(Waves),
}

impl Factor {
    pub(super) fn new(values: Values) -> Self {
        Self { values, rank_scales: None, place_scales: None }
    }

    pub(super) fn by_rank(tensor: &str, width: usize) -> Self {
        Self::new(Values::ByRank { tensor: tensor.to_owned(), width })
    }

    pub(super) fn by_place(tensor: &str) -> Self {
        Self::new(Values::ByPlace { tensor: tensor.to_owned() })
    }

    pub(super) fn with_rank_scales(mut self, tensor: &str) -> Self {
        self.rank_scales = Some(tensor.to_owned());
        self
    }

    pub(super) fn with_place_scales(mut self, tensor: &str) -> Self {
        self.place_scales = Some(tensor.to_owned());
        self
    }

    /// Returns the number of values between the two tensors that a factor is computed of; 0 for a stored one.
    pub(super) fn middle(&self) -> usize {
        match &self.values {
            Values::Tucker { middle, .. } => *middle,
            _ => 0,
        }
    }

    /// Reads the values of some places, shape (rank, places).
    pub(super) fn ranks_first(
        &self,
        stored: &dyn ParameterSource,
        rank: usize,
        places: &Range<usize>,
    ) -> Result<Vec<f32>, SourceError> {
        let mut values = match &self.values {
            Values::ByRank { tensor, width } => {
                let mut values = vec![0.0; rank * places.len()];
                for (line, row) in values.chunks_exact_mut(places.len()).zip(0..) {
                    stored.read(tensor, row * width + places.start, line)?;
                }
                values
            }
            Values::ByPlace { tensor } => turned(&by_place(stored, tensor, rank, places)?, rank),
            Values::Tucker { .. } => self.tucker(stored, rank, places)?,
            Values::Waves(waves) => waves.ranks_first(stored, places)?,
        };
        if let Some(tensor) = &self.rank_scales {
            let scales = vector(stored, tensor, 0..rank)?;
            for (line, scale) in values.chunks_exact_mut(places.len()).zip(scales) {
                line.iter_mut().for_each(|v| *v *= scale);
            }
        }
        if let Some(tensor) = &self.place_scales {
            let scales = vector(stored, tensor, places.clone())?;
            for line in values.chunks_exact_mut(places.len()) {
                line.iter_mut().zip(&scales).for_each(|(v, scale)| *v *= scale);
            }
        }
        Ok(values)
    }

    /// Reads the values of some places, shape (places, rank).
    pub(super) fn places_first(
        &self,
        stored: &dyn ParameterSource,
        rank: usize,
        places: &Range<usize>,
    ) -> Result<Vec<f32>, SourceError> {
        match &self.values {
            Values::ByPlace { tensor } if self.rank_scales.is_none() && self.place_scales.is_none() => {
                by_place(stored, tensor, rank, places)
            }
            _ => Ok(turned(&self.ranks_first(stored, rank, places)?, places.len())),
        }
    }

    fn tucker(
        &self,
        stored: &dyn ParameterSource,
        rank: usize,
        places: &Range<usize>,
    ) -> Result<Vec<f32>, SourceError> {
        let Values::Tucker { core, side, middle, kernel, places: whole } = &self.values else {
            return Ok(Vec::new());
        };
        let channels = places.start / kernel..(places.end - 1) / kernel + 1;
        let mut sides = vec![0.0; middle * channels.len()];
        for (line, row) in sides.chunks_exact_mut(channels.len()).zip(0..) {
            stored.read(side, row * (whole / kernel) + channels.start, line)?;
        }
        let mut values = vec![0.0; rank * places.len()];
        let mut cores = vec![0.0; middle * kernel];
        for (line, row) in values.chunks_exact_mut(places.len()).zip(0..) {
            stored.read(core, row * cores.len(), &mut cores)?;
            for (value, place) in line.iter_mut().zip(places.clone()) {
                let (channel, k) = (place / kernel - channels.start, place % kernel);
                *value = (0..*middle).map(|n| cores[n * kernel + k] * sides[n * channels.len() + channel]).sum();
            }
        }
        Ok(values)
    }
}

/// Reads part of a stored vector.
pub(super) fn vector(stored: &dyn ParameterSource, tensor: &str, range: Range<usize>) -> Result<Vec<f32>, SourceError> {
    let mut values = vec![0.0; range.len()];
    stored.read(tensor, range.start, &mut values)?;
    Ok(values)
}

fn by_place(
    stored: &dyn ParameterSource,
    tensor: &str,
    rank: usize,
    places: &Range<usize>,
) -> Result<Vec<f32>, SourceError> {
    vector(stored, tensor, places.start * rank..places.end * rank)
}

/// Transposes a matrix with rows of `length` values.
fn turned(values: &[f32], length: usize) -> Vec<f32> {
    let rows = values.len() / length.max(1);
    (0..length).flat_map(|column| (0..rows).map(move |row| values[row * length + column])).collect()
}
