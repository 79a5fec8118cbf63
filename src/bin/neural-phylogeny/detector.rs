use clap::{Args, ValueEnum};
use neural_phylogeny::PhylogenyDetector;
use neural_phylogeny::detect::cluster::{
    Alpha, Bandwidth, CentroidDetector, ClusterDetector, Dbscan, ExpectedFamilies, GaussianMixture, KMeans, MeanShift,
    Radius, Seeding,
};
use neural_phylogeny::detect::{Arborescence, Families, Kurtosis, LineageDetector, NeighborJoining};
use std::fmt;
use std::str::FromStr;

/// How models are divided into families, and the settings of each way.
#[derive(Args, Debug)]
pub(crate) struct Clustering {
    /// How families, parents and directions are found [default: lineage].
    #[arg(long, value_enum)]
    detector: Option<Detector>,

    /// Number of families to expect, or `auto` for the independence test.
    #[arg(long, value_name = "N|auto", default_value_t = FamilyCount::Auto)]
    families: FamilyCount,

    /// Probability that a set without kin shows any, in (0, 1); for `--families auto`.
    #[arg(long, value_name = "P", default_value_t = 1e-3)]
    false_alarm: f64,

    /// kmeans, mean-shift: share of iterations in which centroids become means, from 0 to 1; in the others they become the
    /// member that the selector prefers. `sweep` tries several and keeps the one nearest to the expected families
    /// [default: 1].
    #[arg(long, value_name = "A|sweep")]
    alpha: Option<Alpha>,

    /// mean-shift: radius of the window, a distance, `expected` from the expected families, or `quantile:Q` of the distances to
    /// neighbors [default: expected].
    #[arg(long, value_name = "B|expected|quantile:Q")]
    bandwidth: Option<Bandwidth>,

    /// dbscan: how far neighbors may lie apart, a distance, or `expected` from the expected families [default: expected].
    #[arg(long, value_name = "R|expected")]
    eps: Option<Radius>,

    /// dbscan: models in the neighborhood of a core, itself included [default: 2].
    #[arg(long, value_name = "N")]
    min_points: Option<usize>,

    /// kmeans: seedings tried, of which the best is kept [default: 10].
    #[arg(long, value_name = "N")]
    restarts: Option<usize>,

    /// kmeans: which models the first centroids are drawn from, `plus-plus` for all, or `likely-parents` for the share (0.2
    /// unless given) of smallest scores of the selector [default: plus-plus].
    #[arg(long, value_name = "plus-plus|likely-parents[:SHARE]")]
    seeding: Option<Seeding>,

    /// arborescence: weight of the direction beside distances, from 0 [default: 0.3].
    #[arg(long, value_name = "L")]
    lambda: Option<f64>,

    /// arborescence: how the kurtosis of weights changes from parent to child [default: falls].
    #[arg(long, value_name = "falls|rises")]
    kurtosis: Option<Kurtosis>,
}

impl Clustering {
    /// The detector with its settings; refuses those of another one, and a selector that it would not ask.
    pub(crate) fn detector(&self, has_selector: bool) -> Result<Box<dyn PhylogenyDetector>, String> {
        let chosen = match (self.detector, has_selector) {
            (Some(detector @ (Detector::Lineage | Detector::Arborescence)), true) => {
                return Err(format!("`--detector {detector}` uses no selector, found `--selector`"));
            }
            (Some(detector), _) => detector,
            (None, false) => Detector::Lineage,
            (None, true) => Detector::Independence,
        };
        self.refuse_settings_of_others(chosen)?;
        let families = match self.families {
            FamilyCount::Auto => Families::Auto { false_alarm: self.false_alarm },
            FamilyCount::Count(count) => Families::Count(count),
        };
        let alpha = self.alpha.unwrap_or_default();
        Ok(match chosen {
            Detector::Lineage => Box::new(LineageDetector::new().with_families(families)),
            Detector::Independence => Box::new(ClusterDetector::new(ExpectedFamilies).with_families(families)),
            Detector::Kmeans => {
                let mut k_means = KMeans::new();
                k_means = self.restarts.into_iter().fold(k_means, KMeans::with_restarts);
                k_means = self.seeding.into_iter().fold(k_means, KMeans::with_seeding);
                Box::new(CentroidDetector::new(k_means).with_alpha(alpha).with_families(families))
            }
            Detector::MeanShift => {
                let mut mean_shift = MeanShift::new();
                mean_shift = self.bandwidth.into_iter().fold(mean_shift, MeanShift::with_bandwidth);
                Box::new(CentroidDetector::new(mean_shift).with_alpha(alpha).with_families(families))
            }
            Detector::Dbscan => {
                let mut dbscan = Dbscan::new();
                dbscan = self.eps.into_iter().fold(dbscan, Dbscan::with_radius);
                dbscan = self.min_points.into_iter().fold(dbscan, Dbscan::with_min_points);
                Box::new(ClusterDetector::new(dbscan).with_families(families))
            }
            Detector::Gmm => Box::new(ClusterDetector::new(GaussianMixture::new()).with_families(families)),
            Detector::Arborescence => {
                let mut arborescence = Arborescence::new().with_families(families);
                arborescence = self.lambda.into_iter().fold(arborescence, Arborescence::with_lambda);
                Box::new(self.kurtosis.into_iter().fold(arborescence, Arborescence::with_kurtosis))
            }
            Detector::NeighborJoining => Box::new(NeighborJoining::new().with_families(families)),
        })
    }

    fn refuse_settings_of_others(&self, chosen: Detector) -> Result<(), String> {
        use Detector::{Arborescence, Dbscan, Kmeans, MeanShift};
        let settings: [(&str, bool, &[Detector]); 8] = [
            ("alpha", self.alpha.is_some(), &[Kmeans, MeanShift]),
            ("bandwidth", self.bandwidth.is_some(), &[MeanShift]),
            ("eps", self.eps.is_some(), &[Dbscan]),
            ("min-points", self.min_points.is_some(), &[Dbscan]),
            ("restarts", self.restarts.is_some(), &[Kmeans]),
            ("seeding", self.seeding.is_some(), &[Kmeans]),
            ("lambda", self.lambda.is_some(), &[Arborescence]),
            ("kurtosis", self.kurtosis.is_some(), &[Arborescence]),
        ];
        for (setting, given, of) in settings {
            if given && !of.contains(&chosen) {
                let of: Vec<String> = of.iter().map(|d| format!("`--detector {d}`")).collect();
                let (of, found) = (of.join(" and "), chosen);
                return Err(format!("`--{setting}` is a setting of {of}, found with `--detector {found}`"));
            }
        }
        Ok(())
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Detector {
    /// Any depth, merges, copies and how sure each edge is, with nothing to set; uses no selector.
    Lineage,
    /// One generation: connected components of the independence test.
    Independence,
    /// KMeans.
    Kmeans,
    /// MeanShift.
    MeanShift,
    /// DBSCAN.
    Dbscan,
    /// Gaussian mixture.
    Gmm,
    /// Families by the independence test, in each a minimum arborescence directed by kurtosis, after MoTHer; uses no selector.
    Arborescence,
    /// Families by the independence test, in each a tree by neighbor joining, rooted by the selector.
    NeighborJoining,
}

impl fmt::Display for Detector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.to_possible_value().map_or(Ok(()), |value| f.write_str(value.get_name()))
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum FamilyCount {
    Auto,
    Count(usize),
}

impl FromStr for FamilyCount {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "auto" => Ok(Self::Auto),
            n => n.parse().map(Self::Count).map_err(|_| "expected a number or `auto`".to_owned()),
        }
    }
}

impl fmt::Display for FamilyCount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Count(n) => write!(f, "{n}"),
        }
    }
}
