//! All sockets, the stage that each has reached, and its deadline.

use std::collections::BTreeSet;

use slab::Slab;
use switchboard_core::{ConnectionId, Timestamp};

use crate::server::entrance::UpgradeRequest;
use crate::server::framing::Framing;
use crate::server::head::HeadReader;

/// The stage that a peer has reached.
pub(super) enum Stage {
    /// Its request is being read.
    Head(HeadReader, Timestamp),
    /// The application has been asked about it.
    Deciding(Box<Deciding>, Timestamp),
    /// It is not let in. This answer is being written; so many of its bytes have been.
    Answering(Vec<u8>, usize, Timestamp),
    /// It has a connection.
    Open(ConnectionId, Framing),
    /// It broke a rule. What it still sends is thrown away, until the driver drops the socket.
    Failed(ConnectionId),
    /// The same after its close frame, which is answered when its messages have been handled.
    /// Whether the socket has ended since, which is in order.
    Leaving(ConnectionId, bool),
    /// The socket has ended; the driver still has it.
    Gone,
    /// Our last bytes have been written. What the peer still sends is thrown away, up to so many
    /// bytes, because closing a socket with unread bytes would destroy ours on their way.
    Lingering(usize, Timestamp),
    /// It is over. The key is free from the end of the turn on.
    Over,
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
            Self::Head(_, at)
            | Self::Deciding(_, at)
            | Self::Answering(_, _, at)
            | Self::Lingering(_, at) => Some(*at),
            Self::Open(..) | Self::Failed(_) | Self::Leaving(..) | Self::Gone | Self::Over => None,
        }
    }

    pub(super) fn is_handshaking(&self) -> bool {
        matches!(self, Self::Head(..) | Self::Deciding(..) | Self::Answering(..))
    }
}

struct Peer<O> {
    stage: Stage,
    /// `None` when it is over.
    outlet: Option<O>,
}

pub(super) struct Peers<O> {
    table: Slab<Peer<O>>,
    /// Exactly the deadlines of all stages.
    due: BTreeSet<(Timestamp, usize)>,
    handshakes: usize,
    over: Vec<usize>,
}

impl<O> Peers<O> {
    pub(super) fn new() -> Self {
        Self { table: Slab::new(), due: BTreeSet::new(), handshakes: 0, over: Vec::new() }
    }

    pub(super) fn insert(&mut self, outlet: O, stage: Stage) -> usize {
        let key = self.table.insert(Peer { stage: Stage::Over, outlet: Some(outlet) });
        self.set(key, stage);
        key
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
        self.handshakes += usize::from(stage.is_handshaking());
        let before = std::mem::replace(&mut peer.stage, stage);
        if let Some(at) = before.deadline().filter(|at| peer.stage.deadline() != Some(*at)) {
            self.due.remove(&(at, key));
        }
        self.handshakes -= usize::from(before.is_handshaking());
        Some(before)
    }

    /// Drops a socket, and returns the stage that its peer had reached.
    pub(super) fn end(&mut self, key: usize) -> Option<Stage> {
        let outlet = self.table.get_mut(key)?.outlet.take();
        outlet.as_ref()?;
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

    pub(super) fn handshakes(&self) -> usize {
        self.handshakes
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
