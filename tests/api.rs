//! Every public type can be sent to and shared with other threads.

use neural_phylogeny::*;

fn auto_traits<T: Send + Sync + Unpin + ?Sized>() {}

#[test]
fn public_types_are_send_sync_and_unpin() {
    auto_traits::<Added>();
    auto_traits::<Alpha>();
    auto_traits::<Answer>();
    auto_traits::<Arborescence>();
    auto_traits::<Bandwidth>();
    auto_traits::<Branch>();
    auto_traits::<Candidate>();
    auto_traits::<CentroidDetector<ExpectedFamilies>>();
    auto_traits::<Choice>();
    auto_traits::<ClusterDetector<ExpectedFamilies>>();
    auto_traits::<Clustering>();
    auto_traits::<Comparison>();
    auto_traits::<Config>();
    auto_traits::<Coordinates>();
    auto_traits::<Coverage>();
    auto_traits::<Dbscan>();
    auto_traits::<Discovered>();
    auto_traits::<DiscoveredModel>();
    auto_traits::<Discovery>();
    auto_traits::<Dtype>();
    auto_traits::<Edge>();
    auto_traits::<Entries>();
    auto_traits::<Error>();
    auto_traits::<Evaluation>();
    auto_traits::<Evidence>();
    auto_traits::<ExpectedFamilies>();
    auto_traits::<Factor>();
    auto_traits::<Families>();
    auto_traits::<Family>();
    auto_traits::<FamilyAgreement>();
    auto_traits::<GaussianMixture>();
    auto_traits::<Geometry>();
    auto_traits::<GeometrySettings>();
    auto_traits::<Grid>();
    auto_traits::<GridSpan>();
    auto_traits::<Ignored>();
    auto_traits::<InMemory>();
    auto_traits::<Independence>();
    auto_traits::<Initialization>();
    auto_traits::<KMeans>();
    auto_traits::<Kind>();
    auto_traits::<Kurtosis>();
    auto_traits::<Layout>();
    auto_traits::<LayoutGroup>();
    auto_traits::<LineState>();
    auto_traits::<LineageDetector>();
    auto_traits::<Lines>();
    auto_traits::<LogDistanceMedoid>();
    auto_traits::<MeanShift>();
    auto_traits::<Medoid>();
    auto_traits::<ModelId>();
    auto_traits::<ModelSet>();
    auto_traits::<ModelSetBuilder>();
    auto_traits::<Moments>();
    auto_traits::<Movement>();
    auto_traits::<NearestToInitialization>();
    auto_traits::<Nearest>();
    auto_traits::<Neighbor>();
    auto_traits::<NeighborJoining>();
    auto_traits::<OnUnreadable>();
    auto_traits::<PairEvidence>();
    auto_traits::<ParameterEvidence>();
    auto_traits::<ParameterInfo>();
    auto_traits::<ParameterView>();
    auto_traits::<PeftAdapter>();
    auto_traits::<Phylogeny>();
    auto_traits::<Points<'static>>();
    auto_traits::<ParameterDistances>();
    auto_traits::<Precedence>();
    auto_traits::<PrecedenceWeights>();
    auto_traits::<Quantity>();
    auto_traits::<Progress>();
    auto_traits::<Radius>();
    auto_traits::<RandomSource>();
    auto_traits::<Ratio>();
    auto_traits::<Relation>();
    auto_traits::<Remark>();
    auto_traits::<Reliability>();
    auto_traits::<ReliabilityBin>();
    auto_traits::<Retrieval>();
    auto_traits::<Role>();
    auto_traits::<SafetensorsFile>();
    auto_traits::<SafetensorsShards>();
    auto_traits::<Scope>();
    auto_traits::<Seeding>();
    auto_traits::<SharedParameter>();
    auto_traits::<Sketch>();
    auto_traits::<SketchSet>();
    auto_traits::<SketchSettings>();
    auto_traits::<Skipped>();
    auto_traits::<Signal>();
    auto_traits::<Sketch>();
    auto_traits::<SketchSettings>();
    auto_traits::<SketchStore>();
    auto_traits::<Stage>();
    auto_traits::<StoreEntry>();
    auto_traits::<StoreProblem>();
    auto_traits::<SmallestNorm>();
    auto_traits::<SourceError>();
    auto_traits::<TreeNode>();
    auto_traits::<Truth>();
    auto_traits::<Unreadable>();
    auto_traits::<UnrootedTree>();
    auto_traits::<WeightErrors>();
    auto_traits::<Weights>();
}

#[test]
fn public_traits_are_object_safe_and_their_objects_send_and_sync() {
    auto_traits::<Box<dyn CentroidClusterer>>();
    auto_traits::<Box<dyn Clusterer>>();
    auto_traits::<Box<dyn ParameterSource>>();
    auto_traits::<Box<dyn ParentSelector>>();
    auto_traits::<Box<dyn PhylogenyDetector>>();
}

/// Exported names that promise no auto trait: closures of a caller.
const EXEMPT: [&str; 1] = ["MemberScores"];

#[test]
fn no_public_type_is_forgotten_above() {
    let here = include_str!("api.rs");
    let library = include_str!("../src/lib.rs");
    let exports = library.split("pub use ").skip(1).filter_map(|e| e.split(';').next());
    let names = exports.flat_map(|e| e.split(|c: char| !c.is_alphanumeric() && c != '_'));
    let listed = |name: &str| {
        ["<", "<Box<dyn "].iter().any(|before| {
            here.match_indices(&format!("auto_traits::{before}{name}"))
                .any(|(at, found)| here[at + found.len()..].starts_with(['<', '>']))
        })
    };
    let is_type = |name: &&str| name.starts_with(char::is_uppercase) && !EXEMPT.contains(name);
    let forgotten: Vec<&str> = names.filter(is_type).filter(|name| !listed(name)).collect();
    assert!(forgotten.is_empty(), "add auto_traits::<…>() to tests/api.rs for {}", forgotten.join(", "));
}
