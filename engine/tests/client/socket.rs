//! A socket that does what it is told.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};

/// What a read or a write finds.
#[derive(Clone, Debug)]
pub(crate) enum Turn {
    /// These bytes; none are the end.
    Bytes(Vec<u8>),
    /// So many are taken.
    Takes(usize),
    Fails(ErrorKind),
}

/// A socket. When nothing is left of what it was told, it has nothing to read and takes everything.
#[derive(Debug, Default)]
pub(crate) struct Socket {
    pub(crate) reads: VecDeque<Turn>,
    pub(crate) writes: VecDeque<Turn>,
    pub(crate) written: Vec<u8>,
}

impl Socket {
    pub(crate) fn brings(&mut self, bytes: &[u8]) {
        self.reads.push_back(Turn::Bytes(bytes.to_vec()));
    }
}

impl Read for Socket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.reads.pop_front() {
            None => Err(ErrorKind::WouldBlock.into()),
            Some(Turn::Fails(kind)) => Err(kind.into()),
            Some(Turn::Takes(_)) => panic!("a read takes nothing"),
            Some(Turn::Bytes(bytes)) => {
                let len = bytes.len().min(buffer.len());
                buffer[..len].copy_from_slice(&bytes[..len]);
                if len < bytes.len() {
                    self.reads.push_front(Turn::Bytes(bytes[len..].to_vec()));
                }
                Ok(len)
            }
        }
    }
}

impl Write for Socket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = match self.writes.pop_front() {
            None => bytes.len(),
            Some(Turn::Fails(kind)) => return Err(kind.into()),
            Some(Turn::Bytes(_)) => panic!("a write brings nothing"),
            Some(Turn::Takes(most)) => most.min(bytes.len()),
        };
        self.written.extend_from_slice(&bytes[..taken]);
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
