//! All sockets, how far each has come, and until when it may take.

use std::boxed::Box;
use std::collections::BTreeSet;
use std::vec::Vec;

use slab::Slab;

use super::super::entrance::Visitor;
use super::super::framing::Framing;
use super::super::head::Head;
use switchboard_core::{ConnectionId, Timestamp};

/// How far a peer has come.
pub(super) enum Stage {
    Head(Head, Timestamp),
    /// The application has been asked about it.
    Asked(Box<Asked>, Timestamp),
    /// The rest of an answer is still to be written, from this byte on.
    Saying(Vec<u8>, usize, Timestamp),
    Open(ConnectionId, Framing),
    /// What it still sends is thrown away, until the driver ends it.
    Deaf(ConnectionId),
    /// As above, because it said goodbye, which is answered when its messages have been handled. That it sends nothing more
    /// after that, which is noted here, is in order.
    Leaving(ConnectionId, bool),
    /// The socket has ended; the driver still has it.
    Gone,
    /// What it still sends is thrown away, up to so many bytes, so that it can read our last ones: closing a socket
    /// with unread bytes would destroy them.
    Farewell(usize, Timestamp),
    /// It is over. The key is free from the end of the turn on.
    Over,
}

/// Somebody at the door.
pub(super) struct Asked {
    /// Which question it is: what comes late must not be taken for the answer to another one.
    pub(super) serial: u64,
    /// There if it asks for an upgrade.
    pub(super) visitor: Option<Visitor>,
    pub(super) head_only: bool,
    /// What came behind the request.
    pub(super) read_ahead: Vec<u8>,
}

impl Stage {
    fn deadline(&self) -> Option<Timestamp> {
        match self {
            Self::Head(_, at)
            | Self::Asked(_, at)
            | Self::Saying(_, _, at)
            | Self::Farewell(_, at) => Some(*at),
            Self::Open(..) | Self::Deaf(_) | Self::Leaving(..) | Self::Gone | Self::Over => None,
        }
    }

    pub(super) fn is_handshaking(&self) -> bool {
        matches!(self, Self::Head(..) | Self::Asked(..) | Self::Saying(..))
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

    /// Both, of one that is not over.
    pub(super) fn stage_and_outlet(&mut self, key: usize) -> Option<(&mut Stage, &mut O)> {
        let peer = self.table.get_mut(key)?;
        Some((&mut peer.stage, peer.outlet.as_mut()?))
    }

    /// Puts a peer into another stage, and answers which it was in.
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

    /// Lets go of a socket, and answers how far its peer had come.
    pub(super) fn end(&mut self, key: usize) -> Option<Stage> {
        let outlet = self.table.get_mut(key)?.outlet.take();
        outlet.as_ref()?;
        self.over.push(key);
        self.set(key, Stage::Over)
    }

    /// Frees the keys of those who are over.
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

    /// One whose time is up.
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

    /// The keys of all for whom this holds.
    pub(super) fn keys(&self, holds: impl Fn(&Stage) -> bool) -> Vec<usize> {
        self.table.iter().filter(|(_, peer)| holds(&peer.stage)).map(|(key, _)| key).collect()
    }
}
