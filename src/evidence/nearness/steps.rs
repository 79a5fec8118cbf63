//! Whether the values of a model lie on few levels, block by block, as dequantized weights do.

use super::sample::Sample;
use super::units;
use crate::geometry::{Apart, BlockSteps};

/// Number of values in a block.
const BLOCK: usize = 32;
/// Number of values in a block of NF4.
const LONG_BLOCK: usize = 64;

/// The most root mean square distance from the nearest step, in steps, of values that lie on steps. Others have 0.29.
const ON_STEP: f64 = 0.1;
/// Values farther from zero than this, in steps, are not looked at: what their storage rounded is no small part of a step.
const NEAR_ZERO: f64 = 40.0;
/// The most distinct values of a block, as a share of its values, where a model has few levels. BF16 leaves 0.95.
const FEW: f64 = 0.75;
/// The least of this share in the model that was not quantized.
const MANY: f64 = 0.85;
/// The share of the values that may lie farther from their source than the nearest level.
const ASTRAY: f64 = 0.1;

/// The levels of NF4, times 1. Source: Dettmers et al., *QLoRA*, 2023, doi:10.48550/arXiv.2305.14314, appendix E.
const NF4: [f64; 16] = [
    -1.0,
    -0.696_192_8,
    -0.525_073_05,
    -0.394_917_49,
    -0.284_441_38,
    -0.184_773_43,
    -0.091_050_036,
    0.0,
    0.079_580_3,
    0.160_930_2,
    0.246_112_3,
    0.337_915_24,
    0.440_709_83,
    0.562_617,
    0.722_956_84,
    1.0,
];

/// The steps on which the values of model `to` are those of model `from`, rounded. `None` where they lie on none.
pub(super) fn steps(samples: &[Sample], from: usize, to: usize) -> Option<BlockSteps> {
    // Conversions leave some matrices in a dtype of 16 bits, such as those whose rows are no whole number of blocks.
    let stored = |s: &Sample| units::apart(s.values(from), s.values(to)) == Apart::Rounding;
    let changed = |s: &&Sample| s.columns() >= BLOCK && 2 * s.equal() < s.len() && !stored(s);
    let moved: Vec<&Sample> = samples.iter().filter(changed).collect();
    if moved.is_empty() {
        return None;
    }
    let fits = |steps: BlockSteps| moved.iter().all(|s| lies_on(s, to, steps) && !lies_on(s, from, steps));
    let found = [BlockSteps::Q4, BlockSteps::Q5, BlockSteps::Nf4, BlockSteps::Q8]
        .into_iter()
        .find(|&s| fits(s))
        .or_else(|| {
            let few = moved.iter().all(|s| distinct(s, to) <= FEW && distinct(s, from) >= MANY);
            few.then_some(BlockSteps::Few)
        })?;
    let (astray, all) = moved.iter().map(|s| astray(s, from, to)).fold((0, 0), |(a, b), (c, d)| (a + c, b + d));
    (all > 0 && (astray as f64) <= ASTRAY * all as f64).then_some(found)
}

/// The size of what rounding to steps by blocks changed, next to the values: the root of the ratio of the sums of squares.
///
/// It is 0 where the values lie on no such steps.
pub(super) fn noise(samples: &[Sample]) -> f64 {
    let samples: Vec<&Sample> = samples.iter().filter(|s| s.columns() >= BLOCK).collect();
    let all = |steps: BlockSteps| !samples.is_empty() && samples.iter().all(|s| lies_on(s, 0, steps));
    let Some(steps) = [BlockSteps::Q4, BlockSteps::Q5, BlockSteps::Nf4, BlockSteps::Q8].into_iter().find(|&s| all(s))
    else {
        return 0.0;
    };
    let (length, step) = match steps {
        BlockSteps::Q8 => (BLOCK, 1.0 / 127.0),
        BlockSteps::Q4 => (BLOCK, 1.0 / 8.0),
        BlockSteps::Q5 => (BLOCK, 1.0 / 16.0),
        // Levels are a ninth apart or so.
        BlockSteps::Nf4 | BlockSteps::Few => (LONG_BLOCK, 1.0 / 9.0),
    };
    let (mut squared, mut rounded) = (0.0, 0.0);
    for block in samples.iter().flat_map(|s| blocks(s, 0, length)) {
        squared += block.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>();
        // Rounding to the nearest step leaves a twelfth of the squared step on average.
        rounded += block.len() as f64 * (largest(block) * step).powi(2) / 12.0;
    }
    if squared > 0.0 { (rounded / squared).sqrt() } else { 0.0 }
}

/// The blocks of a model's values in a sample.
fn blocks(sample: &Sample, which: usize, length: usize) -> impl Iterator<Item = &[f32]> {
    sample.values(which).chunks_exact(sample.columns()).flat_map(move |row| row.chunks_exact(length))
}

/// Whether the values of a model lie on these steps.
fn lies_on(sample: &Sample, which: usize, steps: BlockSteps) -> bool {
    let of_largest = match steps {
        BlockSteps::Q8 => 127.0,
        BlockSteps::Q4 => 8.0,
        BlockSteps::Q5 => 16.0,
        BlockSteps::Nf4 => return is_nf4(sample, which),
        BlockSteps::Few => return false,
    };
    let (mut squared, mut count) = (0.0, 0.0f64);
    for block in blocks(sample, which, BLOCK) {
        let step = largest(block) / of_largest;
        // The largest value lies on a step by definition.
        let inner = block.iter().map(|&x| f64::from(x) / step).filter(|x| x.abs() <= NEAR_ZERO.min(of_largest - 0.5));
        for x in inner.filter(|x| x.is_finite() && *x != 0.0) {
            squared += (x - x.round()).powi(2);
            count += 1.0;
        }
    }
    count >= BLOCK as f64 && (squared / count).sqrt() <= ON_STEP
}

/// Whether the values of a model are levels of NF4.
fn is_nf4(sample: &Sample, which: usize) -> bool {
    let (mut squared, mut count) = (0.0, 0.0f64);
    for block in blocks(sample, which, LONG_BLOCK) {
        let largest = largest(block);
        for x in block.iter().map(|&x| f64::from(x) / largest).filter(|x| x.is_finite()) {
            squared += NF4.iter().map(|level| (x - level).powi(2)).fold(f64::INFINITY, f64::min);
            count += 1.0;
        }
    }
    // Levels are a ninth apart or so.
    count >= LONG_BLOCK as f64 && (squared / count).sqrt() * 9.0 <= ON_STEP
}

fn largest(block: &[f32]) -> f64 {
    f64::from(block.iter().fold(0.0f32, |most, x| most.max(x.abs())))
}

/// The number of distinct values of a block that are not zero, as a share of all that are not zero, over all blocks.
fn distinct(sample: &Sample, which: usize) -> f64 {
    let (mut distinct, mut all) = (0usize, 0usize);
    for block in blocks(sample, which, BLOCK) {
        let mut bits: Vec<u32> = block.iter().filter(|x| **x != 0.0).map(|x| x.to_bits()).collect();
        all += bits.len();
        bits.sort_unstable();
        bits.dedup();
        distinct += bits.len();
    }
    if all == 0 { 1.0 } else { distinct as f64 / all as f64 }
}

/// How many values of `to` are clearly not the level nearest to those of `from`, of how many.
fn astray(sample: &Sample, from: usize, to: usize) -> (usize, usize) {
    let (mut astray, mut all) = (0, 0);
    for (source, copy) in blocks(sample, from, BLOCK).zip(blocks(sample, to, BLOCK)) {
        let mut levels: Vec<f32> = copy.to_vec();
        levels.sort_by(f32::total_cmp);
        levels.dedup();
        for (&source, &own) in source.iter().zip(copy) {
            let at = levels.partition_point(|&level| level < source);
            let beside = [at.checked_sub(1), Some(at)].into_iter().flatten().filter_map(|at| levels.get(at));
            let nearest = beside.map(|&level| (level - source).abs()).fold(f32::INFINITY, f32::min);
            // Scales are rounded after values were, so that a value in the middle of two may be the farther one.
            astray += usize::from((own - source).abs() > 1.25 * nearest);
            all += 1;
        }
    }
    (astray, all)
}

#[cfg(test)]
mod tests {
    use super::*;
    use half::f16;
    use rand::{Rng, SeedableRng};
    use rand_distr::StandardNormal;

    fn weights(seed: u64) -> Vec<f32> {
        let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(seed);
        (0..64 * 128).map(|_| rng.sample::<f32, _>(StandardNormal)).collect()
    }

    /// Rounds block by block to levels that `rounded` gives of a value and the largest of its block, and stores in F16.
    fn quantized(weights: &[f32], block: usize, rounded: impl Fn(f32, f32) -> f32) -> Vec<f32> {
        let of = |block: &[f32]| {
            let largest = block.iter().copied().max_by(|a, b| a.abs().total_cmp(&b.abs())).unwrap();
            block.iter().map(|&x| f16::from_f32(rounded(x, largest)).to_f32()).collect::<Vec<f32>>()
        };
        weights.chunks(block).flat_map(of).collect()
    }

    fn found(a: &[f32], b: &[f32]) -> [Option<BlockSteps>; 2] {
        let samples = [Sample::new(128, a.to_vec(), b.to_vec())];
        [steps(&samples, 0, 1), steps(&samples, 1, 0)]
    }

    #[test]
    fn methods_are_told_by_their_levels() {
        let a = weights(1);
        let even = |n: f32| move |x: f32, most: f32| (x / (most.abs() / n)).round() * (most.abs() / n);
        let from_largest = |n: f32| {
            move |x: f32, most: f32| {
                let step = most / -n;
                (x / step).round().clamp(-n, n - 1.0) * step
            }
        };
        let nearest = |x: f32, most: f32| {
            let apart = |level: &&f64| (f64::from(x / most.abs()) - **level).abs();
            NF4.iter().min_by(|p, q| apart(p).total_cmp(&apart(q))).map_or(0.0, |level| *level as f32 * most.abs())
        };
        for (b, steps) in [
            (quantized(&a, 32, even(127.0)), BlockSteps::Q8),
            (quantized(&a, 32, from_largest(8.0)), BlockSteps::Q4),
            (quantized(&a, 32, from_largest(16.0)), BlockSteps::Q5),
            (quantized(&a, 64, nearest), BlockSteps::Nf4),
            (quantized(&a, 32, even(7.0)), BlockSteps::Few),
        ] {
            assert_eq!(found(&a, &b), [Some(steps), None]);
            assert_eq!(found(&b, &a), [None, Some(steps)]);
        }
    }

    #[test]
    fn the_noise_of_steps_is_as_large_as_it_is() {
        let a = weights(4);
        let copy = |n: f32| {
            let b = quantized(&a, 32, |x, most| (x / (most / -n)).round().clamp(-n, n - 1.0) * (most / -n));
            let squared = |values: &mut dyn Iterator<Item = f32>| values.map(|x| f64::from(x).powi(2)).sum::<f64>();
            let moved = squared(&mut a.iter().zip(&b).map(|(a, b)| a - b)) / squared(&mut a.iter().copied());
            let found = noise(&[Sample::new(128, b.clone(), b)]);
            assert!((found / moved.sqrt() - 1.0).abs() < 0.1, "{found} {}", moved.sqrt());
        };
        copy(8.0);
        copy(16.0);
        assert_eq!(noise(&[Sample::new(128, a.clone(), a.clone())]), 0.0);
    }

    #[test]
    fn other_models_lie_on_no_steps_of_this_one() {
        let a = weights(1);
        let noise: Vec<f32> = a.iter().zip(weights(2)).map(|(x, d)| x + 0.01 * d).collect();
        let half: Vec<f32> = a.iter().map(|&x| f16::from_f32(x).to_f32()).collect();
        assert_eq!((found(&a, &noise), found(&a, &half)), ([None; 2], [None; 2]));
        // A copy in few levels of another model, which is this one trained on.
        let tuned: Vec<f32> = a.iter().zip(weights(3)).map(|(x, d)| x + 0.1 * d).collect();
        let copy = quantized(&tuned, 32, |x, most| (x / (most / -8.0)).round().clamp(-8.0, 7.0) * (most / -8.0));
        assert_eq!(found(&tuned, &copy), [Some(BlockSteps::Q4), None]);
        assert_eq!(found(&a, &copy), [None; 2]);
    }
}
