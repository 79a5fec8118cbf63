//! Random subsets of a family: how many models it takes.

use crate::answers::Answer;
use crate::rootless::INVENTED;
use crate::sets::Set;
use crate::{Failure, ratio, share};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use std::collections::BTreeSet;
use std::io::Write;
use std::ops::RangeInclusive;

const SIZES: RangeInclusive<usize> = 3..=9;

/// Counts over draws of one size.
#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    draws: usize,
    roots: usize,
    children: usize,
    right: usize,
    orphans: usize,
    invented: usize,
}

impl Counts {
    fn plus(self, o: Self) -> Self {
        Self {
            draws: self.draws + o.draws,
            roots: self.roots + o.roots,
            children: self.children + o.children,
            right: self.right + o.right,
            orphans: self.orphans + o.orphans,
            invented: self.invented + o.invented,
        }
    }
}

/// One subset; a child is right with its nearest ancestor in the subset as its only parent.
fn draw(set: &Set, subset: &BTreeSet<&str>) -> Result<Counts, Failure> {
    let found = set.detect_among(&|name| subset.contains(name))?;
    let mut counts = Counts { draws: 1, ..Counts::default() };
    let answers = Answer::all(&found, &set.truth);
    counts.roots = usize::from(answers.iter().all(|a| a.truth.is_empty() == a.given.is_empty()));
    for a in answers.iter().filter(|a| !a.truth.is_empty()) {
        match a.ancestors.first() {
            Some(nearest) => {
                counts.children += 1;
                counts.right += usize::from(a.given.len() == 1 && a.given.contains(nearest));
            }
            None => {
                counts.orphans += 1;
                counts.invented += usize::from(a.invented(&found).is_some_and(|c| c > INVENTED));
            }
        }
    }
    Ok(counts)
}

/// All draws of one size from the families of a set.
fn draws(set: &Set, size: usize, root: bool, draws: u64) -> Result<Counts, Failure> {
    let jobs: Vec<(Vec<String>, u64)> = set
        .families()
        .into_iter()
        .map(|f| f.into_iter().filter(|name| root || !set.adapters.contains(name)).collect::<Vec<_>>())
        .filter(|f| f.len() > size)
        .flat_map(|f| (0..draws).map(move |seed| (f.clone(), seed)))
        .collect();
    let one = |(family, seed): &(Vec<String>, u64)| {
        let mut rng = ChaCha8Rng::seed_from_u64(*seed);
        let (first, others) = family.split_first().ok_or("a family without models")?;
        let mut subset: BTreeSet<&str> =
            others.choose_multiple(&mut rng, size - usize::from(root)).map(String::as_str).collect();
        if root {
            subset.insert(first);
        }
        draw(set, &subset)
    };
    jobs.par_iter().map(one).try_reduce(Counts::default, |a, b| Ok(a.plus(b)))
}

pub(crate) fn table(out: &mut impl Write, sets: &[Set], number: u64) -> Result<(), Failure> {
    writeln!(out, "## Random subsets of one family\n")?;
    writeln!(
        out,
        "{number} draws for each family of more models than the size. A child is right with its nearest ancestor in the draw; \
         a root when it is the only model without parent. Invented: share of models without ancestor in the draw that are \
         given a parent above {INVENTED}.\n"
    )?;
    writeln!(
        out,
        "| Set | Size | With the root: draws | Roots right | Edges right | Without: draws | Edges right | Invented |\n\
         |---|---|---|---|---|---|---|---|"
    )?;
    let mut sums = vec![[Counts::default(); 2]; SIZES.count()];
    for set in sets.iter().filter(|s| s.is_plain()) {
        for (sum, size) in sums.iter_mut().zip(SIZES) {
            let both = [draws(set, size, true, number)?, draws(set, size, false, number)?];
            *sum = [sum[0].plus(both[0]), sum[1].plus(both[1])];
            if both[0].draws > 0 {
                line(out, &set.name, size, both)?;
            }
        }
    }
    for (sum, size) in sums.into_iter().zip(SIZES).filter(|(sum, _)| sum[0].draws > 0) {
        line(out, "**all**", size, sum)?;
    }
    writeln!(out)?;
    Ok(())
}

fn line(out: &mut impl Write, name: &str, size: usize, [with, without]: [Counts; 2]) -> Result<(), Failure> {
    writeln!(
        out,
        "| {name} | {size} | {} | {} | {} | {} | {} | {} ({}) |",
        with.draws,
        share(with.roots, with.draws),
        share(with.right, with.children),
        without.draws,
        share(without.right, without.children),
        share(without.invented, without.orphans),
        ratio(without.invented, without.orphans),
    )?;
    Ok(())
}
