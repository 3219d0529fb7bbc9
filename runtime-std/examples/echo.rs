//! Sends every message back: a raw WebSocket over the same connection code, without rooms and protocol. It is meant for
//! RFC 6455 conformance suites, so nearly every limit is off: not for the open internet.
//!
//! ```text
//! cargo run -p switchboard-std --example echo -- --listen 127.0.0.1:9001
//! ```

#[path = "../../runtime-smol/examples/listen/mod.rs"]
mod listen;

use std::error::Error;
use std::time::Duration;

use switchboard_std::Server;
use switchboard_std::core::http::Origins;
use switchboard_std::core::{Heartbeat, Limit, Limits, Rate};

fn main() -> Result<(), Box<dyn Error>> {
    let server = Server::builder()
        .path("/") // and everything below it
        .origins(Origins::Any)
        .limits(Limits {
            max_connections: Limit::NONE,
            max_per_user: Limit::NONE,
            max_message_bytes: 64 * 1024 * 1024,
            max_fragments: 100_000,
            messages: Rate::NONE,
            bytes: Rate::NONE,
            outbox_messages: 1_000_000,
            outbox_bytes: 1024 * 1024 * 1024,
            ..Limits::default()
        })
        .heartbeat(Heartbeat { interval: Duration::ZERO, ..Heartbeat::default() })
        .raw(|_connection, frame| Some(frame))
        .build()?;

    let listener = switchboard_std::bind(listen::address("127.0.0.1:9001")?)?;
    println!("listening on ws://{}", listener.local_addr()?);
    println!("it sends every text and binary message back; stop it with Ctrl-C");
    server.serve(listener)?;
    Ok(())
}
