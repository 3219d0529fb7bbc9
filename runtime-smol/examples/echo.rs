//! Sends every message back: a raw WebSocket over the same connection code, without rooms and protocol. It is meant for
//! RFC 6455 conformance suites, so nearly every limit is off: not for the open internet.
//!
//! ```text
//! cargo run -p switchboard-smol --example echo -- --listen 127.0.0.1:9001
//! ```

mod listen;

use std::error::Error;
use std::time::Duration;

use switchboard_smol::Server;
use switchboard_smol::core::http::Origins;
use switchboard_smol::core::{Heartbeat, Limit, Limits, Rate};

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

    let listener = switchboard_smol::bind(listen::address("127.0.0.1:9001")?)?;
    println!("listening on ws://{}", listener.get_ref().local_addr()?);
    println!("it sends every text and binary message back; stop it with Ctrl-C");
    smol::block_on(server.serve(listener))?;
    Ok(())
}
