//! The values of a parameter that all holders keep in the same way.

use super::projection::Projection;
use super::{SegmentSketch, Sketch, SketchSet, read_wide};
use crate::error::Error;
use crate::geometry::Place;
use crate::model_set::{LayoutGroup, Position};
use crate::source::ParameterSource;
use std::ops::Range;

/// Values of a parameter that all holders keep in the same way.
#[derive(Clone, Debug)]
pub(super) enum RunSource {
    /// A segment that all holders have, by its number in each.
    Segment(usize),
    /// Values that all holders keep whole, whatever their segments are.
    Values(Range<usize>),
}

/// One run, and the number of numbers that each holder has of it.
#[derive(Clone, Debug)]
pub(super) struct CommonRun {
    pub(super) source: RunSource,
    /// Number of values in the run.
    pub(super) size: usize,
    /// Number of numbers to compare: `size`, or the width when the run is sketched.
    pub(super) count: usize,
}

impl CommonRun {
    /// Whether holders have a sketch of the run, and not its values.
    pub(super) fn is_sketched(&self) -> bool {
        self.count < self.size
    }
}

/// A group of sketched models, in an order by content.
#[derive(Clone, Debug)]
pub(super) struct GroupSketches {
    set: SketchSet,
    group: usize,
    /// For each place, the model's position in the group of the layout.
    order: Vec<Position<LayoutGroup>>,
    /// For each position, its place.
    place_of: Vec<Place>,
    /// Number of values kept of each larger tensor: the fewest that any of the models keeps.
    pub(super) width: usize,
}

impl GroupSketches {
    /// The sketches of one group, ordered by content.
    pub(super) fn new(set: &SketchSet, group: usize) -> Self {
        let layout = &set.models().groups()[group];
        let order = order(set, layout);
        let mut place_of = vec![Place(0); order.len()];
        order.iter().enumerate().for_each(|(place, &at)| place_of[at.index()] = Place(place));
        Self { set: set.clone(), group, order, place_of, width: set.width(layout) }
    }

    /// The layout of the group.
    pub(super) fn layout(&self) -> &LayoutGroup {
        &self.set.models().groups()[self.group]
    }

    /// For each place, the model's position in the group of the layout.
    pub(super) fn order(&self) -> &[Position<LayoutGroup>] {
        &self.order
    }

    /// Places of the models that hold parameter `p`, sorted.
    pub(super) fn holders(&self, p: usize) -> Vec<Place> {
        let mut holders: Vec<Place> =
            self.layout().parameters()[p].holders.iter().map(|&at| self.place_of[at.index()]).collect();
        holders.sort_unstable();
        holders
    }

    /// The sketch at a place, and its own name of parameter `p`.
    pub(super) fn holder(&self, place: Place, p: usize) -> (&Sketch, &str) {
        let at = self.order[place.0];
        (self.set.sketch(self.layout().model(at)), self.layout().own_name(at, p).unwrap_or_default())
    }

    /// The segments of parameter `p` in the model at a place.
    pub(super) fn kept(&self, place: Place, p: usize) -> &[SegmentSketch] {
        let (sketch, name) = self.holder(place, p);
        sketch.kept(name)
    }

    /// The squared norm of a segment in the model at a place; `None` for a run of values, which is the whole parameter.
    pub(super) fn segment_norm(&self, place: Place, p: usize, run: &CommonRun) -> Option<f64> {
        match run.source {
            RunSource::Segment(s) => Some(self.kept(place, p)[s].moments.squared_norm()),
            RunSource::Values(_) => None,
        }
    }

    /// The runs of a parameter that sketches can compare: as much of it as possible.
    pub(super) fn runs(&self, p: usize) -> Vec<CommonRun> {
        let parameter = &self.layout().parameters()[p];
        let held: Vec<&[SegmentSketch]> = self.holders(p).into_iter().map(|place| self.kept(place, p)).collect();
        // At the group's width a longer segment is folded, so its values cannot be compared one by one.
        let whole = |kept: &SegmentSketch| kept.is_whole() && kept.segment.len() <= self.width;
        if held.iter().all(|segments| !segments.is_empty() && segments.iter().all(whole)) {
            let size = parameter.size();
            return vec![CommonRun { source: RunSource::Values(parameter.values.clone()), size, count: size }];
        }
        let Some((first, others)) = held.split_first() else { return Vec::new() };
        let values = &parameter.values;
        // A segment that reaches beyond the range also has values that some models lack.
        let within = |kept: &SegmentSketch| kept.segment.start >= values.start && kept.segment.end <= values.end;
        let common = |s: &usize| {
            let segment = &first[*s].segment;
            within(&first[*s]) && others.iter().all(|o| o.get(*s).is_some_and(|kept| kept.segment == *segment))
        };
        let run = |s: usize| {
            let size = first[s].segment.len();
            CommonRun { source: RunSource::Segment(s), size, count: size.min(self.width) }
        };
        (0..first.len()).filter(common).map(run).collect()
    }

    /// Reads numbers of one run in the model at a place, from number `first` on.
    ///
    /// They are all values of the run when there are at most `width`. Otherwise they are a sketch of that width.
    pub(super) fn read(
        &self,
        place: Place,
        p: usize,
        run: &CommonRun,
        width: usize,
        first: usize,
        out: &mut [f64],
    ) -> Result<(), Error> {
        let (sketch, name) = self.holder(place, p);
        let read = match &run.source {
            RunSource::Segment(s) => sketch.read_at(&sketch.kept(name)[*s], width, first, out),
            RunSource::Values(range) if width < run.size => {
                // The run is kept whole. A narrower sketch of it can be computed now.
                let (mut values, mut sums) = (vec![0.0; run.size], vec![0.0; width]);
                sketch.read(name, range.start, &mut values).map(|()| {
                    Projection::new(sketch.seed(), width).add(0, &values, &mut sums);
                    out.copy_from_slice(&sums[first..][..out.len()]);
                })
            }
            RunSource::Values(range) => read_wide(out, |narrow| sketch.read(name, range.start + first, narrow)),
        };
        let id = self.layout().model(self.order[place.0]);
        read.map_err(|source| Error::of_model(self.set.models().name(id), source))
    }
}

/// Positions of the models, sorted by the fingerprints of what all of them hold.
fn order(set: &SketchSet, group: &LayoutGroup) -> Vec<Position<LayoutGroup>> {
    let n = group.models().len();
    // What only some models hold cannot order the others.
    let common: Vec<usize> =
        (0..group.parameters().len()).filter(|&p| group.parameters()[p].holders.len() == n).collect();
    let content = |at: Position<LayoutGroup>| -> Vec<u128> {
        let sketch = set.sketch(group.model(at));
        let name = |&p: &usize| group.own_name(at, p).unwrap_or_default();
        common.iter().flat_map(|p| sketch.kept(name(p))).map(|kept| kept.fingerprint).collect()
    };
    let mut keyed: Vec<(Vec<u128>, Position<LayoutGroup>)> = group.positions().map(|at| (content(at), at)).collect();
    keyed.sort();
    keyed.into_iter().map(|(_, at)| at).collect()
}
