//! What travels between server and client, byte for byte and word for word.

mod codec;
mod document;
mod words;

use switchboard_core::{Codec, Inbound, Message, Opcode, Payload, Request};

fn named<T: for<'t> TryFrom<&'t str>>(name: &str) -> T {
    T::try_from(name).unwrap_or_else(|_| panic!("not a name: {name}"))
}

fn application(kind: &str, id: &str, room: Option<&str>, payload: Payload) -> Inbound {
    let (kind, id) = (named(kind), Some(named(id)));
    Inbound::Application(Request { kind, id, room: room.map(named), key: None, payload })
}

fn encoded(message: &Message) -> (Opcode, Vec<u8>) {
    let frame = Codec::Json.encode(message).expect("JSON has a way to say everything");
    (frame.opcode(), frame.payload().concat())
}
