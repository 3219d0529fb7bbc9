//! Sends every message back: a raw WebSocket over the same connection code, without rooms and protocol. It is meant for
//! RFC 6455 conformance suites, so nearly every limit is off: not for the open internet.
//!
//! ```text
//! cargo run -p switchboard-smol --example echo -- --listen 127.0.0.1:9001
//! ```

mod listen;

use std::error::Error;

use switchboard_smol::{Server, ServerSettings};

fn main() -> Result<(), Box<dyn Error>> {
    let server = Server::builder().settings(ServerSettings::echo()).build()?;

    let listener = switchboard_smol::bind(listen::address("127.0.0.1:9001")?)?;
    println!("listening on ws://{}", listener.get_ref().local_addr()?);
    println!("it sends every text and binary message back; stop it with Ctrl-C");
    smol::block_on(server.serve(listener))?;
    Ok(())
}
