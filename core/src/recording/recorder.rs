//! Writes down what a hub is told, and a hash of what it decides.

use alloc::vec::Vec;
use core::fmt;

use serde::{Deserialize, Serialize};

use crate::digest::Digests;
use crate::driver::witness::Witness;
use crate::hub::Hub;
use crate::hub::action::Action;
use crate::hub::event::Event;
use crate::random::Keyed;
use crate::time::Timestamp;

use super::checkpoint::FORMAT;
use super::encode::{Content, Encoder, put};
use super::names::Names;
use super::running::Running;

/// What becomes of what people said: payloads, and the words of errors. Names of users and rooms, types and ids of messages are
/// always there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Payloads {
    /// It is all there.
    Kept,
    /// Of a payload there is its length and a digest, of an error its code. The digests are made with this key, which is not
    /// in the recording: take it from the system's randomness, and nobody finds out what a digest stands for by trying.
    Hashed {
        /// The key.
        key: [u64; 2],
    },
}

/// Where the bytes of a recording go. No method may wait for anything.
pub trait Log: fmt::Debug + Send + Sync {
    /// What is to come next. It is asked again with every event for as long as that is [`Wants::Nothing`].
    fn wants(&mut self) -> Wants;

    /// A segment begins, with these bytes.
    fn begin(&mut self, head: &[u8]) -> Wants;

    /// These bytes are an event. They are taken if the answer is [`Wants::Event`]; if it is [`Wants::Segment`], the event comes again
    /// as the first of a new one.
    fn add(&mut self, bytes: &[u8]) -> Wants;

    /// These bytes, at most 16 and for which there must be room, are the end of the segment.
    fn end(&mut self, bytes: &[u8]);
}

/// What a [`Log`] has room for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Wants {
    /// The next event.
    Event,
    /// The beginning of a new segment.
    Segment,
    /// Nothing for now. What happens meanwhile is missing, so the next thing must be a segment.
    Nothing,
}

/// What a segment begins with; the hub follows.
#[derive(Serialize, Deserialize, Debug)]
pub(super) struct Head {
    pub(super) format: u32,
    /// Whether payloads are hashed.
    pub(super) is_hashed: bool,
    /// How many events there were before.
    pub(super) events: u64,
    /// How many of those are in no segment, right before this one.
    pub(super) missed: u64,
    /// The hub's time.
    pub(super) now: Timestamp,
}

/// A [`Witness`] that records. What is still to be written when it is dropped is the end of the recording.
///
/// # Cost
/// Some 450 ns an event with the usual three actions, and some nanoseconds for each who gets a message; at the beginning of a
/// segment, that of a [checkpoint](crate::Hub::checkpoint).
pub struct Recorder<L: Log> {
    log: L,
    payloads: Payloads,
    wants: Wants,
    /// A segment is begun, and it has everything so far.
    is_whole: bool,
    digests: Digests,
    names: Names,
    /// Holds what is made into bytes, and nothing between two calls.
    scratch: Vec<u8>,
    last: Timestamp,
    actions: Running,
    events: u64,
    missed: u64,
}

impl<L: Log> Recorder<L> {
    /// A recorder that has seen nothing. It begins with the first event.
    pub fn new(payloads: Payloads, log: L) -> Self {
        Self {
            log,
            payloads,
            wants: Wants::Segment,
            is_whole: false,
            digests: Digests::Carried,
            names: Names::new(),
            scratch: Vec::new(),
            last: Timestamp::ZERO,
            actions: Running::default(),
            events: 0,
            missed: 0,
        }
    }

    fn begin(&mut self, hub: &Hub) {
        self.end();
        let (content, known) = match self.payloads {
            Payloads::Kept => {
                self.digests = hub.payloads.clone();
                (Content::Kept, Some(&self.digests))
            }
            Payloads::Hashed { key } => {
                self.digests = Digests::Hidden(Keyed::with_key(key));
                (Content::Digested(&self.digests), None)
            }
        };
        self.names.clear();
        self.last = hub.now;
        self.actions = Running::default();
        let head = Head {
            format: FORMAT,
            is_hashed: known.is_none(),
            events: self.events,
            missed: self.missed,
            now: self.last,
        };
        self.scratch.clear();
        let mut encoder = Encoder::new(&mut self.scratch, Some(&mut self.names), content);
        // Every type in a hub can be written.
        let _ = (head, hub, known).serialize(&mut encoder);
        self.wants = self.log.begin(&self.scratch);
        self.is_whole = self.wants == Wants::Event;
        self.missed = 0;
    }

    fn add(&mut self, now: Timestamp, event: &Event) -> Wants {
        let hash = self.actions.get().to_le_bytes();
        self.scratch.clear();
        self.scratch.extend_from_slice(&hash[..2]);
        put(&mut self.scratch, difference(self.last, now).saturating_add(1));
        self.last = now;
        let content = match self.payloads {
            Payloads::Kept => Content::Kept,
            Payloads::Hashed { .. } => Content::Digested(&self.digests),
        };
        let mut encoder = Encoder::new(&mut self.scratch, Some(&mut self.names), content);
        // Every event can be written.
        let _ = event.serialize(&mut encoder);
        self.log.add(&self.scratch)
    }

    /// The last word on a segment.
    fn end(&mut self) {
        if core::mem::take(&mut self.is_whole) {
            let actions = self.actions.get().to_le_bytes();
            self.scratch.clear();
            self.scratch.extend_from_slice(&actions[..2]);
            self.scratch.push(0);
            self.scratch.extend_from_slice(&actions);
            self.log.end(&self.scratch);
        }
    }
}

impl<L: Log> Witness for Recorder<L> {
    fn payload_key(&self) -> Option<[u64; 2]> {
        match self.payloads {
            Payloads::Kept => None,
            Payloads::Hashed { key } => Some(key),
        }
    }

    fn event(&mut self, hub: &Hub, now: Timestamp, event: &Event) {
        if self.wants == Wants::Nothing {
            self.wants = self.log.wants();
        }
        if self.wants == Wants::Segment {
            self.begin(hub);
        }
        if self.is_whole {
            self.wants = self.add(now, event);
            if self.wants == Wants::Segment {
                self.begin(hub);
                if self.is_whole {
                    self.wants = self.add(now, event);
                }
            }
            self.is_whole &= self.wants == Wants::Event;
        }
        if !self.is_whole {
            self.missed += 1;
        }
        self.events += 1;
    }

    fn action(&mut self, action: &Action<'_>) {
        if self.is_whole {
            add_action(&mut self.actions, &mut self.scratch, &self.digests, action);
        }
    }
}

/// The time from one event to the next. Clocks may run backwards: of what is odd, half is the way back.
fn difference(from: Timestamp, to: Timestamp) -> u64 {
    let micros = to.as_micros().wrapping_sub(from.as_micros()) as i64;
    ((micros << 1) ^ (micros >> 63)) as u64
}

/// The time of an event that comes so much later.
pub(super) fn later(from: Timestamp, difference: u64) -> Timestamp {
    let micros = (difference >> 1) as i64 ^ -((difference & 1) as i64);
    Timestamp::from_micros(from.as_micros().wrapping_add(micros as u64))
}

/// Adds an action to the hash. Payloads count by length and digest, the words of errors by their length.
pub(super) fn add_action(
    actions: &mut Running,
    scratch: &mut Vec<u8>,
    digests: &Digests,
    action: &Action<'_>,
) {
    scratch.clear();
    let mut encoder = Encoder::new(scratch, None, Content::Digested(digests));
    // Every action can be written.
    let _ = if let Action::Send { to, message } = action {
        // Most of a broadcast is to whom it goes.
        for id in *to {
            actions.mix(u64::from(id.generation().get()) << 32 | id.index() as u64);
        }
        message.serialize(&mut encoder)
    } else {
        action.serialize(&mut encoder)
    };
    actions.add(scratch);
}

impl<L: Log> Drop for Recorder<L> {
    fn drop(&mut self) {
        self.end();
    }
}

impl<L: Log> fmt::Debug for Recorder<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recorder")
            .field("log", &self.log)
            .field("events", &self.events)
            .field("missed", &self.missed)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_goes_either_way() {
        let times = [0, 1, 63, 64, 1_000_000, 3, 0, u64::MAX / 2, 0].map(Timestamp::from_micros);
        for pair in times.windows(2) {
            assert_eq!(later(pair[0], difference(pair[0], pair[1])), pair[1]);
        }
        assert_eq!(difference(Timestamp::ZERO, Timestamp::from_micros(63)), 126);
    }
}
