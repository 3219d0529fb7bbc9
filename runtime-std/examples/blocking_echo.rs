//! Sends every message back: a raw WebSocket over the same connection code, without rooms and protocol. It is meant for
//! RFC 6455 conformance suites, so nearly every limit is off: not for the open internet.
//!
//! ```text
//! cargo run -p switchboard-std --example blocking_echo -- --listen 127.0.0.1:9001
//! ```

mod listen;

use std::error::Error;

use switchboard_std::{Server, ServerSettings};

fn main() -> Result<(), Box<dyn Error>> {
    let server = Server::builder().settings(ServerSettings::echo()).build()?;

    let listener = switchboard_std::bind(listen::address("127.0.0.1:9001")?)?;
    println!("listening on ws://{}", listener.local_addr()?);
    println!("it sends every text and binary message back; stop it with Ctrl-C");
    server.serve(listener)?;
    Ok(())
}
