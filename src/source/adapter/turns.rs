//! Turns of weights (OFT, BOFT, HRA), after checking that they fit the weight.

use super::cayley::{Blocks, Cayley, Form};
use super::config::AdapterConfig;
use super::fit::{Change, Fit};
use super::increments::flat;
use super::kept::KEPT;
use super::method::Method;
use super::module::Module;
use super::piece::Piece;
use super::rotation::{Rotation, Turn};
use crate::error::SourceError;

/// Largest side of a block that is computed: the work for a block grows with its third power.
const LARGEST: usize = 2048;

/// Turns the inputs of a weight.
pub(super) fn turned(fit: &mut Fit<'_>, config: &AdapterConfig, module: &Module<'_>) -> Result<(), SourceError> {
    let weight = fit.tensors.get(&module.weight).map_or(&[][..], |tensor| &tensor.shape).to_vec();
    if config.transposed {
        return Err(fit.unsupported(format!("{} with `fan_in_fan_out`", config.method.name())));
    }
    let key = module.first();
    let Some((rows, columns)) = flat(&weight).filter(|(_, columns)| *columns > 0) else {
        return Err(fit.unfit(&key, &weight));
    };
    let (turn, output_scales) = match &config.method {
        Method::Oft(_) => (oft(fit, config, module, columns, &weight)?, None),
        Method::Boft => {
            let Some(scales) = module.take(Piece::ButterflyScale).filter(|key| fit.size(key) == rows) else {
                return Err(fit.unfit(&key, &weight));
            };
            (boft(fit, module, columns, &weight)?, Some(scales.clone()))
        }
        Method::Hra { orthogonal } => {
            let normals = module.take(Piece::Normals).cloned().unwrap_or_default();
            let &[length, count] = fit.shape(&normals) else { return Err(fit.unfit(&key, &weight)) };
            if length != columns || count == 0 || length.saturating_mul(count) > KEPT {
                return Err(fit.unfit(&key, &weight));
            }
            (Turn::Mirrors { normals, count, orthogonal: *orthogonal }, None)
        }
        _ => return Ok(()),
    };
    let rotation = Rotation { turn, columns, output_scales };
    fit.change(&module.weight, Change::Rotation(rotation), &module.keys())
}

fn oft(
    fit: &Fit<'_>,
    config: &AdapterConfig,
    module: &Module<'_>,
    columns: usize,
    weight: &[usize],
) -> Result<Turn, SourceError> {
    let (Method::Oft(settings), Some(tensor)) = (&config.method, module.take(Piece::Rotation)) else {
        return Err(fit.unfit(&module.first(), weight));
    };
    let &[count, elements] = fit.shape(tensor) else { return Err(fit.unfit(tensor, weight)) };
    // A block of side n stores n (n - 1) / 2 elements.
    let side = ((1.0 + (1.0 + 8.0 * elements as f64).sqrt()) / 2.0).round() as usize;
    let blocks = Blocks { count, side, form: Form::Triangle };
    let whole = if settings.shared {
        columns.is_multiple_of(side) && count == 1
    } else {
        count.checked_mul(side) == Some(columns)
    };
    if count == 0 || !whole || side.saturating_mul(side - 1) / 2 != elements {
        return Err(fit.unfit(tensor, weight));
    }
    check_size(fit, &blocks, 1)?;
    let limit = settings.limit.map(|limit| limit / (count as f64).sqrt());
    let cayley = Cayley { terms: settings.terms, limit };
    Ok(Turn::Blocks { tensor: tensor.clone(), blocks, cayley, orders: vec![None] })
}

fn boft(fit: &Fit<'_>, module: &Module<'_>, columns: usize, weight: &[usize]) -> Result<Turn, SourceError> {
    let Some(tensor) = module.take(Piece::Butterfly) else { return Err(fit.unfit(&module.first(), weight)) };
    let &[stages, count, side, width] = fit.shape(tensor) else { return Err(fit.unfit(tensor, weight)) };
    if side == 0 || side != width || stages == 0 || count.checked_mul(side) != Some(columns) {
        return Err(fit.unfit(tensor, weight));
    }
    let blocks = Blocks { count, side, form: Form::Whole };
    check_size(fit, &blocks, stages)?;
    // More stages than the blocks have bits would not be a butterfly.
    let bits = (usize::BITS - count.leading_zeros()) as usize;
    if stages > bits || (stages > 1 && (!side.is_multiple_of(2) || !count.is_multiple_of(1 << (stages - 1)))) {
        return Err(fit.unfit(tensor, weight));
    }
    let order = |stage: usize| (stages > 1).then(|| butterfly(columns, count >> stage, side / 2));
    let orders = (0..stages).map(order).collect();
    let cayley = Cayley { terms: None, limit: None };
    Ok(Turn::Blocks { tensor: tensor.clone(), blocks, cayley, orders })
}

/// Returns the order of one stage of a butterfly: within each of `count` parts, runs of `run` places, the even ones first.
fn butterfly(places: usize, count: usize, run: usize) -> Vec<u32> {
    let part = places / count;
    let runs = part / run;
    let sorted: Vec<usize> = (0..runs).step_by(2).chain((1..runs).step_by(2)).collect();
    let within = |begin: usize| {
        sorted.iter().flat_map(move |&r| (0..run).map(move |k| (begin + r * run + k) as u32)).collect::<Vec<u32>>()
    };
    (0..count).flat_map(|n| within(n * part)).collect()
}

fn check_size(fit: &Fit<'_>, blocks: &Blocks, stages: usize) -> Result<(), SourceError> {
    let size = blocks.count.saturating_mul(blocks.side).saturating_mul(blocks.side).saturating_mul(stages);
    match blocks.side <= LARGEST && size <= KEPT {
        true => Ok(()),
        false => Err(fit.unsupported(format!("{} blocks of side {}", blocks.count, blocks.side))),
    }
}
