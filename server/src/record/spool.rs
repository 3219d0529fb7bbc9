//! What waits for the disk.

use std::mem;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use switchboard_core::recording::file::HEADER_BYTES;
use switchboard_core::recording::{Log, Wants};

/// The most that waits, beside the hub at the beginning of a segment.
const MOST: usize = 8 * 1024 * 1024;

/// So much is worth a write of its own.
pub(super) const BLOCK: usize = 256 * 1024;

/// A little waits for more, for so long.
const PATIENCE: Duration = Duration::from_millis(200);

/// What is left free in a segment's place for its end.
const SPARE: u64 = 1024;

/// Bytes between the hub and the disk.
#[derive(Clone, Debug)]
pub(crate) struct Spool(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    waiting: Mutex<Waiting>,
    bell: Condvar,
    place_bytes: u64,
}

#[derive(Debug, Default)]
struct Waiting {
    batch: Batch,
    /// Bytes of the segment, those on the disk included.
    segment_bytes: u64,
    /// A segment is to begin, and its beginning waits for the disk.
    is_behind: bool,
    is_stopped: bool,
    /// For the log, which may be slow, too.
    news: Vec<String>,
    is_closing: bool,
}

/// What is taken to the disk at once.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub(super) bytes: Vec<u8>,
    /// Where in the bytes new segments begin.
    pub(super) begins: Vec<usize>,
    /// Bytes of the last beginning.
    pub(super) head: usize,
}

impl Spool {
    pub(super) fn new(place_bytes: u64) -> Self {
        let (waiting, bell) = (Mutex::default(), Condvar::new());
        Self(Arc::new(Shared { waiting, bell, place_bytes }))
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for something to write, and a little for more; `spare` is empty and used again. `None`: that was all.
    pub(super) fn take(&self, mut spare: Batch) -> Option<Batch> {
        let is_idle = |waiting: &mut Waiting| {
            waiting.batch.bytes.is_empty() && waiting.news.is_empty() && !waiting.is_closing
        };
        let waiting = self.lock();
        let waiting =
            self.0.bell.wait_while(waiting, is_idle).unwrap_or_else(PoisonError::into_inner);
        let is_little =
            |waiting: &mut Waiting| waiting.batch.bytes.len() < BLOCK && !waiting.is_closing;
        let (mut waiting, _) = self
            .0
            .bell
            .wait_timeout_while(waiting, PATIENCE, is_little)
            .unwrap_or_else(PoisonError::into_inner);
        let news = mem::take(&mut waiting.news);
        let is_over = waiting.batch.bytes.is_empty() && waiting.is_closing;
        waiting.segment_bytes += headers(waiting.batch.bytes.len()) as u64;
        mem::swap(&mut waiting.batch, &mut spare);
        drop(waiting);
        for what in news {
            tracing::warn!("{what}");
        }
        (!is_over).then_some(spare)
    }

    /// Nothing can be written any more.
    pub(super) fn stop(&self) {
        let mut waiting = self.lock();
        waiting.is_stopped = true;
        waiting.batch = Batch::default();
    }

    /// What waits now is all that there will be.
    pub(super) fn close(&self) {
        self.lock().is_closing = true;
        self.0.bell.notify_one();
    }
}

/// What the headers of so many bytes have, in blocks of which one is not full.
fn headers(bytes: usize) -> usize {
    (bytes / BLOCK + 2) * HEADER_BYTES
}

impl Waiting {
    /// Adds bytes. Answers whether the disk is to be told.
    fn push(&mut self, bytes: &[u8]) -> bool {
        let before = self.batch.bytes.len();
        self.batch.bytes.extend_from_slice(bytes);
        self.segment_bytes += bytes.len() as u64;
        before == 0 || (before < BLOCK && self.batch.bytes.len() >= BLOCK)
    }
}

impl Log for Spool {
    fn wants(&mut self) -> Wants {
        let mut waiting = self.lock();
        if waiting.is_stopped || waiting.batch.bytes.len() > MOST / 2 {
            return Wants::Nothing;
        }
        if mem::take(&mut waiting.is_behind) {
            waiting.news.push("the disk keeps up again: the recording goes on".into());
        }
        Wants::Segment
    }

    fn begin(&mut self, head: &[u8]) -> Wants {
        let mut waiting = self.lock();
        if waiting.is_stopped {
            return Wants::Nothing;
        }
        if (head.len() + headers(head.len())) as u64 + SPARE > self.0.place_bytes {
            waiting.is_stopped = true;
            waiting.news.push(format!(
                "recording has stopped: the state of the hub has {} bytes, and a segment has only {}; \
                 record.megabytes (--record-size) should be {}",
                head.len(),
                self.0.place_bytes,
                super::megabytes_for(head.len() as u64)
            ));
            self.0.bell.notify_one();
            return Wants::Nothing;
        }
        let at = waiting.batch.bytes.len();
        waiting.batch.begins.push(at);
        waiting.batch.head = head.len();
        waiting.segment_bytes = 0;
        let tell = waiting.push(head);
        drop(waiting);
        if tell {
            self.0.bell.notify_one();
        }
        Wants::Event
    }

    fn add(&mut self, bytes: &[u8]) -> Wants {
        let mut waiting = self.lock();
        if waiting.is_stopped {
            return Wants::Nothing;
        }
        // A large hub at the beginning of a segment is no reason to leave events out.
        if waiting.batch.bytes.len() + bytes.len() > MOST + waiting.batch.head {
            waiting.is_behind = true;
            waiting.news.push(
                "the disk is too slow for the recording: events are left out until it keeps up"
                    .into(),
            );
            return Wants::Nothing;
        }
        let waits = waiting.batch.bytes.len() + bytes.len();
        let used = waiting.segment_bytes + (bytes.len() + headers(waits)) as u64;
        if used + SPARE > self.0.place_bytes {
            return Wants::Segment;
        }
        let tell = waiting.push(bytes);
        drop(waiting);
        if tell {
            self.0.bell.notify_one();
        }
        Wants::Event
    }

    fn end(&mut self, bytes: &[u8]) {
        let mut waiting = self.lock();
        if !waiting.is_stopped {
            waiting.push(bytes);
        }
    }
}
