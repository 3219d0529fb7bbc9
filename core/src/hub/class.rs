//! The rules of rooms.

use core::time::Duration;

use alloc::string::String;
use alloc::vec::Vec;

use crate::hub::limit::Limit;

/// Which clients may publish into a room. The application always may.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub enum Publishers {
    /// Every connection, in the room or not.
    Anyone,
    /// Connections in the room.
    #[default]
    Members,
    /// None: a broadcast-only room, such as a dashboard.
    Server,
}

/// What happens to publications for a member whose outbox is full.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub enum Overflow {
    /// The member is closed with 4008 `slow_consumer`.
    #[default]
    Close,
    /// The oldest publication that waits is dropped, and the gap announced.
    DropOldest,
    /// A newer publication replaces the waiting one with the same key, and the gap is announced. What still
    /// does not fit closes the member.
    Conflate,
}

/// What a room keeps of its publications, for those who come back and for `history`: the newest, within all three bounds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub struct History {
    /// How many; 0: none.
    pub events: usize,
    /// How old they may be. A room that nobody is in is kept for as long.
    pub age: Duration,
    /// How many bytes, payloads and names.
    pub bytes: usize,
}

impl History {
    /// Nothing is kept.
    pub const NONE: Self = Self { events: 0, age: Duration::ZERO, bytes: 0 };

    /// Whether anything is.
    pub const fn is_kept(&self) -> bool {
        self.events > 0
    }
}

impl Default for History {
    fn default() -> Self {
        Self { events: 100, age: Duration::from_secs(3_600), bytes: 1024 * 1024 }
    }
}

/// The rules of the rooms whose names begin with a prefix. The longest prefix wins.
#[derive(Clone, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
pub struct RoomClass {
    /// Connections in one room, seats of handshakes in flight counted.
    pub max_members: Limit,
    /// Whether members hear of users that come and go.
    pub presence: bool,
    /// How long a user that lost its last connection is still said to be there. A `leave` counts at once.
    pub presence_grace: Duration,
    /// Who may publish.
    pub publish: Publishers,
    /// Whether the sender gets its own publication.
    pub echo: bool,
    /// What happens to publications for slow members.
    pub overflow: Overflow,
    /// What the room keeps.
    pub history: History,
    /// Whether the application gives the full state of a room to members who cannot get all that they missed.
    pub provides_state: bool,
}

impl Default for RoomClass {
    fn default() -> Self {
        Self {
            max_members: Limit::at_most(10),
            presence: true,
            presence_grace: Duration::from_secs(3),
            publish: Publishers::Members,
            echo: true,
            overflow: Overflow::Close,
            history: History::default(),
            provides_state: false,
        }
    }
}

/// The classes in the order in which a name is compared with their prefixes: the longest first, and last the prefix `""`,
/// which fits every name.
pub(crate) fn by_prefix(classes: &[(String, RoomClass)]) -> Vec<(String, RoomClass)> {
    let mut classes = classes.to_vec();
    if classes.iter().all(|(prefix, _)| !prefix.is_empty()) {
        classes.push((String::new(), RoomClass::default()));
    }
    classes.sort_by_key(|(prefix, _)| core::cmp::Reverse(prefix.len()));
    classes
}
