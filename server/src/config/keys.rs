//! Every key, declared once: its name, type, default and meaning.

use std::path::PathBuf;
use std::time::Duration;

use super::setting::{Limit, Raw, Secret, Section, Setting, choice, section};

section! {
    /// Keys that stand above all tables.
    Server {
        /// Address and port to listen on.
        listen: String = "127.0.0.1:8080".to_owned(),
        /// Allow strangers without a token on an address that others can reach.
        allow_anonymous: bool = false,
        /// Threads that write to sockets.
        threads: usize = 1,
    }
}

section! {
    /// `[limits]`: what one client, one room and the whole server may use.
    Limits {
        /// Connections in all.
        max_connections: Limit = Limit(500),
        /// Connections in one room, unless its class says otherwise.
        max_per_room: Limit = Limit(10),
        /// Connections of one user.
        max_per_user: Limit = Limit(5),
        /// What happens to a user's connection beyond that.
        user_limit_policy: UserLimitPolicy = UserLimitPolicy::Reject,
        /// Rooms that one connection may be in.
        max_rooms_per_connection: Limit = Limit(50),
        /// Bytes of one message, after its fragments are joined.
        max_message_bytes: Limit = Limit(65_536),
        /// Messages a second from one connection.
        messages_per_second: Limit = Limit(50),
        /// Messages that may come at once before that rate counts.
        message_burst: Limit = Limit(100),
        /// Bytes a second from one connection.
        bytes_per_second: Limit = Limit(0),
        /// Refused messages in a row before the connection is closed.
        rate_limit_strikes: Limit = Limit(10),
        /// Bytes waiting for one connection that reads slowly.
        outbox_bytes: Limit = Limit(1_048_576),
        /// Messages waiting for one connection that reads slowly.
        outbox_messages: Limit = Limit(1_024),
        /// Handshakes under way at the same time.
        max_handshakes: Limit = Limit(1_024),
    }
}

section! {
    /// `[heartbeat]`: how a dead peer is noticed.
    Heartbeat {
        /// Time between two heartbeats.
        interval: Duration = Duration::from_secs(30),
        /// Silence after which a connection counts as dead.
        stale_after: Duration = Duration::from_secs(45),
        /// How long an on-demand probe waits.
        probe_timeout: Duration = Duration::from_secs(2),
        /// Close a connection that sends nothing of its own for so long; 0 is never.
        idle_timeout: Duration = Duration::ZERO,
        /// Which kind of heartbeat is sent.
        mode: HeartbeatMode = HeartbeatMode::Both,
    }
}

section! {
    /// `[auth]`: who a connection belongs to.
    Auth {
        /// How users are recognised.
        mode: AuthMode = AuthMode::Anonymous,
        /// The key tokens are signed with.
        hs256_secret: Option<Secret> = None,
        /// A file that holds the key.
        hs256_secret_file: Option<PathBuf> = None,
        /// Required `iss` of a token.
        issuer: Option<String> = None,
        /// Required `aud` of a token.
        audience: Option<String> = None,
        /// Tolerated difference between clocks.
        leeway: Duration = Duration::ZERO,
    }
}

section! {
    /// `[origins]`: which web pages may connect.
    Origins {
        /// Allowed origins; empty is the same host only, `*` is any.
        allowed: Vec<String> = Vec::new(),
    }
}

section! {
    /// `[capacity]`: how a client is told that there is no room.
    Capacity {
        /// Accept and close with 4002, or refuse with 503.
        answer: CapacityAnswer = CapacityAnswer::Close,
    }
}

section! {
    /// `[rooms."prefix"]`: what holds for the rooms whose name starts so.
    RoomClass {
        /// Members of one room; unset: `limits.max_per_room`.
        max_members: Limit = Limits::default().max_per_room,
        /// Tell members who comes and goes.
        presence: bool = true,
        /// How long a member may be gone before the others hear of it.
        presence_grace: Duration = Duration::from_secs(3),
        /// Who may publish.
        publish: Publish = Publish::Members,
        /// Send a publication back to its sender too.
        echo: bool = true,
        /// What happens when a member reads too slowly.
        overflow: Overflow = Overflow::Close,
        /// Publications that a room keeps.
        history_events: usize = 100,
        /// How old they may be.
        history_age: Duration = Duration::from_secs(3_600),
        /// How many bytes they may have.
        history_bytes: Limit = Limit(1_048_576),
    }
}

section! {
    /// `[recovery]`: what is kept for clients that come back.
    Recovery {
        /// How long the seats of a lost connection are held for it.
        session_window: Duration = Duration::ZERO,
        /// How long the id of a message is remembered, so that it counts once.
        remember_for: Duration = Duration::from_secs(120),
        /// Ids remembered of one user.
        remembered_ids: usize = 256,
        /// Bytes that all rooms together keep of what was published.
        history_bytes: Limit = Limit(67_108_864),
        /// Rooms that nobody is in and that are kept all the same.
        max_kept_rooms: Limit = Limit(10_000),
    }
}

section! {
    /// `[drain]`: how the server goes down.
    Drain {
        /// When everything ends, whatever the peers do.
        timeout: Duration = Duration::from_secs(30),
        /// Over which time clients are told to come back.
        spread: Duration = Duration::from_secs(5),
    }
}

section! {
    /// `[log]`: what is written to stderr.
    Log {
        /// For people or for machines.
        format: LogFormat = LogFormat::Text,
        /// A level, or filter directives such as `info,switchboard=debug`.
        level: String = "info".to_owned(),
    }
}

section! {
    /// `[record]`: what the server saw, to be looked at later.
    Record {
        /// Where to; unset: nowhere.
        file: Option<PathBuf> = None,
        /// The size of the file; what is older than that is overwritten.
        megabytes: usize = 64,
        /// What becomes of what people say.
        payloads: RecordPayloads = RecordPayloads::Hash,
    }
}

section! {
    /// `[dashboard]`: the built-in page.
    Dashboard {
        /// Serve it.
        enabled: bool = true,
    }
}

choice! {
    /// What happens to a user's connection beyond the limit.
    UserLimitPolicy {
        Reject = "reject",
        ReplaceOldest = "replace_oldest",
    }
}

choice! {
    /// Which kind of heartbeat is sent.
    HeartbeatMode {
        /// WebSocket pings.
        Protocol = "protocol",
        /// `health_ping` messages, which a browser's script can see.
        Application = "application",
        Both = "both",
    }
}

choice! {
    /// How users are recognised.
    AuthMode {
        Anonymous = "anonymous",
        Jwt = "jwt",
    }
}

choice! {
    /// How a client is told that there is no room.
    CapacityAnswer {
        /// Accept and close with 4002: a browser can read the reason.
        Close = "close",
        /// 503 with Retry-After.
        Http = "http",
    }
}

choice! {
    /// Who may publish into a room.
    Publish {
        Anyone = "anyone",
        Members = "members",
        Server = "server",
    }
}

choice! {
    /// What happens when a member reads too slowly.
    Overflow {
        Close = "close",
        DropOldest = "drop_oldest",
        /// Keep the newest message of each key.
        Conflate = "conflate",
    }
}

choice! {
    /// What becomes of payloads in a recording.
    RecordPayloads {
        /// They are in it.
        Keep = "keep",
        /// Their length is in it, and a hash that nobody else can make.
        Hash = "hash",
    }
}

choice! {
    /// How log lines look.
    LogFormat {
        Text = "text",
        Json = "json",
    }
}
