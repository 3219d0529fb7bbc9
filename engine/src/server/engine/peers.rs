//! All sockets, the stage that each has reached, and its deadline.

use std::collections::BTreeSet;
use std::net::IpAddr;

use slab::Slab;
use switchboard_core::{ConnectionId, Timestamp};

use super::closing::LINGER_BYTES;
use crate::server::door::{Door, Place, TooMany};
use crate::server::entrance::UpgradeRequest;
use crate::server::framing::Framing;
use crate::server::head::HeadReader;

/// The stage that a peer has reached.
pub(super) enum Stage {
    /// Its request is being read.
    Head(Box<Head>),
    /// The application has been asked about it.
    Deciding(Box<Deciding>, Timestamp),
    /// It is not let in. This answer is being written; so many of its bytes have been.
    Answering(Vec<u8>, usize, Timestamp),
    /// It has a connection.
    Open(ConnectionId, Framing),
    /// It broke a rule. What it still sends is thrown away, until the driver drops the socket.
    Failed(ConnectionId),
    /// It is being closed, and has sent so much meanwhile that it is not read any more. Until then it
    /// may read our last bytes.
    Deaf(ConnectionId, Timestamp),
    /// As `Failed` after its close frame, which is answered when its messages have been handled.
    /// Whether the socket has ended since, which is in order.
    Leaving(ConnectionId, bool),
    /// The socket has ended; the driver still has it.
    Gone,
    /// Our last bytes have been written. What the peer still sends is thrown away, because closing a
    /// socket with unread bytes would destroy ours on their way.
    Lingering(Timestamp),
    /// It is over. The key is free from the end of the turn on.
    Over,
}

/// A request that is being read.
pub(super) struct Head {
    pub(super) reader: HeadReader,
    /// When the first byte is due, until it is there; then as `deadline`.
    due: Timestamp,
    /// When the whole handshake is due.
    pub(super) deadline: Timestamp,
}

impl Head {
    /// In a box, because the stage of an open connection is smaller, and stays.
    pub(super) fn new(reader: HeadReader, first_byte: Timestamp, deadline: Timestamp) -> Box<Self> {
        Box::new(Self { reader, due: first_byte.min(deadline), deadline })
    }
}

/// A peer that waits for the application's answer.
pub(super) struct Deciding {
    /// Tells handshakes with the same key apart, so that a late answer is not taken for another's.
    pub(super) serial: u64,
    /// `None` if the request is not an upgrade.
    pub(super) upgrade: Option<UpgradeRequest>,
    pub(super) head_only: bool,
    /// What came behind the request.
    pub(super) read_ahead: Vec<u8>,
}

impl Stage {
    fn deadline(&self) -> Option<Timestamp> {
        match self {
            Self::Head(head) => Some(head.due),
            Self::Deciding(_, at)
            | Self::Answering(_, _, at)
            | Self::Lingering(at)
            | Self::Deaf(_, at) => Some(*at),
            Self::Open(..) | Self::Failed(_) | Self::Leaving(..) | Self::Gone | Self::Over => None,
        }
    }
}

struct Peer<O> {
    stage: Stage,
    /// `None` when it is over.
    outlet: Option<O>,
    /// As long as there is the outlet.
    place: Option<Place>,
    /// Bytes that were read in vain, because we have said our last.
    wasted: u32,
}

impl<O> Peer<O> {
    fn has_wasted_all(&self) -> bool {
        self.wasted as usize >= LINGER_BYTES
    }
}

pub(super) struct Peers<O> {
    table: Slab<Peer<O>>,
    /// Exactly the deadlines of all stages.
    due: BTreeSet<(Timestamp, usize)>,
    door: Door<usize>,
    over: Vec<usize>,
}

impl<O> Peers<O> {
    pub(super) fn new(door: Door<usize>) -> Self {
        Self { table: Slab::new(), due: BTreeSet::new(), door, over: Vec::new() }
    }

    /// Lets a socket in that was accepted, if there is room. Returns its key, and the one that has
    /// to make room for it, if any.
    pub(super) fn enter(
        &mut self,
        now: Timestamp,
        address: Option<IpAddr>,
        outlet: O,
        head: Box<Head>,
    ) -> Option<(usize, Option<usize>)> {
        let (place, evicted) = self.door.enter(now, address, self.table.vacant_key())?;
        Some((self.insert(outlet, Stage::Head(head), place), evicted))
    }

    pub(super) fn insert(&mut self, outlet: O, stage: Stage, place: Place) -> usize {
        let (outlet, place) = (Some(outlet), Some(place));
        let key = self.table.insert(Peer { stage: Stage::Over, outlet, place, wasted: 0 });
        self.set(key, stage);
        key
    }

    pub(super) fn door(&mut self) -> &mut Door<usize> {
        &mut self.door
    }

    pub(super) fn as_door(&self) -> &Door<usize> {
        &self.door
    }

    /// A peer sent something of its request.
    pub(super) fn heard(&mut self, now: Timestamp, key: usize) {
        let Some(peer) = self.table.get_mut(key) else { return };
        if let Some(place) = &peer.place {
            self.door.heard(now, place);
        }
        // The whole request has more time than its first byte.
        if let Stage::Head(head) = &mut peer.stage
            && head.due != head.deadline
            && !head.reader.is_empty()
        {
            self.due.remove(&(head.due, key));
            head.due = head.deadline;
            self.due.insert((head.due, key));
        }
    }

    /// The request of a peer is an upgrade, which is to be verified.
    ///
    /// # Errors
    /// If that is too much for its address.
    pub(super) fn decide(&mut self, now: Timestamp, key: usize) -> Result<(), TooMany> {
        match self.table.get(key).and_then(|peer| peer.place.as_ref()) {
            Some(place) => self.door.decide(now, place),
            None => Ok(()),
        }
    }

    /// A peer has got its connection.
    pub(super) fn opened(&mut self, key: usize) {
        if let Some(place) = self.table.get_mut(key).and_then(|peer| peer.place.as_mut()) {
            self.door.opened(place);
        }
    }

    /// A peer is told no more than its last bytes. Returns the one that has to make room for that,
    /// if any.
    pub(super) fn farewell(&mut self, now: Timestamp, key: usize) -> Option<usize> {
        let place = self.table.get_mut(key)?.place.as_mut()?;
        self.door.farewell(now, place, key)
    }

    /// So many bytes of a peer were read in vain. Returns whether these are more than may be.
    pub(super) fn waste(&mut self, key: usize, bytes: usize) -> bool {
        let Some(peer) = self.table.get_mut(key) else { return false };
        peer.wasted = peer.wasted.saturating_add(u32::try_from(bytes).unwrap_or(u32::MAX));
        peer.has_wasted_all()
    }

    /// The socket of a peer of which more is to be read.
    pub(super) fn readable(&mut self, key: usize) -> Option<&mut O> {
        let peer = self.table.get_mut(key)?;
        if peer.has_wasted_all() { None } else { peer.outlet.as_mut() }
    }

    pub(super) fn stage(&mut self, key: usize) -> Option<&mut Stage> {
        self.table.get_mut(key).map(|peer| &mut peer.stage)
    }

    pub(super) fn outlet(&mut self, key: usize) -> Option<&mut O> {
        self.table.get_mut(key)?.outlet.as_mut()
    }

    /// Both, of a peer that is not over.
    pub(super) fn stage_and_outlet(&mut self, key: usize) -> Option<(&mut Stage, &mut O)> {
        let peer = self.table.get_mut(key)?;
        Some((&mut peer.stage, peer.outlet.as_mut()?))
    }

    /// Puts a peer into another stage, and returns the one before.
    pub(super) fn set(&mut self, key: usize, stage: Stage) -> Option<Stage> {
        let peer = self.table.get_mut(key)?;
        if let Some(at) = stage.deadline() {
            self.due.insert((at, key));
        }
        let before = std::mem::replace(&mut peer.stage, stage);
        if let Some(at) = before.deadline().filter(|at| peer.stage.deadline() != Some(*at)) {
            self.due.remove(&(at, key));
        }
        Some(before)
    }

    /// Drops a socket, and returns the stage that its peer had reached.
    pub(super) fn end(&mut self, key: usize) -> Option<Stage> {
        let peer = self.table.get_mut(key)?;
        peer.outlet.take()?;
        if let Some(place) = peer.place.take() {
            self.door.left(place);
        }
        self.over.push(key);
        self.set(key, Stage::Over)
    }

    /// Frees the keys of sockets that are over.
    pub(super) fn reclaim(&mut self) {
        for key in self.over.drain(..) {
            self.table.remove(key);
        }
        if self.table.is_empty() {
            self.table.shrink_to_fit();
        }
    }

    pub(super) fn first_deadline(&self) -> Option<Timestamp> {
        self.due.first().map(|(at, _)| *at)
    }

    /// A peer whose deadline has passed.
    pub(super) fn due(&self, now: Timestamp) -> Option<usize> {
        self.due.first().filter(|(at, _)| *at <= now).map(|(_, key)| *key)
    }

    /// Sockets that are not over.
    pub(super) fn len(&self) -> usize {
        self.table.len() - self.over.len()
    }

    /// The keys of all peers for which this holds.
    pub(super) fn keys(&self, holds: impl Fn(&Stage) -> bool) -> Vec<usize> {
        self.table.iter().filter(|(_, peer)| holds(&peer.stage)).map(|(key, _)| key).collect()
    }
}
