//! The rules of rooms.

use core::time::Duration;

use alloc::string::String;
use alloc::vec::Vec;

use crate::hub::limit::Limit;
use crate::hub::setting::{choice, settings};

choice! {
    /// Which clients may publish into a room. The application always may.
    pub enum Publishers {
        /// Every connection, whether or not it is in the room.
        Anyone = "anyone",
        /// Members of the room.
        #[default]
        Members = "members",
        /// Only the server: a broadcast-only room, such as a dashboard.
        Server = "server",
    }
}

choice! {
    /// What happens to publications for a member whose outbox is full.
    pub enum Overflow {
        /// The member is closed with 4008 `slow_consumer`.
        #[default]
        Close = "close",
        /// The oldest queued publication is dropped, and the gap is announced.
        DropOldest = "drop_oldest",
        /// A newer publication replaces the queued one with the same key, and the gap is announced.
        /// If that does not make enough room, the member is closed.
        Conflate = "conflate",
    }
}

settings! {
    /// The history that a room keeps for returning clients and for `history` requests: the newest
    /// publications within all three bounds.
    #[derive(Clone, Copy, PartialEq, Eq, Debug)]
    pub struct History {
        /// how many at most; 0 is none.
        pub events: usize = 100;
        /// how old they may be. A room that nobody is in is kept for as long.
        pub age: Duration = Duration::from_secs(3_600);
        /// how many bytes they may have, payloads and names.
        pub bytes: usize = 1024 * 1024 => Bound;
    }
}

impl History {
    /// No history.
    pub const NONE: Self = Self { events: 0, age: Duration::ZERO, bytes: 0 };

    /// Returns whether any history is kept.
    pub const fn is_kept(&self) -> bool {
        self.events > 0
    }
}

settings! {
    /// The rules of the rooms whose names begin with a prefix. The longest prefix wins.
    #[derive(Clone, PartialEq, Eq, Debug)]
    pub struct RoomClass {
        /// Connections in one room, seats of handshakes in flight counted.
        pub max_members: Limit = Limit::at_most(10);
        /// Whether members hear of users that come and go.
        pub presence: bool = true;
        /// How long a user that lost its last connection is still said to be there. A leave counts
        /// at once.
        pub presence_grace: Duration = Duration::from_secs(3);
        /// Which clients may publish: anyone connected, members of the room, or only the server.
        pub publish: Publishers = Publishers::Members => Choice;
        /// Messages that all clients together may publish into one room in a second; after a pause,
        /// twice as many at once. 0 is no limit.
        pub messages_per_second: u32 = 0;
        /// Whether the sender gets its own publication.
        pub echo: bool = true;
        /// What happens when a member reads too slowly: close it, drop the oldest publication that
        /// waits, or conflate, which keeps the newest of each key.
        pub overflow: Overflow = Overflow::Close => Choice;
        /// Publications that a room keeps.
        pub history: History = History::default()
            => Nested("history_events", "history_age", "history_bytes");
        /// Whether clients can only enter it as operators
        /// ([`Attempt::is_operator`](crate::Attempt::is_operator)). The application can put any
        /// connection into it.
        pub operators_only: bool = false => Library;
        /// Whether the application gives the full state of a room to members who cannot get all that
        /// they missed.
        pub provides_state: bool = false => Library;
    }
}

impl RoomClass {
    /// Returns whether clients may enter such a room by themselves.
    pub(crate) fn is_open_to(&self, is_operator: bool) -> bool {
        is_operator || !self.operators_only
    }
}

/// The classes in the order in which a name is compared with their prefixes: the longest first, and
/// last the prefix `""`, which matches every name.
pub(crate) fn by_prefix(classes: &[(String, RoomClass)]) -> Vec<(String, RoomClass)> {
    let mut classes = classes.to_vec();
    if classes.iter().all(|(prefix, _)| !prefix.is_empty()) {
        classes.push((String::new(), RoomClass::default()));
    }
    classes.sort_by_key(|(prefix, _)| core::cmp::Reverse(prefix.len()));
    classes
}
