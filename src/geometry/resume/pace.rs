use std::time::{Duration, Instant};

/// A save may take this share of the time.
const SHARE: u32 = 20;

/// When to save, and how many jobs to do before asking again.
///
/// A wave can be hundreds of gigabytes. It starts at one job for each thread and grows while it stays short beside the time
/// between saves; results do not depend on it.
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

    pub(super) fn jobs(&self, least: usize, most: usize) -> usize {
        self.jobs.clamp(least, most.max(least))
    }

    /// Whether to save after the wave that has just ended.
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

    pub(super) fn saved(&mut self, cost: Duration) {
        (self.cost, self.saved) = (cost, Instant::now());
        self.wave_began = self.saved;
    }
}
