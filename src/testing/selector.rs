use super::Violation;
use super::networks::{Story, ids, same, stories, without_panic};
use crate::geometry::Geometry;
use crate::model_set::ModelId;
use crate::parent::ParentSelector;

/// Checks a [`ParentSelector`] against its contract.
///
/// The sets are stars, chains, copies, two families, models of two layouts, and sets of two. All members, some and one are
/// scored.
///
/// - There is one finite score for each member, or an error, and never a panic. An error on every family is a failure.
/// - The same members have the same scores, whatever was scored before.
/// - Permuting the members permutes the scores.
/// - Shuffling and renaming the models changes no model's score. The last bits may differ, as sums do.
///
/// *Which* member scores lowest is not checked.
///
/// # Errors
///
/// The broken promise, with the family on which it was broken.
///
/// ```
/// use neural_phylogeny::parent::Medoid;
/// use neural_phylogeny::testing::check_parent_selector;
///
/// assert_eq!(check_parent_selector(&Medoid), Ok(()));
/// ```
pub fn check_parent_selector(selector: &dyn ParentSelector) -> Result<(), Violation> {
    let mut failed = None;
    let mut given = false;
    for story in stories() {
        match check_story(selector, &story)? {
            Some(error) => failed = Some(error),
            None => given = true,
        }
    }
    match failed {
        // A rule may need what one set lacks. One that never gives scores is broken.
        Some(error) if !given => Err(Violation::new("every family", format!("an error, the last `{error}`"), "scores")),
        _ => Ok(()),
    }
}

/// Checks one set. Gives an error of the selector when it scored no family of the set.
fn check_story(selector: &dyn ParentSelector, story: &Story) -> Result<Option<String>, Violation> {
    let orders = story.orders();
    let geometry = story.geometry(&orders[0])?;
    // Geometries take the most time, so that each is computed once for all subsets.
    let shuffled: Vec<Geometry> = orders[1..].iter().map(|o| story.geometry(o)).collect::<Result<_, _>>()?;
    let mut failed = None;
    let mut given = false;
    for group in geometry.groups() {
        for members in subsets(group) {
            let name = format!("{}, {} of {} models", story.name, members.len(), story.len());
            let before = match scores(selector, &name, &geometry, &members)? {
                Ok(before) => before,
                Err(error) => {
                    failed = Some(error);
                    continue;
                }
            };
            given = true;
            expect(&name, "the same members scored twice", &before, scores(selector, &name, &geometry, &members)?)?;
            for permutation in permutations(members.len()) {
                let moved: Vec<ModelId> = permutation.iter().map(|&i| members[i]).collect();
                let want: Vec<f64> = permutation.iter().map(|&i| before[i]).collect();
                expect(&name, "another order of the members", &want, scores(selector, &name, &geometry, &moved)?)?;
            }
            for (order, geometry) in orders[1..].iter().zip(&shuffled) {
                let place = |m: &ModelId| order.iter().position(|&at| at == m.index()).unwrap_or_default();
                let moved = ids(members.iter().map(place));
                expect(&name, "another order of the models", &before, scores(selector, &name, geometry, &moved)?)?;
            }
        }
    }
    Ok(failed.filter(|_| !given))
}

type Scores = Result<Vec<f64>, String>;

fn scores(
    selector: &dyn ParentSelector,
    name: &str,
    geometry: &Geometry,
    members: &[ModelId],
) -> Result<Scores, Violation> {
    let scores = without_panic(name, "scores", || selector.scores(geometry, members))?;
    let scores = match scores {
        Ok(scores) => scores,
        Err(error) => return Ok(Err(format!("{name}: {error}"))),
    };
    if scores.len() != members.len() {
        let expected = format!("one for each of {} members", members.len());
        return Err(Violation::new(name, format!("{} scores", scores.len()), expected));
    }
    match scores.iter().find(|s| !s.is_finite()) {
        Some(score) => Err(Violation::new(name, format!("the score {score}"), "finite ones")),
        None => Ok(Ok(scores)),
    }
}

fn expect(name: &str, what: &str, want: &[f64], found: Scores) -> Result<(), Violation> {
    let differs = |found: String| Violation::new(format!("{name}, {what}"), found, format!("the scores {want:?}"));
    let found = found.map_err(|error| differs(format!("the error `{error}`")))?;
    // Scores are sums of terms of this size, and sums in another order differ in their last bits.
    let scale = want.iter().fold(0.0f64, |m, s| m.max(s.abs()));
    if want.iter().zip(&found).all(|(&w, &f)| same(w, f, scale)) {
        return Ok(());
    }
    Err(differs(format!("{found:?}")))
}

/// All members, all but the first, the first three, two and one.
fn subsets(group: &[ModelId]) -> Vec<Vec<ModelId>> {
    let mut subsets = vec![group.to_vec(), group[1..].to_vec()];
    subsets.extend([3, 2, 1].into_iter().filter(|&n| n < group.len()).map(|n| group[..n].to_vec()));
    subsets.retain(|s| !s.is_empty());
    subsets
}

/// The reversed order, and the order turned by one.
fn permutations(n: usize) -> [Vec<usize>; 2] {
    [(0..n).rev().collect(), (0..n).map(|i| (i + 1) % n).collect()]
}
