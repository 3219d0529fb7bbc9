//! Every key, declared once: its name, type, default and meaning.

use std::path::PathBuf;
use std::time::Duration;

use switchboard_core::{Limit, RoomClass};

use super::setting::{Key, Raw, Secret, Section, Setting, choice, section};

section! {
    /// Keys above all tables.
    Server {
        /// Address and port to listen on.
        listen: String = "127.0.0.1:8080".to_owned(),
        /// Let clients in without a token on an address that other machines can reach.
        allow_anonymous: bool = false,
        /// Threads that write to sockets. One decides everything; more help it with large
        /// broadcasts on machines with cores to spare.
        threads: usize = 1,
    }
}

section! {
    /// What `[limits]` has in addition to [`switchboard_core::Limits`].
    MoreLimits {
        /// Connections in one room, unless its class says otherwise.
        max_per_room: Limit = RoomClass::default().max_members,
        /// Handshakes under way at the same time. One more closes the one that has been silent
        /// longest, of the address that has the most.
        max_handshakes: Limit = Limit::at_most(1_024),
        /// Handshakes of one address under way at the same time. One more closes the one that has
        /// been silent longest. An address is an IPv4 address, or the first 64 bits of an IPv6
        /// address.
        handshakes_per_address: Limit = Limit::at_most(64),
        /// Connections of one address; one more is answered with 429.
        connections_per_address: Limit = Limit::at_most(100),
        /// Upgrades that one address may ask for, in a second on average; others are answered with
        /// 429 before anything is verified. 0 switches the limit off.
        connects_per_address: Limit = Limit::at_most(10),
        /// How many of them at once, after a pause.
        connect_burst: Limit = Limit::at_most(50),
        /// Time for the first byte of a request. 0 is as long as for the whole handshake.
        first_byte_timeout: Duration = Duration::from_secs(3),
        /// Time for the whole handshake, from the accepted socket to the answer. 0 is a year.
        handshake_timeout: Duration = Duration::from_secs(10),
        /// Bytes of a request's head, with its cookies and token.
        max_head_bytes: Limit = Limit::at_most(16 * 1024),
    }
}

section! {
    /// `[auth]`: how users are identified.
    Auth {
        /// How users are recognised: "anonymous" gives each client a made-up name or the one in
        /// `?user=`, "jwt" demands a token signed with HS256.
        mode: AuthMode = AuthMode::Anonymous,
        /// The key that tokens are signed with, at least 32 bytes; better kept out of this file.
        hs256_secret: Option<Secret> = None,
        /// A file that holds that key instead; a relative path starts at the working directory.
        hs256_secret_file: Option<PathBuf> = None,
        /// The `iss` that a token must have; empty accepts any.
        issuer: Option<String> = None,
        /// The `aud` that a token must have; empty refuses tokens that have one.
        audience: Option<String> = None,
        /// How a client is refused: "close" accepts and closes with 4001, which a browser can read;
        /// "http" answers 401; "auto" closes if a web page asks, which has an `Origin`, and answers
        /// 401 otherwise.
        answer: AuthAnswer = AuthAnswer::Auto,
        /// How far the clocks of the issuer and this server may differ.
        leeway: Duration = Duration::ZERO,
    }
}

section! {
    /// `[origins]`: which web pages may connect.
    Origins {
        /// Pages that may connect, such as "https://example.com"; "*" is any page. Empty allows the
        /// same host only and, on a loopback address without tokens, all pages of this machine.
        allowed: Vec<String> = Vec::new(),
        /// Hosts that requests may name, such as "chat.example.com"; "*" is any. Empty is any, but
        /// on a loopback address without tokens only this machine's names. Upgrades of clients that
        /// are not pages, /healthz and /readyz may name any host.
        hosts: Vec<String> = Vec::new(),
    }
}

section! {
    /// `[capacity]`: how clients are refused when the server is full.
    Capacity {
        /// When full: "close" accepts and closes with 4002, which a browser can read; "http"
        /// answers 503.
        answer: CapacityAnswer = CapacityAnswer::Close,
    }
}

section! {
    /// `[drain]`: how the server shuts down.
    Drain {
        /// How long /readyz says 503 after the signal before anything else happens: time for a
        /// balancer to send new clients elsewhere. Clients that come meanwhile are served.
        delay: Duration = Duration::ZERO,
        /// How long a shutdown may take after that, whatever the peers do.
        timeout: Duration = Duration::from_secs(30),
        /// Clients are told to reconnect spread over this time; at most the timeout.
        spread: Duration = Duration::from_secs(5),
    }
}

section! {
    /// `[log]`: what goes to stderr.
    Log {
        /// What log lines look like.
        format: LogFormat = LogFormat::Text,
        /// off, error, warn, info, debug, trace, or filters such as "info,switchboard=debug".
        level: String = "info".to_owned(),
    }
}

section! {
    /// `[record]`: what the server saw, for later inspection.
    Record {
        /// A file to record what the hub was told, for `switchboard replay`; empty records nothing.
        file: Option<PathBuf> = None,
        /// Size of that file in megabytes; when it is full, the oldest part is overwritten.
        megabytes: usize = 64,
        /// How payloads are recorded: "hash" keeps their length and a keyed hash, "keep" all of
        /// them.
        payloads: RecordPayloads = RecordPayloads::Hash,
    }
}

section! {
    /// `[dashboard]`: the built-in page.
    Dashboard {
        /// Serve the built-in page.
        enabled: bool = true,
        /// Who sees /api/stats and the room `switchboard:stats`: "loopback" is clients on this
        /// machine whose requests no proxy has passed on, "token" is holders of a token with the
        /// claim `"stats": true`, "off" is nobody.
        stats: Stats = Stats::Loopback,
    }
}

choice! {
    /// How users are identified.
    AuthMode {
        Anonymous = "anonymous",
        Jwt = "jwt",
    }
}

choice! {
    /// How clients without a valid token are refused.
    AuthAnswer {
        /// Close if the request has an `Origin`, HTTP otherwise.
        Auto = "auto",
        /// Accept, and close with 4001: a browser can read the reason.
        Close = "close",
        /// Answer 401.
        Http = "http",
    }
}

choice! {
    /// How clients are refused when the server is full.
    CapacityAnswer {
        /// Accept, and close with 4002: a browser can read the reason.
        Close = "close",
        /// Answer 503 with Retry-After.
        Http = "http",
    }
}

choice! {
    /// To whom the statistics are shown.
    Stats {
        /// To this machine, unless a proxy has passed the request on.
        Loopback = "loopback",
        /// To holders of a token that says so.
        Token = "token",
        /// To nobody.
        Off = "off",
    }
}

choice! {
    /// How payloads are recorded.
    RecordPayloads {
        /// The payload itself.
        Keep = "keep",
        /// Its length, and a hash with a key that only this recording has.
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
