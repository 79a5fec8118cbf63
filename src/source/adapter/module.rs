//! One module of the base that an adapter changes, and the pieces of its change.

use super::piece::{Piece, Pieces};
use crate::error::SourceError;
use std::cell::RefCell;
use std::collections::BTreeSet;

/// A module and the tensors of the adapter that change it.
pub(super) struct Module<'a> {
    /// The name in the adapter.
    pub(super) name: &'a str,
    /// The tensor of the base that is the weight of the module.
    pub(super) weight: String,
    pieces: &'a Pieces,
    taken: RefCell<BTreeSet<Piece>>,
}

/// What decides an increment besides its pieces.
pub(super) struct Rules<'a> {
    /// Whether a square linear weight has its inputs as rows.
    pub(super) transposed: bool,
    /// Whether factors fit a weight when only the numbers of outputs and inputs are equal, as for a convolution of one pixel.
    pub(super) flattened: bool,
    /// Returns the scale of an increment. It is given the rank that the factors have, if they have one.
    pub(super) scale: &'a dyn Fn(Option<usize>) -> Result<f32, SourceError>,
}

impl<'a> Module<'a> {
    pub(super) fn new(name: &'a str, weight: String, pieces: &'a Pieces) -> Self {
        Self { name, weight, pieces, taken: RefCell::default() }
    }

    /// Returns the stored tensor of a role.
    pub(super) fn take(&self, piece: Piece) -> Option<&'a String> {
        let key = self.pieces.get(&piece)?;
        self.taken.borrow_mut().insert(piece);
        Some(key)
    }

    /// Returns the stored tensor of a role without taking it.
    pub(super) fn peek(&self, piece: Piece) -> Option<&'a String> {
        self.pieces.get(&piece)
    }

    /// Returns a stored tensor whose role is none of these.
    pub(super) fn foreign(&self, roles: &[Piece]) -> Option<&'a String> {
        self.pieces.iter().find(|(piece, _)| !roles.contains(piece)).map(|(_, key)| key)
    }

    /// Returns the name of the first stored tensor, for error messages.
    pub(super) fn first(&self) -> String {
        self.pieces.values().next().cloned().unwrap_or_default()
    }

    /// Whether the module has a tensor of a role.
    pub(super) fn has(&self, piece: Piece) -> bool {
        self.pieces.contains_key(&piece)
    }

    /// Returns a stored tensor that no increment took.
    pub(super) fn left(&self) -> Option<&'a String> {
        self.pieces.iter().find(|(piece, _)| !self.taken.borrow().contains(piece)).map(|(_, key)| key)
    }

    /// Returns the stored tensors that were taken.
    pub(super) fn keys(&self) -> Vec<&'a String> {
        self.pieces.iter().filter(|(piece, _)| self.taken.borrow().contains(piece)).map(|(_, key)| key).collect()
    }

    /// Returns the names of the stored tensors, for error messages.
    pub(super) fn names(&self) -> String {
        self.pieces.values().map(String::as_str).collect::<Vec<_>>().join(", ")
    }

    /// Returns the name of the bias that belongs to the weight.
    pub(super) fn bias(&self) -> String {
        self.weight.strip_suffix("weight").map_or_else(|| format!("{}.bias", self.weight), |stem| format!("{stem}bias"))
    }
}
