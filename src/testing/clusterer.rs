use super::Violation;
use crate::detect::cluster::{Clusterer, Clustering, Points};
use crate::error::Error;
use ndarray::{Array2, Axis};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Checks a [`Clusterer`] against its contract.
///
/// - There is one label or `None` for each point.
/// - The same points and seed give the same clustering, whatever ran before.
/// - Inputs that do occur give a result or an error, never a panic: no point, one point, no coordinate, identical points, more
///   expected families than different points, coordinates of extreme size. Coordinates that are not finite do not occur, and
///   must not panic either.
/// - Three families far apart are divided in the same way in any order of the points. *How* they are divided is not checked:
///   that depends on settings.
///
/// # Errors
///
/// The broken promise, with the input on which it was broken.
///
/// ```
/// use neural_phylogeny::detect::cluster::KMeans;
/// use neural_phylogeny::testing::check_clusterer;
///
/// assert_eq!(check_clusterer(&KMeans::new()), Ok(()));
/// ```
pub fn check_clusterer(clusterer: &dyn Clusterer) -> Result<(), Violation> {
    for (name, coordinates, expected) in stories() {
        let points = Points::new(coordinates.view(), &expected);
        let first = labels_or_error(clusterer, name, &points)?;
        let second = labels_or_error(clusterer, name, &points)?;
        match (first, second) {
            (Ok(first), Ok(second)) if first != second => {
                let found = format!("{:?} and {:?}", first.labels, second.labels);
                return Err(Violation::new(name, found, "the same labels from two runs under one seed"));
            }
            (Ok(clustering), Ok(_)) if clustering.labels.len() != points.len() => {
                let (found, expected) = (clustering.labels.len(), points.len());
                return Err(Violation::new(
                    name,
                    format!("{found} labels"),
                    format!("one for each of {expected} points"),
                ));
            }
            (Ok(_), Err(error)) | (Err(error), Ok(_)) => {
                let found = format!("that one of them failed: {error}");
                return Err(Violation::new(name, found, "the same from two runs under one seed"));
            }
            _ => {}
        }
    }
    check_order(clusterer)
}

fn labels_or_error(
    clusterer: &dyn Clusterer,
    name: &str,
    points: &Points<'_>,
) -> Result<Result<Clustering, Error>, Violation> {
    let run = || clusterer.cluster(points, &mut ChaCha8Rng::seed_from_u64(7));
    catch_unwind(AssertUnwindSafe(run)).map_err(|_| Violation::new(name, "a panic", "a clustering or an error"))
}

fn check_order(clusterer: &dyn Clusterer) -> Result<(), Violation> {
    let name = "three families far apart";
    let (coordinates, expected) = blobs();
    let n = expected.len();
    let failed = |error: Error| Violation::new(name, format!("the error `{error}`"), "a clustering");
    let before = labels_or_error(clusterer, name, &Points::new(coordinates.view(), &expected))?.map_err(failed)?;
    // 5 has no factor in common with 12 points, so that each comes once. Adding 7 moves the first point as well.
    let order: Vec<usize> = (0..n).map(|i| (5 * i + 7) % n).collect();
    let moved: Vec<usize> = order.iter().map(|&i| expected[i]).collect();
    let (rows, moved) = (coordinates.select(Axis(0), &order), by_first_appearance(&moved));
    let after = labels_or_error(clusterer, name, &Points::new(rows.view(), &moved))?.map_err(failed)?;
    let want: Vec<Option<usize>> = order.iter().map(|&i| before.labels[i]).collect();
    if partition(&want) == partition(&after.labels) {
        return Ok(());
    }
    let expected = format!("the same clusters in another order of the points, {want:?}");
    Err(Violation::new(name, format!("{:?}", after.labels), expected))
}

/// Labels numbered by first appearance.
fn by_first_appearance<T: PartialEq + Copy>(labels: &[T]) -> Vec<usize> {
    let mut seen: Vec<T> = Vec::new();
    let number = |&label: &T| {
        seen.iter().position(|&s| s == label).unwrap_or_else(|| {
            seen.push(label);
            seen.len() - 1
        })
    };
    labels.iter().map(number).collect()
}

/// The labels of a clustering, numbered by first appearance; noise stays noise. Two labelings that differ only in their numbers
/// become equal.
fn partition(labels: &[Option<usize>]) -> Vec<Option<usize>> {
    by_first_appearance(labels).into_iter().zip(labels).map(|(number, label)| label.map(|_| number)).collect()
}

/// Twelve points: three families of four, a hundred times farther apart than wide.
fn blobs() -> (Array2<f64>, Vec<usize>) {
    let mut rng = ChaCha8Rng::seed_from_u64(11);
    let expected: Vec<usize> = (0..12).map(|i| i / 4).collect();
    let coordinates = Array2::from_shape_fn((12, 3), |(i, coordinate)| {
        let family = if coordinate == expected[i] { 100.0 } else { 0.0 };
        family + rng.gen_range(-0.5..0.5)
    });
    (coordinates, expected)
}

fn stories() -> Vec<(&'static str, Array2<f64>, Vec<usize>)> {
    let (blobs, families) = blobs();
    let with = |value: f64| {
        // One bad coordinate among good ones is how such input arises.
        let mut coordinates = blobs.clone();
        coordinates[(3, 1)] = value;
        coordinates
    };
    let column = |values: &[f64]| Array2::from_shape_fn((values.len(), 1), |(i, _)| values[i]);
    vec![
        ("no point", Array2::zeros((0, 0)), vec![]),
        ("no point in two coordinates", Array2::zeros((0, 2)), vec![]),
        ("one point", column(&[1.5]), vec![0]),
        ("one point without coordinates", Array2::zeros((1, 0)), vec![0]),
        ("a pair", column(&[0.0, 1.0]), vec![0, 0]),
        ("two strangers", column(&[0.0, 1.0]), vec![0, 1]),
        ("identical models, no coordinates", Array2::zeros((5, 0)), vec![0; 5]),
        ("identical points", Array2::from_elem((5, 3), 0.7), vec![0; 5]),
        ("identical points, five families", Array2::from_elem((5, 3), 0.7), vec![0, 1, 2, 3, 4]),
        ("copies, more families than places", column(&[0.0, 0.0, 1.0, 1.0]), vec![0, 1, 2, 3]),
        ("a chain", column(&[0.0, 1.0, 2.0, 3.0, 4.0, 5.0]), vec![0; 6]),
        ("a family and one far child", column(&[0.0, 0.1, 0.2, 0.3, 1e6]), vec![0; 5]),
        ("tiny coordinates", &blobs * 1e-150, families.clone()),
        ("huge coordinates", &blobs * 1e150, families.clone()),
        ("NaN", with(f64::NAN), families.clone()),
        ("infinity", with(f64::INFINITY), families.clone()),
        ("three families far apart", blobs, families),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::cluster::{Dbscan, ExpectedFamilies, GaussianMixture, KMeans, MeanShift};
    use rand::RngCore;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[test]
    fn our_own_pass() {
        let ours: [&dyn Clusterer; 8] = [
            &ExpectedFamilies,
            &KMeans::new(),
            &KMeans::new().with_families(2),
            &MeanShift::new(),
            &MeanShift::new().with_bandwidth(3.0),
            &Dbscan::new(),
            &Dbscan::new().with_radius(3.0),
            &GaussianMixture::new(),
        ];
        for clusterer in ours {
            assert_eq!(check_clusterer(clusterer), Ok(()), "{clusterer:?}");
        }
    }

    /// The ways to break the contract, one each.
    #[derive(Debug)]
    enum Break {
        Panic,
        Count,
        Memory(AtomicUsize),
        Order,
    }

    impl Clusterer for Break {
        fn cluster(&self, points: &Points<'_>, _: &mut dyn RngCore) -> Result<Clustering, Error> {
            let n = points.len();
            Ok(Clustering::new(match self {
                Self::Panic => vec![Some(points.expected[0]); n],
                Self::Count => vec![None; n + 1],
                Self::Memory(runs) => vec![Some(runs.fetch_add(1, Ordering::Relaxed)); n],
                Self::Order => (0..n).map(|i| Some(i / 2)).collect(),
            }))
        }
    }

    #[test]
    fn each_break_is_named() {
        let said = |broken: Break| check_clusterer(&broken).unwrap_err();
        let panic = said(Break::Panic);
        assert_eq!((panic.input.as_str(), panic.found.as_str()), ("no point", "a panic"));
        assert_eq!(said(Break::Count).to_string(), "no point: found 1 labels, expected one for each of 0 points");
        assert!(said(Break::Memory(AtomicUsize::new(0))).expected.contains("two runs under one seed"));
        assert!(said(Break::Order).expected.contains("another order of the points"));
    }
}
