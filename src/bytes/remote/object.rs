//! One object of a server.

use super::budget::MOST;
use super::pool::{ObjectId, Pool, Room, Waiting};
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
use std::sync::Arc;
use std::time::Duration;

/// Bytes that the first request asks for: 64 KiB. Most headers are shorter.
const BEGINNING: u64 = 1 << 16;

/// Bytes that the first request asks for where no memory is left for more. They have the length of a safetensors header.
const FIRST: u64 = 8;

/// How often a request is made again after a connection broke while bytes arrived.
const ATTEMPTS: u32 = 4;

/// An object of a server, whose version is that of the first answer.
///
/// Each byte is requested once, as long as reads go forward. Without memory, each read is a request of its own.
pub(super) struct RemoteObject {
    address: PathBuf,
    origin: Origin,
    length: u64,
    pool: Arc<Pool>,
    id: ObjectId,
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
        pool: Arc<Pool>,
    ) -> Result<Self, SourceError> {
        let origin = Origin { address: address.to_owned(), store, key, meta: None };
        let asked = origin.clone();
        let mut share = pool.budget().take_spare(BEGINNING);
        // A few bytes take no more memory than the object itself.
        let count = if share.is_some() { BEGINNING } else { FIRST };
        let answer = wait(address, async move { asked.first(count).await })?;
        let (meta, bytes) = answer?;
        let length = meta.size;
        let origin = Origin { meta: Some(meta), ..origin };
        let got = 0..bytes.len() as u64;
        share.iter_mut().for_each(|share| share.shrink(got.end));
        let id = pool.add();
        if got.end > 0 {
            pool.waiting().insert(id, Segment::new(got, Arc::new(Arrival::of(bytes)), share.map(Arc::new)));
        }
        Ok(Self { address: address.to_owned(), origin, length, pool, id })
    }

    /// Starts a request for a piece that begins at `position`, which no piece covers. `false` when no memory is left for it.
    fn start(&self, waiting: &mut Waiting, position: u64, wanted: u64) -> bool {
        let end = waiting.next(self.id, position).unwrap_or(u64::MAX).min(self.length);
        let Some(Room { range, share, arriving }) = self.pool.room(waiting, position, wanted, end) else {
            return false;
        };
        let (share, arrival) = (Arc::new(share), Arc::new(Arrival::default()));
        let (origin, asked, there, kept) =
            (self.origin.clone(), range.clone(), Arc::clone(&arrival), Arc::clone(&share));
        let request = async move {
            let outcome = origin.get(asked).await;
            drop(arriving);
            there.set(outcome);
            drop(kept);
        };
        if runtime::start(request).is_err() {
            return false;
        }
        waiting.insert(self.id, Segment::new(range, arrival, Some(share)));
        true
    }

    /// Reads what one piece has of `bytes`. Returns how many bytes it had.
    fn read_some(&self, bytes: &mut [u8], position: u64) -> Result<usize, SourceError> {
        let (found, next) = {
            let mut waiting = self.pool.waiting();
            if waiting.covering(self.id, position).is_none() {
                self.start(&mut waiting, position, bytes.len() as u64);
            }
            let next = waiting.next(self.id, position).unwrap_or(u64::MAX);
            let covering = waiting.covering(self.id, position);
            (covering.map(|piece| (piece.range.clone(), Arc::clone(&piece.arrival))), next)
        };
        let Some((range, arrival)) = found else {
            // There is no memory for a piece, so the caller's own buffer is filled, up to the next piece.
            let end = position + (bytes.len() as u64).min(MOST).min(next - position);
            let origin = self.origin.clone();
            let got = wait(&self.address, async move { origin.get(position..end).await })??;
            bytes[..got.len()].copy_from_slice(&got);
            self.pool.waiting().read(self.id, position..end);
            return Ok(got.len());
        };
        match arrival.wait() {
            Ok(got) => {
                let from = (position - range.start) as usize;
                let count = bytes.len().min(got.len() - from);
                bytes[..count].copy_from_slice(&got[from..from + count]);
                self.pool.waiting().read(self.id, position..position + count as u64);
                Ok(count)
            }
            Err(error) => {
                // The next read of this range makes a new request.
                self.pool.waiting().remove(self.id, &arrival, range.start);
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
        let mut waiting = self.pool.waiting();
        while at < end {
            if let Some(covering) = waiting.covering(self.id, at) {
                at = covering.range.end;
            } else {
                // A piece that is already there needs no memory, so only the gap before it is asked for.
                let gap = waiting.next(self.id, at).unwrap_or(end).min(end);
                if !self.start(&mut waiting, at, gap - at) {
                    return;
                }
            }
        }
    }
}

impl Drop for RemoteObject {
    fn drop(&mut self) {
        self.pool.waiting().forget(self.id);
    }
}

impl Origin {
    /// Reads the first bytes, `count` if there are so many, and learns length and version.
    async fn first(&self, count: u64) -> Result<(ObjectMeta, Bytes), SourceError> {
        let range = Some(GetRange::Bounded(0..count));
        let asked = self.store.get_opts(&self.key, GetOptions { range, ..GetOptions::default() }).await;
        let (meta, bytes) = match asked {
            Ok(answer) => {
                let meta = answer.meta.clone();
                let expected = meta.size.min(count);
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
