//! The pieces of all objects, within one budget.

use super::budget::{Budget, Share};
use super::segment::{Arrival, Segment};
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// How long a piece waits for a reader: until so many times the budget was read of all objects. Then it may be dropped.
///
/// What is dropped is requested again if it is read after all. At most one budget is dropped while this many are read, so that
/// at most an eighth is requested twice.
const PATIENCE: u64 = 8;

/// The pieces that are on their way or wait in memory, and the memory they may take.
#[derive(Debug)]
pub(super) struct Pool {
    budget: Budget,
    waiting: Mutex<Waiting>,
}

/// One of the objects whose pieces are in a pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ObjectId(u64);

/// The pieces of a pool, by object and first byte. Those of one object do not overlap.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    pieces: BTreeMap<(ObjectId, u64), Segment>,
    objects: u64,
    /// Bytes that were read of all objects: the clock by which pieces grow old.
    served: u64,
    /// When the pieces were last searched for old ones, by that clock.
    searched: u64,
}

/// A range for a new piece, and the memory for it.
#[derive(Debug)]
pub(super) struct Room {
    pub(super) range: Range<u64>,
    pub(super) share: Share,
    /// While bytes arrive, they are there twice: in pieces from the network, and put together.
    pub(super) arriving: Share,
}

impl Pool {
    pub(super) fn new(limit: u64) -> Self {
        Self { budget: Budget::new(limit), waiting: Mutex::default() }
    }

    pub(super) fn budget(&self) -> &Budget {
        &self.budget
    }

    /// Adds an object that has no pieces yet.
    pub(super) fn add(&self) -> ObjectId {
        let mut waiting = self.waiting();
        waiting.objects += 1;
        ObjectId(waiting.objects)
    }

    pub(super) fn waiting(&self) -> MutexGuard<'_, Waiting> {
        // Each change of the pieces is one step, so they are whole even after a panic.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes memory for a piece that begins at `position`, of `wanted` bytes, and of more if there is much memory left.
    ///
    /// The piece ends at `end` at the latest.
    pub(super) fn room(&self, waiting: &mut Waiting, position: u64, wanted: u64, end: u64) -> Option<Room> {
        let (least, most) = (self.budget.least(), self.budget.most());
        let until = |length: u64| position..position.saturating_add(length).min(end);
        let room = |range: Range<u64>, take: &dyn Fn(u64) -> Option<Share>| {
            let length = range.end - range.start;
            let (share, arriving) = take(length).zip(take(length))?;
            Some(Room { range, share, arriving })
        };
        let (exact, ahead) = (until(wanted.min(most)), until(wanted.clamp(least, most)));
        let lengthened = || room(ahead.clone(), &|bytes| self.budget.take_spare(bytes));
        let found = lengthened().or_else(|| waiting.drop_old(&self.budget).then(lengthened)?);
        found.or_else(|| room(exact, &|bytes| self.budget.take(bytes)))
    }
}

impl Waiting {
    /// Returns the piece that has the byte at `position`, and notes that it was asked for.
    pub(super) fn covering(&mut self, object: ObjectId, position: u64) -> Option<&mut Segment> {
        let (_, piece) = self.pieces.range_mut((object, 0)..=(object, position)).next_back()?;
        if !piece.range.contains(&position) {
            return None;
        }
        piece.touched = self.served;
        Some(piece)
    }

    /// Returns where the first piece after `position` begins.
    pub(super) fn next(&self, object: ObjectId, position: u64) -> Option<u64> {
        let mut after = self.pieces.range((object, position.saturating_add(1))..=(object, u64::MAX));
        after.next().map(|(&(_, begin), _)| begin)
    }

    pub(super) fn insert(&mut self, object: ObjectId, mut piece: Segment) {
        piece.touched = self.served;
        self.pieces.insert((object, piece.range.start), piece);
    }

    /// Notes that a part of an object was read. A piece of which all is read is dropped.
    pub(super) fn read(&mut self, object: ObjectId, part: Range<u64>) {
        self.served += part.end - part.start;
        if let Some(piece) = self.covering(object, part.start)
            && piece.read(part)
        {
            let begin = piece.range.start;
            self.pieces.remove(&(object, begin));
        }
    }

    /// Drops a piece whose request has failed. Another one may have come in its place.
    pub(super) fn remove(&mut self, object: ObjectId, failed: &Arc<Arrival>, begin: u64) {
        if self.pieces.get(&(object, begin)).is_some_and(|piece| Arc::ptr_eq(&piece.arrival, failed)) {
            self.pieces.remove(&(object, begin));
        }
    }

    /// Drops all pieces of an object.
    pub(super) fn forget(&mut self, object: ObjectId) {
        let mut own = self.pieces.split_off(&(object, 0));
        self.pieces.append(&mut own.split_off(&(ObjectId(object.0 + 1), 0)));
    }

    /// Drops what has waited too long. `false` when nothing has.
    fn drop_old(&mut self, budget: &Budget) -> bool {
        // A search looks at all pieces, so it is not worth while for each read.
        if self.served < self.searched.saturating_add(budget.limit() / 8) {
            return false;
        }
        self.searched = self.served;
        let before = self.pieces.len();
        let patience = budget.limit().saturating_mul(PATIENCE);
        // A request that goes on would give no memory back.
        let old = |piece: &Segment| piece.touched.saturating_add(patience) <= self.served && piece.arrival.is_over();
        self.pieces.retain(|_, piece| !old(piece));
        self.pieces.len() < before
    }
}
