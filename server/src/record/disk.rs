//! Writes the spool to the file.

use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};
use std::path::PathBuf;

use switchboard_core::recording::file::{HEADER_BYTES, Layout};

use super::spool::{BLOCK, Batch, Spool};

/// The file, and the position of the next block.
pub(super) struct Disk {
    file: File,
    layout: Layout,
    path: PathBuf,
    /// The number of the next segment.
    next: u64,
    block: u32,
    at: u64,
}

impl Disk {
    pub(super) fn new(file: File, layout: Layout, path: PathBuf) -> Self {
        Self { file, layout, path, next: 0, block: 0, at: 0 }
    }

    /// Writes until the spool is closed or a write fails.
    pub(super) fn run(mut self, spool: &Spool) {
        if let Err(error) = self.write_all(spool) {
            spool.stop();
            let path = self.path.display();
            tracing::warn!("recording has stopped: {path} cannot be written: {error}");
        }
    }

    fn write_all(&mut self, spool: &Spool) -> io::Result<()> {
        self.write_at(0, &self.layout.to_bytes())?;
        let mut batch = Batch::default();
        while let Some(taken) = spool.take(batch) {
            batch = taken;
            self.write(&batch)?;
            batch.bytes.clear();
            batch.begins.clear();
            batch.head = 0;
        }
        Ok(())
    }

    fn write(&mut self, batch: &Batch) -> io::Result<()> {
        let mut from = 0;
        for &begin in &batch.begins {
            self.add(&batch.bytes[from..begin])?;
            self.begin()?;
            from = begin;
        }
        self.add(&batch.bytes[from..])
    }

    /// Starts the next segment in place of the oldest.
    fn begin(&mut self) -> io::Result<()> {
        self.at = self.layout.start_of(self.next);
        self.next += 1;
        self.block = 0;
        // From here on, the older segment no longer counts.
        self.write_at(self.at, &[0; HEADER_BYTES])
    }

    /// Appends to the segment. Writes content before its header, so that a header implies its
    /// content.
    fn add(&mut self, bytes: &[u8]) -> io::Result<()> {
        for content in bytes.chunks(BLOCK) {
            let header = self.layout.header(self.next.saturating_sub(1), self.block, content);
            self.write_at(self.at + HEADER_BYTES as u64, content)?;
            self.write_at(self.at, &header)?;
            self.at += (HEADER_BYTES + content.len()) as u64;
            self.block += 1;
        }
        Ok(())
    }

    fn write_at(&mut self, at: u64, bytes: &[u8]) -> io::Result<()> {
        self.file.seek(SeekFrom::Start(at))?;
        self.file.write_all(bytes)
    }
}
