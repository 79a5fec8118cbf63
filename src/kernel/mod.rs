//! Pure numeric pieces that know nothing of models.

mod square;

pub(crate) use square::Square;
