//! Replays a recording.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use serde::Deserialize;

use crate::digest::Digests;
use crate::hub::Hub;
use crate::hub::action::Action;
use crate::hub::event::Event;
use crate::time::Timestamp;

use super::checkpoint::{Damaged, FORMAT};
use super::decode::Decoder;
use super::encode::Garbled;
use super::names::Names;
use super::recorder::{Head, add_action, later};
use super::running::Running;

/// An event, and when it happened.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Its number among all events that the server saw, from 0.
    pub number: u64,
    /// When it was handled.
    pub now: Timestamp,
    /// The event itself.
    pub event: Event,
}

/// Why a replay cannot continue.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Trouble {
    /// It was recorded in this format, which this version does not know.
    Format(u32),
    /// The hub at the segment's start cannot be read, for this reason.
    Head(String),
    /// The event with this number cannot be read, for this reason.
    Event(u64, String),
    /// The event with this number led to other actions than in the recording.
    Different(u64),
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Format(format) => write!(
                f,
                "it was recorded in the format {format}, and this version knows {FORMAT}: replay it with the version that recorded it"
            ),
            Self::Head(what) => write!(f, "the state of the hub cannot be read: {what}"),
            Self::Event(number, what) => write!(f, "event {number} cannot be read: {what}"),
            Self::Different(number) => write!(
                f,
                "event {number} led to other actions than in the recording: it is from another version, or a bug"
            ),
        }
    }
}

impl core::error::Error for Trouble {}

/// A hub to which one segment of a recording is applied again.
///
/// ```
/// # use switchboard_core::recording::{Replay, Trouble};
/// # fn play(segment: &[u8]) -> Result<(), Trouble> {
/// let mut replay = Replay::new(segment)?;
/// while let Some(entry) = replay.next_entry()? {
///     replay.apply(entry, |action| println!("{action:?}"));
/// }
/// println!("{:?}", replay.hub().stats());
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Replay<'a> {
    hub: Hub,
    rest: &'a [u8],
    names: Names,
    head: Head,
    digests: Digests,
    now: Timestamp,
    next: u64,
    actions: Running,
    scratch: Vec<u8>,
    is_complete: bool,
}

impl<'a> Replay<'a> {
    /// Restores the hub as it was at the start of this segment.
    ///
    /// # Errors
    /// Fails if the hub cannot be read.
    pub fn new(segment: &'a [u8]) -> Result<Self, Trouble> {
        let unreadable = |garbled: Garbled| Trouble::Head(garbled.what);
        let head = Head::deserialize(&mut Decoder::new(segment, None, false));
        let format = Decoder::new(segment, None, false).number().map_err(unreadable)?;
        if format != u64::from(FORMAT) {
            return Err(Trouble::Format(format.try_into().unwrap_or(u32::MAX)));
        }
        let is_hashed = head.map_err(unreadable)?.is_hashed;
        let mut names = Names::new();
        let mut decoder = Decoder::new(segment, Some(&mut names), is_hashed);
        let head = Head::deserialize(&mut decoder).map_err(unreadable)?;
        let hub = Hub::read(&mut decoder).map_err(|Damaged(what)| Trouble::Head(what))?;
        let rest = decoder.rest;
        Ok(Self {
            digests: hub.payloads.clone(),
            now: head.now,
            next: head.events,
            actions: Running::default(),
            scratch: Vec::new(),
            is_complete: false,
            hub,
            rest,
            names,
            head,
        })
    }

    /// Reads the next event without applying it. Returns `None` at the end.
    ///
    /// # Errors
    /// Fails if the event cannot be read, or if the last one led to other actions than in the
    /// recording. The replay cannot continue after that.
    pub fn next_entry(&mut self) -> Result<Option<Entry>, Trouble> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let next = self.next;
        let is_hashed = self.head.is_hashed;
        let mut decoder = Decoder::new(self.rest, Some(&mut self.names), is_hashed);
        let hash = self.actions.get().to_le_bytes();
        let entry = read(&mut decoder, self.now, &hash);
        self.rest = decoder.rest;
        let trouble = match entry {
            Ok(Read::Event(now, event)) => {
                self.now = now;
                self.next = next.saturating_add(1);
                return Ok(Some(Entry { number: next, now, event }));
            }
            Ok(Read::End) if self.rest.is_empty() => {
                self.is_complete = true;
                return Ok(None);
            }
            Ok(Read::End) => Trouble::Event(next, "something follows on the end".into()),
            Ok(Read::Different) => Trouble::Different(next.saturating_sub(1)),
            // The rest was never written.
            Err(garbled) if garbled.is_short => {
                self.rest = &[];
                return Ok(None);
            }
            Err(garbled) => Trouble::Event(next, garbled.what),
        };
        self.rest = &[];
        Err(trouble)
    }

    /// Applies the event. `see` gets each resulting action.
    pub fn apply(&mut self, entry: Entry, mut see: impl FnMut(&Action<'_>)) {
        for action in self.hub.handle(entry.now, entry.event) {
            add_action(&mut self.actions, &mut self.scratch, &self.digests, &action);
            see(&action);
        }
    }

    /// Returns the hub as it is now.
    pub fn hub(&self) -> &Hub {
        &self.hub
    }

    /// Returns the time of the last event that was read.
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// Returns whether only digests of payloads were recorded.
    pub fn is_hashed(&self) -> bool {
        self.head.is_hashed
    }

    /// Returns the number of the first event, and how many events right before it are missing
    /// because the log had no room.
    pub fn first(&self) -> (u64, u64) {
        (self.head.events, self.head.missed)
    }

    /// Returns whether the end was reached as the recorder wrote it. Otherwise the segment was cut
    /// off.
    pub fn is_complete(&self) -> bool {
        self.is_complete
    }
}

enum Read {
    Event(Timestamp, Event),
    End,
    Different,
}

fn read(decoder: &mut Decoder<'_, '_>, now: Timestamp, hash: &[u8; 8]) -> Result<Read, Garbled> {
    if decoder.take(2)? != &hash[..2] {
        return Ok(Read::Different);
    }
    match decoder.number()? {
        0 if decoder.take(8)? == hash => Ok(Read::End),
        0 => Ok(Read::Different),
        later_by => {
            let now = later(now, later_by - 1);
            Ok(Read::Event(now, Event::deserialize(decoder)?))
        }
    }
}
