//! The binding of a resume file to everything that its sums depend on.

use crate::error::Error;
use crate::geometry::pilot::Pilot;
use crate::geometry::settings::{GeometrySettings, Initialization};
use crate::kernel::format::RESUME_VERSION;
use crate::kernel::{hex, little_endian};
use crate::model_set::{LayoutGroup, ModelSet};
use crate::source::ParameterSource;
use xxhash_rust::xxh3::Xxh3;

/// Number of values that are sampled of each parameter of a stored initialization.
const VALUES: usize = 64;

/// The properties of the run that a resume file belongs to.
///
/// Names and order of models are not among them, except where sampled values do not distinguish the models.
#[derive(Debug)]
pub(in crate::geometry) struct Binding {
    /// The groups, ordered by content.
    pub(super) order: Vec<usize>,
    /// The properties: name and value, in the words of error messages.
    pub(super) properties: Vec<(&'static str, String)>,
}

impl Binding {
    /// Collects the properties. It samples a stored initialization; the samples of the models are in their pilots.
    pub(in crate::geometry) fn new(
        models: &ModelSet,
        pilots: &[Pilot],
        settings: &GeometrySettings,
    ) -> Result<Self, Error> {
        let digests: Vec<u128> =
            models.groups().iter().zip(pilots).map(|(group, pilot)| group_digest(models, group, pilot)).collect();
        let mut order: Vec<usize> = (0..digests.len()).collect();
        order.sort_by_key(|&g| digests[g]);
        let mut all = Digest::default();
        order.iter().for_each(|&g| all.bytes(&digests[g].to_le_bytes()));
        let initialization = match &settings.initialization {
            Initialization::Zero => "zero".to_owned(),
            Initialization::Random { entries, seed } => format!("{entries:?} of seed {seed}"),
            Initialization::Model(source) => {
                format!("stored, digest {}", hex(initialization_digest(models, &order, source.as_ref())?))
            }
        };
        let properties = vec![
            ("version", format!("{RESUME_VERSION} of the file")),
            ("memory", format!("{} bytes", settings.memory.0)),
            ("initialization", initialization),
            ("models", format!("{}, digest {}", models.len(), hex(all.0.digest128()))),
        ];
        Ok(Self { order, properties })
    }
}

/// A digest of several parts. The length of each part is included, so different divisions give different digests.
#[derive(Default)]
struct Digest(Xxh3);

impl Digest {
    fn bytes(&mut self, bytes: &[u8]) {
        self.numbers([bytes.len()]);
        self.0.update(bytes);
    }

    fn numbers(&mut self, numbers: impl IntoIterator<Item = usize>) {
        numbers.into_iter().for_each(|n| self.0.update(&(n as u64).to_le_bytes()));
    }
}

/// Computes the digest of a group: layouts, dtypes and the sampled values of the pilot, in the order of content.
fn group_digest(models: &ModelSet, group: &LayoutGroup, pilot: &Pilot) -> u128 {
    let mut digest = Digest::default();
    digest.bytes(&pilot.digest.to_le_bytes());
    let place_of = pilot.places();
    digest.numbers([group.parameters().len()]);
    for p in group.parameters() {
        digest.bytes(p.name.as_bytes());
        digest.bytes(format!("{:?}", p.kind).as_bytes());
        digest.numbers([p.values.start, p.values.end, p.row_size, p.holders.len()]);
        // Positions follow the order in which models were given; places do not.
        let mut holders: Vec<usize> = p.holders.iter().map(|&at| place_of[at.index()]).collect();
        holders.sort_unstable();
        digest.numbers(holders);
    }
    digest.numbers([pilot.order.len()]);
    for (&at, &tied) in pilot.order.iter().zip(&pilot.tied) {
        let id = group.model(at);
        // Where samples are equal, only names show to which model the sums belong.
        if tied {
            digest.bytes(models.name(id).as_bytes());
        }
        let listed = models.listed(id);
        digest.numbers([usize::from(tied), listed.len()]);
        for info in listed.iter() {
            digest.bytes(info.name.as_bytes());
            digest.bytes(info.dtype.to_string().as_bytes());
            digest.numbers([info.shape.len()]);
            digest.numbers(info.shape.iter().copied());
        }
    }
    digest.0.digest128()
}

fn initialization_digest(models: &ModelSet, order: &[usize], source: &dyn ParameterSource) -> Result<u128, Error> {
    let mut digest = Digest::default();
    for parameter in order.iter().flat_map(|&g| models.groups()[g].parameters()) {
        let mut values = vec![0.0; parameter.size().min(VALUES)];
        let offset = parameter.offset() + (parameter.size() - values.len()) / 2;
        source
            .read(&parameter.name, offset, &mut values)
            .map_err(|source| Error::Initialization { source: source.into() })?;
        digest.bytes(&little_endian(&values));
    }
    Ok(digest.0.digest128())
}
