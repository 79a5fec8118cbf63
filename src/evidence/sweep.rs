//! One pass over some models, in which each value is read once however many comparisons need it.

use super::shared::{RUN, SharedTensor};
use super::values::Values;
use crate::error::Error;
use crate::model_set::ModelId;
use rayon::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

/// The share of the memory setting that values take which are held side by side.
const HELD: u64 = 4;

/// The fewest models whose runs are held side by side, whatever the memory setting is.
const FEWEST: usize = 2;

/// Number of comparisons for each thread whose results wait to be taken, unless they are large.
const WAITING: usize = 4;

/// A run of one tensor, the models to read it from, and the comparisons that need it.
#[derive(Debug)]
struct Job<'v, T> {
    run: Range<usize>,
    /// The models, each with its own name of the tensor.
    models: Vec<(ModelId, &'v str)>,
    comparisons: Vec<Comparison<T>>,
}

/// A comparison of a run in two models, and what it is for.
#[derive(Debug)]
struct Comparison<T> {
    /// Their places among the models of the job.
    places: [usize; 2],
    of: T,
}

/// The runs that some comparisons need.
#[derive(Debug)]
pub(super) struct Sweep<'v, T> {
    /// By the name and the range of each run. The runs of one tensor follow one another.
    jobs: BTreeMap<(&'v str, usize, usize), Job<'v, T>>,
    /// Number of results for each thread that wait to be taken.
    waiting: usize,
}

impl<'v, T: Clone + Sync> Sweep<'v, T> {
    pub(super) fn new() -> Self {
        Self { jobs: BTreeMap::new(), waiting: WAITING }
    }

    /// Sets how many results for each thread may wait to be taken: fewer where each is large.
    pub(super) fn with_waiting(self, waiting: usize) -> Self {
        Self { waiting, ..self }
    }

    /// Adds a comparison of one tensor in two models, which may be the same. Each is given with its own name of the tensor.
    pub(super) fn add(&mut self, tensor: &SharedTensor<'v>, models: [(ModelId, &'v str); 2], of: &T) {
        for run in tensor.runs() {
            let job = self.jobs.entry((tensor.name, run.start, run.end)).or_insert_with(|| Job {
                run,
                models: Vec::new(),
                comparisons: Vec::new(),
            });
            let places = models.map(|model| {
                job.models.iter().position(|&known| known == model).unwrap_or_else(|| {
                    job.models.push(model);
                    job.models.len() - 1
                })
            });
            job.comparisons.push(Comparison { places, of: of.clone() });
        }
    }

    /// Reads all runs. `part` gives the result of one run of one comparison, and `take` gets the results.
    ///
    /// Results come in the order of runs and then of comparisons, as they were added. So sums do not depend on threads.
    ///
    /// # Errors
    ///
    /// Those of [`Values::read`], and those of `take`.
    pub(super) fn read<P: Send>(
        self,
        values: &Values,
        part: impl Fn(&T, &Range<usize>, [&[f32]; 2]) -> P + Sync,
        mut take: impl FnMut(&T, P) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let jobs: Vec<Job<'v, T>> = self.jobs.into_values().collect();
        values.announce(jobs.iter().map(Job::size).sum());
        let pool = values.thread_pool()?;
        let at_once = self.waiting * pool.current_num_threads();
        // Buffers are kept from wave to wave: new ones would cost as much as reading.
        let mut buffers: Vec<Vec<f32>> = Vec::new();
        let mut waves = waves(&jobs, values.held(), at_once).into_iter().peekable();
        while let Some(wave) = waves.next() {
            let slots: Vec<(&Job<'v, T>, usize)> =
                wave.iter().flat_map(|job| (0..job.models.len()).map(move |m| (job, m))).collect();
            if buffers.len() < slots.len() {
                buffers.resize_with(slots.len(), Vec::new);
            }
            let read = |(&(job, m), out): (&(&Job<'v, T>, usize), &mut Vec<f32>)| {
                let (model, own_name) = job.models[m];
                values.read(model, own_name, &job.run, out)
            };
            let read: Vec<Result<(), Error>> = pool.install(|| slots.par_iter().zip(&mut buffers).map(read).collect());
            read.into_iter().collect::<Result<(), Error>>()?;
            // The next wave can come in while this one is compared.
            for job in waves.peek().copied().unwrap_or_default() {
                job.models.iter().for_each(|&(model, own_name)| values.prefetch(model, own_name, &job.run));
            }

            let mut first = 0;
            let mut comparisons = Vec::new();
            for job in wave {
                comparisons.extend(job.comparisons.iter().map(|c| (job, c, c.places.map(|place| first + place))));
                first += job.models.len();
            }
            let compare = |&(job, c, slots): &(&Job<'v, T>, &Comparison<T>, [usize; 2])| {
                part(&c.of, &job.run, slots.map(|slot| buffers[slot].as_slice()))
            };
            for some in comparisons.chunks(at_once) {
                let parts: Vec<P> = pool.install(|| some.par_iter().map(compare).collect());
                some.iter().zip(parts).try_for_each(|((_, c, _), part)| take(&c.of, part))?;
            }
        }
        Ok(())
    }
}

impl<T> Job<'_, T> {
    /// The number of values to read.
    fn size(&self) -> usize {
        self.run.len() * self.models.len()
    }
}

/// Cuts jobs into waves, each of which is read side by side.
fn waves<'j, 'v, T>(jobs: &'j [Job<'v, T>], held: usize, busy: usize) -> Vec<&'j [Job<'v, T>]> {
    let (mut waves, mut rest) = (Vec::new(), jobs);
    while !rest.is_empty() {
        let (wave, later) = rest.split_at(side_by_side(rest, held, busy));
        waves.push(wave);
        rest = later;
    }
    waves
}

/// The number of jobs to read side by side: at least one, at most `held` values, and not more than keep `busy` threads at work.
fn side_by_side<T>(jobs: &[Job<'_, T>], held: usize, busy: usize) -> usize {
    let (mut size, mut comparisons) = (0, 0);
    let fits = |job: &&Job<'_, T>| {
        let more = comparisons < busy && size + job.size() <= held;
        size += job.size();
        comparisons += job.comparisons.len();
        more
    };
    jobs.iter().take_while(fits).count().max(1).min(jobs.len())
}

/// The number of values that may be held side by side, for a memory setting in bytes.
pub(super) fn held(memory: u64) -> usize {
    let values = memory / HELD / size_of::<f32>() as u64;
    usize::try_from(values).unwrap_or(usize::MAX).max(FEWEST * RUN)
}

/// Cuts a list into batches whose models can be held side by side, and whose sizes are at most `room` together.
///
/// An item of more models or of a larger size than that gets a batch of its own.
pub(super) fn batches<T>(
    items: &[T],
    held: usize,
    room: u64,
    size: impl Fn(&T) -> u64,
    models: impl Fn(&T) -> Vec<ModelId>,
) -> Vec<&[T]> {
    let (mut batches, mut rest) = (Vec::new(), items);
    while !rest.is_empty() {
        let (mut together, mut taken): (BTreeSet<ModelId>, u64) = (BTreeSet::new(), 0);
        let fits = |item: &&T| {
            together.extend(models(item));
            taken = taken.saturating_add(size(item));
            together.len() <= held / RUN && taken <= room
        };
        let (batch, later) = rest.split_at(rest.iter().take_while(fits).count().max(1));
        batches.push(batch);
        rest = later;
    }
    batches
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::facts;
    use crate::geometry::{GeometrySettings, Progress};
    use crate::model_set::ModelSet;
    use crate::source::InMemory;
    use std::ops::ControlFlow;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    /// Models of two tensors, the first of several runs. The models differ by their number.
    fn models(count: usize) -> ModelSet {
        let model = |m: usize| {
            let values = |n: usize| (0..n).map(|i| (i % 7 + m) as f32).collect::<Vec<f32>>();
            let model = InMemory::new().with_parameter("a", [2100, 1000], values(2_100_000)).unwrap();
            model.with_parameter("b", [8, 8], values(64)).unwrap()
        };
        ModelSet::from_models((0..count).map(|m| (m.to_string(), model(m)))).unwrap()
    }

    #[test]
    fn values_are_read_once_for_all_comparisons_and_sums_are_the_same_with_little_memory() {
        let set = models(3);
        let ids: Vec<ModelId> = set.ids().collect();
        let sums = |memory: u64, threads: usize| {
            let read = Arc::new(AtomicU64::new(0));
            let seen = Arc::clone(&read);
            let observer = move |p: Progress| {
                seen.store(p.read, Ordering::Relaxed);
                assert!(p.read <= p.total);
                ControlFlow::Continue(())
            };
            let settings = GeometrySettings::new().with_memory(memory).with_threads(threads).with_observer(observer);
            let values = Values::new(&set, &settings, 0, facts(&set).unwrap());
            let mut sweep = Sweep::new();
            let pairs = [[0, 1], [0, 2], [1, 2], [2, 2]];
            for (i, pair) in pairs.iter().enumerate() {
                let [a, b] = pair.map(|m: usize| ids[m]);
                for tensor in values.shared(&[a, b]).unwrap() {
                    sweep.add(&tensor, [(a, tensor.own_names[0]), (b, tensor.own_names[1])], &i);
                }
            }
            let mut found = vec![Vec::new(); pairs.len()];
            let part = |_: &usize, run: &Range<usize>, [a, b]: [&[f32]; 2]| {
                assert_eq!((a.len(), b.len()), (run.len(), run.len()));
                (run.start, a.iter().zip(b).map(|(a, b)| f64::from(b - a)).sum::<f64>())
            };
            let take = |&i: &usize, part| {
                found[i].push(part);
                Ok(())
            };
            sweep.read(&values, part, take).unwrap();
            (found, read.load(Ordering::Relaxed))
        };
        let (found, read) = sums(1 << 30, 2);
        assert_eq!(read, 3 * 2_100_064);
        // Three runs of `a` and one of `b`, in their order.
        let whole = |distance: f64| [1_048_000.0, 1_048_000.0, 4_000.0, 64.0].map(|n| n * distance).to_vec();
        let of = |i: usize| found[i].iter().map(|part: &(usize, f64)| part.1).collect::<Vec<f64>>();
        assert_eq!([of(0), of(1), of(2), of(3)], [whole(1.0), whole(2.0), whole(1.0), whole(0.0)]);
        assert_eq!(sums(1 << 20, 1), (found, read));
    }

    #[test]
    fn batches_have_as_many_models_as_fit() {
        let m = ModelId::new;
        let items = [(m(0), m(1)), (m(0), m(2)), (m(0), m(3)), (m(4), m(5)), (m(4), m(5))];
        let batches = |held: usize, room: u64| -> Vec<usize> {
            batches(&items, held, room, |_| 3, |&(a, b)| vec![a, b]).iter().map(|b| b.len()).collect()
        };
        assert_eq!(batches(RUN * 4, 27), [3, 2]);
        assert_eq!(batches(RUN * 3, 27), [2, 1, 2]);
        assert_eq!(batches(RUN * 9, 8), [2, 2, 1]);
        // An item that does not fit goes alone.
        assert_eq!((batches(RUN, 27), batches(RUN * 9, 2)), (vec![1; 5], vec![1; 5]));
        assert_eq!((held(1 << 30), held(1 << 20)), (64 * RUN, 2 * RUN));
    }
}
