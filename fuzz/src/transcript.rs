//! Formats an operation on one line.

use std::fmt;

use crate::ops::{Op, room_name, rooms_of, user_name};

impl fmt::Debug for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = |room: &Option<u8>| room.map_or_else(|| "its only room".into(), room_name);
        let asks = |id: &bool| if *id { " (with id)" } else { "" };
        match self {
            Self::Connect { user, rooms, come, since } => {
                let (user, rooms) = (user_name(*user), rooms_of(*rooms));
                write!(f, "connect    {user} -> {rooms:?} {come:?} since {since:?}")
            }
            Self::Open { c } => write!(f, "opened     c{c}"),
            Self::Disconnect { c, how: 0, torn } => {
                write!(f, "lost       c{c} and {torn} messages")
            }
            Self::Disconnect { c, how: 1, .. } => write!(f, "peer close c{c}"),
            Self::Disconnect { c, .. } => write!(f, "handshake  c{c} failed"),
            Self::Join { c, room, id, since } => {
                write!(f, "join       c{c} -> {} since {since:?}{}", room_name(*room), asks(id))
            }
            Self::Resume { c, id, since } => {
                write!(f, "resume     c{c} since {since:?}{}", asks(id))
            }
            Self::History { c, room, since, limit } => {
                write!(f, "history    c{c} -> {} since {since:?} limit {limit}", name(room))
            }
            Self::Repeat { c, back, altered } => {
                write!(f, "repeat     c{c} the last but {back}, altered: {altered}")
            }
            Self::Answer { back, how } => write!(f, "command    answer the last but {back}: {how}"),
            Self::Ask { c, timeout_ms } => write!(f, "command    ask c{c} for {timeout_ms}ms"),
            Self::Reply { c, back, right } => {
                write!(f, "reply      c{c} to the last but {back}, asked for: {right}")
            }
            Self::State { back, right } => {
                write!(f, "command    state for the last but {back}, asked for: {right}")
            }
            Self::Leave { c, room, id } => {
                write!(f, "leave      c{c} -> {}{}", name(room), asks(id))
            }
            Self::Members { c, room } => write!(f, "members    c{c} -> {}", name(room)),
            Self::Publish { c, room, kind, key, id } => {
                write!(f, "publish    c{c} -> {} kind {kind} key {key}{}", name(room), asks(id))
            }
            Self::Direct { c, user, id } => {
                write!(f, "direct     c{c} -> {}{}", user_name(*user), asks(id))
            }
            Self::ClientPing { c } => write!(f, "ping       c{c} -> server"),
            Self::Malformed { c } => write!(f, "malformed  c{c}"),
            Self::Alive { c } => write!(f, "alive      c{c}"),
            Self::Pong { c, right } => write!(f, "pong       c{c} asked for: {right}"),
            Self::HealthPong { c, right } => write!(f, "healthpong c{c} asked for: {right}"),
            Self::Block { c } => write!(f, "blocked    c{c}"),
            Self::Writable { c } => write!(f, "writable   c{c}"),
            Self::CommandJoin { c, room } => {
                write!(f, "command    join c{c} -> {}", room_name(*room))
            }
            Self::CommandLeave { c, room } => {
                write!(f, "command    leave c{c} -> {}", room_name(*room))
            }
            Self::CommandPublish { room, except, key } => {
                write!(f, "command    publish -> {} key {key}", room_name(*room))?;
                except.map_or(Ok(()), |c| write!(f, " except c{c}"))
            }
            Self::CommandDirect { user } => write!(f, "command    direct -> {}", user_name(*user)),
            Self::CommandSend { c } => write!(f, "command    send -> c{c}"),
            Self::Close { c } => write!(f, "command    close c{c}"),
            Self::CloseUser { user } => write!(f, "command    close {}", user_name(*user)),
            Self::Probe { user, timeout_ms } => {
                write!(f, "command    probe {} for {timeout_ms}ms", user_name(*user))
            }
            Self::Drain { timeout_ms, spread_ms } => {
                write!(f, "drain      for {timeout_ms}ms, back within {spread_ms}ms")
            }
            Self::Wait { ms } => write!(f, "+{ms}ms"),
            Self::Late { ms } => write!(f, "+{ms}ms    without a look at deadlines"),
            Self::WallClock { hours } => write!(f, "wall clock is {hours} h ahead"),
            Self::ClockBack { ms } => write!(f, "-{ms}ms    by the clock"),
        }
    }
}
