//! Checkpoints: a whole hub as bytes, and back.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use serde::{Deserialize, Serialize};

use crate::digest::Digests;
use crate::hub::Hub;

use super::decode::Decoder;
use super::encode::{Content, Encoder, Garbled};
use super::names::Names;

/// The version of the format. It changes with every type of the hub.
pub(super) const FORMAT: u32 = 5;

/// The bytes are not a checkpoint of this version.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Damaged(pub(super) String);

impl fmt::Display for Damaged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the checkpoint is damaged: {}", self.0)
    }
}

impl core::error::Error for Damaged {}

impl From<Garbled> for Damaged {
    fn from(garbled: Garbled) -> Self {
        Self(garbled.what)
    }
}

impl Hub {
    /// Writes the whole state, from which [`restore`](Self::restore) makes a hub that behaves
    /// identically from there on, down to the last byte. Actions that were not taken are not
    /// included.
    ///
    /// The bytes are for the same version of this crate. They contain the hub's secrets and
    /// everything that rooms keep.
    ///
    /// # Cost
    /// Linear in the size of the hub: some 60 ms for 10,000 connections with their rooms' history
    /// and the ids of their messages.
    pub fn checkpoint(&self) -> Vec<u8> {
        let mut out = Vec::new();
        let mut names = Names::new();
        let mut encoder = Encoder::new(&mut out, Some(&mut names), Content::Kept);
        // Every type in a hub can be encoded.
        let _ = (FORMAT, self, Some(&self.payloads)).serialize(&mut encoder);
        out
    }

    /// Restores a hub from its checkpoint.
    ///
    /// # Errors
    /// Fails if the bytes are from another version or contradict themselves. Forged bytes can make
    /// a different hub, but not one that panics.
    pub fn restore(bytes: &[u8]) -> Result<Self, Damaged> {
        let mut names = Names::new();
        let mut decoder = Decoder::new(bytes, Some(&mut names), false);
        let format = u32::deserialize(&mut decoder)?;
        if format != FORMAT {
            let what = alloc::format!("it has the format {format}, this version knows {FORMAT}");
            return Err(Damaged(what));
        }
        Self::read(&mut decoder)
    }

    /// Reads a hub and the key of its payload hashes, which is absent when only digests are kept.
    pub(super) fn read(decoder: &mut Decoder<'_, '_>) -> Result<Self, Damaged> {
        let mut hub = Self::deserialize(&mut *decoder)?;
        let digests = Option::<Digests>::deserialize(decoder)?;
        hub.revive(digests.unwrap_or(Digests::Carried));
        let contradiction = |what| Damaged(alloc::format!("it contradicts itself about {what}"));
        hub.check().map_err(contradiction)?;
        Ok(hub)
    }
}
