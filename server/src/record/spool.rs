//! The queue of bytes between the hub and the disk.

use std::mem;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use switchboard_core::recording::file::HEADER_BYTES;
use switchboard_core::recording::{Log, Wants};

/// Bytes that may wait, in addition to the hub's state at the start of a segment.
const MOST: usize = 8 * 1024 * 1024;

/// Bytes that are worth a write of their own.
pub(super) const BLOCK: usize = 256 * 1024;

/// How long less than a block waits for more.
const PATIENCE: Duration = Duration::from_millis(200);

/// Bytes left free for the end of a segment.
const SPARE: u64 = 1024;

/// The queue, shared by the hub and the thread that writes.
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
    /// Bytes of the current segment, including those on the disk.
    segment_bytes: u64,
    /// Events were left out, and the next segment starts once the disk has caught up.
    is_behind: bool,
    is_stopped: bool,
    /// Messages to log. The thread that writes does it, because logging may block.
    news: Vec<String>,
    is_closing: bool,
}

/// Bytes to write at once.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub(super) bytes: Vec<u8>,
    /// Offsets in `bytes` where segments start.
    pub(super) begins: Vec<usize>,
    /// Size of the hub's state at the last start.
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

    /// Waits for bytes, and up to `PATIENCE` for a whole block. `spare` must be empty and is
    /// reused. Returns `None` after the last batch.
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

    /// Discards what waits, and all that follows.
    pub(super) fn stop(&self) {
        let mut waiting = self.lock();
        waiting.is_stopped = true;
        waiting.batch = Batch::default();
    }

    /// Ends the queue: `take` returns what waits, then `None`.
    pub(super) fn close(&self) {
        self.lock().is_closing = true;
        self.0.bell.notify_one();
    }
}

/// Returns the bytes of headers for this many bytes of content, with one block partly filled.
fn headers(bytes: usize) -> usize {
    (bytes / BLOCK + 2) * HEADER_BYTES
}

impl Waiting {
    /// Adds bytes. Returns whether to wake the thread that writes.
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
            waiting.news.push("the disk has caught up: the recording continues".into());
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
        // The hub's state at the start of a segment does not count towards the bound.
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
