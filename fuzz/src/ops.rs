//! What can happen to a hub, in small operands.
//!
//! One decoder serves the property tests and the fuzzers: four bytes are one operation. Every byte
//! string is valid, fewer bytes mean fewer operations, and zeroes mean the simplest ones, so
//! shrinking works.

/// The number of operations read from one input, at most.
pub const MAX_OPS: usize = 255;

/// One operation. Connections are numbered in the order of their admission (`c0`, `c1` …), and an
/// operation can also hit one that has ended.
#[derive(Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the transcript line of each says what it is")]
pub enum Op {
    Connect {
        user: u8,
        rooms: u8,
        come: Come,
        since: Since,
    },
    Open {
        c: u8,
    },
    /// The last `torn` messages sent to it did not arrive.
    Disconnect {
        c: u8,
        how: u8,
        torn: u8,
    },
    Join {
        c: u8,
        room: u8,
        id: bool,
        since: Since,
    },
    Resume {
        c: u8,
        id: bool,
        since: Since,
    },
    History {
        c: u8,
        room: Option<u8>,
        since: Since,
        limit: u8,
    },
    /// A message is repeated by the same user, perhaps altered.
    Repeat {
        c: u8,
        back: u8,
        altered: bool,
    },
    /// The application answers a message.
    Answer {
        back: u8,
        how: u8,
    },
    /// The application asks a client.
    Ask {
        c: u8,
        timeout_ms: u16,
    },
    /// A client answers the application, or answers an unknown request.
    Reply {
        c: u8,
        back: u8,
        right: bool,
    },
    /// The application supplies the state of a room.
    State {
        back: u8,
        right: bool,
    },
    Leave {
        c: u8,
        room: Option<u8>,
        id: bool,
    },
    Members {
        c: u8,
        room: Option<u8>,
    },
    Publish {
        c: u8,
        room: Option<u8>,
        kind: u8,
        key: u8,
        id: bool,
    },
    Direct {
        c: u8,
        user: u8,
        id: bool,
    },
    ClientPing {
        c: u8,
    },
    Malformed {
        c: u8,
    },
    Alive {
        c: u8,
    },
    Pong {
        c: u8,
        right: bool,
    },
    HealthPong {
        c: u8,
        right: bool,
    },
    Block {
        c: u8,
    },
    Writable {
        c: u8,
    },
    CommandJoin {
        c: u8,
        room: u8,
    },
    CommandLeave {
        c: u8,
        room: u8,
    },
    CommandPublish {
        room: u8,
        except: Option<u8>,
        key: u8,
    },
    CommandDirect {
        user: u8,
    },
    CommandSend {
        c: u8,
    },
    Close {
        c: u8,
    },
    CloseUser {
        user: u8,
    },
    Probe {
        user: u8,
        timeout_ms: u16,
    },
    Drain {
        timeout_ms: u16,
        spread_ms: u16,
    },
    /// The driver sleeps for this time, and wakes at each deadline.
    Wait {
        ms: u32,
    },
    /// The driver was busy: this much time has passed before the next event, and no deadline was
    /// checked.
    Late {
        ms: u32,
    },
    /// The wall clock is set to this many hours after the usual time.
    WallClock {
        hours: u8,
    },
    /// The clock of the next event runs behind.
    ClockBack {
        ms: u32,
    },
}

/// The client that attempts to connect.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Come {
    New,
    /// The user's last client that has lost its connection; with 1, the last one, lost or not.
    Back(u8),
    /// With the session that this number selects.
    Stolen(u8),
    Forged,
}

/// The position that a client claims in a room.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Since {
    Nothing,
    /// The position that the client knows.
    Kept,
    /// An older position.
    Behind(u8),
    OtherRoom,
    Future,
    Forged,
}

impl Since {
    fn decode(bits: u8) -> Self {
        match bits % 16 {
            0..=2 => Self::Nothing,
            3..=10 => Self::Kept,
            11..=12 => Self::Behind(bits / 16 % 4),
            13 => Self::OtherRoom,
            14 => Self::Future,
            _ => Self::Forged,
        }
    }
}

/// Pauses that matter: within a burst, within a grace time, beyond each of the timeouts.
const PAUSES_MS: [u32; 11] = [250, 1, 20, 500, 1_000, 1_000, 3_000, 5_000, 10_000, 31_000, 60_000];

impl Op {
    /// Returns the same operation with the number of the connection that it hits, out of `made`
    /// ones; `None` before the first.
    ///
    /// A handshake is usually completed soon, so `Open` counts back from the newest.
    pub fn aimed(mut self, made: usize) -> Option<Self> {
        let newest = u8::try_from(made.min(MAX_OPS)).ok()?.checked_sub(1);
        match &mut self {
            Self::Open { c } => *c = newest?.saturating_sub(*c % 16 / 5),
            Self::Disconnect { c, .. }
            | Self::Join { c, .. }
            | Self::Leave { c, .. }
            | Self::Members { c, .. }
            | Self::Publish { c, .. }
            | Self::Resume { c, .. }
            | Self::History { c, .. }
            | Self::Repeat { c, .. }
            | Self::Ask { c, .. }
            | Self::Reply { c, .. }
            | Self::Direct { c, .. }
            | Self::ClientPing { c }
            | Self::Malformed { c }
            | Self::Alive { c }
            | Self::Pong { c, .. }
            | Self::HealthPong { c, .. }
            | Self::Block { c }
            | Self::Writable { c }
            | Self::CommandJoin { c, .. }
            | Self::CommandLeave { c, .. }
            | Self::CommandSend { c }
            | Self::Close { c } => {
                let among = newest?.saturating_add(1);
                *c = if *c % 8 < 6 { newest?.saturating_sub(*c % 8) } else { *c % among };
            }
            Self::CommandPublish { except, .. } => {
                *except = except.zip(newest).map(|(c, newest)| c % newest.saturating_add(1));
            }
            Self::Connect { .. }
            | Self::CommandDirect { .. }
            | Self::Answer { .. }
            | Self::State { .. }
            | Self::CloseUser { .. }
            | Self::Probe { .. }
            | Self::Drain { .. }
            | Self::WallClock { .. }
            | Self::Wait { .. }
            | Self::Late { .. }
            | Self::ClockBack { .. } => {}
        }
        Some(self)
    }

    /// Returns the same operation without features unknown to the model; `None` if nothing is left.
    pub fn plain(mut self) -> Option<Self> {
        #[allow(clippy::wildcard_enum_match_arm, reason = "the model knows all others")]
        match &mut self {
            Self::Connect { come, since, .. } => (*come, *since) = (Come::New, Since::Nothing),
            Self::Join { since, .. } => *since = Since::Nothing,
            Self::Resume { .. }
            | Self::History { .. }
            | Self::Repeat { .. }
            | Self::Answer { .. }
            | Self::Ask { .. }
            | Self::Reply { .. }
            | Self::State { .. } => return None,
            _ => {}
        }
        Some(self)
    }

    /// Decodes one operation.
    pub fn decode([what, a, b, c]: [u8; 4]) -> Self {
        let maybe = |x: u8| (!x.is_multiple_of(4)).then_some([0, 1, 2, 0][usize::from(x / 4 % 4)]);
        let id = c % 2 == 1;
        let room = [0, 1, 2, 0][usize::from(b % 4)];
        let user = a % 4;
        match what % 96 {
            0..=4 => {
                let come = match c % 8 {
                    0..=3 => Come::New,
                    4..=5 => Come::Back(c / 8 % 4 / 3),
                    6 => Come::Stolen(c / 8),
                    _ => Come::Forged,
                };
                Self::Connect { user, rooms: b, come, since: Since::decode(a / 16) }
            }
            5..=14 => Self::Open { c: a },
            15..=16 => Self::Disconnect { c: a, how: b % 3, torn: b / 4 % 8 },
            17..=20 => Self::Join { c: a, room, id, since: Since::decode(c / 2) },
            21..=22 => Self::Leave { c: a, room: maybe(b), id },
            23 => Self::Members { c: a, room: maybe(b) },
            24..=33 => {
                Self::Publish { c: a, room: maybe(b), kind: c / 2 % 16, key: c / 32 % 3, id }
            }
            34 => Self::Direct { c: a, user: b % 4, id },
            35 => Self::ClientPing { c: a },
            36 => match b % 2 {
                0 => Self::Malformed { c: a },
                _ => Self::Alive { c: a },
            },
            37 => Self::Pong { c: a, right: !b.is_multiple_of(4) },
            38 => Self::HealthPong { c: a, right: !b.is_multiple_of(4) },
            39..=43 => Self::Block { c: a },
            44..=47 => Self::Writable { c: a },
            48 => Self::CommandJoin { c: a, room },
            49 => Self::CommandLeave { c: a, room },
            50..=57 => Self::CommandPublish {
                room,
                except: c.is_multiple_of(4).then_some(a),
                key: c / 4 % 3,
            },
            58 => Self::CommandDirect { user },
            59 => Self::CommandSend { c: a },
            60 => match b % 4 {
                0 => Self::CloseUser { user },
                _ => Self::Close { c: a },
            },
            61 => Self::Probe { user, timeout_ms: u16::from(b) * 16 },
            62 => match a % 16 {
                0 => Self::Drain { timeout_ms: u16::from(b) * 32, spread_ms: u16::from(c) * 8 },
                1..=4 => Self::WallClock { hours: b },
                _ => Self::ClockBack { ms: u32::from(b) * 16 },
            },
            63..=66 => Self::Wait { ms: PAUSES_MS[usize::from(a % 16 % 11)] },
            67 => Self::Late { ms: PAUSES_MS[usize::from(a % 16 % 11)] },
            68..=71 => {
                let rooms = if b % 4 == 0 { b / 4 } else { 0 };
                Self::Connect { user, rooms, come: Come::Back(b / 32 % 4 / 3), since: Since::Kept }
            }
            72..=75 => Self::Open { c: a },
            76..=79 => Self::Resume { c: a, id, since: Since::decode(c / 2 % 16 + 3) },
            80 => Self::History { c: a, room: maybe(b), since: Since::decode(c), limit: b / 16 },
            81 => Self::Block { c: a },
            82..=83 => Self::CommandPublish { room, except: None, key: c / 4 % 3 },
            84..=86 => Self::Repeat { c: a, back: b % 3, altered: c.is_multiple_of(4) },
            87 => Self::Answer { back: a % 4 / 2, how: b },
            88 => Self::Ask { c: a, timeout_ms: u16::from(b) * 16 },
            89..=90 => Self::Reply { c: a, back: b % 3, right: c % 4 > 0 },
            91..=93 => {
                let (kind, id) = (c / 2 % 16, true);
                Self::Publish { c: a, room: maybe(b), kind, key: c / 32 % 3, id }
            }
            _ => Self::State { back: a % 4 / 2, right: b % 4 > 0 },
        }
    }

    /// Decodes operations one after another; an incomplete one at the end is ignored.
    pub fn decode_all(bytes: &[u8]) -> Vec<Self> {
        bytes.as_chunks().0.iter().take(MAX_OPS).map(|four| Self::decode(*four)).collect()
    }
}

/// Returns the name of a user.
pub fn user_name(user: u8) -> String {
    format!("user{user}")
}

/// Returns the name of a room. Rooms 0 and 1 are of one class, room 2 is of another.
pub fn room_name(room: u8) -> String {
    format!("room{room}")
}

/// Returns the rooms that a connection attempt only wishes for: in three of four cases none.
pub fn wished_of(bits: u8) -> Vec<String> {
    let wishes = bits >> 3 & 3 == 3;
    (0..3).filter(|room| wishes && bits >> (5 + room) & 1 == 1).map(room_name).collect()
}

/// Returns the rooms of a connection attempt: usually few, and sometimes one of them twice.
pub fn rooms_of(bits: u8) -> Vec<String> {
    let mut rooms: Vec<u8> = (0..3).filter(|room| bits >> room & 1 == 1).collect();
    if bits % 16 > 8 {
        rooms.extend(rooms.first().copied());
    }
    rooms.into_iter().map(room_name).collect()
}
