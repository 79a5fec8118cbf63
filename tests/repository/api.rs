//! Every public type can be sent to and shared with other threads.

use neural_phylogeny::bytes::{Entry, EntryKind, Folder, LocalFile, LocalFolder, MemoryFile, ReadAt};
use neural_phylogeny::config::{ContentHashes, Settings};
use neural_phylogeny::detect::cluster::{
    Alpha, Bandwidth, ByFit, ByTransform, CentroidClusterer, CentroidDetector, ClusterDetector, Clustering, Dbscan,
    ExpectedFamilies, GaussianMixture, KMeans, Linfa, LinfaWith, MeanShift, Points, Radius, Seeding,
};
use neural_phylogeny::detect::{
    Arborescence, Branch, Direction, Families, KinInPart, Kurtosis, LineageDetector, NamedDetector, NamedSetting,
    NeighborJoining, SelectorUse, SettingWords, TreeNode, UnrootedTree, Weights,
};
use neural_phylogeny::discover::{
    BaseRule, Discovered, DiscoveredModel, Discovery, FileLayout, Ignored, IgnoredKind, Unreadable,
};
use neural_phylogeny::error::ShardError;
use neural_phylogeny::evaluate::{
    Coverage, Evaluation, FamilyAgreement, Ratio, Reliability, ReliabilityBin, Retrieval, Truth, WeightErrors,
};
use neural_phylogeny::evidence::{Factor, Imprint, LineState, Lines};
#[cfg(feature = "gguf")]
use neural_phylogeny::format::Gguf;
use neural_phylogeny::format::{
    Decode, Dtype, Format, Library, ParameterInfo, Quantization, Safetensors, SafetensorsFile, Tensors, UnknownDtype,
    UnreadFormat,
};
use neural_phylogeny::geometry::{
    Comparison, Coordinates, Geometry, GeometrySettings, Grid, GridSpan, Independence, Initialization, Moments,
    PairEvidence, ParameterDistances, ParameterEvidence, ParameterView, Progress, Quantity, ReadingStage, Scope,
};
use neural_phylogeny::model_set::{
    GroupRecord, Inventory, Iter, Kind, LayoutGroup, Matching, ModelRecord, ModelSetBuilder, OnUnreadable, Position,
    Role, SharedParameter, Skipped, UnreadRecord,
};
use neural_phylogeny::parent::{
    Choice, LogDistanceMedoid, Medoid, NearestToInitialization, Precedence, PrecedenceWeights, SmallestNorm,
};
use neural_phylogeny::phylogeny::{
    Candidate, Evidence, Family, FamilyId, Link, Movement, Node, PhylogenyBuilder, Remark, SharedPart, Signal, Stage,
    UnknownRelation, UnobservedId,
};
use neural_phylogeny::query::{Answer, Query};
use neural_phylogeny::rebuild::{RebuildError, Rebuilt, RebuiltTensor, TensorOrigin};
use neural_phylogeny::sketch::{Sketch, SketchSet, SketchSettings};
use neural_phylogeny::source::{Dequantized, EntryDistribution, PeftAdapter, RandomSource, Shards};
use neural_phylogeny::store::{AddOutcome, Nearest, Neighbor, SketchStore, StoreEntry, StoreProblem};
#[cfg(feature = "testing")]
use neural_phylogeny::testing;
use neural_phylogeny::write::{Content, ContentKind, Dot, Json, Newick, OutputFormat, Table};
use neural_phylogeny::{
    Clusterer, Config, Edge, Error, InMemory, ModelId, ModelSet, ParameterSource, ParentSelector, Phylogeny,
    PhylogenyDetector, Relation, SourceError,
};
use std::path::Path;

fn auto_traits<T: Send + Sync + Unpin + ?Sized>() {}

#[test]
fn public_types_are_send_sync_and_unpin() {
    auto_traits::<AddOutcome>();
    auto_traits::<BaseRule>();
    auto_traits::<Link>();
    auto_traits::<Node>();
    auto_traits::<UnobservedId>();
    auto_traits::<RebuildError>();
    auto_traits::<Rebuilt>();
    auto_traits::<RebuiltTensor>();
    auto_traits::<TensorOrigin>();
    auto_traits::<Dequantized>();
    auto_traits::<GroupRecord>();
    auto_traits::<IgnoredKind>();
    auto_traits::<Inventory>();
    auto_traits::<Matching>();
    auto_traits::<ModelRecord>();
    auto_traits::<Position<str>>();
    auto_traits::<Quantization>();
    auto_traits::<UnreadRecord>();
    #[cfg(feature = "remote")]
    {
        use neural_phylogeny::bytes::Locations;
        auto_traits::<Locations>();
    }
    #[cfg(feature = "formats")]
    {
        use neural_phylogeny::format::{Flax, Keras, Npy, Npz, Onnx, Pytorch};
        auto_traits::<Flax>();
        auto_traits::<Keras>();
        auto_traits::<Npy>();
        auto_traits::<Npz>();
        auto_traits::<Onnx>();
        auto_traits::<Pytorch>();
    }
    auto_traits::<Entry>();
    auto_traits::<EntryKind>();
    auto_traits::<Box<dyn Folder>>();
    auto_traits::<LocalFile>();
    auto_traits::<LocalFolder>();
    auto_traits::<MemoryFile>();
    auto_traits::<Box<dyn ReadAt>>();
    auto_traits::<NamedDetector>();
    auto_traits::<NamedSetting>();
    auto_traits::<SettingWords>();
    auto_traits::<Box<dyn Decode>>();
    auto_traits::<Box<dyn Format>>();
    auto_traits::<Library>();
    auto_traits::<UnknownDtype>();
    #[cfg(feature = "gguf")]
    auto_traits::<Gguf>();
    auto_traits::<Safetensors>();
    auto_traits::<Tensors>();
    auto_traits::<UnreadFormat>();
    #[cfg(feature = "pytorch")]
    auto_traits::<neural_phylogeny::format::Pytorch>();
    auto_traits::<ParameterDistances>();
    auto_traits::<Quantity>();
    auto_traits::<PrecedenceWeights>();
    auto_traits::<Alpha>();
    auto_traits::<Answer>();
    auto_traits::<Arborescence>();
    auto_traits::<Bandwidth>();
    auto_traits::<Branch>();
    auto_traits::<ByFit<Error>>();
    auto_traits::<ByTransform<()>>();
    auto_traits::<Candidate>();
    auto_traits::<CentroidDetector<ExpectedFamilies>>();
    auto_traits::<Choice>();
    auto_traits::<ClusterDetector<ExpectedFamilies>>();
    auto_traits::<Clustering>();
    auto_traits::<Comparison>();
    auto_traits::<Config>();
    auto_traits::<Content<'_>>();
    auto_traits::<ContentKind>();
    auto_traits::<Coordinates>();
    auto_traits::<Coverage>();
    auto_traits::<ContentHashes>();
    auto_traits::<Dbscan>();
    auto_traits::<Direction>();
    auto_traits::<Discovered>();
    auto_traits::<DiscoveredModel>();
    auto_traits::<Discovery>();
    auto_traits::<Dot>();
    auto_traits::<Dtype>();
    auto_traits::<Edge>();
    auto_traits::<EntryDistribution>();
    auto_traits::<Error>();
    auto_traits::<Evaluation>();
    auto_traits::<Evidence>();
    auto_traits::<ExpectedFamilies>();
    auto_traits::<Factor>();
    auto_traits::<Families>();
    auto_traits::<Family>();
    auto_traits::<FamilyAgreement>();
    auto_traits::<FamilyId>();
    auto_traits::<GaussianMixture>();
    auto_traits::<Geometry>();
    auto_traits::<GeometrySettings>();
    auto_traits::<Grid>();
    auto_traits::<GridSpan>();
    auto_traits::<Ignored>();
    auto_traits::<Imprint>();
    auto_traits::<InMemory>();
    auto_traits::<Independence>();
    auto_traits::<Initialization>();
    #[cfg(feature = "serde")]
    auto_traits::<Json>();
    auto_traits::<KMeans>();
    auto_traits::<Iter<'static>>();
    auto_traits::<Kind>();
    auto_traits::<KinInPart>();
    auto_traits::<Kurtosis>();
    auto_traits::<FileLayout>();
    auto_traits::<LayoutGroup>();
    auto_traits::<LineState>();
    auto_traits::<LineageDetector>();
    auto_traits::<Lines>();
    auto_traits::<Linfa<(), ()>>();
    auto_traits::<LinfaWith<(), (), ()>>();
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
    auto_traits::<Newick>();
    auto_traits::<OnUnreadable>();
    auto_traits::<PairEvidence>();
    auto_traits::<ParameterEvidence>();
    auto_traits::<ParameterInfo>();
    auto_traits::<ParameterView>();
    auto_traits::<PeftAdapter>();
    auto_traits::<Phylogeny>();
    auto_traits::<PhylogenyBuilder>();
    auto_traits::<Points<'static>>();
    auto_traits::<Precedence>();
    auto_traits::<Query<'static>>();
    auto_traits::<Progress>();
    auto_traits::<ReadingStage>();
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
    auto_traits::<Shards>();
    auto_traits::<Scope>();
    auto_traits::<Seeding>();
    auto_traits::<SelectorUse>();
    auto_traits::<Settings>();
    auto_traits::<SharedParameter>();
    auto_traits::<ShardError>();
    auto_traits::<SharedPart>();
    auto_traits::<Sketch>();
    auto_traits::<SketchSet>();
    auto_traits::<SketchSettings>();
    auto_traits::<Skipped>();
    auto_traits::<Signal>();
    auto_traits::<SketchStore>();
    auto_traits::<Stage>();
    auto_traits::<StoreEntry>();
    auto_traits::<StoreProblem>();
    auto_traits::<SmallestNorm>();
    auto_traits::<SourceError>();
    auto_traits::<Table>();
    auto_traits::<TreeNode>();
    auto_traits::<Truth>();
    auto_traits::<UnknownRelation>();
    auto_traits::<Unreadable>();
    auto_traits::<UnrootedTree>();
    auto_traits::<WeightErrors>();
    auto_traits::<Weights>();
    #[cfg(feature = "testing")]
    auto_traits::<testing::Violation>();
}

#[test]
fn public_traits_are_object_safe_and_their_objects_send_and_sync() {
    auto_traits::<Box<dyn CentroidClusterer>>();
    auto_traits::<Box<dyn Clusterer>>();
    auto_traits::<Box<dyn OutputFormat>>();
    auto_traits::<Box<dyn ParameterSource>>();
    auto_traits::<Box<dyn ParentSelector>>();
    auto_traits::<Box<dyn PhylogenyDetector>>();
}

/// Exported names that promise no auto trait: closures of a caller, and traits that generic code alone uses.
const EXEMPT: [&str; 3] = ["Labels", "LinfaClusterer", "MemberScores"];

/// Names that a file exports, and those of the public modules it declares.
fn exported(file: &Path, names: &mut Vec<String>) {
    let text = std::fs::read_to_string(file).unwrap();
    for export in text.split("\npub use ").skip(1).filter_map(|e| e.split(';').next()) {
        let words = export.split(|c: char| !c.is_alphanumeric() && c != '_');
        names.extend(words.filter(|name| name.starts_with(char::is_uppercase)).map(str::to_owned));
    }
    let here = file.with_file_name("");
    let folder = match file.file_stem().and_then(|stem| stem.to_str()) {
        Some("lib" | "mod") | None => here,
        Some(stem) => here.join(stem),
    };
    for module in text.split("\npub mod ").skip(1).filter_map(|m| m.split(';').next()) {
        let inside = [folder.join(format!("{module}.rs")), folder.join(module).join("mod.rs")];
        exported(inside.iter().find(|f| f.is_file()).unwrap(), names);
    }
}

#[test]
fn no_public_type_is_forgotten_above() {
    let here = include_str!("api.rs");
    let mut names = Vec::new();
    exported(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src/lib.rs"), &mut names);
    assert!(names.len() > 100);
    let listed = |name: &str| {
        ["<", "<Box<dyn ", "<testing::"].iter().any(|before| {
            here.match_indices(&format!("auto_traits::{before}{name}"))
                .any(|(at, found)| here[at + found.len()..].starts_with(['<', '>']))
        })
    };
    let forgotten: Vec<&str> =
        names.iter().map(String::as_str).filter(|name| !EXEMPT.contains(name) && !listed(name)).collect();
    assert!(forgotten.is_empty(), "add auto_traits::<…>() to tests/repository/api.rs for {}", forgotten.join(", "));
}

/// An error fits into the lints that everybody has by default.
#[test]
fn errors_are_small() {
    assert!(size_of::<Error>() <= 128, "{}", size_of::<Error>());
    assert!(size_of::<SourceError>() <= 128, "{}", size_of::<SourceError>());
}

/// Moves that a new user tries.
#[test]
fn what_a_user_reaches_for_is_there() {
    fn cloned<T: Clone>() {}
    cloned::<Answer>();
    cloned::<Config>();
    cloned::<Evaluation>();
    cloned::<Geometry>();
    cloned::<ModelSet>();
    cloned::<Phylogeny>();
    cloned::<Query<'static>>();

    let boxed: Box<dyn Clusterer> = Box::new(ExpectedFamilies);
    let shared: std::sync::Arc<dyn PhylogenyDetector> = std::sync::Arc::new(ClusterDetector::new(boxed));
    // A reference is a selector, too.
    let medoid: &'static dyn ParentSelector = &Medoid;
    let config = Config::new().with_detector(shared).with_selector(medoid);
    assert_eq!(config.clone().settings(), config.settings());
}
