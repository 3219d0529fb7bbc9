//! Probes under way, and the connections that have answered.

use alloc::vec::Vec;
use core::time::Duration;

use crate::hub::event::Ticket;
use crate::hub::keys::ProbeKey;
use crate::protocol::id::ConnectionId;
use crate::time::Timestamp;

use super::table::Table;

/// A pinged connection, and the number in its ping.
#[derive(Debug)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct Pinged {
    pub(crate) connection: ConnectionId,
    pub(crate) nonce: u64,
    pub(crate) answer: Pong,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub(crate) enum Pong {
    Awaited,
    After(Duration),
    Never,
}

#[derive(Debug)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct Probe {
    pub(crate) ticket: Ticket,
    pub(crate) sent: Timestamp,
    pub(crate) deadline: Timestamp,
    pub(crate) pinged: Vec<Pinged>,
}

impl Probe {
    fn is_settled(&self) -> bool {
        self.pinged.iter().all(|pinged| pinged.answer != Pong::Awaited)
    }
}

/// The probes under way, by key.
#[derive(Debug)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct Probes(Table<Probe>);

impl Probes {
    pub(crate) const fn new() -> Self {
        Self(Table::new())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.len() == 0
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn insert(&mut self, probe: Probe) -> ProbeKey {
        ProbeKey(self.0.insert(probe))
    }

    pub(crate) fn remove(&mut self, key: ProbeKey) -> Option<Probe> {
        self.0.remove(key.0)
    }

    #[cfg(feature = "recording")]
    pub(crate) fn is_whole(&self) -> bool {
        self.0.is_whole()
    }

    #[cfg(feature = "recording")]
    pub(crate) fn deadline(&self, key: ProbeKey) -> Option<Timestamp> {
        self.0.get(key.0).map(|probe| probe.deadline)
    }

    /// Iterates over the connections that have not answered yet, once per probe.
    #[cfg(feature = "recording")]
    pub(crate) fn awaited(&self) -> impl Iterator<Item = ConnectionId> {
        let pinged = self.0.iter_from(0).flat_map(|(_, probe)| &probe.pinged);
        pinged.filter(|pinged| pinged.answer == Pong::Awaited).map(|pinged| pinged.connection)
    }

    /// Settles the awaited answers of a connection to the pings that the filter picks. Returns when
    /// the first of those was sent, how many they were, and the probes that have all their answers.
    pub(crate) fn settle(
        &mut self,
        connection: ConnectionId,
        picks: impl Fn(u64) -> bool,
        answer: impl Fn(Timestamp) -> Pong,
    ) -> (Option<Timestamp>, u32, Vec<ProbeKey>) {
        let (mut asked, mut count, mut settled) = (None, 0, Vec::new());
        for (key, probe) in self.0.iter_mut() {
            let before = count;
            for pinged in &mut probe.pinged {
                if pinged.connection == connection
                    && pinged.answer == Pong::Awaited
                    && picks(pinged.nonce)
                {
                    pinged.answer = answer(probe.sent);
                    asked.get_or_insert(probe.sent);
                    count += 1;
                }
            }
            if count > before && probe.is_settled() {
                settled.push(ProbeKey(key));
            }
        }
        (asked, count, settled)
    }
}
