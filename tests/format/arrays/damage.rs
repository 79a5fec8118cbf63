//! Damage of every kind to good files. What is left may be read or refused, but nothing may break.

use neural_phylogeny::bytes::{MemoryFile, ReadAt};
use neural_phylogeny::format::Format;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Values that are read from each tensor of a damaged file.
const VALUES: usize = 256;

/// No damaged file of some kilobytes may take longer.
const PATIENCE: Duration = Duration::from_secs(10);

/// A small generator of numbers: no test depends on their quality.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) as usize) % limit.max(1)
    }
}

/// Opens `count` damaged copies of a file, and reads some of what is still there.
///
/// Returns how many were opened, and how many were refused.
pub(crate) fn survives(format: &dyn Format, name: &str, file: &[u8], count: usize) -> (usize, usize) {
    let mut numbers = Numbers(file.len() as u64);
    let (mut opened, mut refused) = (0, 0);
    for _ in 0..count {
        let damaged = damage(file, &mut numbers);
        let begin = Instant::now();
        if read(format, name, damaged) {
            opened += 1;
        } else {
            refused += 1;
        }
        assert!(begin.elapsed() < PATIENCE, "{name}: one damaged file took {:?}", begin.elapsed());
    }
    (opened, refused)
}

/// Whether a file can be opened. Values are read as well, and may be errors.
pub(crate) fn read(format: &dyn Format, name: &str, bytes: Vec<u8>) -> bool {
    let object: Arc<dyn ReadAt> = Arc::new(MemoryFile::new(name, bytes));
    let Ok(tensors) = format.open(object) else { return false };
    for info in tensors.infos() {
        let mut values = vec![0.0; info.size().min(VALUES)];
        let _ = tensors.read(&info.name, 0, &mut values);
        let _ = tensors.read(&info.name, info.size() - values.len(), &mut values);
    }
    true
}

fn damage(file: &[u8], numbers: &mut Numbers) -> Vec<u8> {
    const BOUNDS: [u64; 8] = [0, 1, 0x7f, 0xff, 0xffff, 0x7fff_ffff, 0xffff_ffff, u64::MAX];
    let mut bytes = file.to_vec();
    // The beginning and the end hold the descriptions, so most of the damage is done there.
    let place = |numbers: &mut Numbers, length: usize| match numbers.below(3) {
        0 => numbers.below(length.min(512)),
        1 => length.saturating_sub(1 + numbers.below(length.min(2048))),
        _ => numbers.below(length),
    };
    for _ in 0..1 + numbers.below(3) {
        let at = place(numbers, bytes.len());
        match numbers.below(7) {
            0 => bytes.truncate(at),
            1 => bytes.iter_mut().skip(at).take(1).for_each(|b| *b ^= 1 << numbers.below(8)),
            2 => bytes.iter_mut().skip(at).take(1).for_each(|b| *b = numbers.below(256) as u8),
            3 => {
                // Counts and lengths of every width.
                let value = BOUNDS[numbers.below(BOUNDS.len())].to_le_bytes();
                let width = 1 << numbers.below(4);
                bytes.iter_mut().skip(at).take(width).zip(value).for_each(|(b, v)| *b = v);
            }
            4 => {
                let (from, length) = (place(numbers, bytes.len()), 1 + numbers.below(64));
                let some: Vec<u8> = bytes.iter().skip(from).take(length).copied().collect();
                bytes.iter_mut().skip(at).zip(some).for_each(|(b, v)| *b = v);
            }
            5 => drop(bytes.drain(at.min(bytes.len())..(at + 1 + numbers.below(16)).min(bytes.len()))),
            _ => {
                let some: Vec<u8> = bytes.iter().skip(at).take(1 + numbers.below(16)).copied().collect();
                bytes.splice(at.min(bytes.len())..at.min(bytes.len()), some);
            }
        }
    }
    bytes
}
