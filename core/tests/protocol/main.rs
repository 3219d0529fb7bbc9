//! The protocol between server and client, byte for byte.

#[path = "../outlets/frames.rs"]
mod frames;

mod codec;
mod document;
mod round_trip;
mod words;

use frames::frames;
use switchboard_core::{Codec, Inbound, Message, Opcode, Payload, Request};

fn named<T: for<'t> TryFrom<&'t str>>(name: &str) -> T {
    T::try_from(name).unwrap_or_else(|_| panic!("not a name: {name}"))
}

fn application(kind: &str, id: &str, room: Option<&str>, payload: Payload) -> Inbound {
    let (kind, id) = (named(kind), Some(named(id)));
    Inbound::Application(Request { kind, id, room: room.map(named), key: None, payload })
}

/// Returns the only frame of a message, as a client reads it.
fn encoded(message: &Message) -> (Opcode, Vec<u8>) {
    let frame = Codec::Json.encode(message).expect("JSON has a way to say everything");
    let bytes = frame.parts().concat();
    let (opcode, payload) = frames(&bytes).pop().expect("a frame");
    assert_eq!((frame.len(), frame.payload().concat()), (bytes.len(), payload.clone()));
    assert_eq!(opcode, if frame.opcode() == Opcode::Text { 1 } else { 2 });
    (frame.opcode(), payload)
}
