//! One object of a server.

use super::budget::Budget;
use super::segment::{Arrival, Segment};
use super::{fault, runtime};
use crate::bytes::{ReadAt, check_end};
use crate::error::SourceError;
use bytes::Bytes;
use object_store::path::Path as Key;
use object_store::{Error, GetOptions, GetRange, ObjectMeta, ObjectStore, ObjectStoreExt};
use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Bytes that the first request asks for: 64 KiB. Most headers are shorter.
const BEGINNING: u64 = 1 << 16;

/// Least bytes of a request, if memory is left: 1 MiB. A request takes as long as about so many bytes.
const LEAST: u64 = 1 << 20;

/// Most bytes of one request: 8 MiB. Longer ranges are several requests at once.
const MOST: u64 = 1 << 23;

/// Most pieces of one object that wait in memory. The oldest one goes first.
const PIECES: usize = 16;

/// How often a request is made again after a connection broke while bytes arrived.
const ATTEMPTS: u32 = 4;

/// An object of a server, whose version is that of the first answer.
///
/// Each byte is requested once, as long as reads go forward and the budget of memory allows it. Without memory, each read is a
/// request of its own.
pub(super) struct RemoteObject {
    address: PathBuf,
    origin: Origin,
    length: u64,
    budget: Budget,
    pieces: Mutex<Vec<Segment>>,
}

/// Where the bytes of an object come from.
#[derive(Clone)]
struct Origin {
    address: PathBuf,
    store: Arc<dyn ObjectStore>,
    key: Key,
    meta: Option<ObjectMeta>,
}

impl fmt::Debug for RemoteObject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RemoteObject")
            .field("address", &self.address)
            .field("length", &self.length)
            .finish_non_exhaustive()
    }
}

impl RemoteObject {
    /// Opens an object by one request, which brings its first bytes as well.
    pub(super) fn open(
        address: &Path,
        store: Arc<dyn ObjectStore>,
        key: Key,
        budget: Budget,
    ) -> Result<Self, SourceError> {
        let origin = Origin { address: address.to_owned(), store, key, meta: None };
        let asked = origin.clone();
        let answer = wait(address, async move { asked.first().await })?;
        let (meta, bytes) = answer?;
        let length = meta.size;
        let origin = Origin { meta: Some(meta), ..origin };
        let got = 0..bytes.len() as u64;
        let mut pieces = Vec::new();
        if let Some(share) = budget.take_spare(got.end).filter(|_| got.end > 0) {
            pieces.push(Segment::new(got, Arc::new(Arrival::of(bytes)), Arc::new(share)));
        }
        Ok(Self { address: address.to_owned(), origin, length, budget, pieces: Mutex::new(pieces) })
    }

    fn pieces(&self) -> MutexGuard<'_, Vec<Segment>> {
        // Each change of the list is one step, so the list is whole even after a panic.
        self.pieces.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts a request for a piece that begins at `position`, unless one covers it. `false` when no memory is left for it.
    fn start(&self, pieces: &mut Vec<Segment>, position: u64, wanted: u64) -> bool {
        let next = pieces.iter().map(|s| s.range.start).filter(|&begin| begin > position).min();
        let end = (position + wanted.clamp(LEAST, MOST)).min(self.length).min(next.unwrap_or(u64::MAX));
        while pieces.len() >= PIECES {
            pieces.remove(0);
        }
        let (share, arriving) = loop {
            // While bytes arrive, they are there twice: in pieces from the network, and put together.
            match self.budget.take(end - position).zip(self.budget.take(end - position)) {
                Some((share, arriving)) => break (Arc::new(share), arriving),
                // What was fetched ahead may be fetched again. A request that goes on would give no memory back.
                None => match pieces.iter().position(|piece| piece.arrival.is_over()) {
                    Some(oldest) => drop(pieces.remove(oldest)),
                    None => return false,
                },
            }
        };
        let arrival = Arc::new(Arrival::default());
        let (origin, range, there, kept) =
            (self.origin.clone(), position..end, Arc::clone(&arrival), Arc::clone(&share));
        let request = async move {
            let outcome = origin.get(range).await;
            drop(arriving);
            there.set(outcome);
            drop(kept);
        };
        if runtime::start(request).is_err() {
            return false;
        }
        pieces.push(Segment::new(position..end, arrival, share));
        true
    }

    /// Reads what one piece has of `bytes`. Returns how many bytes it had.
    fn read_some(&self, bytes: &mut [u8], position: u64) -> Result<usize, SourceError> {
        let covering = |pieces: &[Segment]| {
            let found = pieces.iter().find(|s| s.range.contains(&position))?;
            Some((found.range.clone(), Arc::clone(&found.arrival)))
        };
        let found = {
            let mut pieces = self.pieces();
            if covering(&pieces).is_none() {
                self.start(&mut pieces, position, bytes.len() as u64);
            }
            covering(&pieces)
        };
        let Some((range, arrival)) = found else {
            // There is no memory for a piece, so the caller's own buffer is filled.
            let count = bytes.len().min(MOST as usize);
            let (origin, wanted) = (self.origin.clone(), position..position + count as u64);
            let got = wait(&self.address, async move { origin.get(wanted).await })??;
            bytes[..count].copy_from_slice(&got);
            return Ok(count);
        };
        let outcome = arrival.wait();
        let mut pieces = self.pieces();
        let place = pieces.iter().position(|s| s.range == range);
        match outcome {
            Ok(got) => {
                let from = (position - range.start) as usize;
                let count = bytes.len().min(got.len() - from);
                bytes[..count].copy_from_slice(&got[from..from + count]);
                if let Some(place) = place {
                    pieces[place].unread = pieces[place].unread.saturating_sub(count as u64);
                    if pieces[place].unread == 0 {
                        pieces.remove(place);
                    }
                }
                Ok(count)
            }
            Err(error) => {
                // The next read of this range makes a new request.
                place.map(|place| pieces.remove(place));
                Err(self.again(&error))
            }
        }
    }

    /// Makes the error once more, for each thread that waited for the same piece.
    fn again(&self, error: &SourceError) -> SourceError {
        let path = self.address.clone();
        match error {
            SourceError::NotFound { .. } => SourceError::NotFound { path },
            SourceError::Changed { .. } => SourceError::Changed { path },
            SourceError::Remote { reason, .. } => SourceError::Remote { path, reason: reason.clone() },
            other => fault::said(&path, &other.to_string()),
        }
    }
}

impl ReadAt for RemoteObject {
    fn path(&self) -> &Path {
        &self.address
    }

    fn length(&self) -> u64 {
        self.length
    }

    fn read_at(&self, mut bytes: &mut [u8], mut position: u64) -> Result<(), SourceError> {
        check_end(self, position, bytes.len())?;
        self.prefetch(position, bytes.len() as u64);
        while !bytes.is_empty() {
            let count = self.read_some(bytes, position)?;
            bytes = &mut bytes[count..];
            position += count as u64;
        }
        Ok(())
    }

    /// Starts requests for the parts of the range that are not on their way. Stops when no memory is left.
    fn prefetch(&self, position: u64, length: u64) {
        let end = position.saturating_add(length).min(self.length);
        let mut at = position;
        let mut pieces = self.pieces();
        while at < end {
            // A piece must not push another piece of the same range out.
            if let Some(covering) = pieces.iter().find(|s| s.range.contains(&at)) {
                at = covering.range.end;
            } else if pieces.len() >= PIECES || !self.start(&mut pieces, at, end - at) {
                return;
            }
        }
    }
}

impl Origin {
    /// Reads the first bytes, and learns length and version.
    async fn first(&self) -> Result<(ObjectMeta, Bytes), SourceError> {
        let range = Some(GetRange::Bounded(0..BEGINNING));
        let asked = self.store.get_opts(&self.key, GetOptions { range, ..GetOptions::default() }).await;
        let (meta, bytes) = match asked {
            Ok(answer) => {
                let meta = answer.meta.clone();
                let expected = meta.size.min(BEGINNING);
                let bytes = answer.bytes().await;
                match bytes {
                    Ok(bytes) if bytes.len() as u64 == expected => return Ok((meta, bytes)),
                    // The connection broke on the way. What is known suffices for the next request.
                    _ => (meta, Bytes::new()),
                }
            }
            // An empty object has no range.
            Err(error @ (Error::Generic { .. } | Error::NotSupported { .. })) => {
                match self.store.head(&self.key).await {
                    Ok(meta) if meta.size == 0 => (meta, Bytes::new()),
                    _ => return Err(fault::of(&self.address, &error)),
                }
            }
            Err(error) => return Err(fault::of(&self.address, &error)),
        };
        Ok((meta, bytes))
    }

    /// Reads a range. All of it arrives, and it is of the version that was opened.
    async fn get(&self, range: Range<u64>) -> Result<Bytes, SourceError> {
        let mut attempt = 1;
        loop {
            match self.get_once(range.clone()).await {
                Err(SourceError::Remote { .. }) if attempt < ATTEMPTS => {
                    tokio::time::sleep(Duration::from_millis(100) * 2u32.pow(attempt)).await;
                    attempt += 1;
                }
                other => return other,
            }
        }
    }

    async fn get_once(&self, range: Range<u64>) -> Result<Bytes, SourceError> {
        let opened = self.meta.as_ref();
        let options = GetOptions {
            range: Some(GetRange::Bounded(range.clone())),
            if_match: opened.and_then(|meta| meta.e_tag.clone()),
            ..GetOptions::default()
        };
        let answer = self.store.get_opts(&self.key, options).await.map_err(|e| fault::of(&self.address, &e))?;
        // Not every server looks at the condition, so the answer is compared too.
        let same = |opened: &ObjectMeta| {
            opened.size == answer.meta.size
                && opened.e_tag == answer.meta.e_tag
                && (opened.e_tag.is_some() || opened.last_modified == answer.meta.last_modified)
        };
        if !opened.is_none_or(same) {
            return Err(SourceError::Changed { path: self.address.clone() });
        }
        let bytes = answer.bytes().await.map_err(|e| fault::of(&self.address, &e))?;
        let (found, expected) = (bytes.len() as u64, range.end - range.start);
        match found == expected {
            true => Ok(bytes),
            false => Err(fault::said(&self.address, &format!("the server sent {found} bytes of {expected}"))),
        }
    }
}

/// Waits for a request about an address.
pub(super) fn wait<T: Send + 'static>(
    address: &Path,
    request: impl Future<Output = T> + Send + 'static,
) -> Result<T, SourceError> {
    runtime::wait(request).map_err(|source| SourceError::Io { path: address.to_owned(), source })
}
