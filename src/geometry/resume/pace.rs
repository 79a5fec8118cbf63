use std::time::{Duration, Instant};

/// Saves may take one part in this many of the time: 1/20, that is 5 %.
const SHARE: u32 = 20;

/// The pace of a pass: when to save, and how many jobs a wave has.
///
/// A wave can be hundreds of gigabytes. It starts with one job for each thread. It grows while it is short beside the time
/// between saves. Results do not depend on it.
#[derive(Debug)]
pub(super) struct Pace {
    every: Duration,
    saved: Instant,
    cost: Duration,
    wave_began: Instant,
    jobs: usize,
}

impl Pace {
    pub(super) fn new(every: Duration) -> Self {
        let now = Instant::now();
        Self { every, saved: now, cost: Duration::ZERO, wave_began: now, jobs: 1 }
    }

    /// Returns the number of jobs of the next wave, within `least` and `most`.
    pub(super) fn jobs(&self, least: usize, most: usize) -> usize {
        self.jobs.clamp(least, most.max(least))
    }

    /// Adjusts the length of the next wave, and returns whether to save after the wave that has just ended.
    ///
    /// A wave should take between an eighth and a quarter of the time between saves, so that saves are neither late nor rare.
    pub(super) fn after_wave(&mut self) -> bool {
        let took = self.wave_began.elapsed();
        if took < self.every / 8 {
            self.jobs = (self.jobs * 2).min(1 << 20);
        } else if took > self.every / 4 {
            self.jobs = (self.jobs / 2).max(1);
        }
        self.wave_began = Instant::now();
        let least = if self.every.is_zero() { Duration::ZERO } else { self.every.max(self.cost * SHARE) };
        self.saved.elapsed() >= least
    }

    /// Records a save and the time that it took.
    pub(super) fn saved(&mut self, cost: Duration) {
        (self.cost, self.saved) = (cost, Instant::now());
        // The time of the save must not count as time of the next wave.
        self.wave_began = self.saved;
    }
}
