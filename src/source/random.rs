use super::{Dtype, ParameterInfo, ParameterSource, check_range};
use crate::error::SourceError;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal, Uniform};
use std::collections::BTreeMap;

/// The distribution of the entries of a random initialization. D is the number of values of a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EntryDistribution {
    /// Uniform between −1/D and 1/D.
    Uniform,
    /// Normal with mean 0 and standard deviation 1/D.
    Normal,
}

/// How many values one generator draws. Each run of this length has its own generator, so a read need not draw the values of
/// the runs before it.
const RUN: usize = 1024;

/// A random network of a given layout. Its values are computed when they are read and never stored.
///
/// The same seed, name and position give the same value on every platform.
#[derive(Clone, Debug)]
pub struct RandomSource {
    parameters: BTreeMap<String, Vec<usize>>,
    entries: EntryDistribution,
    seed: u64,
    scale: f64,
}

impl RandomSource {
    /// Creates a network with these parameters, each a name and a shape.
    pub fn new(
        parameters: impl IntoIterator<Item = (String, Vec<usize>)>,
        entries: EntryDistribution,
        seed: u64,
    ) -> Self {
        let parameters: BTreeMap<String, Vec<usize>> = parameters.into_iter().collect();
        let size = |shape: &Vec<usize>| shape.iter().map(|&d| d as f64).product::<f64>();
        let scale = 1.0 / parameters.values().map(size).sum::<f64>().max(1.0);
        Self { parameters, entries, seed, scale }
    }

    fn run(&self, name: &str, run: usize) -> ChaCha8Rng {
        // The key holds everything that a value depends on, so that reads of any range agree.
        let mut key = [0; 32];
        key[..8].copy_from_slice(&self.seed.to_le_bytes());
        key[8..16].copy_from_slice(&(run as u64).to_le_bytes());
        key[16..].copy_from_slice(&xxhash_rust::xxh3::xxh3_128(name.as_bytes()).to_le_bytes());
        ChaCha8Rng::from_seed(key)
    }

    fn fill(&self, rng: &mut ChaCha8Rng, skip: usize, out: &mut [f32]) {
        match self.entries {
            EntryDistribution::Uniform => self.draw(Uniform::new(-1.0, 1.0), rng, skip, out),
            EntryDistribution::Normal => self.draw(StandardNormal, rng, skip, out),
        }
    }

    fn draw(&self, distribution: impl Distribution<f64>, rng: &mut ChaCha8Rng, skip: usize, out: &mut [f32]) {
        let values = distribution.sample_iter(rng).skip(skip);
        out.iter_mut().zip(values).for_each(|(out, x): (&mut f32, f64)| *out = (x * self.scale) as f32);
    }
}

impl ParameterSource for RandomSource {
    fn parameters(&self) -> Result<Vec<ParameterInfo>, SourceError> {
        let info =
            |(name, shape): (&String, &Vec<usize>)| ParameterInfo::new(name.as_str(), shape.as_slice(), Dtype::F32);
        Ok(self.parameters.iter().map(info).collect())
    }

    fn read(&self, name: &str, offset: usize, out: &mut [f32]) -> Result<(), SourceError> {
        let shape =
            self.parameters.get(name).ok_or_else(|| SourceError::UnknownParameter { parameter: name.to_owned() })?;
        check_range(name, shape.iter().product(), offset, out.len())?;
        let mut at = offset;
        let mut rest = out;
        while !rest.is_empty() {
            let skip = at % RUN;
            let (now, later) = rest.split_at_mut(rest.len().min(RUN - skip));
            self.fill(&mut self.run(name, at / RUN), skip, now);
            at += now.len();
            rest = later;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_chunk_holds_the_same_values() {
        for entries in [EntryDistribution::Uniform, EntryDistribution::Normal] {
            let source = RandomSource::new([("w".to_owned(), vec![50, 60])], entries, 7);
            let mut whole = vec![0.0; 3000];
            source.read("w", 0, &mut whole).unwrap();
            for (offset, length) in [(0, 1), (1000, 50), (1023, 1026), (2999, 1)] {
                let mut part = vec![0.0; length];
                source.read("w", offset, &mut part).unwrap();
                assert_eq!(part, whole[offset..offset + length]);
            }
            let variance = whole.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>() / 3000.0 * 9e6;
            let expected = if entries == EntryDistribution::Uniform { 1.0 / 3.0 } else { 1.0 };
            assert!((variance - expected).abs() < 0.1 * expected, "{variance}");
        }
    }
}
