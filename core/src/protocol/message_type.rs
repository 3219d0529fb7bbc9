//! The `type` of each message of PROTOCOL.md, in either direction.

macro_rules! types {
    ($($name:ident = $text:literal,)*) => {
        $(pub(crate) const $name: &str = $text;)*

        /// Returns whether the protocol itself uses this type, so that no publication can have it.
        pub(super) fn is_reserved(text: &str) -> bool {
            matches!(text, $($name)|*)
        }
    };
}

types! {
    ACK = "ack",
    CONNECTED = "connected",
    DIRECT = "direct",
    DRAINING = "draining",
    ERROR = "error",
    GAP = "gap",
    HEALTH_PING = "health_ping",
    HEALTH_PONG = "health_pong",
    HISTORY = "history",
    JOIN = "join",
    JOINED = "joined",
    LEAVE = "leave",
    LEFT = "left",
    MEMBERS = "members",
    MEMBER_JOINED = "member_joined",
    MEMBER_LEFT = "member_left",
    REFRESH = "refresh",
    REPLY = "reply",
    REQUEST = "request",
    RESUME = "resume",
}
