//! Decoded pieces of views whose elements are scattered, kept for the reads that follow.
//!
//! A row of a transposed matrix is a column of the stored one, so one small read touches all of its storage. A piece of many
//! rows takes as many reads of the file as one row.

use std::sync::{Arc, Mutex, PoisonError};

/// Elements of a panel: 16 MiB.
pub(super) const PANEL: usize = 1 << 22;

/// Most elements of all panels of the process: 128 MiB.
const KEPT: usize = 1 << 25;

/// The panels of the process. The one that was used last is at the end.
static PANELS: Mutex<Vec<Panel>> = Mutex::new(Vec::new());

/// A part of a view, decoded.
struct Panel {
    view: u64,
    number: usize,
    values: Arc<Vec<f32>>,
}

/// Returns a panel of a view if it is kept.
pub(super) fn kept(view: u64, number: usize) -> Option<Arc<Vec<f32>>> {
    let mut panels = PANELS.lock().unwrap_or_else(PoisonError::into_inner);
    let at = panels.iter().position(|panel| panel.view == view && panel.number == number)?;
    let panel = panels.remove(at);
    let values = Arc::clone(&panel.values);
    panels.push(panel);
    Some(values)
}

/// Keeps a panel, and drops those that were not used for the longest time.
pub(super) fn keep(view: u64, number: usize, values: Arc<Vec<f32>>) {
    let mut panels = PANELS.lock().unwrap_or_else(PoisonError::into_inner);
    panels.push(Panel { view, number, values });
    let mut total: usize = panels.iter().map(|panel| panel.values.len()).sum();
    while total > KEPT {
        total -= panels.remove(0).values.len();
    }
}

/// Drops the panels of a view that is no longer read.
pub(super) fn forget(view: u64) {
    PANELS.lock().unwrap_or_else(PoisonError::into_inner).retain(|panel| panel.view != view);
}
