//! Changes of weights by the methods of peft whose factors are not stored as two plain matrices.

use super::config::AdapterConfig;
use super::factor::{Factor, Values};
use super::fit::{Change, Fit};
use super::increment::Increment;
use super::increments::{count, flat};
use super::keys::{SHARED_A, SHARED_B};
use super::low_rank::LowRank;
use super::magnitude::Magnitude;
use super::method::Method;
use super::module::{Module, Rules};
use super::piece::Piece;
use super::scaling::Scaling;
use super::wave::{self, Waves};
use crate::error::SourceError;
use std::sync::Arc;

/// Adds B · E · A, scaled by alpha over the rank at the beginning (AdaLoRA). Zhang et al. 2023,
/// <https://arxiv.org/abs/2303.10512>.
pub(super) fn adalora(fit: &mut Fit<'_>, config: &AdapterConfig, module: &Module<'_>) -> Result<(), SourceError> {
    let Method::AdaLora { ranks, initial } = &config.method else { return Ok(()) };
    let left = ranks.get(module.name).copied().unwrap_or(*initial);
    let shape = |piece| module.peek(piece).map(|key| fit.shape(key));
    let shapes = (shape(Piece::A), shape(Piece::B), shape(Piece::Diagonal), left);
    // A module may have lost all its ranks. Its weight is that of the base.
    let whole = fit.tensors.get(&module.weight).and_then(|tensor| flat(&tensor.shape));
    if let (Some(&[0, inputs]), Some(&[outputs, 0]), Some(&[0, 1]), 0) = shapes
        && whole.is_some_and(|whole| whole == (outputs, inputs) || config.transposed && whole == (inputs, outputs))
    {
        return Ok(());
    }
    if !module.has(Piece::Diagonal) {
        let expected = "one factor A, one factor B and one factor E".to_owned();
        return Err(fit.mismatch(module.name, module.names(), expected));
    }
    let (path, tensor) = (fit.path.to_owned(), module.first());
    let alpha = if config.alpha() > 0.0 { config.alpha() } else { *initial as f64 };
    let scale = |rank: Option<usize>| match rank {
        Some(rank) if rank != left => Err(SourceError::AdapterMismatch {
            path: path.clone(),
            tensor: tensor.clone(),
            found: format!("rank {rank}"),
            expected: format!("rank {left} from adapter_config.json"),
        }),
        _ => Ok((alpha / (*initial as f64 + 1e-5)) as f32),
    };
    fit.add(module, &Rules { transposed: config.transposed, flattened: !config.transposed, scale: &scale })
}

/// Adds a product of factors that all modules share, with scales of their own (VeRA). Kopiczko et al. 2024,
/// <https://arxiv.org/abs/2310.11454>.
pub(super) fn vera(fit: &mut Fit<'_>, config: &AdapterConfig, module: &Module<'_>) -> Result<(), SourceError> {
    let shared = |name: &str| fit.stored.keys().find(|key| key.starts_with(name)).cloned();
    let (Some(a), Some(b)) = (shared(SHARED_A), shared(SHARED_B)) else {
        let feature = "VeRA projections that are not stored (`save_projection` is false)";
        return Err(fit.unsupported(feature.to_owned()));
    };
    let (Some(outer), Some(inner)) = (module.take(Piece::LambdaB), module.take(Piece::LambdaD)) else {
        return Err(fit.mismatch(module.name, module.names(), "both scales of VeRA".to_owned()));
    };
    let weight = fit.tensors.get(&module.weight).map_or(&[][..], |tensor| &tensor.shape);
    let (&[rank, width], &[height, b_rank]) = (fit.shape(&a), fit.shape(&b)) else {
        return Err(fit.unfit(&a, weight));
    };
    let outputs = fit.size(outer);
    let transposed = config.transposed;
    let inputs = match *weight {
        [rows, columns] if !transposed && rows == outputs => columns,
        [rows, columns] if transposed && columns == outputs => rows,
        _ => return Err(fit.unfit(outer, weight)),
    };
    if rank == 0 || b_rank != rank || fit.size(inner) != rank || inputs > width || outputs > height {
        return Err(fit.unfit(&a, weight));
    }
    let factor = Factor::by_rank(&a, width).with_rank_scales(inner);
    let b_factor = Factor::by_place(&b).with_place_scales(outer);
    let product = LowRank { a: factor, b: b_factor, rank, inputs, outputs, scale: 1.0, transposed };
    let change = Change::Sum { increment: Box::new(Increment::LowRank(product)), magnitude: None };
    fit.change(&module.weight, change, &[&a, &b, outer, inner])
}

/// Adds waves whose coefficients are stored (FourierFT).
pub(super) fn fourier(
    fit: &mut Fit<'_>,
    config: &AdapterConfig,
    module: &Module<'_>,
    scale: f64,
    seed: u64,
) -> Result<(), SourceError> {
    let Some(key) = module.take(Piece::Spectrum) else { return Ok(()) };
    let weight = fit.tensors.get(&module.weight).map_or(&[][..], |tensor| &tensor.shape);
    let &[rows, columns] = weight else { return Err(fit.unfit(key, weight)) };
    let (outputs, inputs) = if config.transposed { (columns, rows) } else { (rows, columns) };
    let (size, waves) = (outputs.saturating_mul(inputs), fit.size(key));
    if waves == 0 || waves > size {
        return Err(fit.unfit(key, weight));
    }
    if size >= wave::SHUFFLED {
        return Err(fit.unsupported(format!("FourierFT on `{}`, of {size} values", module.weight)));
    }
    let places = wave::permutation(seed, size, waves);
    let turns = |turns: Vec<usize>| -> Arc<[u32]> { turns.into_iter().map(|n| n as u32).collect() };
    let over_rows = turns(places.iter().map(|place| place / inputs).collect());
    let over_columns = turns(places.iter().map(|place| place % inputs).collect());
    let b = Waves { turns: over_rows, length: outputs, spectrum: Some(key.clone()) };
    let a = Waves { turns: over_columns, length: inputs, spectrum: None };
    let product = LowRank {
        a: Factor::new(Values::Waves(a)),
        b: Factor::new(Values::Waves(b)),
        rank: 2 * waves,
        inputs,
        outputs,
        scale: (scale / size as f64) as f32,
        transposed: config.transposed,
    };
    let change = Change::Sum { increment: Box::new(Increment::LowRank(product)), magnitude: None };
    fit.change(&module.weight, change, &[key])
}

/// Scales inputs or outputs ((IA)³). With the outputs, the bias is scaled too.
pub(super) fn ia3(fit: &mut Fit<'_>, config: &AdapterConfig, module: &Module<'_>) -> Result<(), SourceError> {
    let Some(key) = module.take(Piece::Scales) else { return Ok(()) };
    let weight = fit.tensors.get(&module.weight).map_or(&[][..], |tensor| &tensor.shape);
    let &[first, second, ref kernel @ ..] = weight else { return Err(fit.unfit(key, weight)) };
    let (kernel, scales) = (count(kernel), fit.size(key));
    let on_inputs = match (fit.shape(key), weight.len()) {
        // Of a linear weight, the shape tells inputs from outputs.
        ([1, n], 2) if *n != 1 => true,
        ([n, 1], 2) if *n != 1 => false,
        _ => config.scales_inputs(module.name),
    };
    let on_rows = on_inputs == config.transposed;
    let (expected, stride) = if on_rows { (first, second * kernel) } else { (second, kernel) };
    if scales != expected {
        return Err(fit.unfit(key, weight));
    }
    let scaling = |stride| Change::Scaling(Scaling { tensor: key.clone(), count: scales, stride });
    let bias = module.bias();
    if !on_inputs && let Some(tensor) = fit.tensors.get(&bias) {
        if tensor.shape != [scales] {
            return Err(fit.unfit(key, &tensor.shape));
        }
        fit.change(&bias, scaling(1), &[key])?;
    }
    fit.change(&module.weight, scaling(stride), &[key])
}

/// Adds a product of two matrices whose rows are inputs and ranks, as MLX stores them.
pub(super) fn mlx(fit: &mut Fit<'_>, config: &AdapterConfig, module: &Module<'_>) -> Result<(), SourceError> {
    let (Some(a), Some(b)) = (module.take(Piece::A), module.take(Piece::B)) else {
        return Err(fit.mismatch(module.name, module.names(), "one `lora_a` and one `lora_b`".to_owned()));
    };
    let weight = fit.tensors.get(&module.weight).map_or(&[][..], |tensor| &tensor.shape);
    let (&[inputs, rank], &[inner, outputs]) = (fit.shape(a), fit.shape(b)) else {
        return Err(fit.unfit(a, weight));
    };
    if rank == 0 || inner != rank || rank != config.rank(module.name) {
        return Err(fit.unfit(a, weight));
    }
    // The weight of an embedding has its inputs, the tokens, as rows.
    let embedding = module.name.rsplit('.').next().is_some_and(|last| last.contains("embed"));
    let transposed = match (weight == [outputs, inputs], weight == [inputs, outputs]) {
        (true, true) => embedding,
        (true, false) => false,
        (false, true) => true,
        (false, false) => return Err(fit.unfit(a, weight)),
    };
    let magnitude = match (module.take(Piece::Magnitude), flat(weight)) {
        (Some(key), Some((rows, columns))) if fit.size(key) == rows => {
            Some(Magnitude::new(key.clone(), count(weight), rows, columns))
        }
        (Some(key), _) => return Err(fit.unfit(key, weight)),
        (None, _) => None,
    };
    let scale = config.scale(module.name) as f32;
    let (a_factor, b_factor) = (Factor::by_place(a), Factor::by_rank(b, outputs));
    let product = LowRank { a: a_factor, b: b_factor, rank, inputs, outputs, scale, transposed };
    fit.change(
        &module.weight,
        Change::Sum { increment: Box::new(Increment::LowRank(product)), magnitude },
        &module.keys(),
    )
}
